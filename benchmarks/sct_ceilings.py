"""How well hidden cells could be guessed at best, on the five levels of sCT."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import sparse
from scipy.stats import poisson
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import TruncatedSVD

if TYPE_CHECKING:
    from anndata import AnnData

    from napari_scfm.analysis.levels import CellRange

TYPES = 30
STRENGTH = 2.0
"""Shape of the gamma distribution of a gene's rates among cells of one type."""


class Drawn(NamedTuple):
    """Counts that were drawn from known rates, and the rates; (cells, genes) each."""

    truth: np.ndarray
    again: np.ndarray
    rates: np.ndarray


def by_type(table: AnnData, others: AnnData, seed: int) -> np.ndarray:
    """Return the counts expected of each cell's type and total, (cells, genes).

    Types are clusters of all cells by their own counts, those of hidden cells too.
    """
    every = sparse.csr_array(sparse.vstack([others.X, table.X]), dtype=np.float64)
    types, rates = type_rates(every, seed)
    total = np.asarray(every[others.n_obs :].sum(axis=1)).ravel()
    return np.asarray(total[:, None] * rates[types[others.n_obs :]])


def drawn(table: AnnData, expected: np.ndarray, seed: int) -> Drawn:
    """Return two draws of every count from its cell's own rates.

    The rates are the mean of a gamma distribution around the type's rate (of shape
    :data:`STRENGTH`), given the cell's own count: too varied rather than too alike,
    since they follow the noise of that count.
    """
    counts = sparse.csr_array(table.X, dtype=np.float64).toarray()
    rates = expected * (counts + STRENGTH) / (expected + STRENGTH)
    rng = np.random.default_rng(seed)
    return Drawn(rng.poisson(rates), rng.poisson(rates), rates)


def type_rates(counts: sparse.csr_array, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a cluster of each cell by its own counts, and each cluster's profile.

    Returns
    -------
    (cells,) clusters, and (clusters, genes) shares that sum to 1.
    """
    total = np.asarray(counts.sum(axis=1)).ravel().clip(1)
    scaled = sparse.csr_array(counts.multiply((np.median(total) / total)[:, None]))
    axes = TruncatedSVD(30, random_state=seed).fit_transform(scaled.log1p())
    found = MiniBatchKMeans(TYPES, random_state=seed, n_init=3).fit_predict(axes)
    sums = np.stack([np.asarray(counts[found == k].sum(axis=0)) for k in range(TYPES)])
    sums = sums + 0.5 * sums.sum(axis=0) / sums.sum()
    return found, sums / sums.sum(axis=1, keepdims=True)


def likeliest(expected: np.ndarray, ranges: CellRange, rows: np.ndarray) -> np.ndarray:
    """Return the likeliest level of a Poisson count of each rate."""
    low, high = ranges.low[rows], ranges.high[rows]
    width = np.where(high > low, high - low, np.inf)
    below = [np.exp(-expected)]
    for step in (1, 2, 3):
        edge = np.ceil(np.expm1(np.minimum(low + step * width / 4, 12.0)) - 1e-9)
        below.append(poisson.cdf(edge - 1, expected))
    chances = np.diff(np.stack([*below, np.ones_like(expected)]), axis=0, prepend=0)
    return np.asarray(chances.argmax(axis=0))
