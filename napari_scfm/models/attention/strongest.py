"""The strongest weights of each row, exact, from tiles of the matrix.

Memory is that of one tile, whatever the number of cells. The time is that of all
weights, but most of a tile is only compared with the k-th best weight of its row so
far.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from napari_scfm.models.attention.block import Block

_ROWS, _COLUMNS, _FIRST = 2048, 4096, 256
_MANY = 16


class Strongest(NamedTuple):
    """Weights of single pairs.

    Attributes
    ----------
    rows, columns
        (m,) queries and keys, counted inside the bag.
    weights
        (m,).
    """

    rows: np.ndarray
    columns: np.ndarray
    weights: np.ndarray


def strongest(block: Block, k: int, *, without_self: bool) -> Strongest:
    """Return the k largest weights of each row of a bag.

    Parameters
    ----------
    block
        Factors or a matrix; of a sparse matrix only what is stored is looked at.
    k
        Weights per row; rows with fewer keys have fewer.
    without_self
        Leave the diagonal out.
    """
    n = len(block.cells)
    keep = min(k, n - 1 if without_self else n)
    if keep < 1:
        nothing = np.zeros(0, dtype=np.intp)
        return Strongest(nothing, nothing, np.zeros(0))
    if block.matrix is not None and not isinstance(block.matrix, np.ndarray):
        entries = block.matrix.tocoo()
        found = Strongest(entries.row, entries.col, entries.data)
        if without_self:
            found = _taken(found, found.rows != found.columns)
        return _best(found, keep)
    parts = [_of_rows(block, start, keep, without_self) for start in range(0, n, _ROWS)]
    return Strongest(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _of_rows(block: Block, start: int, keep: int, without_self: bool) -> Strongest:
    """Return the strongest of some rows, tile by tile."""
    n, first, width = len(block.cells), 0, max(_FIRST, keep + 1)
    stop = min(start + _ROWS, n)
    best: Strongest | None = None
    limit = np.full(stop - start, -np.inf)
    while first < n:
        last = min(first + width, n)
        tile = block.tile(slice(start, stop), slice(first, last))
        if without_self:
            own = np.arange(max(start, first), min(stop, last))
            tile[own - start, own - first] = -np.inf
        found = _above(tile, limit, keep)
        found = found._replace(columns=found.columns + first)
        if best is not None and len(found.rows):
            pairs = zip(best, found, strict=True)
            found = Strongest(*(np.concatenate(arrays) for arrays in pairs))
        if best is None or len(found.rows):
            best = _best(found, keep)
            sizes = np.bincount(best.rows, minlength=len(limit))
            full = np.flatnonzero(sizes == keep)
            limit[full] = best.weights[np.cumsum(sizes)[full] - 1]
        # once limits are known, few weights of even a large tile are above them
        first, width = last, max(width, min(2 * width, _COLUMNS))
    assert best is not None
    return best._replace(rows=best.rows + start)


def _above(tile: np.ndarray, limit: np.ndarray, keep: int) -> Strongest:
    """Return what could be among the best: above its row's limit, not too many."""
    over = tile > limit[:, None].astype(tile.dtype)
    if np.count_nonzero(over) * _MANY > tile.size and tile.shape[1] > keep:
        columns = np.argpartition(tile, -keep, axis=1)[:, -keep:]
        rows = np.repeat(np.arange(len(tile)), keep)
        columns = columns.ravel()
    else:
        rows, columns = np.nonzero(over)
    weights = tile[rows, columns].astype(np.float64)
    found = Strongest(rows, columns, weights)
    return _taken(found, weights > -np.inf)


def _best(found: Strongest, keep: int) -> Strongest:
    """Return the largest of each row, rows in order, largest first."""
    order = np.lexsort((-found.weights, found.rows))
    found = _taken(found, order)
    sizes = np.bincount(found.rows)
    rank = np.arange(len(order)) - (np.cumsum(sizes) - sizes)[found.rows]
    return _taken(found, rank < keep)


def _taken(found: Strongest, chosen: np.ndarray) -> Strongest:
    return Strongest(*(array[chosen] for array in found))


def as_matrix(
    found: list[tuple[np.ndarray, Strongest]], shape: tuple[int, int]
) -> sparse.csr_array:
    """Return weights of pairs of several bags as one matrix, without zeros.

    Parameters
    ----------
    found
        The cells of each bag with its weights.
    shape
        (cells, cells).
    """
    none = np.zeros(0, dtype=np.intp)
    rows = np.concatenate([none, *(cells[one.rows] for cells, one in found)])
    columns = np.concatenate([none, *(cells[one.columns] for cells, one in found)])
    weights = np.concatenate([np.zeros(0), *(one.weights for _, one in found)])
    out = sparse.csr_array(sparse.coo_array((weights, (rows, columns)), shape=shape))
    out.eliminate_zeros()
    return out
