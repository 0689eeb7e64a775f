"""The report's colours by their role, for light and for dark: what the page's style sheet and its charts both use.

Blue and orange stay apart for every kind of colour blindness; the heat map goes from faint to strong in one hue.
"""

LIGHT = {
    "paper": "#ffffff",
    "ink": "#1b2430",
    "quiet": "#5b6675",
    "rule": "#d9dee5",
    "panel": "#f4f6f9",
    "bar": "#7695ba",
    "now": "#0b5aa6",
    "before": "#c2570c",
    "range": "#c5d5e8",
    "missing": "#ebedf0",
    "notice": "#fdf3e7",
    "heat-0": "#f1f4f8",
    "heat-1": "#d7e4f3",
    "heat-2": "#aecaea",
    "heat-3": "#7aa9db",
    "heat-4": "#4584c6",
    "heat-5": "#1c61a8",
    "heat-6": "#0a3f7a",
}

DARK = {
    "paper": "#12171e",
    "ink": "#e9edf2",
    "quiet": "#a3afbd",
    "rule": "#323b47",
    "panel": "#1a212b",
    "bar": "#4b6a8d",
    "now": "#6cb2f7",
    "before": "#f5a25d",
    "range": "#2f4866",
    "missing": "#262d37",
    "notice": "#2e251a",
    "heat-0": "#1b222c",
    "heat-1": "#1d3550",
    "heat-2": "#204c78",
    "heat-3": "#2b69a6",
    "heat-4": "#4189d0",
    "heat-5": "#79b3ee",
    "heat-6": "#c4e0ff",
}

HEAT = 6  # steps above nothing
