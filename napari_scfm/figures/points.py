"""Points on paper: cells at their places in an embedding.

Points are pictures at the page's resolution, also in PDF and SVG: a hundred thousand
vectors would make a file that nothing opens. They are drawn in the order in which they
are given, the last one on top.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.figures.panel import UNKNOWN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_scfm.figures.furniture import Theme
    from napari_scfm.figures.layout import Page, Place
    from napari_scfm.figures.panel import Panel

MARGIN = 0.04
_FULL = 0.25
"""Share of the panel that the points would cover side by side."""
_LARGEST = 9.0
_SMALLEST = 0.12
_HOLLOW = (0.6, 0.6, 0.6, 0.25)
"""Points that a panel does not fill."""


def draw_points(
    figure: Figure, sheet: Page, place: Place, panel: Panel, theme: Theme
) -> Axes:
    """Draw a panel of points on a page, equal scales in both directions."""
    xy = np.asarray(panel.places, dtype=float)
    rgba = panel.rgba(len(xy))
    if rgba is None:
        rgba = np.tile(np.array([*UNKNOWN[:3], 1.0]), (len(xy), 1))
    if panel.hollow is not None:
        rgba = np.where(panel.hollow[:, None], np.array(_HOLLOW), rgba)
    axes = figure.add_axes(place.bounds(sheet), facecolor=theme.page)
    points = 72 * place.width / sheet.dpi * 72 * place.height / sheet.dpi
    area = np.clip(_FULL * points / max(len(xy), 1), _SMALLEST, _LARGEST)
    axes.scatter(xy[:, 0], xy[:, 1], s=area, c=rgba, linewidths=0, rasterized=True)
    _frame(axes, xy, place)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(linewidth=0.4, color=theme.frame)
    return axes


def _frame(axes: Axes, xy: np.ndarray, place: Place) -> None:
    """Show all points, a unit as long to the right as upwards."""
    if not len(xy):
        return
    low, high = xy.min(axis=0), xy.max(axis=0)
    size = np.maximum(high - low, 1e-6) * (1 + 2 * MARGIN)
    wide = max(size[0], size[1] * place.width / place.height)
    half = np.array([wide, wide * place.height / place.width]) / 2
    middle = (low + high) / 2
    axes.set_xlim(middle[0] - half[0], middle[0] + half[0])
    axes.set_ylim(middle[1] - half[1], middle[1] + half[1])
