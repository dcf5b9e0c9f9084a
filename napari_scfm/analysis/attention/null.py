"""What attention shows when only the places of the keys are shuffled.

Inward arrows at the border of a tissue come from geometry alone, and arrows between
domains from where the cell types lie. Decides what chance means here: the positions
of the keys are permuted inside strata (bag and cell type), queries stay where they
are. The expectation and covariance are known in closed form; the test is one joint
test per field, on the same smooth field that is drawn. Single cells are never called
significant: all cells share the same key positions, so that under chance one field
can have most of its cells below any threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_scfm.models.attention import Attention

_CHUNK_BYTES = 48 * 2**20
_COLUMNS = 64
_LOTS = 1951


@dataclass(frozen=True)
class Strata:
    """Cells that may change places under the null.

    Attributes
    ----------
    codes
        (n,) stratum of each cell; cells of different bags are never in one.
    within
        (n,) stratum counted from 0 in each bag.
    size
        (n,) number of cells in the cell's stratum.
    mean
        (n, 2) mean position of the cell's stratum.
    bag_size, bag_mean
        The same of the cell's bag.
    """

    codes: np.ndarray
    within: np.ndarray
    size: np.ndarray
    mean: np.ndarray
    bag_size: np.ndarray
    bag_mean: np.ndarray

    def permutations(self, count: int, seed: int) -> Iterator[np.ndarray]:
        """Yield (n,) orders in which cells change places inside their strata."""
        rng = lots(seed)
        places = np.argsort(self.codes, kind="stable")
        for _ in range(count):
            order = np.empty_like(places)
            order[places] = np.lexsort((rng.random(len(places)), self.codes))
            yield order


def lots(seed: int) -> np.random.Generator:
    """Return the random numbers of a null.

    Whoever makes data from the same seed draws other numbers: permutations that sort
    by the data themselves are no chance.
    """
    return np.random.default_rng([seed, _LOTS])


def stratify(homes: np.ndarray, xy: np.ndarray, labels: np.ndarray | None) -> Strata:
    """Group cells by bag and label.

    Parameters
    ----------
    homes
        (n,) bag of each cell.
    xy
        (n, 2) positions.
    labels
        (n,) cell types or clusters; None for one stratum per bag, which takes
        away geometry only.
    """
    kinds = np.zeros(len(homes), dtype=np.intp)
    if labels is not None:
        kinds = np.unique(np.asarray(labels).astype(str), return_inverse=True)[1]
    bags = np.unique(homes, return_inverse=True)[1]
    pairs = bags * (kinds.max(initial=0) + 1) + kinds
    codes = np.unique(pairs, return_inverse=True)[1]
    size, mean = _means(codes, xy)
    bag_size, bag_mean = _means(bags, xy)
    return Strata(codes, kinds, size, mean, bag_size, bag_mean)


def _means(codes: np.ndarray, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    counts = np.bincount(codes)
    sums = [np.bincount(codes, weights=xy[:, axis]) for axis in (0, 1)]
    means = np.stack(sums, axis=1) / np.maximum(counts, 1)[:, None]
    return counts[codes], means[codes]


@dataclass(frozen=True)
class Pull:
    """Where attention draws a cell, beyond what its strata make one expect.

    ``pull(q)`` is ``T - E`` for key positions q (relative to the mean of their
    stratum): the attention-weighted centre of the other cells minus its expectation
    when the other keys of each stratum change places. A cell's own position is left
    out of both: kept in the expectation alone, it would make even constant attention
    point outwards, and as coherently as anything that there is to see.

    Attributes
    ----------
    attention
        Rows are the cells at which arrows are drawn.
    own
        (n,) coefficient of the cell's own position.
    own_stratum
        (n,) weight on the other cells of the own stratum.
    diagonal
        (n,) weight on itself.
    scale
        (n,) one over the weight on all other cells; 0 where there is none.
    """

    attention: Attention
    own: np.ndarray
    own_stratum: np.ndarray
    diagonal: np.ndarray
    scale: np.ndarray

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        """Return (n, m) ``T - E`` of (n, m) columns of stratum-centred positions."""
        drawn = self.attention.apply(positions) + self.own[:, None] * positions
        return np.asarray(drawn * self.scale[:, None])

    def centre(
        self, kinds: np.ndarray, positions: np.ndarray, strata: Strata
    ) -> np.ndarray:
        """Return (n, 2) the expectation E.

        Parameters
        ----------
        kinds
            (n, 2) mean of each cell's stratum.
        positions
            (n, 2) positions relative to it.
        strata
            The strata.
        """
        expected = self.attention.apply(kinds) - self.diagonal[:, None] * kinds
        others = np.maximum(strata.size - 1, 1)[:, None]
        expected -= self.own_stratum[:, None] * positions / others
        return np.asarray(expected * self.scale[:, None])


def pull(attention: Attention, strata: Strata) -> Pull:
    """Prepare :class:`Pull`; linear in the cells."""
    n = attention.n_cells
    diagonal = attention.diagonal()
    everything = attention.row_sums()
    total = everything - diagonal
    worth = total > 1e-9 * np.maximum(np.abs(everything), np.finfo(float).tiny)
    scale = np.divide(1.0, total, out=np.zeros(n), where=worth)
    same = stratum_weights(attention, strata) - diagonal
    own = same / np.maximum(strata.size - 1, 1) - diagonal
    return Pull(attention, own, same, diagonal, scale)


def evened(attention: Attention, rounds: int = 3) -> Attention:
    """Return attention in which every key of a bag is equally popular.

    Rows are made to sum to 1 (without the cell itself), then the weights on each
    key are divided by their mean over the other cells, and this is repeated. Some
    keys are looked at by every cell; where these lie moves all arrows of a field
    the same way, and fakes coherence. What is left is how cells differ in where
    they look.

    Where not all pairs were seen, a key is as popular as even attention would make
    it: one at the border of the tissue is seen by fewer cells, and making it as
    popular as the others would turn all arrows there outwards.
    """
    bags = np.unique(attention.homes(), return_inverse=True)[1]
    usual = None
    if not attention.all_seen:
        usual = attention.even().apply_transposed(np.ones(attention.n_cells))
    for _ in range(rounds):
        diagonal = attention.diagonal()
        total = attention.row_sums() - diagonal
        scale = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
        popular = attention.apply_transposed(scale) - diagonal * scale
        alive = popular > 0
        mean = np.bincount(bags, weights=popular) / np.bincount(bags)
        even = mean[bags] if usual is None else usual
        factor = np.divide(even, popular, out=np.ones_like(popular), where=alive)
        attention = attention.with_keys_scaled(factor)
    return attention


def in_even_shares(attention: Attention) -> Attention:
    """Return weights whose mean over the other cells that a cell sees is 1.

    Cells at a border see fewer others, so that even their even weights are larger;
    seen from the keys, the border would seem to look more. Where all cells see all
    others the weights stay as they are.
    """
    seen = attention.seen()
    if seen is None:
        return attention
    count = np.bincount(seen[0], minlength=attention.n_cells)
    total = attention.row_sums() - attention.diagonal()
    factor = np.divide(count, total, out=np.zeros(len(total)), where=total > 0)
    return attention.transposed().with_keys_scaled(factor).transposed()


def stratum_weights(attention: Attention, strata: Strata) -> np.ndarray:
    """Return (n,) weight of each cell on its own stratum, itself included."""
    out = np.zeros(attention.n_cells)
    for first in range(0, int(strata.within.max(initial=-1)) + 1, _COLUMNS):
        members = np.flatnonzero(
            (strata.within >= first) & (strata.within < first + _COLUMNS)
        )
        column = strata.within[members] - first
        chosen = np.zeros((attention.n_cells, int(column.max(initial=0)) + 1))
        chosen[members, column] = 1
        out[members] = attention.apply(chosen)[members, column]
    return out


def shuffled_residuals(
    draw: Pull,
    positions: np.ndarray,
    strata: Strata,
    *,
    permutations: int,
    seed: int,
) -> np.ndarray:
    """Return (B, n, 2) float32 residual fields under permutations of the keys.

    Parameters
    ----------
    draw
        Of the attention.
    positions
        (n, 2) stratum-centred positions.
    """
    n = len(positions)
    chunk = int(np.clip(_CHUNK_BYTES // (16 * max(n, 1)), 1, max(permutations, 1)))
    out = np.empty((permutations, n, 2), np.float32)
    waiting: list[np.ndarray] = []
    for done, order in enumerate(strata.permutations(permutations, seed), start=1):
        waiting.append(positions[order])
        if len(waiting) == chunk or done == permutations:
            drawn = draw(np.hstack(waiting)).reshape(n, len(waiting), 2)
            out[done - len(waiting) : done] = drawn.transpose(1, 0, 2)
            waiting = []
    return out


def covariance(
    attention: Attention, draw: Pull, xy: np.ndarray, strata: Strata
) -> np.ndarray:
    """Return (n, 2, 2) covariances of the residual under permutation of keys.

    With W_is the weight on the other cells of stratum s, and M_s their number, all
    over the weight on all other cells::

        C_i = sum_s Cov_s (sum_{j in s, j != i} w_ij^2 - W_is^2 / M_s)

    which is the form of :func:`closed_form` with the cell itself left out.

    Parameters
    ----------
    attention
        That of ``draw``, or the same weights from narrower factors.
    draw
        From :func:`pull`.
    xy
        (n, 2) positions.
    strata
        The strata.
    """
    out = np.zeros((len(xy), 2, 2))
    for block in attention.blocks:
        cells = block.cells
        codes = np.unique(strata.codes[cells], return_inverse=True)[1]
        count = int(codes.max(initial=-1)) + 1
        own = np.eye(count)[codes]
        alone = draw.diagonal[cells, None] * own
        weight = block.apply(own) - alone
        squares = block.squares(codes, count) - alone**2
        scale = draw.scale[cells]
        for group in range(count):
            here = xy[cells[codes == group]]
            if len(here) > 1:
                others = np.maximum(len(here) - own[:, group], 1)
                spread = squares[:, group] - weight[:, group] ** 2 / others
                spread = np.maximum(spread, 0) * scale**2
                out[cells] += spread[:, None, None] * np.cov(here.T)
    return out


def p_value(observed: float, shuffled: np.ndarray, noise: float = 0.0) -> float:
    """Return ``(1 + b) / (1 + B)``; NaN without permutations.

    Parameters
    ----------
    observed
        Statistic of the data.
    shuffled
        (B,) statistics under the null; b counts those at least as large.
    noise
        Differences up to this are rounding, and count as ties.
    """
    if len(shuffled) == 0:
        return float("nan")
    beyond = np.count_nonzero(shuffled >= observed * (1 - 1e-9) - noise)
    return (1 + int(beyond)) / (1 + len(shuffled))


def closed_form(
    attention: Attention, xy: np.ndarray, strata: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and covariance of the attention centre under permutation of keys.

    With w the rows of the attention made to sum to 1, strata s with means m and
    covariances Cov (n - 1), W_is the weight of row i on s and M_s its size::

        E_i = sum_s W_is m_s
        C_i = sum_s Cov_s (sum_{j in s} w_ij^2 - W_is^2 / M_s)

    The weights are taken as they are: a cell's weight to itself is one of them, and
    every position of the stratum may fall on every key.

    Parameters
    ----------
    attention
        One bag or several.
    xy
        (n, 2) positions.
    strata
        (n,) labels, or None for one stratum per bag.

    Returns
    -------
    expectation
        (n, 2).
    covariance
        (n, 2, 2).
    """
    xy = np.asarray(xy, dtype=np.float64)
    groups = stratify(attention.homes(), xy, strata)
    total = attention.row_sums()
    scale = np.divide(1.0, total, out=np.zeros_like(total), where=total != 0)
    centre = xy.mean(axis=0)
    expectation = attention.apply(groups.mean - centre) * scale[:, None]
    covariance = np.zeros((len(xy), 2, 2))
    for block in attention.blocks:
        cells = block.cells
        codes = np.unique(groups.codes[cells], return_inverse=True)[1]
        count = int(codes.max(initial=-1)) + 1
        chosen = np.eye(count)[codes]
        weight = block.apply(chosen) * scale[cells, None]
        squares = block.squares(codes, count) * scale[cells, None] ** 2
        for group in range(count):
            here = xy[cells[codes == group]]
            if len(here) > 1:
                spread = squares[:, group] - weight[:, group] ** 2 / len(here)
                covariance[cells] += spread[:, None, None] * np.cov(here.T)
    return expectation + centre * (total != 0)[:, None], covariance
