"""Weights of one window, less what is the window's own and not the cells'.

In a window a cell is looked at more, or less, by all others alike: for what it
expresses, but also for where it stands in the sequence and beside whom, and for the
company it competes with, as rows sum to 1. The last three change from window to window
and are shared by all cells of one, which lie together in the tissue: left in, they are
a pattern in space that no exchange of single weights would show.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

ROUNDS = 5
"""Weights of a window are nearly a product of rows and columns already."""


class Levelled(NamedTuple):
    """Weights of a window on other cells, taken apart.

    Attributes
    ----------
    weights
        (k, k) in even shares: 1 is usual, rows and columns have a mean of 1; the
        diagonal is 0.
    popularity
        (k,) how much each cell is looked at, in this window; 1 is usual.
    own
        (k,) what each cell takes from itself.
    """

    weights: np.ndarray
    popularity: np.ndarray
    own: np.ndarray


def levelled(weights: np.ndarray) -> Levelled:
    """Take the weights of a window apart.

    Rows and columns are divided by their means in turns (iterative proportional
    fitting, Deming and Stephan 1940).

    Parameters
    ----------
    weights
        (k, k), rows sum to 1.
    """
    left = np.array(weights, dtype=np.float64)
    own = np.diagonal(left).copy()
    np.fill_diagonal(left, 0)
    others, popularity = max(len(left) - 1, 1), np.ones(len(left))
    for _ in range(ROUNDS):
        left /= _or_one(left.sum(axis=1, keepdims=True) / others)
        seen = _or_one(left.sum(axis=0) / others)
        left /= seen
        popularity *= seen
    left /= _or_one(left.sum(axis=1, keepdims=True) / others)
    return Levelled(left, popularity, own)


def _or_one(means: np.ndarray) -> np.ndarray:
    """Return means, 1 for those that are not above 0 and divide nothing."""
    return np.where(means > 0, means, 1.0)
