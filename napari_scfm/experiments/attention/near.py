"""Attention between neighbouring cells, and what chance would make of it.

For questions about pairs of neighbours: what is left of the weights when popular keys
and the layout of cell types are taken away, and the same after the keys were exchanged
between cells, or the map of the keys was shifted over the tissue. Receivers stay where
they are, as in the null of the attention field.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from scipy.spatial import cKDTree

from napari_scfm.analysis.null import evened, stratify
from napari_scfm.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_scfm.analysis.null import Strata
    from napari_scfm.models.attention import Attention

Null = Literal["shift", "keys"]

NEIGHBOURS: Final = 30
_ROUNDS = 20
_SETTLED = 1e-4
"""Change of a weight, in even shares, below which the rounds end."""

_FLAT = 1e-3
"""Spread of the weights, in even shares, below which there is nothing to rank."""


@dataclass(frozen=True)
class NearPairs:
    """Pairs of neighbouring cells, by receiver.

    Attributes
    ----------
    receivers, senders
        (m,) rows of the table; never a cell with itself or with another bag's.
    n_cells
        Of the table.
    """

    receivers: np.ndarray
    senders: np.ndarray
    n_cells: int

    def __len__(self) -> int:
        return len(self.receivers)

    def partners(self) -> np.ndarray:
        """Return (n,) number of senders of each cell."""
        return np.bincount(self.receivers, minlength=self.n_cells)

    def received(self, values: np.ndarray) -> np.ndarray:
        """Return (n,) mean of (m,) values over each cell's senders; NaN without."""
        return _means(self.receivers, values, self.n_cells)

    def sent(self, values: np.ndarray) -> np.ndarray:
        """Return (n,) mean of (m,) values over each cell's receivers; NaN without."""
        return _means(self.senders, values, self.n_cells)


