"""Shapes and words on a sheet of so many pixels, written as SVG: the pen that the report's charts are drawn with.

Colours are named by their role in `colours`. Within the page they are the page's variables, so that a chart follows
light and dark; a picture that stands alone has the light ones and a white ground.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from assets.room_report.colours import LIGHT

SMALL, LARGE = 12, 13  # font sizes
ALONE_FONT = "Arial, sans-serif"
TICKS = 4  # lines of a grid above its zero, at most
DASHES = "3 2"

Box = tuple[float, float, float, float]  # left, top, width, height, in pixels from the sheet's top left


@dataclass(frozen=True)
class Plot:
    """A box on the sheet with a scale along each side: `x` and `y` are the values at left and right, bottom and top."""

    box: Box
    x: tuple[float, float]
    y: tuple[float, float]

    @property
    def left(self) -> float:
        return self.box[0]

    @property
    def right(self) -> float:
        return self.box[0] + self.box[2]

    @property
    def top(self) -> float:
        return self.box[1]

    @property
    def bottom(self) -> float:
        return self.box[1] + self.box[3]

    def across(self, value: float) -> float:
        """The pixel, from the left, of a value on the x scale."""
        return self.left + self.box[2] * (value - self.x[0]) / (self.x[1] - self.x[0])

    def down(self, value: float) -> float:
        """The pixel, from the top, of a value on the y scale."""
        return self.bottom - self.box[3] * (value - self.y[0]) / (self.y[1] - self.y[0])


class Sheet:
    """What is drawn, in the order in which it is."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._shapes: list[Callable[[Callable[[str], str]], str]] = []

    def bar(self, plot: Plot, x: tuple[float, float], y: tuple[float, float], role: str) -> None:
        """A filled rectangle between two values on each scale."""
        attributes = _rectangle(plot, x, y)
        self._shapes.append(lambda colour: f'<rect {attributes} fill="{colour(role)}"/>')

    def outline(self, plot: Plot, x: tuple[float, float], y: tuple[float, float], role: str, width: float) -> None:
        """The same in a dashed line, with nothing of what lies under it seen through."""
        attributes = _rectangle(plot, x, y)
        self._shapes.append(
            lambda colour: (
                f'<rect {attributes} fill="{colour("paper")}" stroke="{colour(role)}" '
                f'stroke-width="{_pixel(width)}" stroke-dasharray="{DASHES}"/>'
            )
        )

    def line(self, plot: Plot, x: tuple[float, float], y: float, role: str, width: float) -> None:
        """A level line at one value."""
        place = f'd="M{_pixel(plot.across(x[0]))} {_pixel(plot.down(y))}H{_pixel(plot.across(x[1]))}"'
        self._shapes.append(
            lambda colour: f'<path {place} fill="none" stroke="{colour(role)}" stroke-width="{_pixel(width)}"/>'
        )

    def words(
        self, text: str, x: float, y: float, role: str, anchor: str = "middle", size: int = SMALL, bold: bool = False
    ) -> None:
        """A line of text that stands on pixel `y`, from, around or up to pixel `x` (`anchor`: start, middle, end)."""
        attributes = f'x="{_pixel(x)}" y="{_pixel(y)}" text-anchor={quoteattr(anchor)} font-size="{size}"'
        weight = ' font-weight="bold"' if bold else ""
        self._shapes.append(lambda colour: f'<text {attributes}{weight} fill="{colour(role)}">{escape(text)}</text>')

    def grid(self, plot: Plot, levels: Iterable[float], text: Callable[[float], str]) -> None:
        """Level lines with what they stand for on their left; the lowest one is the ground that bars stand on."""
        for level in levels:
            self.line(plot, plot.x, level, "rule", 1)
            self.words(text(level), plot.left - 6, plot.down(level) + 4, "quiet", "end")

    def along(self, plot: Plot, places: Sequence[float], texts: Sequence[str], title: str = "") -> None:
        """Words under the plot at values of its x scale, and under them what the scale is."""
        for place, text in zip(places, texts, strict=True):
            self.words(text, plot.across(place), plot.bottom + 20, "quiet")
        if title:
            self.words(title, (plot.left + plot.right) / 2, plot.bottom + 43, "quiet")

    def element(self, css_class: str) -> str:
        """For the page: it takes colours and font from there, and a screen reader passes it over."""
        shapes = "".join(shape(lambda role: f"var(--{role})") for shape in self._shapes)
        return f'<svg viewBox="0 0 {self.width} {self.height}" class="{css_class}" aria-hidden="true">{shapes}</svg>'

    def data_uri(self) -> str:
        """For where no page gives colours and font: a picture by itself, on white."""
        shapes = "".join(shape(lambda role: LIGHT[role]) for shape in self._shapes)
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{self.height}" '
            f'font-family="{ALONE_FONT}"><rect width="100%" height="100%" fill="{LIGHT["paper"]}"/>{shapes}</svg>'
        )
        return f"data:image/svg+xml,{quote(svg)}"


def levels(most: float) -> list[float]:
    """Whole numbers from zero up to at most `most`, by a step of 1, 2 or 5 times a power of ten, and few of them."""
    step, factors = 1, (2, 2.5, 2)  # 1, 2, 5, 10 ...
    grown = 0
    while most / step > TICKS:
        step = int(step * factors[grown % 3])
        grown += 1
    return [float(level) for level in range(0, int(most) + 1, step)]


def _rectangle(plot: Plot, x: tuple[float, float], y: tuple[float, float]) -> str:
    left, right = sorted(plot.across(value) for value in x)
    top, bottom = sorted(plot.down(value) for value in y)
    return f'x="{_pixel(left)}" y="{_pixel(top)}" width="{_pixel(right - left)}" height="{_pixel(bottom - top)}"'


def _pixel(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
