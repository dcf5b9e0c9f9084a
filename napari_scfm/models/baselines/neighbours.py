"""Nearest cells in which a gene is visible: in space, or by expression.

Decides the search: a shortlist of nearest cells for everyone, and an exact search
for those whose shortlist holds too few cells that show the gene. The answer is
always the k nearest. Neighbours in space never leave their bag; a cell is never its
own neighbour; a cell without depth shows nothing and is never a neighbour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_scfm.models.baselines.visible import Visible

SHORTLIST = (64, 400)
"""Least and most cells on a shortlist."""


class Search(Protocol):
    """Finds the nearest cells of a pool; queried cells are its first rows."""

    shortlist: NDArray[np.intp]

    def nearest(
        self, rows: NDArray[np.intp], among: NDArray[np.bool_], k: int
    ) -> NDArray[np.intp]:
        """Return the k nearest cells of each row, (rows, k), padded with -1."""


class InSpace:
    """Nearest cells of the same bag, in um."""

    def __init__(self, visible: Visible, n_query: int, reach: int = 0) -> None:
        self._xy = visible.xy
        self._bag = np.empty(visible.n_cells, dtype=np.intp)
        for number, rows in enumerate(visible.bags):
            self._bag[rows] = number
        self._placed: NDArray[np.bool_] = np.isfinite(visible.xy[:, 0])
        self.shortlist = self.nearest(
            np.arange(n_query), ~visible.blank, _length(reach, visible.n_cells)
        )

    def nearest(
        self, rows: NDArray[np.intp], among: NDArray[np.bool_], k: int
    ) -> NDArray[np.intp]:
        """Return the k nearest cells of each row, (rows, k), padded with -1."""
        from scipy.spatial import cKDTree

        found = np.full((len(rows), k), -1, dtype=np.intp)
        for number in np.unique(self._bag[rows]):
            ask = np.flatnonzero((self._bag[rows] == number) & self._placed[rows])
            pick = np.flatnonzero((self._bag == number) & among & self._placed)
            if not len(pick) or not len(ask):
                continue
            count = min(k + 1, len(pick))
            _, index = cKDTree(self._xy[pick]).query(
                self._xy[rows[ask]], [*range(1, count + 1)]
            )
            near = without_self(pick[index], rows[ask])[:, :k]
            found[ask, : near.shape[1]] = near
        return found


class InExpression:
    """Nearest cells of the whole pool, in a space of expression."""

    def __init__(
        self,
        points: NDArray[np.floating],
        n_query: int,
        usable: NDArray[np.bool_],
        reach: int = 0,
    ) -> None:
        self._points = np.ascontiguousarray(points, dtype=np.float32)
        self._usable = usable
        self.shortlist = self.nearest(
            np.arange(n_query), usable, _length(reach, len(points))
        )

    def nearest(
        self, rows: NDArray[np.intp], among: NDArray[np.bool_], k: int
    ) -> NDArray[np.intp]:
        """Return the k nearest cells of each row, (rows, k), padded with -1."""
        from sklearn.neighbors import NearestNeighbors

        found = np.full((len(rows), k), -1, dtype=np.intp)
        pick = np.flatnonzero(among & self._usable)
        ask = np.flatnonzero(self._usable[rows])
        if not len(pick) or not len(ask):
            return found
        search = NearestNeighbors(n_neighbors=min(k + 1, len(pick)), algorithm="brute")
        search.fit(self._points[pick])
        index = search.kneighbors(self._points[rows[ask]], return_distance=False)
        near = without_self(pick[index], rows[ask])[:, :k]
        found[ask, : near.shape[1]] = near
        return found


def reach_for(seen: NDArray[np.bool_], k: int) -> int:
    """Return how long a shortlist should be to hold k cells that show a gene."""
    share = seen.mean(axis=0) if len(seen) else np.ones(0)
    usual = float(np.median(share)) if len(share) else 1.0
    return int(np.ceil(1.5 * k / max(usual, 1e-3)))


def _length(reach: int, cells: int) -> int:
    least, most = SHORTLIST
    return min(max(reach, least), most, cells)


def without_self(near: NDArray[np.intp], own: NDArray[np.intp]) -> NDArray[np.intp]:
    """Move each row's own cell to the end as -1, keeping the order of the others."""
    near = np.where(near == own[:, None], -1, near)
    order = np.argsort(near < 0, axis=1, kind="stable")
    return np.take_along_axis(near, order, axis=1)


def mean_weights(search: Search, seen: NDArray[np.bool_], k: int) -> sparse.csr_array:
    """Return the weights that average each cell's k nearest cells that show a gene.

    Parameters
    ----------
    search
        Where to look.
    seen
        (pool,) bool: cells that show the gene.
    k
        Neighbours.

    Returns
    -------
    (queried cells, pool) CSR; a row sums to 1, or is empty without a neighbour.
    """
    order = search.shortlist
    usable = (order >= 0) & seen[order]
    take = usable & (np.cumsum(usable, axis=1) <= k)
    row, slot = np.nonzero(take)
    column = order[row, slot]
    short = np.flatnonzero(take.sum(axis=1) < k)
    if len(short) and seen.any():
        exact = search.nearest(short, seen, k)
        keep = ~np.isin(row, short)
        extra_row, extra_slot = np.nonzero(exact >= 0)
        row = np.concatenate([row[keep], short[extra_row]])
        column = np.concatenate([column[keep], exact[extra_row, extra_slot]])
    count = np.bincount(row, minlength=len(order))
    weight = 1.0 / np.maximum(count, 1)[row]
    return sparse.csr_array((weight, (row, column)), shape=(len(order), len(seen)))


def same_pattern(
    seen: NDArray[np.bool_],
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.bool_]]]:
    """Yield columns of (cells, genes) that are equal, with their common column."""
    packed = np.packbits(seen, axis=0)
    groups: dict[bytes, list[int]] = {}
    for column in range(seen.shape[1]):
        groups.setdefault(packed[:, column].tobytes(), []).append(column)
    for members in groups.values():
        yield np.asarray(members, dtype=np.intp), seen[:, members[0]]
