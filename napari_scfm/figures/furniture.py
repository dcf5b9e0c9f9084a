"""What stands around a panel: colour bar, legend, scale bar, shares, notes.

Everything below a panel is as wide as the panel and is measured before the page is
laid out. A prediction is marked twice: by the word beside the title, and by a
hatched edge on its colour bar.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.figures.layout import (
    LABEL_PT,
    LINE,
    TICK_PT,
    nice_length,
    nice_ticks,
    shorten,
    text_width,
    width_mm,
    wrap,
)
from napari_scfm.figures.palette import lut, rgb
from napari_scfm.figures.panel import UNKNOWN
from napari_scfm.figures.stream_legend import (
    HEADINGS,
    coloured,
    stream_entries,
    strength_steps,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_scfm.figures.panel import Panel, Streams

SHARE_COLOURS = ("#9A9A9A", "#56B4E9", "#E69F00")
"""Geometry, layout and rest."""

_GAP_MM = 1.5
_BAR_MM = 2.0
_HATCH_MM = 0.9
_MOST_NAMES = 30


@dataclass(frozen=True)
class Theme:
    """Colours of a page."""

    page: tuple[float, float, float]
    ink: str
    faint: str
    frame: str


LIGHT = Theme((1.0, 1.0, 1.0), "#1A1A1A", "#5F5F5F", "#B5B5B5")
DARK = Theme((0.075, 0.078, 0.09), "#F0F0F0", "#A8A8A8", "#4A4A4A")


@dataclass(frozen=True)
class Item:
    """Something below a panel: its height in mm and how it is drawn.

    ``draw`` takes axes that are as wide as the panel and as high as the item, with
    data coordinates in mm from the top-left corner, y down.
    """

    height: float
    draw: Callable[[Axes], None]


def below(panel: Panel, width: float, theme: Theme) -> list[Item]:
    """Return what explains a panel, from top to bottom."""
    items: list[Item] = []
    if panel.values is not None:
        items.append(_colour_bar(panel, width, theme))
    if panel.legend:
        faded = [(n, panel.mixed(np.atleast_2d(c), theme.page)[0])
                 for n, c in panel.legend]  # fmt: skip
        items.append(_legend(faded, width, theme))
    if panel.channels and panel.rgba(0) is not None:
        stains = [(c.name, rgb((c.colour,))[0]) for c in panel.channels]
        items.append(_legend(stains, width, theme))
    if panel.streams is not None and panel.streams.colour != "ink":
        dark = bool(panel.channels) or theme is DARK
        items += _stream_legend(panel.streams, width, theme, dark=dark)
    if panel.shares is not None and np.isfinite(panel.shares.rest):
        items.append(_share_bar(panel, width, theme))
    notes = wrap(_caption(panel), LABEL_PT, width)
    if notes:
        items.append(_note(notes, theme))
    return items


def _caption(panel: Panel) -> str:
    parts = [panel.note]
    if panel.p_value is not None and np.isfinite(panel.p_value):
        beats = "beats" if panel.p_value <= 0.05 else "does not beat"
        # no line breaks inside p = .01
        p = f"p\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{panel.p_value:.2g}"
        parts.append(
            f"The rest {beats} chance ({p}, {panel.permutations} permutations)."
        )
    if panel.shares is not None and panel.shares.rest < 0.01:
        parts.append("The rest is small: streams show its direction, not its size.")
    return " ".join(part for part in parts if part)


def _text(
    axes: Axes, x: float, y: float, text: str, size: float, colour: str, **more: Any
) -> None:
    axes.text(
        x, y, text, fontsize=size, color=colour, parse_math=False, clip_on=False, **more
    )


def _colour_bar(panel: Panel, width: float, theme: Theme) -> Item:
    low, high = panel.scale
    ticks = nice_ticks(low, high)
    gaps = not np.isfinite(np.asarray(panel.values, dtype=float)).all()
    swatch = text_width(panel.unknown, TICK_PT) + 3.4 if gaps else 0.0

    def draw(axes: Axes) -> None:
        top, bottom = _GAP_MM, _GAP_MM + _BAR_MM
        # drawn as many thin rectangles it would show seams in vector files
        axes.imshow(
            lut(panel.colormap)[None, :, :3],
            extent=(0, width, bottom, top),
            aspect="auto",
            interpolation="nearest",
        )
        _frame(axes, top, width, _BAR_MM, theme)
        if panel.predicted:
            _frame(axes, top - _HATCH_MM, width, _HATCH_MM, theme, hatch="/" * 7)
        for tick in ticks:
            place = (tick - low) / (high - low) * width
            side = "left" if tick == low else "right" if tick == high else "center"
            axes.plot([place] * 2, [bottom, bottom + 0.7], color=theme.faint, lw=0.4)
            text = number(tick, high - low)
            style = {"ha": side, "va": "top"}
            _text(axes, place, bottom + 1.0, text, TICK_PT, theme.ink, **style)
        y = bottom + 5.1
        text = shorten(panel.colourbar_label, LABEL_PT, width - swatch - 1.0)
        _text(axes, 0, y, text, LABEL_PT, theme.ink, va="center_baseline")
        if gaps:
            _swatch(axes, width - swatch, y - 0.9, UNKNOWN, 1.8)
            x = width - swatch + 2.6
            _text(axes, x, y, panel.unknown, TICK_PT, theme.faint,
                  va="center_baseline")  # fmt: skip

    last = LINE if panel.colourbar_label or gaps else 0.0
    return Item(_GAP_MM + _BAR_MM + 3.6 + last, draw)


def _frame(
    axes: Axes,
    top: float,
    width: float,
    height: float,
    theme: Theme,
    *,
    left: float = 0.0,
    **more: Any,
) -> None:
    from matplotlib.patches import Rectangle

    style = {"linewidth": 0.4, "edgecolor": theme.faint, "facecolor": "none", **more}
    axes.add_patch(Rectangle((left, top), width - left, height, **style))


def _swatch(axes: Axes, x: float, y: float, colour: Any, size: float) -> None:
    from matplotlib.patches import Rectangle

    # white on white would not be seen without an edge
    style = {"facecolor": colour[:3], "edgecolor": "#80808080", "linewidth": 0.3}
    axes.add_patch(Rectangle((x, y), size, size, **style))


def number(value: float, span: float) -> str:
    """Write a tick's number with as many digits as the scale needs."""
    if value == 0:
        return "0"
    if 0.01 <= abs(span) < 1_000_000:
        digits = 0 if span >= 20 else 1 if span >= 2 else 2 if span >= 0.2 else 3
        text = f"{value:,.{digits}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        text = f"{value:.2g}"
    return text.replace("-", "−").replace(",", "\u2009")


