"""From vectors at cells to a smooth field on a regular grid.

Decides the smoothing of what is shown and of what is tested, which are the same:
Gaussian weights whose width is counted in typical distances between cells, so that
pixels and micrometres give the same picture; averages, not sums; and no field where
there is no tissue. The cells are shared out among the nodes of a finer grid, which is
then smoothed along each axis by itself: the time does not depend on the width, so that
a slider can change it. (COMMOT's own grid, whose picture depends on the unit, is in
:mod:`napari_scfm.analysis.attention.commot`.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

NODES = 50
NEIGHBOURS = 64
MARGIN = 0.02
SMOOTHING = 1.5
TISSUE = 0.2
_FINER = 2


@dataclass(frozen=True)
class Grid:
    """A regular grid over the tissue and the weights that smooth onto it.

    Attributes
    ----------
    x, y
        (nx,), (ny,) node positions in the unit of the coordinates, evenly spaced.
    tissue
        (ny, nx) True where there is tissue; the same for every smoothing.
    spacing
        Typical distance between neighbouring cells.
    width
        Standard deviation of the Gaussian weights, in the unit of the coordinates.
    share
        (fine nodes, cells) sparse; what of each cell goes to a node of the finer grid.
    along_x, along_y
        (fine nx, nx), (ny, fine ny) Gaussian weights of the finer nodes.
    mass
        (nodes with tissue,) sum of the weights of all cells.
    """

    x: np.ndarray
    y: np.ndarray
    tissue: np.ndarray
    spacing: float
    width: float
    share: sparse.csr_array
    along_x: np.ndarray
    along_y: np.ndarray
    mass: np.ndarray

    def smooth(self, vectors: np.ndarray) -> np.ndarray:
        """Return (nodes with tissue, m) averages of (cells, m) values."""
        if not self.tissue.any():
            return np.zeros((0, vectors.shape[1]))
        precision = np.result_type(vectors, np.float32)
        sums = self._summed(vectors.astype(precision, copy=False))
        return np.asarray(sums / self.mass[:, None].astype(precision))

    def spread(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the field of (cells, 2) vectors as two (ny, nx) arrays.

        Both are NaN where there is no tissue.
        """
        u, v = (self.placed(column) for column in self.smooth(vectors).T)
        return u, v

    def placed(self, values: np.ndarray) -> np.ndarray:
        """Return (ny, nx) of (nodes with tissue,) values, NaN elsewhere."""
        out = np.full(self.tissue.shape, np.nan)
        out[self.tissue] = values
        return out

    def _summed(self, values: np.ndarray) -> np.ndarray:
        """Return (nodes with tissue, m) weighted sums."""
        sums = _sums(values, self.share, self.along_x, self.along_y)
        return np.asarray(sums[self.tissue])


def _sums(
    values: np.ndarray,
    share: sparse.csr_array,
    along_x: np.ndarray,
    along_y: np.ndarray,
) -> np.ndarray:
    precision = values.dtype
    fine = np.asarray(share.astype(precision) @ values)
    rows = along_y.astype(precision) @ fine.reshape(along_y.shape[1], -1)
    rows = rows.reshape(len(along_y), len(along_x), -1)
    return np.asarray(np.matmul(along_x.astype(precision).T, rows))


