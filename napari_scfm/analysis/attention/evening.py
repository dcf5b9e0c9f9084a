"""Weights between neighbours, with what needs no direction taken out.

Decides what counts as layout in the local regime: how popular a key is with all its
neighbours (one hub cell otherwise turns all arrows around it), and what cells of one
kind take from cells of another on average. Both are divided out in turns, received
over expected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_scfm.analysis.attention.neighbours import Pairs

ROUNDS = 6
"""Popularity is compared among neighbours only, so it takes some rounds to be felt
further off; every round also takes away some of a flow that crosses all of the
tissue, which among neighbours is no different from a slope of popularity."""


def evened_pairs(
    weights: np.ndarray, pairs: Pairs, kinds: np.ndarray | None = None
) -> np.ndarray:
    """Return (m,) weights whose rows sum to 1 and whose keys are equally popular.

    Parameters
    ----------
    weights
        (m,) weights of the pairs, >= 0.
    pairs
        The pairs.
    kinds
        (m,) kind of the pair (receiver's and sender's type); None leaves the types'
        own attention in.
    """
    out = _over_mean(weights, pairs.rows, pairs.count)
    kind_count = None if kinds is None else np.bincount(kinds)
    for _ in range(ROUNDS):
        if kinds is not None and kind_count is not None:
            out = _over_mean(out, kinds, kind_count)
        out = _over_mean(out, pairs.columns, pairs.popularity)
        out = _over_mean(out, pairs.rows, pairs.count)
    return np.asarray(out / np.maximum(pairs.count, 1)[pairs.rows])


def normalised_pairs(weights: np.ndarray, pairs: Pairs) -> np.ndarray:
    """Return (m,) weights whose rows sum to 1."""
    out = _over_mean(weights, pairs.rows, pairs.count)
    return np.asarray(out / np.maximum(pairs.count, 1)[pairs.rows])


def _over_mean(values: np.ndarray, codes: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Return values over the mean of their group; 0 where that is 0."""
    sums = np.bincount(codes, weights=values, minlength=len(count))
    factor = np.divide(count, sums, out=np.zeros(len(count)), where=sums > 0)
    return np.asarray(values * factor[codes])


def pair_kinds(pairs: Pairs, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return (m,) the kind of each pair, from the types of its two cells.

    Parameters
    ----------
    pairs
        The pairs.
    rows, columns
        (n,) type of each cell, and of each cell as a partner.
    """
    count = int(columns.max(initial=0)) + 1
    return np.asarray(rows[pairs.rows] * count + columns[pairs.columns])
