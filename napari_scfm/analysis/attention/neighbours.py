"""Which cells a cell can take from when only neighbours count.

Decides: the nearest cells or those within a radius, of the same bag, without the cell
itself; and their rings. Weights inside a ring of about ten partners can be compared,
those of near and far partners cannot.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

from napari_scfm.errors import ScfmError

RING = 10
"""Partners in a ring, about."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of cells and their partners, sorted by cell and distance.

    Attributes
    ----------
    rows, columns
        (m,) cell and partner.
    rings
        (m,) ring of the pair, counted from 0 over the rings of all cells.
    away
        (m, 2) where the partner lies, seen from the cell.
    n_cells
        Number of cells.
    """

    rows: np.ndarray
    columns: np.ndarray
    rings: np.ndarray
    away: np.ndarray
    n_cells: int

    @cached_property
    def count(self) -> np.ndarray:
        """(n,) number of partners."""
        return np.bincount(self.rows, minlength=self.n_cells)

    @cached_property
    def popularity(self) -> np.ndarray:
        """(n,) number of cells that have the cell as a partner."""
        return np.bincount(self.columns, minlength=self.n_cells)

    @cached_property
    def ring_size(self) -> np.ndarray:
        """(rings,) number of partners."""
        return np.bincount(self.rings)

    @cached_property
    def inside(self) -> np.ndarray:
        """(m, 2) where the partner lies, seen from the mean of its ring."""
        sums = [np.bincount(self.rings, weights=one) for one in self.away.T]
        means = np.stack(sums, axis=1) / np.maximum(self.ring_size, 1)[:, None]
        return np.asarray(self.away - means[self.rings])

    @cached_property
    def starts(self) -> np.ndarray:
        """(n + 1,) where the pairs of each cell start."""
        starts = np.concatenate([[0], np.cumsum(self.count)])
        return starts.astype(self.columns.dtype)

    def table(self, values: np.ndarray) -> sparse.csr_array:
        """Return (n, n) with the values of the pairs; shares their memory."""
        shape = (self.n_cells, self.n_cells)
        return sparse.csr_array((values, self.columns, self.starts), shape=shape)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Return (n,) sums of (m,) values over the partners of each cell."""
        return np.bincount(self.rows, weights=values, minlength=self.n_cells)

    def vectors(self, weights: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Return (n, 2) sums of weighted (m, 2) steps over the partners of a cell."""
        shape = (self.n_cells, len(self.rows))
        each = np.arange(len(self.rows), dtype=self.starts.dtype)
        table = sparse.csr_array((weights, each, self.starts), shape=shape)
        return np.asarray(table @ steps)

    def renumbered(self, order: np.ndarray) -> Pairs:
        """Return the pairs among the same cells, of which cell i was ``order[i]``."""
        place = np.empty(self.n_cells, self.rows.dtype)
        place[order] = np.arange(self.n_cells)
        rows = place[self.rows]
        sort = np.argsort(rows, kind="stable")
        return Pairs(
            rows[sort],
            place[self.columns][sort],
            np.unique(self.rings[sort], return_inverse=True)[1],
            self.away[sort],
            self.n_cells,
        )


def pairs_of(
    xy: np.ndarray,
    homes: np.ndarray,
    *,
    neighbours: int | None = None,
    radius: float | None = None,
    alive: tuple[np.ndarray, np.ndarray] | None = None,
    seen: tuple[np.ndarray, np.ndarray] | None = None,
) -> Pairs:
    """Return each cell's partners among its neighbours.

    Parameters
    ----------
    xy
        (n, 2) positions.
    homes
        (n,) bag of each cell; cells of bag -1 have no partners.
    neighbours
        The nearest so many.
    radius
        All within this distance, in the unit of the coordinates. One of the two, or
        neither where ``seen`` says who the partners are.
    alive
        (n,) whether a cell takes anything, and whether anything is taken from it;
        other cells have no partners, or are none.
    seen
        (m,) cells and partners that have a weight, where not all pairs have; others
        are no partners, for a weight of 0 would tell of the windows and not of cells.

    Raises
    ------
    ScfmError
        If not exactly one of the two is given, or it is not above 0.
    """
    if seen is not None and neighbours is None and radius is None:
        rows, columns = seen
    else:
        rows, columns = _near(xy, homes, neighbours, radius)
        if seen is not None:
            kept = np.isin(rows * len(xy) + columns, seen[0] * len(xy) + seen[1])
            rows, columns = rows[kept], columns[kept]
    if alive is not None:
        kept = alive[0][rows] & alive[1][columns]
        rows, columns = rows[kept], columns[kept]
    away = xy[columns] - xy[rows]
    order = np.lexsort((np.square(away).sum(axis=1), rows))
    rows, columns, away = rows[order], columns[order], away[order]
    rows, columns = rows.astype(np.int32), columns.astype(np.int32)
    return Pairs(rows, columns, _rings(rows, len(xy)), away, len(xy))


def _near(
    xy: np.ndarray, homes: np.ndarray, neighbours: int | None, radius: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return (m,) cells and partners of the same bag."""
    if (neighbours is None) == (radius is None) or not (neighbours or radius or 0) > 0:
        raise ScfmError(
            "Partners are the nearest cells or those within a distance, not both.",
            "Give neighbours or radius, above 0.",
        )
    found = []
    for bag in np.unique(homes[homes >= 0]):
        cells = np.flatnonzero(homes == bag)
        if radius is None:
            rows, columns = _nearest(xy[cells], neighbours or 0)
        else:
            rows, columns = _within(xy[cells], radius)
        found.append(np.stack([cells[rows], cells[columns]]))
    both = np.hstack([np.zeros((2, 0), dtype=np.intp), *found])
    return both[0], both[1]


def _nearest(xy: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    n = len(xy)
    count = min(int(count), n - 1)
    if count < 1:
        return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp)
    found = np.asarray(cKDTree(xy).query(xy, k=np.arange(1, count + 2))[1])
    other = found != np.arange(n)[:, None]
    # where cells coincide, a cell need not be the nearest to itself, or found at all
    other[other.all(axis=1), -1] = False
    return np.repeat(np.arange(n), count), found[other]


def _within(xy: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    ends = cKDTree(xy).query_pairs(float(radius), output_type="ndarray")
    both = np.concatenate([ends, ends[:, ::-1]]).astype(np.intp, copy=False)
    return both[:, 0], both[:, 1]


def _rings(rows: np.ndarray, n: int) -> np.ndarray:
    """Return (m,) rings of about :data:`RING` partners, nearest first."""
    count = np.bincount(rows, minlength=n)
    rings = np.maximum(np.round(count / RING).astype(np.intp), 1) * (count > 0)
    first = np.cumsum(count) - count
    rank = np.arange(len(rows)) - first[rows]
    before = np.cumsum(rings) - rings
    inside = rank * rings[rows] // np.maximum(count[rows], 1)
    return np.asarray(before[rows] + inside)
