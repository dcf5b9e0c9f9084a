"""How every chart looks: colours of models, type sizes, axes, legend, numbers.

Sizes are in multiples of the type size (em), so that the same chart fits a dock of
320 pixels and a journal's column. A model keeps its colour and its marker in every
chart; colours are Okabe and Ito's, the markers say the same without colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_scfm.figures.furniture import LIGHT, Theme
from napari_scfm.figures.layout import LABEL_PT, MM, text_width, wrap
from napari_scfm.figures.palette import series

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


@dataclass(frozen=True)
class Style:
    """Colours of the page and size of the type.

    Attributes
    ----------
    theme
        Colours.
    points
        Type size; axes are labelled in it, ticks a little smaller.
    """

    theme: Theme = LIGHT
    points: float = LABEL_PT

    @property
    def dark(self) -> bool:
        """Whether the page is dark."""
        red, green, blue = self.theme.page
        return 0.3 * red + 0.6 * green + 0.1 * blue < 0.5

    @property
    def small(self) -> float:
        """Type size of ticks and legends."""
        return 0.9 * self.points

    def colours(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the colour of each model; the same for the same list of models."""
        return dict(zip(names, series(len(names), self.dark), strict=True))


def markers(names: Sequence[str]) -> dict[str, str]:
    """Return the marker of each model."""
    return {name: MARKERS[i % len(MARKERS)] for i, name in enumerate(names)}


def settle(
    axes: Axes, style: Style, right: float = 1.2, above: float = 0.0, below: float = 0.0
) -> None:
    """Give the axes the room that their labels leave; call it after drawing.

    Parameters
    ----------
    axes
        The only axes of their figure, or of their part of it.
    style
        In which they were drawn.
    right
        Margin in em, for what stands right of the axes.
    above, below
        Room for a title and a caption, in mm.
    """
    width, height = _size(axes)
    em = style.points / 72 * MM
    labels = [label.get_text() for label in axes.get_yticklabels()]
    lines = [line for label in labels for line in label.split("\n")]
    widest = max((text_width(line, style.small) for line in lines), default=0.0)
    left = widest + (3.0 if axes.get_ylabel() else 1.6) * em
    low = below + (2.3 + 1.2 * len(axes.get_xlabel().split("\n"))) * em
    top = above + (0.8 + 1.25 * _legend_rows(axes, style)) * em
    box = (left, low, max(width - left - right * em, 5), max(height - low - top, 5))
    axes.set_position(
        (box[0] / width, box[1] / height, box[2] / width, box[3] / height)
    )


def _room(axes: Axes, style: Style) -> float:
    """Return about how wide the axes are in mm, whatever their labels take."""
    return _size(axes)[0] - 6.5 * style.points / 72 * MM


def _size(axes: Axes) -> tuple[float, float]:
    """Return width and height in mm of the figure, or the part of one, around axes."""
    around = axes.get_figure()
    assert around is not None
    box = around.bbox
    return float(box.width / around.dpi * MM), float(box.height / around.dpi * MM)


def dress(axes: Axes, style: Style, grid: str = "y") -> None:
    """Give axes their colours and type; ``grid`` is "x", "y", "both" or ""."""
    theme = style.theme
    axes.set_facecolor(theme.page)
    axes.tick_params(labelsize=style.small, colors=theme.ink, width=0.5, length=2.5)
    for side, spine in axes.spines.items():
        spine.set(linewidth=0.6, color=theme.faint, visible=side in ("left", "bottom"))
    if grid:
        axes.grid(axis=grid, color=theme.frame, linewidth=0.4, alpha=0.6)  # type: ignore[arg-type]
        axes.set_axisbelow(True)


def few_ticks(axes: Axes, across: int = 5, up: int = 5, whole: str = "") -> None:
    """Ask for few, round ticks; ``whole`` names axes that count things."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    for name, axis, number in (("x", axes.xaxis, across), ("y", axes.yaxis, up)):
        axis.set_major_locator(MaxNLocator(number, integer=name in whole))
        if name in whole:
            axis.set_major_formatter(FuncFormatter(lambda value, _: compact(value)))


def name_axes(axes: Axes, x: str, y: str, style: Style) -> None:
    """Label the axes; a long name of the x axis is broken into lines."""
    ink, size = style.theme.ink, style.points
    wrapped = "\n".join(wrap(x, size, _room(axes, style)))
    axes.set_xlabel(wrapped, fontsize=size, color=ink, labelpad=0.3 * size)
    axes.set_ylabel(y, fontsize=size, color=ink, labelpad=0.3 * size)
    axes.xaxis.label.set_parse_math(False)
    axes.yaxis.label.set_parse_math(False)


def legend(axes: Axes, style: Style, handles: Sequence[Any] = ()) -> None:
    """Explain the lines above the axes, in as many columns as fit."""
    known: Any = handles or axes.get_legend_handles_labels()[0]
    names = [str(handle.get_label()) for handle in known]
    if not names:
        return
    axes.legend(
        known, names, loc="lower left", bbox_to_anchor=(0, 1.0),
        ncols=_legend_columns(names, axes, style), fontsize=style.small,
        labelcolor=style.theme.ink, frameon=False, borderpad=0.1, handlelength=1.6,
        handletextpad=0.5, columnspacing=1.2, borderaxespad=0.3, labelspacing=0.25,
    )  # fmt: skip


def _legend_columns(names: Sequence[str], axes: Axes, style: Style) -> int:
    em = style.small / 72 * MM
    each = max(text_width(name, style.small) for name in names) + 3.4 * em
    return max(1, min(len(names), int(_room(axes, style) / each)))


def _legend_rows(axes: Axes, style: Style) -> int:
    made = axes.get_legend()
    if made is None:
        return 0
    names = [text.get_text() for text in made.get_texts()]
    return -(-len(names) // _legend_columns(names, axes, style))


def number(value: float, digits: int = 3) -> str:
    """Return a score; one that is not defined is a dash."""
    return "–" if value != value else f"{value:.{digits}f}".replace("-", "−")


def compact(value: float) -> str:
    """Return a count in few letters: 950, 12.3k, 4.1M."""
    size = abs(value)
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if size >= unit * 0.9995:
            text = f"{value / unit:.1f}" if size < 100 * unit else f"{value / unit:.0f}"
            return text.removesuffix(".0") + letter
    return f"{value:.0f}" if value == round(value) else f"{value:g}"


def many(count: int, noun: str, plural: str = "") -> str:
    """Return a count with thousands and its noun: 12,345 entries."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
