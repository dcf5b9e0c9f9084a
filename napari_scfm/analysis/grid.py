"""From vectors at cells to a smooth field on a regular grid.

Decides the smoothing of what is shown and of what is tested, which are the same:
Gaussian weights whose width is counted in typical distances between cells, so that
pixels and micrometres give the same picture; averages, not sums; and no field where
there is no tissue. (COMMOT's own grid, whose picture depends on the unit, is in
:mod:`napari_scfm.analysis.commot`.)
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


@dataclass(frozen=True)
class Grid:
    """A regular grid over the tissue and the weights that smooth onto it.

    Attributes
    ----------
    x, y
        (nx,), (ny,) node positions in the unit of the coordinates, evenly spaced.
    weights
        (nodes with tissue, cells) sparse; rows sum to 1.
    tissue
        (ny, nx) True where there is tissue.
    spacing
        Typical distance between neighbouring cells.
    """

    x: np.ndarray
    y: np.ndarray
    weights: sparse.csr_array
    tissue: np.ndarray
    spacing: float

    def smooth(self, vectors: np.ndarray) -> np.ndarray:
        """Return (nodes with tissue, m) averages of (cells, m) values."""
        return np.asarray(self.weights @ vectors)

    def spread(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the field of (cells, 2) vectors as two (ny, nx) arrays.

        Both are NaN where there is no tissue.
        """
        u = np.full(self.tissue.shape, np.nan)
        v = u.copy()
        u[self.tissue], v[self.tissue] = self.smooth(vectors).T
        return u, v


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
    at = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    weights = _gaussian(xy, at, max(smoothing * spacing, step))
    mass = weights.sum(axis=1)
    tissue = mass > TISSUE * np.percentile(mass, 99)
    kept = sparse.diags_array(1 / mass[tissue]) @ weights[tissue]
    shape = (len(y), len(x))
    return Grid(x, y, sparse.csr_array(kept), tissue.reshape(shape), spacing)


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


def _gaussian(xy: np.ndarray, at: np.ndarray, sigma: float) -> sparse.csr_array:
    neighbours = min(NEIGHBOURS, len(xy))
    distances, cells = cKDTree(xy).query(at, k=np.arange(1, neighbours + 1))
    weights = np.exp(-0.5 * np.square(distances / sigma))
    rows = np.repeat(np.arange(len(at)), neighbours)
    triplets = (weights.ravel(), (rows, cells.ravel()))
    return sparse.csr_array(triplets, shape=(len(at), len(xy)))


def _empty(n: int) -> Grid:
    weights = sparse.csr_array((0, n), dtype=np.float64)
    return Grid(np.zeros(0), np.zeros(0), weights, np.zeros((0, 0), dtype=bool), 0.0)
