"""COMMOT's direction fields, number for number.

Cang et al., Nature Methods 2023 (doi 10.1038/s41592-022-01728-4): vectors of sent
and received signal from the k strongest partners of each cell, their interpolation
on a grid, and the field that a stream plot draws. Kept for comparison: the picture
depends on the unit of the coordinates and shows geometry where there is nothing
else (see :mod:`napari_scfm.analysis.attention.attention_field`).

Orientation: attention ``A[i, j]`` is what query i takes from key j, so what i sends
is column i and what it receives is row i (COMMOT's S is ``A.T``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from scipy import sparse

    from napari_scfm.models.attention import Attention

Direction = Literal["received", "sent"]


@dataclass(frozen=True)
class CommotStream:
    """What COMMOT hands to matplotlib's streamplot.

    Attributes
    ----------
    x, y
        (nx,), (ny,) node positions.
    u, v
        (ny, nx) field; ``u`` is NaN where nothing is drawn.
    linewidth
        (ny, nx) widths in points.
    """

    x: np.ndarray
    y: np.ndarray
    u: np.ndarray
    v: np.ndarray
    linewidth: np.ndarray


def commot_vectors(
    attention: Attention, xy: np.ndarray, direction: Direction = "received", k: int = 5
) -> np.ndarray:
    """Return COMMOT's receiver or sender vector of each cell.

    The direction is that of the weighted sum of unit vectors to the k strongest
    partners; the length is all that the cell receives (sends), itself included.

    Parameters
    ----------
    attention
        Weights >= 0. The k strongest are found exactly, in n^2 time.
    xy
        (n, 2) positions.
    direction
        "received" or "sent"; both point along the flow from key to query.
    k
        Number of partners; a cell's weight to itself takes one of the places.

    Returns
    -------
    numpy.ndarray
        (n, 2) vectors (x, y) in units of attention.
    """
    turned = attention if direction == "received" else attention.transposed()
    sign = -1.0 if direction == "received" else 1.0
    return partner_vectors(turned.top_k(k), turned.row_sums(), xy, sign)


def partner_vectors(
    partners: sparse.csr_array,
    strength: np.ndarray,
    xy: np.ndarray,
    sign: float,
    keys: np.ndarray | None = None,
) -> np.ndarray:
    """Return vectors of given lengths along the weighted unit vectors to partners.

    Parameters
    ----------
    partners
        (n, n) weights; row i holds the partners of cell i.
    strength
        (n,) lengths.
    xy
        (n, 2) positions of the cells.
    sign
        1 towards the partners, -1 away from them.
    keys
        (n, 2) positions of the cells as partners, where these differ.
    """
    xy = np.asarray(xy, dtype=np.float64)
    n = len(xy)
    entries = partners.tocoo()
    rows, columns = entries.row, entries.col
    towards = (xy if keys is None else keys)[columns] - xy[rows]
    length = np.linalg.norm(towards, axis=1)
    length[(length == 0) | (rows == columns)] = np.inf
    steps = towards * (entries.data / length)[:, None]
    total = np.stack(
        [np.bincount(rows, weights=steps[:, axis], minlength=n) for axis in (0, 1)],
        axis=1,
    )
    size = np.linalg.norm(total, axis=1, keepdims=True)
    unit = np.divide(total, size, out=np.zeros_like(total), where=size > 0)
    return np.asarray(sign * strength[:, None] * unit)


@dataclass(frozen=True)
class CommotGrid:
    """Vectors interpolated on COMMOT's grid.

    Attributes
    ----------
    x, y
        (nx,), (ny,) node positions.
    vectors
        (ny * nx, 2), row by row.
    weight
        (ny * nx,) sum of the Gaussian weights.
    typical
        (ny * nx,) mean over the neighbours of |vx| + |vy|.
    """

    x: np.ndarray
    y: np.ndarray
    vectors: np.ndarray
    weight: np.ndarray
    typical: np.ndarray

    @property
    def points(self) -> np.ndarray:
        """(ny * nx, 2) node positions, row by row."""
        return np.stack(np.meshgrid(self.x, self.y), axis=-1).reshape(-1, 2)

    def kept(self, grid_thresh: float = 1.0) -> np.ndarray:
        """Return the nodes that COMMOT's grid plot draws, (ny * nx,) boolean."""
        limit = grid_thresh * np.percentile(self.weight, 99) / 100
        return np.asarray(self.weight > limit)


