"""Outlines of labels as polygons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def outline(
    labels: NDArray[np.uint16], cell: int, tolerance: float
) -> NDArray[np.float64]:
    """Return the (m, 2) outline of a label as x, y in px, pixel edges at integers.

    Parameters
    ----------
    labels
        Label image.
    cell
        Label to trace; its largest piece is taken.
    tolerance
        Largest error of the simplified outline in px.
    """
    from shapely.geometry import Polygon
    from skimage.measure import find_contours

    rows, columns = _box(labels, cell)
    padded = np.pad((labels[rows, columns] == cell).astype(np.float32), 1)
    rings = find_contours(padded, 0.5)
    ring = max(rings, key=len)
    y = ring[:, 0] - 1 + rows.start + 0.5
    x = ring[:, 1] - 1 + columns.start + 0.5
    simple = Polygon(np.stack([x, y], axis=1)).simplify(tolerance)
    points: NDArray[np.float64] = np.asarray(simple.exterior.coords)[:-1]
    return points


def _box(labels: NDArray[np.uint16], cell: int) -> tuple[slice, slice]:
    rows = np.flatnonzero((labels == cell).any(axis=1))
    band = labels[rows[0] : rows[-1] + 1]
    columns = np.flatnonzero((band == cell).any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
