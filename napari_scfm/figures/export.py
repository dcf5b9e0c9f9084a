"""A figure of a FOV, drawn without OpenGL and without a window.

Decides how panels, titles and what explains them are put on one page. Panels are
painted at the page's own pixels; streams and text are vectors in PDF and SVG. All
panels of a figure show the same part of the FOV at the same scale.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm import keys
from napari_scfm.errors import ScfmError
from napari_scfm.figures import furniture
from napari_scfm.figures.files import STYLE, format_of, save
from napari_scfm.figures.furniture import DARK, LIGHT, Item, Theme
from napari_scfm.figures.layout import (
    HEAD_PT,
    LINE,
    MARGIN,
    MM,
    TICK_PT,
    TITLE_PT,
    Page,
    page,
    panel_width,
    shorten,
    text_width,
    wrap,
)
from napari_scfm.figures.overlay import draw_streams
from napari_scfm.figures.paint import Window, paint
from napari_scfm.figures.panel import PREDICTED, Panel
from napari_scfm.figures.panels import named_panel
from napari_scfm.figures.points import draw_points

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_scfm.figures.layout import Place
    from napari_scfm.slides.slide import FieldOfView


def export_figure(
    fov: FieldOfView,
    panels: Sequence[Panel | str] | Panel | str,
    path: str | Path,
    *,
    title: str | None = None,
    columns: int | None = None,
    dpi: int = 300,
    scale_bar_um: float | None = None,
    provenance: Mapping[str, Any] | None = None,
    dark: bool = False,
    letters: bool | None = None,
    crop: bool = True,
) -> Path:
    """Write a figure of a field of view.

    Parameters
    ----------
    fov
        Cells, labels and images; without labels, cells are drawn as discs.
    panels
        Panels, or names: a gene, a column of ``fov.table.obs``, a channel,
        "clusters", "labels" or "image".
    path
        Ends in .png, .tif, .tiff, .pdf or .svg.
    title
        Above the figure.
    columns
        Panels in a row; None to choose.
    dpi
        Pixels per inch of PNG, TIFF and of the pictures inside PDF and SVG.
    scale_bar_um
        Length of the scale bar; None for a round length.
    provenance
        Where the figure comes from, written into the file; FOV, pixel size and
        panels are added.
    dark
        Light on dark, for screens.
    letters
        Put a, b, c before the titles; None for figures of several panels.
    crop
        Leave out empty margins of the FOV where they are large.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ScfmError
        If a panel does not fit the FOV, or the file cannot be written.
    """
    path = Path(path)
    format_of(path)
    if isinstance(panels, str | Panel):
        panels = [panels]
    shown = [named_panel(fov, p) if isinstance(p, str) else p for p in panels]
    if not shown:
        raise ScfmError("A figure needs at least one panel.", "Name what to show.")
    figure = compose(
        fov,
        shown,
        title=title or "",
        columns=columns,
        dpi=dpi,
        scale_bar_um=scale_bar_um,
        theme=DARK if dark else LIGHT,
        letters=len(shown) > 1 if letters is None else letters,
        crop=crop,
    )
    about = {
        "fov": fov.name,
        "pixel_size_um": fov.pixel_size,
        "panels": [panel.title for panel in shown],
        **(provenance or {}),
    }
    return save(figure, path, dpi=dpi, title=title or fov.name, provenance=about)


def compose(
    fov: FieldOfView,
    panels: Sequence[Panel],
    *,
    title: str = "",
    columns: int | None = None,
    dpi: int = 300,
    scale_bar_um: float | None = None,
    theme: Theme = LIGHT,
    letters: bool = False,
    crop: bool = True,
) -> Figure:
    """Return the figure that :func:`export_figure` writes; see there."""
    import matplotlib
    from matplotlib.figure import Figure

    from napari_scfm.slides.raster import display_labels

    labels = display_labels(fov)
    part = shown_part(fov, crop)
    wide = panel_width(len(panels), columns)
    items = [furniture.below(panel, wide, theme) for panel in panels]
    heads = [_title_lines(panel, wide, letters) for panel in panels]
    sheet = page(
        len(panels),
        1.0 if _of_points(panels) else part[2] / part[3],
        [len(lines) * LINE + 1.2 if lines else 0.0 for lines in heads],
        [sum(item.height for item in column) for column in items],
        columns=columns,
        dpi=dpi,
        head=bool(title),
    )
    with matplotlib.rc_context(STYLE):
        size = (sheet.width / dpi, sheet.height / dpi)
        figure = Figure(figsize=size, dpi=dpi, facecolor=theme.page)
        if title:
            _head(figure, sheet, title, theme)
        for number, panel in enumerate(panels):
            place = sheet.panels[number]
            axes = _picture(figure, sheet, place, fov, panel, labels, part, theme)
            if number == 0 and panel.places is None:
                extent = part[3] * fov.pixel_size
                furniture.scale_bar(axes, extent, scale_bar_um, theme)
            letter = chr(ord("a") + number % 26) if letters else ""
            _title(figure, sheet, place, panel, heads[number], letter, theme)
            _foot(figure, sheet, place, items[number])
    return figure


def _of_points(panels: Sequence[Panel]) -> bool:
    """Return whether no panel shows the field of view itself."""
    return all(panel.places is not None for panel in panels)


def shown_part(fov: FieldOfView, crop: bool = True) -> tuple[int, int, int, int]:
    """Return (top, left, rows, columns) of the FOV that a figure shows, in pixels.

    The whole FOV, unless its cells fill less than half of it.
    """
    height, width = fov.shape
    everything = (0, 0, height, width)
    xy = np.asarray(fov.table.obsm[keys.SPATIAL], dtype=float) / fov.pixel_size
    if not crop or len(xy) < 3:
        return everything
    size = np.ptp(xy, axis=0)
    margin = 0.04 * size.max() + 8.0 / fov.pixel_size
    low = np.clip(xy.min(axis=0) - margin, 0, (width, height)).astype(int)
    high = np.clip(xy.max(axis=0) + margin, 0, (width, height)).astype(int)
    columns, rows = (int(extent) for extent in high - low)
    if min(rows, columns) < 2 or rows * columns > 0.5 * height * width:
        return everything
    return int(low[1]), int(low[0]), rows, columns


def _picture(
    figure: Figure,
    sheet: Page,
    place: Place,
    fov: FieldOfView,
    panel: Panel,
    labels: np.ndarray,
    part: tuple[int, int, int, int],
    theme: Theme,
) -> Axes:
    if panel.places is not None:
        return draw_points(figure, sheet, place, panel, theme)
    pixels = paint(
        panel,
        labels,
        fov.images,
        Window(*part, place.height, place.width),
        cells=fov.table.n_obs,
        background=theme.page,
        dpi=sheet.dpi,
    )
    axes = figure.add_axes(place.bounds(sheet))
    top, left, rows, columns = (edge * fov.pixel_size for edge in part)
    extent = (left, left + columns, top + rows, top)
    axes.imshow(pixels, extent=extent, aspect="auto", interpolation="nearest")
    axes.set_xlim(extent[0], extent[1])
    axes.set_ylim(extent[2], extent[3])
    if panel.streams is not None:
        dark = bool(panel.channels) or theme is DARK
        draw_streams(axes, panel.streams, columns, dark=dark)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(linewidth=0.4, color=theme.frame)
    return axes


def _head(figure: Figure, sheet: Page, title: str, theme: Theme) -> None:
    room = sheet.width / sheet.dpi * MM - 2 * MARGIN
    wide = max(text_width(title, HEAD_PT, bold=True), room)
    size = max(HEAD_PT * room / wide, TICK_PT)
    figure.text(
        sheet.px(MARGIN) / sheet.width,
        1 - sheet.px(MARGIN) / sheet.height,
        shorten(title, size, room, bold=True),
        fontsize=size,
        fontweight="bold",
        color=theme.ink,
        va="top",
        parse_math=False,
    )


def _title_lines(panel: Panel, width: float, letters: bool) -> list[str]:
    room = width - (3.5 if letters else 0)
    if panel.predicted:
        room -= text_width(PREDICTED, TICK_PT) + 3.5
    lines = wrap(panel.title, TITLE_PT, room, bold=True)
    return lines or ([""] if letters or panel.predicted else [])


def _title(
    figure: Figure,
    sheet: Page,
    place: Place,
    panel: Panel,
    lines: list[str],
    letter: str,
    theme: Theme,
) -> None:
    def at(x: float, y: float) -> tuple[float, float]:
        return x / sheet.width, y / sheet.height

    top = place.bottom + place.height
    style: dict[str, Any] = {
        "fontsize": TITLE_PT,
        "fontweight": "bold",
        "color": theme.ink,
        "parse_math": False,
        "va": "baseline",
    }
    left = place.left + (sheet.px(3.5) if letter else 0)
    for row, line in enumerate(reversed(lines)):
        figure.text(*at(left, top + sheet.px(1.2 + row * LINE)), line, **style)
    if letter:
        y = top + sheet.px(1.2 + (max(len(lines), 1) - 1) * LINE)
        figure.text(*at(place.left, y), letter, **(style | {"fontsize": TITLE_PT + 1}))
    if panel.predicted:
        style |= {"fontsize": TICK_PT, "fontweight": "normal", "fontstyle": "italic"}
        style |= {"ha": "right", "va": "bottom"}
        box = {"boxstyle": "round,pad=0.25", "fc": "none", "ec": theme.ink, "lw": 0.4}
        right = place.left + place.width - sheet.px(0.7)
        figure.text(*at(right, top + sheet.px(1.0)), PREDICTED, bbox=box, **style)


def _foot(figure: Figure, sheet: Page, place: Place, items: list[Item]) -> None:
    mm = MM / sheet.dpi
    top = (sheet.height - place.bottom) * mm
    for item in items:
        furniture.canvas(figure, place.left * mm, top, place.width * mm, item)
        top += item.height