def normalised(vectors: np.ndarray, quantile: float = 0.95) -> np.ndarray:
    """Return vectors divided by a quantile of their lengths (``normalize_v``)."""
    return np.asarray(vectors / np.quantile(np.linalg.norm(vectors, axis=1), quantile))


def commot_grid(
    xy: np.ndarray,
    vectors: np.ndarray,
    *,
    grid_density: float = 1.0,
    grid_knn: int | None = None,
    grid_scale: float = 1.0,
) -> CommotGrid:
    """Interpolate vectors as COMMOT does.

    Parameters
    ----------
    xy, vectors
        (n, 2) positions and vectors.
    grid_density
        1 for 50 nodes along x.
    grid_knn
        Neighbours of each node; by default one for every 50 cells.
    grid_scale
        Standard deviation of the weights in grid steps.
    """
    xy = np.asarray(xy, dtype=np.float64)
    extent = np.ptp(xy, axis=0)
    low, high = xy.min(axis=0) - 0.02 * extent, xy.max(axis=0) + 0.02 * extent
    nx = int(np.floor(50 * grid_density))
    step = (high[0] - low[0]) / nx
    ny = int(np.floor((high[1] - low[1]) / step))
    x, y = np.linspace(low[0], high[0], nx), np.linspace(low[1], high[1], ny)
    at = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    knn = max(1, len(xy) // 50 if grid_knn is None else grid_knn)
    distances, cells = cKDTree(xy).query(at, k=np.arange(1, knn + 1))
    sigma = step * grid_scale
    weights = np.exp(-0.5 * np.square(distances / sigma)) / (sigma * np.sqrt(2 * np.pi))
    total = weights.sum(axis=1)
    sums = np.einsum("gk,gkc->gc", weights, vectors[cells])
    typical = np.abs(vectors[cells]).mean(axis=1).sum(axis=1)
    return CommotGrid(x, y, sums / np.maximum(1, total)[:, None], total, typical)


def commot_stream(
    grid: CommotGrid,
    *,
    grid_thresh: float = 1.0,
    stream_cutoff_perc: float = 5.0,
    stream_linewidth: float = 1.0,
) -> CommotStream:
    """Return the field that COMMOT's stream plot draws.

    Parameters
    ----------
    grid
        Interpolated vectors.
    grid_thresh
        Nodes with a length below ``10 ** (grid_thresh - 6)`` are dropped.
    stream_cutoff_perc
        And so are nodes below this percentile of their neighbours' mean strength.
    stream_linewidth
        Half the width of the strongest stream.
    """
    shape = (len(grid.y), len(grid.x))
    u, v = (grid.vectors[:, axis].reshape(shape).copy() for axis in (0, 1))
    length = np.sqrt(u**2 + v**2)
    weak = length < min(10.0 ** (grid_thresh - 6), 0.9 * float(length.max()))
    cut = np.percentile(grid.typical, stream_cutoff_perc)
    u[weak | (grid.typical < cut).reshape(shape)] = np.nan
    drawn = np.sqrt(u**2 + v**2)
    width = 2 * stream_linewidth * drawn / np.nanmax(drawn)
    return CommotStream(grid.x, grid.y, u, v, width)


def commot_arrows(
    xy: np.ndarray,
    vectors: np.ndarray,
    direction: Direction = "received",
    scale: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return where COMMOT's cell plot draws the arrow of each cell, and its step.

    What a cell sends leaves it, what it receives arrives at it.

    Parameters
    ----------
    xy, vectors
        (n, 2) positions and vectors.
    direction
        "received" or "sent".
    scale
        Length of a vector that is drawn one unit of the coordinates long.

    Returns
    -------
    tails, steps
        (n, 2).
    """
    back = np.asarray(vectors) / scale if direction == "received" else 0.0
    return np.asarray(xy, dtype=np.float64) - back, np.asarray(vectors)
