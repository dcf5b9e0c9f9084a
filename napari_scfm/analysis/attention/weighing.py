"""Weights between neighbours whose keys change, again and again.

Decides: cells are taken in the order of a curve through the tissue, some dozens at a
time, and the product of their queries with the keys of all their partners is formed
as one small matrix that stays in the processor's cache. Most of it is thrown away, and
it still takes half the time of one inner product for every pair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_scfm.analysis.attention.rank import compressed

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_scfm.analysis.attention.neighbours import Pairs
    from napari_scfm.models.attention import Attention

    Weigher = Callable[[np.ndarray], np.ndarray]

TILE = 64
_STRIP = 8.0


def along_the_tissue(xy: np.ndarray) -> np.ndarray:
    """Return (n,) an order of cells in which neighbours are near one another.

    Strips some cells wide, up one and down the next.
    """
    extent = np.ptp(xy, axis=0)
    area = float(np.prod(np.maximum(extent, 1e-12)))
    width = _STRIP * np.sqrt(area / max(len(xy), 1))
    strip = np.floor((xy[:, 0] - xy[:, 0].min()) / max(width, 1e-12)).astype(np.intp)
    return np.lexsort((np.where(strip % 2, -xy[:, 1], xy[:, 1]), strip))


class _Tile(NamedTuple):
    rows: slice
    keys: np.ndarray
    pairs: slice
    at: np.ndarray


def weigher(attention: Attention, pairs: Pairs) -> Weigher:
    """Return what gives (m,) weights of the pairs for an order of keys.

    Called with (n,) positions, it returns the weights with which cells attend to
    their partners when cell j holds the key of cell ``order[j]``. In single precision
    for factors. What a rollout leaves with a cell itself stays there: a cell never
    meets itself among its neighbours, but it may meet its own key.

    Parameters
    ----------
    attention
        With cells in the order of :func:`along_the_tissue`, for speed.
    pairs
        The pairs, of cells of one bag each.
    """
    if not attention.has_factors:
        return lambda order: attention.pairs(pairs.rows, order[pairs.columns])
    query, key = _factors(compressed(attention))
    tiles = _tiles(pairs)

    def weighed(order: np.ndarray) -> np.ndarray:
        held = key[order]
        out = np.empty(len(pairs.rows), np.float32)
        for tile in tiles:
            product = query[tile.rows] @ held[tile.keys].T
            out[tile.pairs] = product.ravel()[tile.at]
        return out

    return weighed


def _factors(attention: Attention) -> tuple[np.ndarray, np.ndarray]:
    """Return (n, d) float32 queries and keys of all bags; narrow ones are filled up."""
    width = max((block.factors()[0].shape[1] for block in attention.blocks), default=1)
    shape = (attention.n_cells, width)
    query, key = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for block in attention.blocks:
        left, right = block.factors()
        query[block.cells, : left.shape[1]] = left
        key[block.cells, : right.shape[1]] = right
    return query, key


def _tiles(pairs: Pairs) -> list[_Tile]:
    tiles = []
    for first in range(0, pairs.n_cells, TILE):
        last = min(first + TILE, pairs.n_cells)
        inside = slice(int(pairs.starts[first]), int(pairs.starts[last]))
        keys, column = np.unique(pairs.columns[inside], return_inverse=True)
        at = (pairs.rows[inside] - first) * np.intp(len(keys)) + column
        tiles.append(_Tile(slice(first, last), keys, inside, at))
    return tiles
