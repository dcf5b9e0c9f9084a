"""The field of attention among neighbours, in which arrows can mean a direction.

Decides: an arrow is the weighted centre of a cell's partners, split into geometry
(their plain mean: borders of the tissue), layout (popular keys, what kinds of cells
take from one another, and how much goes to near and to far partners) and the rest,
which is what the weights inside each ring of partners say about direction once keys
are equally popular. Popularity is taken off over the whole bag first, then among
neighbours: a model's favourite cells lie together, and among neighbours alone the
slope towards them is no different from a direction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.analysis.attention.evening import (
    evened_pairs,
    normalised_pairs,
    pair_kinds,
)
from napari_scfm.analysis.attention.moved import moved_residuals, ring_residuals
from napari_scfm.analysis.attention.null import evened
from napari_scfm.analysis.attention.parts import Parts, spread_of

if TYPE_CHECKING:
    from napari_scfm.analysis.attention.neighbours import Pairs
    from napari_scfm.models.attention import Attention


def local_parts(
    turned: Attention,
    xy: np.ndarray,
    codes: np.ndarray | None,
    pairs: Pairs,
    sign: float,
    null: str,
    permutations: int,
    seed: int,
) -> Parts:
    """Split the arrows among neighbours.

    Parameters
    ----------
    turned
        Rows are the cells at which arrows are drawn.
    xy
        (n, 2) positions.
    codes
        (n,) type of each cell, or None.
    pairs
        Cells and partners.
    sign
        -1 for arrows that arrive, 1 for arrows that leave.
    null
        "rings", "keys" or "shift".
    permutations, seed
        Of the null.
    """
    kinds = None if codes is None else pair_kinds(pairs, codes, codes)
    even = evened(turned)
    weights = even.pairs(pairs.rows, pairs.columns)
    level = evened_pairs(weights, pairs, kinds)
    raw = turned.pairs(pairs.rows, pairs.columns)
    vectors = pairs.vectors(normalised_pairs(raw, pairs), pairs.away)
    flat = normalised_pairs(np.ones(len(pairs.rows)), pairs)
    geometry = pairs.vectors(flat, pairs.away) * (pairs.sums(raw) > 0)[:, None]
    rest = pairs.vectors(level, pairs.inside)
    tested = permutations if len(pairs.rows) and np.any(pairs.inside) else 0
    if null == "rings":
        shuffled = ring_residuals(level, pairs, tested, seed)
        covariance = ring_covariance(level, pairs)
    else:
        shuffled = moved_residuals(even, xy, codes, pairs, null, tested, seed)
        spread = spread_of(shuffled)
        covariance = np.zeros((len(xy), 2, 2)) if spread is None else spread
    reach = np.sqrt(np.mean(np.square(pairs.away))) if len(pairs.rows) else 0.0
    return Parts(
        vectors=sign * vectors,
        geometry=sign * geometry,
        layout=sign * (vectors - geometry - rest),
        rest=sign * rest,
        shuffled=np.float32(sign) * shuffled,
        rounding=1e-5 * float(reach),
        covariance=covariance,
    )


def ring_covariance(level: np.ndarray, pairs: Pairs) -> np.ndarray:
    """Return (n, 2, 2) covariances when weights change places inside their rings.

    With W_r the weight on ring r of M_r partners, and Cov_r (n - 1) of their
    positions::

        C_i = sum_r Cov_r (sum_{j in r} w_ij^2 - W_r^2 / M_r)
    """
    size = pairs.ring_size
    total = np.bincount(pairs.rings, weights=level, minlength=len(size))
    squares = np.bincount(pairs.rings, weights=level**2, minlength=len(size))
    spread = (squares - total**2 / np.maximum(size, 1)) / np.maximum(size - 1, 1)
    factor = spread[pairs.rings]
    out = np.empty((pairs.n_cells, 2, 2))
    for a in (0, 1):
        for b in (0, 1):
            steps = pairs.inside[:, a] * pairs.inside[:, b]
            out[:, a, b] = pairs.sums(factor * steps)
    return out
