"""Crowds as a raster: how many cells lie at each place, and what they mostly are.

A bin takes the colour of its most frequent category, or of its mean value, never a
mixture that the legend does not show; how full it is says its opacity, on a log scale.
Cells of hidden classes are not counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.figures.palette import colour_values
from napari_scfm.viewer.colouring import UNKNOWN

if TYPE_CHECKING:
    from napari_scfm.viewer.embedding.colours import Paint

FAINTEST = 0.5
"""Opacity of a bin with one cell."""


def density(
    xy: np.ndarray,
    paint: Paint,
    box: tuple[float, float, float, float],
    shape: tuple[int, int],
    plain: tuple[float, float, float] = (0.7, 0.7, 0.7),
    weak: np.ndarray | None = None,
) -> np.ndarray:
    """Return a raster of a crowd.

    Parameters
    ----------
    xy
        (cells, 2) places, y up.
    paint
        Colours of the cells.
    box
        (left, right, bottom, top) of the raster.
    shape
        (rows, columns) of it.
    plain
        Colour where the paint tells nothing.
    weak
        (cells,) whether a cell is dimmed; None for none.

    Returns
    -------
    (rows, columns, 4) float32, the first row at the bottom.
    """
    left, right, bottom, top = box
    rows, columns = shape
    x = (xy[:, 0] - left) * (columns / max(right - left, 1e-12))
    y = (xy[:, 1] - bottom) * (rows / max(top - bottom, 1e-12))
    seen = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
    inside = np.flatnonzero(seen if paint.hidden is None else seen & ~paint.hidden)
    at = y[inside].astype(np.intp) * columns + x[inside].astype(np.intp)
    if weak is not None:
        # strong cells are seen wherever there is one
        strong = ~weak[inside]
        shape_ = (rows, columns)
        back = _raster(inside[~strong], at[~strong], paint, shape_, plain)
        back[..., 3] *= 0.3
        front = _raster(inside[strong], at[strong], paint, shape_, plain)
        return np.where(front[..., 3:] > 0, front, back)
    return _raster(inside, at, paint, (rows, columns), plain)


def _raster(
    cells: np.ndarray,
    at: np.ndarray,
    paint: Paint,
    shape: tuple[int, int],
    plain: tuple[float, float, float],
) -> np.ndarray:
    bins = shape[0] * shape[1]
    count = np.bincount(at, minlength=bins)
    rgba = np.zeros((bins, 4), dtype=np.float32)
    full = count > 0
    rgba[full, :3] = _colours(cells, at, paint, bins, plain)[full, :3]
    # one cell is seen, and so is where the crowd is thickest
    most = np.log1p(np.percentile(count[full], 95)) if full.any() else 1.0
    share = np.clip(np.log1p(count[full]) / most, 0, 1)
    rgba[full, 3] = FAINTEST + (1 - FAINTEST) * share
    return rgba.reshape(*shape, 4)


def _colours(
    cells: np.ndarray,
    at: np.ndarray,
    paint: Paint,
    bins: int,
    plain: tuple[float, float, float],
) -> np.ndarray:
    """Return (bins, 4) colours of what lies in each bin."""
    if paint.codes is not None:
        return _by_category(paint.codes[cells], at, paint, bins)
    if paint.values is not None:
        known = np.isfinite(paint.values[cells])
        at, values = at[known], paint.values[cells][known]
        count = np.bincount(at, minlength=bins)
        total = np.bincount(at, weights=values, minlength=bins)
        mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        rgba = colour_values(mean, *paint.legend.limits, paint.legend.colormap)
        rgba[count == 0] = UNKNOWN
        return rgba
    found = np.ones((bins, 4), dtype=np.float32)
    found[:, :3] = plain
    if paint.rgba is not None:
        colours = paint.rgba[cells]
        weight = np.maximum(colours[:, 3], 1e-3)
        total = np.maximum(np.bincount(at, weights=weight, minlength=bins), 1e-9)
        for channel in range(3):
            part = np.bincount(at, weights=weight * colours[:, channel], minlength=bins)
            found[:, channel] = part / total
    return found


def _by_category(
    codes: np.ndarray, at: np.ndarray, paint: Paint, bins: int
) -> np.ndarray:
    """Return the colour of the most frequent category of each bin."""
    palette = np.array([colour for _, colour in paint.legend.categories], "f4")
    palette = np.vstack([palette.reshape(-1, 4), UNKNOWN])
    found = np.tile(UNKNOWN, (bins, 1))
    known = codes >= 0
    kinds = len(palette) - 1
    pair, count = np.unique(at[known] * kinds + codes[known], return_counts=True)
    where, kind = np.divmod(pair, max(kinds, 1))
    order = np.lexsort((-kind, count, where))  # of the equal ones the first category
    found[where[order]] = palette[kind[order]]
    return found
