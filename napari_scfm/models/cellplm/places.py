"""Where the cells of a bag lie, as networks read it: coordinates and nearest cells."""

from __future__ import annotations

import numpy as np
from scipy.spatial import KDTree

from napari_scfm.models.cellplm.local import DISTANCES
from napari_scfm.models.cellplm.positions import scale_coordinates

TYPICAL = 2.5
"""Log of a usual distance between cells in um, taken off so that values are small."""


def places(xy: np.ndarray | None, cells: int, k: int) -> tuple[np.ndarray, ...]:
    """Return positions, and nearest cells where they are asked for and known.

    Parameters
    ----------
    xy
        (cells, 2) coordinates in um, or None where they are not known.
    cells
        Number of cells.
    k
        How many nearest cells the network reads; 0 = none.

    Returns
    -------
    (cells, 2) coordinates in [0, 1], -1 where not known, followed for k > 0 by what
    one of their units is in um, and by ``log(d + 0.5 um)`` of the distances to the
    nearest cells of :data:`.DISTANCES`, centred, 0 where not known; then, for k > 0
    and known coordinates of more than one cell, the result of :func:`nearest_cells`.
    """
    scaled = (
        np.full((cells, 2), -1, dtype=np.float32)
        if xy is None
        else scale_coordinates(xy)
    )
    if not k:
        return (scaled,)
    crowd = np.zeros((cells, 1 + len(DISTANCES)), dtype=np.float32)
    if xy is None or cells < 2:
        return (np.hstack([scaled, crowd]),)
    crowd[:, 0] = np.ptp(xy, axis=0).max()
    near = nearest_cells(xy, max(k, max(DISTANCES)))
    for column, rank in enumerate(DISTANCES, start=1):
        other = near[:, min(rank, near.shape[1]) - 1]
        apart = np.linalg.norm(xy - xy[other], axis=1)
        crowd[:, column] = np.log(apart + 0.5) - TYPICAL
    return np.hstack([scaled, crowd]), near[:, :k]


def nearest_cells(xy: np.ndarray, k: int) -> np.ndarray:
    """Return the k nearest other cells of each cell, nearest first.

    Parameters
    ----------
    xy
        (n, 2) coordinates.
    k
        How many; fewer where the bag is smaller.

    Returns
    -------
    (n, min(k, n - 1)) row positions.
    """
    k = min(k, len(xy) - 1)
    if k <= 0:
        return np.zeros((len(xy), 0), dtype=np.int64)
    found = np.asarray(KDTree(xy).query(xy, k=k + 1)[1])
    own = found == np.arange(len(xy))[:, None]
    # cells at the same point may push a cell out of its own list
    own[~own.any(axis=1), -1] = True
    return np.asarray(found[~own].reshape(len(xy), k), dtype=np.int64)