def tissue_grid(
    xy: np.ndarray, *, nodes: int = NODES, smoothing: float = SMOOTHING
) -> Grid:
    """Lay a grid over the cells.

    Parameters
    ----------
    xy
        (n, 2) positions in any unit.
    nodes
        Number of nodes along the longer side.
    smoothing
        Standard deviation of the Gaussian weights in typical distances between
        cells; at least one step of the grid.

    Returns
    -------
    Grid
        Without nodes for fewer than two cells, or cells that all coincide.
    """
    xy = np.asarray(xy, dtype=np.float64).reshape(-1, 2)
    extent = np.ptp(xy, axis=0) if len(xy) else np.zeros(2)
    if not extent.max() > 0:
        return _empty(len(xy))
    spacing = cell_spacing(xy)
    low, high = xy.min(axis=0) - MARGIN * extent, xy.max(axis=0) + MARGIN * extent
    # cells on a line still need a field that is some steps wide
    thin = np.maximum(0.1 * extent.max() - (high - low), 0) / 2
    low, high = low - thin, high + thin
    step = (high - low).max() / (nodes - 1)
    counts = np.maximum(np.round((high - low) / step).astype(int) + 1, 2)
    x, y = (np.linspace(a, b, c) for a, b, c in zip(low, high, counts, strict=True))
    tissue = _tissue(xy, x, y, max(SMOOTHING * spacing, step))
    width = max(smoothing * spacing, step)
    fine = [np.linspace(a[0], a[-1], _FINER * (len(a) - 1) + 1) for a in (x, y)]
    share = _shared_out(xy, *fine)
    along_x, along_y = _gaussian(fine[0], x, width).T, _gaussian(fine[1], y, width)
    mass = _sums(np.ones((len(xy), 1)), share, along_x, along_y)[tissue][:, 0]
    return Grid(x, y, tissue, spacing, width, share, along_x, along_y, mass)


def cell_spacing(xy: np.ndarray) -> float:
    """Return the typical distance between neighbours, 1 / sqrt(local density).

    The median distance to the sixth neighbour is 1.38 / sqrt(density) where cells
    lie at random; unlike the extent, it does not see holes in the tissue.
    """
    neighbours = min(6, len(xy) - 1)
    if neighbours < 1:
        return 0.0
    distances, _ = cKDTree(xy).query(xy, k=[neighbours + 1])
    distances = np.asarray(distances)
    typical = float(np.median(distances)) or float(distances.max())
    return typical / float(np.sqrt(neighbours / np.pi))


def _tissue(xy: np.ndarray, x: np.ndarray, y: np.ndarray, width: float) -> np.ndarray:
    """Return (ny, nx) whether the nearest cells are near enough."""
    at = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    neighbours = min(NEIGHBOURS, len(xy))
    distances, _ = cKDTree(xy).query(at, k=np.arange(1, neighbours + 1))
    mass = np.exp(-0.5 * np.square(distances / width)).sum(axis=1)
    near = mass > TISSUE * np.percentile(mass, 99)
    return np.asarray(near.reshape(len(y), len(x)))


def _shared_out(xy: np.ndarray, x: np.ndarray, y: np.ndarray) -> sparse.csr_array:
    """Share each cell out among the four nodes around it, by nearness."""
    n, parts = len(xy), []
    for values, axis in zip(xy.T, (x, y), strict=True):
        at = (values - axis[0]) / (axis[1] - axis[0])
        left = np.clip(np.floor(at).astype(np.intp), 0, len(axis) - 2)
        right = np.clip(at - left, 0, 1)
        parts.append(((left, 1 - right), (left + 1, right)))
    nodes = [row * len(x) + column for row, _ in parts[1] for column, _ in parts[0]]
    weights = [a * b for _, a in parts[1] for _, b in parts[0]]
    cells = np.tile(np.arange(n), 4)
    triplets = (np.concatenate(weights), (np.concatenate(nodes), cells))
    return sparse.csr_array(triplets, shape=(len(x) * len(y), n))


def _gaussian(fine: np.ndarray, nodes: np.ndarray, width: float) -> np.ndarray:
    """Return (nodes, fine) weights.

    Sharing a cell out among nodes at a distance h widens it by h^2 / 6 on average,
    which is taken off the Gaussian's variance.
    """
    variance = width**2 - (fine[1] - fine[0]) ** 2 / 6
    away = nodes[:, None] - fine
    return np.asarray(np.exp(-0.5 * away**2 / variance))


def _empty(n: int) -> Grid:
    none = np.zeros((0, 0))
    share = sparse.csr_array((0, n), dtype=np.float64)
    zero = np.zeros(0)
    return Grid(zero, zero, none.astype(bool), 0.0, 0.0, share, none, none, zero)
