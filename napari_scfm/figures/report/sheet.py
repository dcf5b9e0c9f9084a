"""One chart on a page of its own: title above, caption below, as wide as a column."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_scfm.figures.files import STYLE, format_of, save
from napari_scfm.figures.furniture import DARK, LIGHT
from napari_scfm.figures.layout import LABEL_PT, MM, wrap
from napari_scfm.figures.report import sweep
from napari_scfm.figures.report.style import Style, settle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_scfm.figures.report.chart import Chart

COLUMN = 88.0
"""Width of a page in mm: one column of a journal."""
_MARGIN = 3.0
_TITLE_PT = LABEL_PT + 1.5


def style_of(dark: bool) -> Style:
    """Return the style of a page."""
    return Style(DARK if dark else LIGHT, LABEL_PT)


def chart_figure(
    chart: Chart,
    measured: Any,
    *,
    title: str = "",
    dark: bool = False,
    words: bool = True,
) -> tuple[Figure, str]:
    """Return a chart on a page, and its caption.

    Title and caption are left off the page without ``words``.
    """

    def one(axes: Axes, style: Style) -> str:
        return chart.draw(axes, measured, style)

    name = (title or chart.title) if words else ""
    return _page([one], name, style_of(dark), chart.shape, chart.right)


def write_chart(
    chart: Chart,
    measured: Any,
    path: str | Path,
    *,
    title: str = "",
    dpi: int = 300,
    dark: bool = False,
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """Write a chart as a file.

    Parameters
    ----------
    chart, measured
        What to draw, and what its ``measure`` returned.
    path
        Ends in .png, .tif, .pdf or .svg.
    title
        Above the chart; default: what it shows.
    dpi, dark, provenance
        See :func:`napari_scfm.figures.export.export_figure`.

    Raises
    ------
    ScfmError
        If the file cannot be written.
    """
    format_of(Path(path))
    figure, _ = chart_figure(chart, measured, title=title, dark=dark)
    return save_chart(figure, path, title or chart.title, dpi, provenance)


def sweep_chart(
    table: pd.DataFrame,
    path: str | Path,
    *,
    measures: Sequence[str] = ("mcc_all", "mae_counts"),
    title: str = "",
    dpi: int = 300,
    dark: bool = False,
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """Write the curves of a sweep, one measure beside the other.

    Parameters
    ----------
    table
        One row per run: what, value, model, kind, seed and the measures.
    path
        Ends in .png, .tif, .pdf or .svg.
    measures
        Keys of :data:`napari_scfm.figures.report.sweep.MEASURES`, one panel each;
        those without any number are left out.
    title, dpi, dark, provenance
        See :func:`write_chart`.

    Raises
    ------
    ScfmError
        If no measure has numbers, or the file cannot be written.
    """
    format_of(Path(path))

    def one(measure: str) -> Callable[[Axes, Style], str]:
        found = sweep.curves(table, measure)
        return lambda axes, style: sweep.draw(axes, found, style)

    known = [m for m in measures if m in table and table[m].notna().any()]
    title = title or "Guessing back as more is hidden"
    figure, _ = _page([one(m) for m in known or measures], title, style_of(dark), 0.75)
    return save_chart(figure, path, title, dpi, provenance)


def _page(
    drawings: Sequence[Callable[[Axes, Style], str]],
    title: str,
    style: Style,
    shape: float,
    right: float = 1.2,
) -> tuple[Figure, str]:
    """Return drawings side by side, and their captions, once each.

    Title and captions are written on the page if there is a title.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        width = COLUMN * len(drawings)
        figure = Figure((width / MM, width * shape / MM), facecolor=style.theme.page)
        parts = figure.subfigures(1, len(drawings), squeeze=False)[0]
        every = [part.add_subplot() for part in parts]
        captions = [
            draw(axes, style) for draw, axes in zip(drawings, every, strict=True)
        ]
        caption = " ".join(dict.fromkeys(captions))
        head = wrap(title, _TITLE_PT, width - 2 * _MARGIN, bold=True) if title else []
        foot = wrap(caption, style.points, width - 2 * _MARGIN) if title else []
        above = _MARGIN + len(head) * _line(_TITLE_PT) if head else 0.0
        below = _MARGIN + len(foot) * _line(style.points) if foot else 0.0
        figure.set_size_inches(width / MM, (COLUMN * shape + above + below) / MM)
        for axes in every:
            settle(axes, style, right, above, below)
        _write(figure, head, foot, style)
    return figure, caption


def _line(points: float) -> float:
    """Return the height of a line of text in mm."""
    return 1.3 * points / 72 * MM


def _write(figure: Figure, head: list[str], foot: list[str], style: Style) -> None:
    """Put title and caption on the page, line by line from its edges."""
    width, height = (float(inches) * MM for inches in figure.get_size_inches())
    more: dict[str, Any] = {"ha": "left", "parse_math": False}
    for number, line in enumerate(head):
        y = height - _MARGIN / 2 - number * _line(_TITLE_PT)
        figure.text(
            _MARGIN / width, y / height, line, va="top", fontsize=_TITLE_PT,
            fontweight="bold", color=style.theme.ink, **more,
        )  # fmt: skip
    for number, line in enumerate(reversed(foot)):
        y = 0.7 * _MARGIN + number * _line(style.points)
        figure.text(
            _MARGIN / width, y / height, line, va="bottom", fontsize=style.points,
            color=style.theme.faint, **more,
        )  # fmt: skip


def save_chart(
    figure: Figure,
    path: str | Path,
    title: str,
    dpi: int = 300,
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """Write a figure of a chart, in the type of all figures."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        return save(
            figure, Path(path), dpi=dpi, title=title, provenance=provenance or {}
        )