def _legend(
    entries: Sequence[tuple[str, np.ndarray]], width: float, theme: Theme
) -> Item:
    """Return names with their colours: of categories, or of channels under cells."""
    more = len(entries) - _MOST_NAMES
    entries = entries[:_MOST_NAMES]
    widest = max(text_width(name, LABEL_PT) for name, _ in entries)
    cell = min(widest + 5.2, width)
    columns = max(1, min(int(width // cell), 6, len(entries)))
    rows = -(-len(entries) // columns)
    cell = width / columns

    def draw(axes: Axes) -> None:
        for place, (name, colour) in enumerate(entries):
            x, y = place // rows * cell, 1.4 + place % rows * LINE
            _swatch(axes, x, y, colour, 2.2)
            text = shorten(name, LABEL_PT, cell - 4.0)
            middle = y + 1.15
            _text(axes, x + 3.1, middle, text, LABEL_PT, theme.ink,
                  va="center_baseline")  # fmt: skip
        if more > 0:
            y = 1.4 + rows * LINE + 1.15
            _text(axes, 0, y, f"and {more} more", LABEL_PT, theme.faint,
                  va="center_baseline")  # fmt: skip

    return Item(1.4 + (rows + (more > 0)) * LINE, draw)


def _stream_legend(
    streams: Streams, width: float, theme: Theme, *, dark: bool
) -> list[Item]:
    """Return what the colours of streams mean: a heading, a ramp, swatches."""
    by = coloured(streams)
    steps = strength_steps(dark=dark)[None] if by == "strength" else None
    words = HEADINGS[by]
    start = text_width(words, LABEL_PT) + 2.0

    def draw(axes: Axes) -> None:
        _text(axes, 0, 2.4, words, LABEL_PT, theme.ink, va="center_baseline")
        if steps is not None and width - start > 5:
            extent = (start, width, 3.3, 1.5)
            axes.imshow(steps, extent=extent, aspect="auto", interpolation="nearest")
            _frame(axes, 1.5, width, 1.8, theme, left=start)

    entries = stream_entries(streams, dark=dark)
    below = [_legend(entries, width, theme)] if entries else []
    return [Item(3.4, draw), *below]


def _share_bar(panel: Panel, width: float, theme: Theme) -> Item:
    assert panel.shares is not None
    shares = tuple(panel.shares)
    names = tuple(panel.shares._fields)

    def draw(axes: Axes) -> None:
        from matplotlib.patches import Rectangle

        left = 0.0
        for share, colour in zip(shares, SHARE_COLOURS, strict=True):
            axes.add_patch(
                Rectangle((left, 1.4), share * width, _BAR_MM, facecolor=colour, lw=0)
            )
            left += share * width
        texts = [f"{n} {percent(s)}" for n, s in zip(names, shares, strict=True)]
        words = sum(text_width(text, TICK_PT) for text in texts)
        size = TICK_PT * min(1.0, (width - 3 * 2.4 - 2.5) / words)
        needed = words * size / TICK_PT + 3 * 2.4
        x, gap = 0.0, float(np.clip((width - needed) / 2, 0.8, 2.6))
        for text, colour in zip(texts, SHARE_COLOURS, strict=True):
            _swatch(axes, x, 4.6, rgb((colour,))[0], 1.7)
            _text(axes, x + 2.4, 5.5, text, size, theme.ink, va="center_baseline")
            x += text_width(text, size) + 2.4 + gap

    return Item(7.4, draw)


def percent(share: float) -> str:
    """Write a share so that little is not nothing, and nearly all is not all."""
    if 0 < share < 1e-5:
        return "<0.001%"
    if share < 0.001:
        return f"{100 * share:.3f}".rstrip("0").rstrip(".") + "%"
    if 0.999 < share < 1:
        return ">99.9%"
    return f"{share:.1%}" if share < 0.1 else f"{share:.0%}"


def _note(lines: list[str], theme: Theme) -> Item:
    def draw(axes: Axes) -> None:
        for row, line in enumerate(lines):
            y = 1.0 + row * LINE
            _text(axes, 0, y, line, LABEL_PT, theme.faint, va="top")

    return Item(1.0 + len(lines) * LINE, draw)


def canvas(figure: Figure, left: float, top: float, width: float, item: Item) -> None:
    """Draw an item on a figure; left, top and width in mm from its top-left."""
    from napari_scfm.figures.layout import MM

    wide, high = (size * MM for size in figure.get_size_inches())
    bounds = (
        left / wide,
        1 - (top + item.height) / high,
        width / wide,
        item.height / high,
    )
    axes = figure.add_axes(bounds)
    axes.set_axis_off()
    item.draw(axes)
    axes.set_xlim(0, width)
    axes.set_ylim(item.height, 0)


def scale_bar(axes: Axes, width_um: float, wanted: float | None, theme: Theme) -> None:
    """Draw a scale bar in the lower left corner of a panel, on a small plate.

    Parameters
    ----------
    axes
        Data coordinates in um, y down.
    width_um
        Width of the panel.
    wanted
        Length in um; None for a round length of about a fifth of the panel.
    """
    from matplotlib.patches import FancyBboxPatch

    length = wanted or nice_length(0.25 * width_um)
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    mm = (right - left) / width_mm(axes)
    text = f"{length:g} µm" if length < 1000 else f"{length / 1000:g} mm"
    inner = max(length, text_width(text, TICK_PT) * mm)
    corner = (left + 1.6 * mm, bottom - 1.6 * mm)
    plate = FancyBboxPatch(
        (corner[0], corner[1] - 4.6 * mm),
        inner + 2.4 * mm,
        4.6 * mm,
        boxstyle=f"round,pad=0,rounding_size={0.6 * mm}",
        facecolor=theme.page,
        alpha=0.94,
        linewidth=0,
        zorder=8,
    )
    axes.add_patch(plate)
    middle = corner[0] + 1.2 * mm + inner / 2
    axes.plot(
        [middle - length / 2, middle + length / 2],
        [corner[1] - 1.0 * mm] * 2,
        color=theme.ink,
        linewidth=1.4,
        solid_capstyle="butt",
        zorder=9,
    )
    _text(
        axes, middle, corner[1] - 1.6 * mm, text, TICK_PT, theme.ink,
        ha="center", va="bottom", zorder=9,
    )  # fmt: skip
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