def near_pairs(
    xy: np.ndarray,
    homes: np.ndarray,
    neighbours: int | None = NEIGHBOURS,
    radius: float | None = None,
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
    parts = [np.zeros((2, 0), dtype=np.intp)]
    for home in np.unique(homes[homes >= 0]):
        cells = np.flatnonzero(homes == home)
        found = (
            _within(xy[cells], radius)
            if radius is not None
            else _nearest(xy[cells], int(asked))
        )
        parts.append(cells[found])
    receivers, senders = np.concatenate(parts, axis=1)
    if not len(receivers):
        raise ScfmError(
            "No cell has a neighbour.", "Ask for a larger radius, or another FOV."
        )
    order = np.argsort(receivers, kind="stable")
    return NearPairs(receivers[order], senders[order], len(xy))


def _within(xy: np.ndarray, radius: float) -> np.ndarray:
    one = cKDTree(xy).query_pairs(radius, output_type="ndarray").T.astype(np.intp)
    return np.concatenate([one, one[::-1]], axis=1)


def _nearest(xy: np.ndarray, count: int) -> np.ndarray:
    count = min(count, len(xy) - 1)
    if count < 1:
        return np.zeros((2, 0), dtype=np.intp)
    own = np.arange(len(xy))
    found = cKDTree(xy).query(xy, count + 1)[1]
    # a cell is not always its own first neighbour: others may lie at the same place
    last = np.argsort(found == own[:, None], axis=1, kind="stable")
    found = np.take_along_axis(found, last, axis=1)[:, :count]
    return np.stack([np.repeat(own, count), found.ravel()])


def _means(at: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    number = np.bincount(at, minlength=count)
    sums = np.bincount(at, weights=values, minlength=count)
    out = np.full(count, np.nan)
    return np.asarray(np.divide(sums, number, out=out, where=number > 0))


@dataclass(frozen=True)
class NearAttention:
    """What is left of attention between neighbours, and of its exchanged copies.

    Attributes
    ----------
    attention
        (n, n).
    pairs
        The neighbours.
    xy
        (n, 2) positions in um.
    strata
        (n,) cell types or clusters; None keeps no types fixed.
    """

    attention: Attention
    pairs: NearPairs
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
            (n,) cell whose key each cell takes; None for its own.
        """
        receivers, senders = self.pairs.receivers, self.pairs.senders
        taken = senders if order is None else order[senders]
        weights = np.asarray(self._even.pairs(receivers, taken), dtype=np.float64)
        # what a cell pays to itself says nothing of neighbours
        weights[taken == receivers] = np.nan
        rest = _evened(weights, (receivers, senders, self._pair_kinds)) - 1
        # ranks make differences of any size count alike, what is not settled included
        return np.zeros_like(rest) if rest.std() < _FLAT else rest

    def exchanged(
        self, null: Null, permutations: int, seed: int
    ) -> Iterator[np.ndarray]:
        """Yield the residual under each draw of the null.

        Parameters
        ----------
        null
            "shift": the map of the keys is shifted over its bag as a whole, round
            the edges, and each cell takes the key of the cell of its stratum that
            comes to lie nearest to it. Keeps how alike the keys of neighbours are.
            "keys": keys are exchanged between the cells of a stratum.
        permutations, seed
            How many, and of the draws.
        """
        groups = stratify(self.attention.homes(), self.xy, self.strata)
        orders = (
            groups.permutations(permutations, seed)
            if null == "keys"
            else shifts(self.xy, self.attention.homes(), groups, permutations, seed)
        )
        for order in orders:
            yield self.residual(order)

    @cached_property
    def _even(self) -> Attention:
        """Attention with keys as popular as one another among all cells.

        A key takes this along wherever it goes, and little is left to even out.
        """
        return evened(self.attention)

    @cached_property
    def _pair_kinds(self) -> np.ndarray:
        if self.strata is None:
            return np.zeros(len(self.pairs), dtype=np.intp)
        codes = np.unique(np.asarray(self.strata).astype(str), return_inverse=True)[1]
        both = codes[self.pairs.receivers] * (codes.max() + 1)
        return np.asarray(both + codes[self.pairs.senders], dtype=np.intp)


def _evened(weights: np.ndarray, margins: Sequence[np.ndarray]) -> np.ndarray:
    """Return weights of mean 1 in each group of each margin.

    Iterative proportional fitting (Deming and Stephan 1940): what is left is weight
    over the best product of one factor per group. Weights that are not known are 1.

    Parameters
    ----------
    weights
        (m,), NaN where not known.
    margins
        Each (m,) group of each weight.
    """
    known = np.isfinite(weights)
    weights = np.where(known, weights, 0.0)
    counts = [np.bincount(groups, weights=known) for groups in margins]
    for _ in range(_ROUNDS):
        before = weights
        for groups, count in zip(margins, counts, strict=True):
            sums = np.bincount(groups, weights=weights)
            factor = np.divide(count, sums, out=np.ones_like(sums), where=sums > 0)
            weights = weights * factor[groups]
        if np.abs(weights - before).max(initial=0.0) < _SETTLED:
            break
    return np.where(known, weights, 1.0)


def shifts(
    xy: np.ndarray, homes: np.ndarray, strata: Strata, count: int, seed: int
) -> Iterator[np.ndarray]:
    """Yield (n,) cell whose key each cell takes when the map of keys is shifted.

    Shifts are uniform over the bounding box of each bag and go round its edges; a
    cell takes the key of the nearest cell of its own stratum. A cell may be taken
    more than once, another not at all.
    """
    rng = np.random.default_rng(seed)
    bags = np.unique(homes, return_inverse=True)[1]
    low = np.stack([xy[bags == bag].min(axis=0) for bag in range(bags.max() + 1)])
    size = np.stack([np.ptp(xy[bags == bag], axis=0) for bag in range(len(low))])
    size[size == 0] = 1
    groups = [
        np.flatnonzero(strata.codes == code) for code in range(strata.codes.max() + 1)
    ]
    trees = [cKDTree(xy[cells]) for cells in groups]
    for _ in range(count):
        step = rng.random(size.shape) * size
        moved = low[bags] + (xy - low[bags] + step[bags]) % size[bags]
        order = np.empty(len(xy), dtype=np.intp)
        for cells, tree in zip(groups, trees, strict=True):
            order[cells] = cells[tree.query(moved[cells])[1]]
        yield order
