"""Factors of attention, made as narrow as they can be.

The head mean of a linear attention is a product of factors of width 100 to 1000, of
which far fewer directions carry weight. Decides: directions are dropped only as long
as all of them together change the weights by less than a millionth (Frobenius norm,
of the weights of the bag), so that what is computed from the narrow factors is the
same to single precision.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.models.attention import Attention

if TYPE_CHECKING:
    from napari_scfm.models.attention import Block

TOLERANCE = 1e-6
_PIECE = 8192


def compressed(attention: Attention, tolerance: float = TOLERANCE) -> Attention:
    """Return the attention with narrow double-precision factors.

    Blocks with an explicit matrix stay as they are. Linear in the cells.

    Parameters
    ----------
    attention
        Of any number of bags.
    tolerance
        Largest relative change of the weights (Frobenius norm).
    """
    blocks = [
        _narrow(block, tolerance) if block.matrix is None else block
        for block in attention.blocks
    ]
    return Attention(blocks, attention.n_cells)


def _narrow(block: Block, tolerance: float) -> Block:
    """Return F V and G U with the singular directions of F G' that matter.

    With Gram matrices F'F = R'R and G'G = S'S the singular values of F G' are those
    of R S', and F (R^-1 P) spans the left side.
    """
    query, key = block.factors()
    left, left_back = _root(query)
    right, right_back = _root(key)
    p, values, q = np.linalg.svd(left @ right.T)
    tail = np.sqrt(np.cumsum(np.square(values)[::-1])[::-1])
    keep = max(1, int(np.count_nonzero(tail > tolerance * max(tail[0], 1e-300))))
    half = np.sqrt(values[:keep])
    width = query.shape[1]
    if keep >= width:
        return replace(block, query=query.astype(float), key=key.astype(float))
    return replace(
        block,
        query=_times(query, left_back @ p[:, :keep] * half),
        key=_times(key, right_back @ q[:keep].T * half),
    )


def _root(factor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return R (r, d) with R'R = F'F, and its pseudo-inverse back (d, r)."""
    gram = np.zeros((factor.shape[1], factor.shape[1]))
    for start in range(0, len(factor), _PIECE):
        part = factor[start : start + _PIECE].astype(np.float64, copy=False)
        gram += part.T @ part
    values, vectors = np.linalg.eigh(gram)
    kept = values > 1e-14 * max(float(values[-1]), 1e-300)
    size = np.sqrt(values[kept])
    return size[:, None] * vectors[:, kept].T, vectors[:, kept] / size


def _times(factor: np.ndarray, narrow: np.ndarray) -> np.ndarray:
    out = np.empty((len(factor), narrow.shape[1]))
    for start in range(0, len(factor), _PIECE):
        part = factor[start : start + _PIECE]
        out[start : start + _PIECE] = part.astype(np.float64, copy=False) @ narrow
    return out
