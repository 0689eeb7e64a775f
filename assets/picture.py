"""A day's table as a tiny picture in its materialization: 24 bars or ten, drawn as SVG by hand.

A year's backfill marks over a thousand of them, so a picture has to cost next to nothing: numpy counts, a string is
put together, and nobody waits for a plotting library. Counts and times are in it, and nothing of what a row says.
"""

import base64
from collections.abc import Sequence

import dagster as dg
import numpy as np
import pandas as pd

from assets.partitions import SETTINGS

BAR, GAP, HEIGHT = 8, 2, 40  # pixels
FILL, QUIET = "#3a7ebf", "#8a939e"  # both can be made out on white and on black


def picture(frame: pd.DataFrame) -> dg.MetadataValue | None:
    """Of sessions, how many started in each hour of the local day; of attendees, how many in each tenth of engagement.

    `frame` is what arrived of the day, as in `resources.load.Arrivals`. None where there is nothing to draw.
    """
    if frame.empty:
        return None
    if "session_start_time" in frame:
        hours = frame["session_start_time"].dt.tz_convert(SETTINGS.timezone).dt.hour
        return _bars(np.bincount(hours, minlength=24), "started, by local hour", ("0", "6", "12", "18", "24"))
    ratios = frame["meeting_engaged_play_time_ratio"].dropna()
    if ratios.empty:
        return None
    tenths = np.minimum((ratios.to_numpy() * 10).astype(np.int64), 9)
    return _bars(np.bincount(tenths, minlength=10), "people, by engagement", ("0 %", "50 %", "100 %"))


def _bars(counts: np.ndarray, title: str, marks: Sequence[str]) -> dg.MetadataValue:
    """Bars side by side as one path, the largest as high as the picture, over a line with `marks` along it."""
    step, most = (BAR + GAP) * 24 // len(counts), int(counts.max())
    width, floor = step * len(counts), HEIGHT + 14
    bars = "".join(
        f"M{at * step} {floor}v-{round(HEIGHT * int(count) / most, 1):g}h{step - GAP}V{floor}z"
        for at, count in enumerate(counts)
        if count
    )
    ends = ["start", *["middle"] * (len(marks) - 2), "end"]
    words = "".join(
        f'<text x="{at * width // (len(marks) - 1)}" y="{floor + 12}" text-anchor="{end}">{mark}</text>'
        for at, (mark, end) in enumerate(zip(marks, ends, strict=True))
    )
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{floor + 16}" font-family="sans-serif"'
        f' font-size="10" fill="{QUIET}"><text y="9">{title}; highest: {most:,}</text>'
        f'<path fill="{FILL}" d="{bars}"/><path stroke="{QUIET}" d="M0 {floor}.5h{width}"/>{words}</svg>'
    )
    encoded = base64.b64encode(svg.encode()).decode()
    return dg.MetadataValue.md(f"![{title}](data:image/svg+xml;base64,{encoded})")
