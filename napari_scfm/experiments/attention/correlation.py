"""Rank correlation of pair products with attention, and what chance makes of it.

One set of copies of the attention serves any number of products: they are ranked once,
and as most are 0, only what is above the rank of the zeros is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import sparse
from scipy.stats import rankdata

from napari_scfm.progress import report

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_scfm.experiments.attention.near import NearAttention, Null
    from napari_scfm.progress import ProgressCallback


class Correlated(NamedTuple):
    """Rank correlations of products with attention.

    Attributes
    ----------
    observed
        (products,) Spearman's correlation; NaN where either side is constant.
    expected, spread
        Mean and standard deviation under the null, the data counted as one draw.
    p_value
        ``(1 + b) / (1 + B)``, two-sided around the mean.
    n_both
        Entries above 0.
    mean
        Of the product.
    """

    observed: np.ndarray
    expected: np.ndarray
    spread: np.ndarray
    p_value: np.ndarray
    n_both: np.ndarray
    mean: np.ndarray


class _Ranks(NamedTuple):
    """Ranks of products less the rank that all zeros share, so mostly nothing.

    Against values whose mean is 0 they give the same sums as the ranks themselves.
    """

    above: sparse.csr_array
    length: np.ndarray
    n_both: np.ndarray
    mean: np.ndarray

    @classmethod
    def of(cls, products: Iterable[np.ndarray], count: int) -> _Ranks:
        starts, columns, values = [0], [], []
        length, mean = [], []
        for product in products:
            some = np.flatnonzero(product)
            zeros = count - len(some)
            rank = rankdata(product[some]) + zeros
            square = float(np.square(rank - (count + 1) / 2).sum())
            square += zeros * ((zeros + 1) / 2 - (count + 1) / 2) ** 2
            columns.append(some)
            values.append(rank - (zeros + 1) / 2)
            starts.append(starts[-1] + len(some))
            length.append(np.sqrt(square))
            mean.append(float(product.mean()))
        above = sparse.csr_array(
            (np.concatenate(values), np.concatenate(columns), np.array(starts)),
            shape=(len(length), count),
        )
        return cls(above, np.array(length), np.diff(starts), np.array(mean))

    def correlation(self, values: np.ndarray) -> np.ndarray:
        """Return (products,) Spearman's correlation with (m,) values."""
        rank = rankdata(values) - (len(values) + 1) / 2
        return over(self.above @ rank, self.length * np.linalg.norm(rank))


def correlate(
    near: NearAttention,
    products: Iterable[np.ndarray],
    rest: np.ndarray,
    null: Null,
    permutations: int,
    seed: int,
    progress: ProgressCallback | None,
) -> Correlated:
    """Return rank correlations of products with attention, and with its copies.

    Parameters
    ----------
    near
        The attention.
    products
        Each (m,), >= 0, over the pairs of neighbours.
    rest
        (m,) :meth:`.NearAttention.residual`.
    null, permutations, seed
        See :meth:`.NearAttention.exchanged`.
    progress
        Told after each draw.
    """
    ranks = _Ranks.of(products, len(rest))
    rounds = [ranks.correlation(rest)]
    for copy in near.exchanged(null, permutations, seed):
        # a copy that is the same everywhere is not correlated with anything
        rounds.append(np.nan_to_num(ranks.correlation(copy)))
        report(progress, len(rounds) - 1, permutations, "chance of the correlation")
    all_rounds = np.stack(rounds)
    # the data are one of the draws, so that the p-value is exact
    expected, spread = all_rounds.mean(axis=0), all_rounds.std(axis=0)
    away = np.abs(all_rounds - expected)
    beyond = (away[1:] >= away[0] * (1 - 1e-9)).sum(axis=0)
    p = np.where(np.isnan(rounds[0]), np.nan, (1 + beyond) / (1 + permutations))
    if not permutations:
        expected = p = np.full(len(p), np.nan)
    return Correlated(rounds[0], expected, spread, p, ranks.n_both, ranks.mean)


def over(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return a ratio, NaN where it is not defined."""
    out = np.full(np.shape(above), np.nan)
    return np.asarray(np.divide(above, below, out=out, where=below > 0))


def adjusted(p_values: np.ndarray) -> np.ndarray:
    """Return p-values adjusted for their number (Benjamini and Hochberg 1995).

    NaN stays NaN and is not counted.
    """
    out = np.full(len(p_values), np.nan)
    known = np.flatnonzero(~np.isnan(p_values))
    order = known[np.argsort(p_values[known])]
    raised = p_values[order] * len(order) / np.arange(1, len(order) + 1)
    out[order] = np.minimum.accumulate(raised[::-1])[::-1].clip(max=1)
    return out
