"""A day's table as a tiny picture in its materialization: 24 bars or ten, drawn as SVG by hand.

A year's backfill marks over a thousand of them, so a picture has to cost next to nothing: numpy counts, a string is
put together, and nobody waits for a plotting library. Counts and times are in it, and nothing of what a row says.
"""

from collections.abc import Sequence
from urllib.parse import quote

import dagster as dg
import numpy as np
import pandas as pd

from assets.partitions import SETTINGS

SHOWN_CHARACTERS = 1000  # Dagster's UI shows shorter Markdown where it stands, and longer behind a link
WIDEST, HEIGHT, FLOOR = 240, 40, 54  # pixels; bars stand on the floor
FILL, QUIET = "#3a7ebf", "#8a939e"  # both can be made out on white and on black
_AS_IT_IS = "/:=',;-+"  # in a data URI, beside letters and digits


def picture(frame: pd.DataFrame) -> dg.MetadataValue | None:
    """Of sessions, how many started in each hour of the local day; of attendees, how many in each tenth of engagement.

    `frame` is what arrived of the day, as in `resources.arrivals.Arrivals`. None where there is nothing to draw.
    """
    if frame.empty:
        return None
    if "session_start_time" in frame:
        hours = frame["session_start_time"].dt.tz_convert(SETTINGS.timezone).dt.hour
        return bars(np.bincount(hours, minlength=24).tolist(), "starts by hour", ("0", "6", "12", "18", "24"))
    ratios = frame["meeting_engaged_play_time_ratio"].dropna()
    if ratios.empty:
        return None
    tenths = np.minimum((ratios.to_numpy() * 10).astype(np.int64), 9)
    return bars(np.bincount(tenths, minlength=10).tolist(), "people by engagement", ("0 %", "50 %", "100 %"))


def bars(counts: Sequence[int], title: str, marks: Sequence[str]) -> dg.MetadataValue:
    """At most 24 bars side by side, the largest as high as the picture, over a line with `marks` along it."""
    step, most = WIDEST // len(counts), max(counts)
    width = step * len(counts)
    path = "".join(
        f"M{at * step + step // 2} {FLOOR}v-{max(1, round(HEIGHT * count / most))}"
        for at, count in enumerate(counts)
        if count
    )
    svg = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='70'"
        f" font-family='Arial' font-size='10' fill='{QUIET}'>"
        f"<text y='9'>{title}, up to {most}</text>"
        f"<path stroke='{FILL}' stroke-width='{step - 2}' d='{path}'/>"
        f"<path stroke='{QUIET}' d='M0 {FLOOR}h{width}'/>{_words(marks, width)}</svg>"
    )
    return dg.MetadataValue.md(f"![{title}](data:image/svg+xml,{quote(svg, safe=_AS_IT_IS)})")


def _words(marks: Sequence[str], width: int) -> str:
    """The marks under the line, evenly spread, the first and the last within the picture."""
    anchors = ["", *[" text-anchor='middle'"] * (len(marks) - 2), " text-anchor='end'"]
    places = [width * at // (len(marks) - 1) for at in range(len(marks))]
    return "".join(
        f"<text x='{place}' y='66'{anchor}>{mark}</text>"
        for place, anchor, mark in zip(places, anchors, marks, strict=True)
    )
