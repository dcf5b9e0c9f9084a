"""Attention between neighbouring cells, and what chance would make of it.

For questions about pairs of neighbours: what is left of the weights when popular keys
and the layout of cell types are divided out, and the same with the keys elsewhere.
Neighbours and evening are those of the local attention field. Decides that keys stay
in their cell type, unlike in the field's null: ranks also tell types apart by how much
their weights and products vary, which dividing by means does not take out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from scipy.spatial import cKDTree

from napari_scfm.analysis.attention.evening import evened_pairs, pair_kinds
from napari_scfm.analysis.attention.neighbours import Pairs, pairs_of
from napari_scfm.analysis.attention.null import evened, lots, stratify
from napari_scfm.analysis.attention.rank import compressed
from napari_scfm.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_scfm.models.attention import Attention

Null = Literal["shift", "keys"]

NEIGHBOURS: Final = 30
_REPEATS = 5
_FLAT = 1e-3
"""Spread of the weights, in even shares, below which there is nothing to rank."""


@dataclass(frozen=True)
class NearPairs:
    """Pairs of neighbouring cells, by receiver.

    Attributes
    ----------
    pairs
        As the attention field has them.
    """

    pairs: Pairs

    def __len__(self) -> int:
        return len(self.pairs.rows)

    @property
    def receivers(self) -> np.ndarray:
        """(m,) rows of the table."""
        return self.pairs.rows

    @property
    def senders(self) -> np.ndarray:
        """(m,) rows of the table; never the receiver, nor a cell of another bag."""
        return self.pairs.columns

    @property
    def n_cells(self) -> int:
        """Rows of the table."""
        return self.pairs.n_cells

    def partners(self) -> np.ndarray:
        """Return (n,) number of senders of each cell."""
        return self.pairs.count

    def received(self, values: np.ndarray) -> np.ndarray:
        """Return (n,) mean of (m,) values over each cell's senders; NaN without."""
        return _means(self.receivers, values, self.pairs.count)

    def sent(self, values: np.ndarray) -> np.ndarray:
        """Return (n,) mean of (m,) values over each cell's receivers; NaN without."""
        return _means(self.senders, values, self.pairs.popularity)


def near_pairs(
    xy: np.ndarray,
    homes: np.ndarray,
    neighbours: int | None = NEIGHBOURS,
    radius: float | None = None,
    seen: tuple[np.ndarray, np.ndarray] | None = None,
) -> NearPairs:
    """Return every cell's nearest cells of its bag.

    Parameters
    ----------
    xy
        (n, 2) positions in um.
    homes
        (n,) bag of each cell; cells of a negative one have no partners.
    neighbours
        How many of the nearest cells; fewer where the bag holds fewer.
    radius
        All cells within this many um instead.
    seen
        Only pairs that have a weight, see :meth:`.Attention.seen`; None for all.

    Raises
    ------
    ScfmError
        If positions are missing, no cell has a partner, or numbers make no sense.
    """
    xy = np.asarray(xy, dtype=np.float64).reshape(-1, 2)
    missing = np.flatnonzero(~np.isfinite(xy).all(axis=1))
    if len(missing):
        raise ScfmError(
            f"{len(missing)} cells have no position, the first is row {missing[0]}.",
            "Leave these cells out.",
        )
    asked = radius if radius is not None else neighbours
    if asked is None or not asked > 0:
        raise ScfmError(
            f"{asked} is no neighbourhood.",
            "Ask for one neighbour or more, or for a radius above 0 um.",
        )
    count = None if radius is not None else neighbours
    pairs = pairs_of(xy, homes, neighbours=count, radius=radius, seen=seen)
    if not len(pairs.rows):
        raise ScfmError(
            "No cell has a neighbour.", "Ask for a larger radius, or another FOV."
        )
    return NearPairs(pairs)


def _means(at: np.ndarray, values: np.ndarray, number: np.ndarray) -> np.ndarray:
    sums = np.bincount(at, weights=values, minlength=len(number))
    out = np.full(len(number), np.nan)
    return np.asarray(np.divide(sums, number, out=out, where=number > 0))


