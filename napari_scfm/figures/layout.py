"""Where things lie on the page, in millimetres.

Decides sizes that fit a journal's column: one panel 88 mm, two 130 mm, more 180 mm
wide; equal margins; titles above, everything that explains a panel below it and as
wide as the panel. Panels sit on whole pixels, so that nothing is resampled.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MM = 25.4
MARGIN = 3.0
GAP = 4.5
LINE = 3.4
TITLE_PT, LABEL_PT, TICK_PT, HEAD_PT = 7.5, 6.5, 6.0, 9.0
TALLEST = 240.0
WIDTHS = {1: 88.0, 2: 130.0}
WIDEST = 180.0


@dataclass(frozen=True)
class Place:
    """Rectangle on the page in pixels, y from the bottom."""

    left: int
    bottom: int
    width: int
    height: int

    def bounds(self, sheet: Page) -> tuple[float, float, float, float]:
        """Return left, bottom, width and height as shares of the page."""
        wide, high = sheet.width, sheet.height
        return (
            self.left / wide,
            self.bottom / high,
            self.width / wide,
            self.height / high,
        )


@dataclass(frozen=True)
class Page:
    """A laid-out page.

    Attributes
    ----------
    width, height
        In pixels.
    dpi
        Pixels per inch.
    panels
        Where each panel's picture lies.
    head
        Distance of the figure title's baseline from the top, mm; 0 without title.
    """

    width: int
    height: int
    dpi: int
    panels: tuple[Place, ...]
    head: float

    def px(self, mm: float) -> float:
        """Return pixels of a length in mm."""
        return mm / MM * self.dpi


def page(
    panels: int,
    aspect: float,
    above: list[float],
    below: list[float],
    *,
    columns: int | None,
    dpi: int,
    head: bool,
) -> Page:
    """Lay panels out in rows.

    Parameters
    ----------
    panels
        How many.
    aspect
        Height of a panel's picture over its width.
    above, below
        Room for each panel's title and for what explains it, mm.
    columns
        Panels in a row; None to choose.
    dpi
        Pixels per inch.
    head
        Whether the figure has a title.
    """
    across = columns or default_columns(panels)
    across = max(1, min(across, panels))
    rows = ceil(panels / across)
    wide = WIDTHS.get(across, WIDEST)
    top = MARGIN + (5.5 if head else 0.0)
    titles = [_most(above, row, across) for row in range(rows)]
    feet = [_most(below, row, across) for row in range(rows)]
    fixed = top + MARGIN + sum(titles) + sum(feet) + GAP * (rows - 1)
    each = (wide - 2 * MARGIN - GAP * (across - 1)) / across
    tallest = max((TALLEST - fixed) / rows, 20.0)
    if each * aspect > tallest:
        each = tallest / aspect
        wide = each * across + 2 * MARGIN + GAP * (across - 1)
    high = fixed + rows * each * aspect
    to_px = dpi / MM
    size = (max(round(each * to_px), 1), max(round(each * aspect * to_px), 1))
    places, y = [], top
    for row in range(rows):
        y += titles[row]
        for column in range(min(across, panels - row * across)):
            left = round((MARGIN + column * (each + GAP)) * to_px)
            bottom = round(high * to_px) - round(y * to_px) - size[1]
            places.append(Place(left, bottom, *size))
        y += each * aspect + feet[row] + GAP
    width, height = round(wide * to_px), round(high * to_px)
    return Page(width, height, dpi, tuple(places), top if head else 0.0)


def default_columns(panels: int) -> int:
    """Return how many panels stand in a row: at most three, rows even."""
    return panels if panels <= 3 else 2 if panels == 4 else 3


def panel_width(panels: int, columns: int | None) -> float:
    """Return the width of a panel in mm, before a tall page makes it narrower."""
    across = max(1, min(columns or default_columns(panels), panels))
    wide = WIDTHS.get(across, WIDEST)
    return (wide - 2 * MARGIN - GAP * (across - 1)) / across


def _most(sizes: list[float], row: int, across: int) -> float:
    return max(sizes[row * across : (row + 1) * across], default=0.0)


def width_mm(axes: Axes) -> float:
    """Return the width of axes on the page in mm."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return float(axes.get_position().width * figure.get_size_inches()[0] * MM)


@lru_cache(maxsize=4096)
def text_width(text: str, points: float, bold: bool = False) -> float:
    """Return the width of a line of text in mm."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    if not text.strip():
        return 0.0
    weight = "bold" if bold else "normal"
    font = FontProperties(family="DejaVu Sans", weight=weight, size=points)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width) / 72 * MM


def wrap(text: str, points: float, width: float, bold: bool = False) -> list[str]:
    """Break text into lines of at most a width in mm, about equally long.

    A single word that is too long stays whole.
    """
    lines = _filled(text, points, width, bold)
    while len(lines) > 1:
        width *= 0.95
        closer = _filled(text, points, width, bold)
        if len(closer) > len(lines) or _widest(closer, points, bold) > width:
            break
        lines = closer
    return lines


def _filled(text: str, points: float, width: float, bold: bool) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, points, bold) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _widest(lines: list[str], points: float, bold: bool) -> float:
    return max(text_width(line, points, bold) for line in lines)


def shorten(text: str, points: float, width: float, bold: bool = False) -> str:
    """Cut text to a width in mm, with an ellipsis."""
    if text_width(text, points, bold) <= width * 1.001:
        return text
    while text and text_width(f"{text}…", points, bold) > width:
        text = text[:-1]
    return f"{text.rstrip()}…"


def nice_ticks(low: float, high: float) -> list[float]:
    """Return both limits and round numbers between them, not too close."""
    span = high - low
    step = nice_length(span / 2) if span > 0 else 1.0
    first = ceil(low / step)
    inner = [step * k for k in range(first, first + 12)]
    inside = [t for t in inner if 0.15 * span < t - low < 0.85 * span]
    return [low, *inside, high]


def nice_length(longest: float) -> float:
    """Return the largest 1, 2 or 5 times a power of ten up to ``longest``."""
    power = 1.0
    while power > longest:
        power /= 10
    while power * 10 <= longest:
        power *= 10
    return next(power * step for step in (5, 2, 1) if power * step <= longest)
