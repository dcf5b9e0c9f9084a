"""Weights between neighbours, with what needs no direction taken out.

Decides what counts as layout in the local regime: how popular a key is with all its
neighbours (one hub cell otherwise turns all arrows around it), and what cells of one
kind take from cells of another on average. Both are divided out in turns, received
over expected (iterative proportional fitting, Deming and Stephan 1940).
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
KIND_ROUNDS = 3
"""Means over all pairs of two kinds of cells hardly move after these."""


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
    table = pairs.table(weights)
    columns = np.ones(pairs.n_cells, weights.dtype)
    rows = _ratio(pairs.count, table @ columns)
    for done in range(ROUNDS):
        if kinds is not None and done < KIND_ROUNDS:
            now = weights * np.repeat(rows, pairs.count) * columns[pairs.columns]
            sums = np.bincount(kinds, weights=now)
            weights = weights * _ratio(np.bincount(kinds), sums, now)[kinds]
            table = pairs.table(weights)
        columns = _ratio(pairs.popularity, table.T @ rows)
        rows = _ratio(pairs.count, table @ columns)
    rows = rows / np.maximum(pairs.count, 1).astype(rows.dtype)
    return np.asarray(weights * np.repeat(rows, pairs.count) * columns[pairs.columns])


def normalised_pairs(weights: np.ndarray, pairs: Pairs) -> np.ndarray:
    """Return (m,) weights whose rows sum to 1."""
    rows = _ratio(np.ones(pairs.n_cells), pairs.sums(weights))
    return np.asarray(weights * np.repeat(rows, pairs.count))


def _ratio(
    expected: np.ndarray, received: np.ndarray, like: np.ndarray | None = None
) -> np.ndarray:
    """Return expected over received, 0 where nothing is received."""
    precision = (received if like is None else like).dtype
    out = np.zeros(len(received), precision)
    np.divide(expected, received, out=out, where=received > 0, casting="unsafe")
    return out


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