@dataclass(frozen=True)
class NearAttention:
    """What is left of attention between neighbours, and of its exchanged copies.

    Attributes
    ----------
    attention
        (n, n).
    near
        The neighbours.
    xy
        (n, 2) positions in um.
    strata
        (n,) cell types or clusters; None divides no types out.
    """

    attention: Attention
    near: NearPairs
    xy: np.ndarray
    strata: np.ndarray | None = None

    def residual(self, order: np.ndarray | None = None) -> np.ndarray:
        """Return (m,) attention of the pairs, in even shares beyond one.

        How much more than an even share among its neighbours a receiver takes, 0 for
        the share itself, when what popular keys and the mean of each pair of cell
        types explain is divided out.

        Parameters
        ----------
        order
            (n,) cell of the same type whose key each cell holds; None for its own.
        """
        pairs = self.near.pairs
        taken = pairs.columns if order is None else order[pairs.columns]
        weights = np.maximum(self._even.pairs(pairs.rows, taken), 0).astype(float)
        # what a cell pays to its own key says nothing of neighbours
        own = taken == pairs.rows
        weights[own] = 0
        usual = pairs.sums(weights) / np.maximum(pairs.sums(~own), 1)
        weights[own] = usual[pairs.rows[own]]
        for _ in range(_REPEATS):
            weights = evened_pairs(weights, pairs, self._kinds)
        rest = weights * pairs.count[pairs.rows] - 1
        # ranks make differences of any size count alike, what is not settled included
        return np.zeros_like(rest) if rest.std() < _FLAT else rest

    def exchanged(
        self, null: Null, permutations: int, seed: int
    ) -> Iterator[np.ndarray]:
        """Yield the residual under each draw of the null.

        Parameters
        ----------
        null
            "shift": the map of the keys is laid over its bag somewhere else, and each
            cell takes the nearest key of its type there. Keeps how alike the keys of
            neighbours are. "keys": keys are exchanged between the cells of a type.
            Calls far too much significant where both maps are smooth in space.
        permutations, seed
            How many, and of the draws.
        """
        homes = self.attention.homes()
        groups = stratify(homes, self.xy, self.strata)
        orders = (
            groups.permutations(permutations, seed)
            if null == "keys"
            else shifted_keys(self.xy, homes, groups.codes, permutations, seed)
        )
        for order in orders:
            yield self.residual(order)

    @cached_property
    def _even(self) -> Attention:
        """Attention with keys as popular as one another among all cells.

        A key takes this along wherever it goes, and little is left to even out.
        """
        return compressed(evened(self.attention))

    @cached_property
    def _kinds(self) -> np.ndarray | None:
        """(m,) receiver's and sender's type of each pair."""
        if self.strata is None:
            return None
        codes = np.unique(np.asarray(self.strata).astype(str), return_inverse=True)[1]
        return pair_kinds(self.near.pairs, codes, codes)


def shifted_keys(
    xy: np.ndarray, homes: np.ndarray, codes: np.ndarray, count: int, seed: int
) -> Iterator[np.ndarray]:
    """Yield (n,) cell whose key each cell takes when the map of keys is shifted.

    All keys of a bag are shifted by the same random step, mirrored where they leave
    the box around it; so a shift may mirror the map as well. A key may be taken more
    than once, another not at all.

    Parameters
    ----------
    xy
        (n, 2) positions.
    homes, codes
        (n,) bag and stratum of each cell; a cell takes a key of its own stratum.
    count, seed
        How many, and of the draws.
    """
    rng = lots(seed)
    bags = [np.flatnonzero(homes == home) for home in np.unique(homes)]
    groups = [np.flatnonzero(codes == code) for code in np.unique(codes)]
    trees = [cKDTree(xy[cells]) for cells in groups]
    for _ in range(count):
        place, order = np.empty_like(xy), np.empty(len(xy), dtype=np.intp)
        for cells in bags:
            low, size = xy[cells].min(axis=0), np.ptp(xy[cells], axis=0)
            size = np.where(size > 0, size, 1.0)
            step = (xy[cells] - low) / size + 2 * rng.random(2)
            place[cells] = low + (1 - np.abs(step % 2 - 1)) * size
        for cells, tree in zip(groups, trees, strict=True):
            order[cells] = cells[tree.query(place[cells])[1]]
        yield order
