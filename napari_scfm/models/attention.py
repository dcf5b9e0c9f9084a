"""Attention: cell x cell weights that are never formed unless asked for.

Orientation: ``A[i, j]`` is what query (receiver) i takes from key (sender) j. Cells
of different bags never attend to each other, so the matrix is made of blocks, one
per bag, and each block is either a product ``F @ G.T`` (flow attention: the head
mean of a linear attention is one inner product of width heads x head width) or an
explicit matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Sequence

Matrix: TypeAlias = np.ndarray | sparse.csr_array

_BLOCK_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Block:
    """Attention inside one bag.

    Attributes
    ----------
    cells
        (n,) positions of the bag's cells in the table.
    query, key
        (n, d) factors with ``A = query @ key.T``; or None with ``matrix``.
    matrix
        (n, n) explicit weights, dense or sparse.
    """

    cells: np.ndarray
    query: np.ndarray | None = None
    key: np.ndarray | None = None
    matrix: Matrix | None = None

    def apply(self, values: np.ndarray) -> np.ndarray:
        """``A @ values`` for this bag, linear in the cells for factors.

        Single-precision factors are used in double precision, piece by piece, when
        the values are double.
        """
        if self.matrix is not None:
            return np.asarray(self.matrix @ values)
        query, key = self._factors()
        precision = np.result_type(values, query)
        step = max(1, _BLOCK_BYTES // (8 * max(query.shape[1], 1)))
        pieces = [slice(start, start + step) for start in range(0, len(key), step)]
        inner = np.zeros((key.shape[1], *values.shape[1:]), dtype=precision)
        for piece in pieces:
            inner += key[piece].astype(precision, copy=False).T @ values[piece]
        out = np.zeros(values.shape, dtype=precision)
        for piece in pieces:
            out[piece] = query[piece].astype(precision, copy=False) @ inner
        return out

    def diagonal(self) -> np.ndarray:
        """Return (n,) what each cell takes from itself."""
        if self.matrix is not None:
            return np.asarray(self.matrix.diagonal(), dtype=np.float64)
        query, key = self._factors()
        return np.asarray(np.einsum("ij,ij->i", query, key, dtype=np.float64))

    def squares(self, codes: np.ndarray, groups: int) -> np.ndarray:
        """Return (n, groups) sums of squared weights over the keys of each group.

        Linear in the cells for factors: ``F_i' (sum of G_j G_j') F_i``.
        """
        chosen = sparse.csr_array(
            (np.ones(len(codes)), (np.arange(len(codes)), codes)),
            shape=(len(codes), groups),
        )
        if isinstance(self.matrix, np.ndarray):
            return np.asarray(np.square(self.matrix) @ chosen)
        if self.matrix is not None:
            squared = self.matrix.multiply(self.matrix)
            return np.asarray((squared @ chosen).toarray())
        query, key = self._factors()
        out = np.zeros((len(codes), groups))
        for group in range(groups):
            part = key[codes == group].astype(np.float64)
            out[:, group] = np.einsum("ij,ij->i", query @ (part.T @ part), query)
        return out

    def _factors(self) -> tuple[np.ndarray, np.ndarray]:
        assert self.query is not None
        assert self.key is not None
        return self.query, self.key

    def transposed(self) -> Block:
        """Return the block of ``A.T``."""
        matrix = self.matrix
        if isinstance(matrix, np.ndarray):
            matrix = matrix.T
        elif matrix is not None:
            matrix = sparse.csr_array(matrix.T)
        return Block(self.cells, query=self.key, key=self.query, matrix=matrix)

    def with_keys_scaled(self, factor: np.ndarray) -> Block:
        """Return the block with the weights on each key multiplied by a factor."""
        if self.matrix is None:
            query, key = self._factors()
            scaled = key * factor[:, None].astype(key.dtype)
            return Block(self.cells, query=query, key=scaled)
        if isinstance(self.matrix, np.ndarray):
            return Block(self.cells, matrix=self.matrix * factor)
        scaling = sparse.diags_array(factor)
        return Block(self.cells, matrix=sparse.csr_array(self.matrix @ scaling))

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Return rows ``start:stop`` as a dense array."""
        if self.matrix is None:
            query, key = self._factors()
            return np.asarray(query[start:stop] @ key.T)
        part = self.matrix[start:stop]
        return part if isinstance(part, np.ndarray) else np.asarray(part.toarray())


class Attention:
    """Cell x cell attention of one layer, ``A[i, j]`` = query i from key j.

    Parameters
    ----------
    blocks
        One per bag; together they cover the cells at most once.
    n_cells
        Number of cells of the table.
    """

    def __init__(self, blocks: Sequence[Block], n_cells: int) -> None:
        self.blocks = tuple(blocks)
        self.n_cells = int(n_cells)
        self._home = np.full(self.n_cells, -1)
        self._place = np.full(self.n_cells, -1)
        for number, block in enumerate(self.blocks):
            self._home[block.cells] = number
            self._place[block.cells] = np.arange(len(block.cells))

    @classmethod
    def from_matrix(cls, weights: Matrix) -> Attention:
        """Wrap a dense or sparse (n, n) matrix.

        Raises
        ------
        ValueError
            If the matrix is not square.
        """
        if weights.ndim != 2 or weights.shape[0] != weights.shape[1]:
            raise ValueError(f"attention must be square, got shape {weights.shape}")
        n = int(weights.shape[0])
        matrix = (
            sparse.csr_array(weights)
            if sparse.issparse(weights)
            else np.asarray(weights)
        )
        return cls([Block(np.arange(n), matrix=matrix)], n)

    @property
    def shape(self) -> tuple[int, int]:
        """(cells, cells)."""
        return self.n_cells, self.n_cells

    def transposed(self) -> Attention:
        """Return ``A.T``: rows are senders."""
        return Attention([block.transposed() for block in self.blocks], self.n_cells)

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Return ``A @ values`` for (n,) or (n, m) values, linear in the cells."""
        values = np.asarray(values)
        out = np.zeros(values.shape, dtype=np.result_type(values, np.float32))
        for block in self.blocks:
            out[block.cells] = block.apply(values[block.cells])
        return out

    def apply_transposed(self, values: np.ndarray) -> np.ndarray:
        """Return ``A.T @ values``."""
        return self.transposed().apply(values)

    def with_keys_scaled(self, factor: np.ndarray) -> Attention:
        """Return the attention with the weights on key j multiplied by factor j."""
        blocks = [block.with_keys_scaled(factor[block.cells]) for block in self.blocks]
        return Attention(blocks, self.n_cells)

    def diagonal(self) -> np.ndarray:
        """Return (n,) what each cell takes from itself; 0 outside every bag."""
        out = np.zeros(self.n_cells)
        for block in self.blocks:
            out[block.cells] = block.diagonal()
        return out

    def row_sums(self) -> np.ndarray:
        """Return (n,) what each cell takes in all, itself included."""
        return self.apply(np.ones(self.n_cells))

    def homes(self) -> np.ndarray:
        """Return (n,) number of each cell's bag, -1 for cells outside every bag."""
        return self._home.copy()

    def row(self, i: int) -> np.ndarray:
        """Return (n,) weights with which cell i attends to every cell."""
        out = np.zeros(self.n_cells, dtype=np.float64)
        number = self._home[i]
        if number >= 0:
            block, place = self.blocks[number], int(self._place[i])
            out[block.cells] = block.rows(place, place + 1)[0]
        return out

    def column(self, j: int) -> np.ndarray:
        """Return (n,) weights with which every cell attends to cell j."""
        return self.transposed().row(j)

    def dense(self) -> np.ndarray:
        """Return the (n, n) matrix; 8 n^2 bytes, so ask only for small n."""
        out = np.zeros(self.shape)
        for block in self.blocks:
            out[np.ix_(block.cells, block.cells)] = block.rows(0, len(block.cells))
        return out

    def top_k(self, k: int) -> sparse.csr_array:
        """Return the k largest weights of each row, exact, computed in blocks."""
        rows, columns, weights = [], [], []
        for block in self.blocks:
            n = len(block.cells)
            step = max(1, _BLOCK_BYTES // (8 * max(n, 1)))
            keep = min(k, n)
            for start in range(0, n if keep else 0, step):
                part = block.rows(start, min(start + step, n))
                best = np.argpartition(part, n - keep, axis=1)[:, n - keep :]
                rows.append(np.repeat(block.cells[start : start + len(part)], keep))
                columns.append(block.cells[best].ravel())
                weights.append(np.take_along_axis(part, best, axis=1).ravel())
        if not rows:
            return sparse.csr_array(self.shape, dtype=np.float64)
        triplets = (
            np.concatenate(weights),
            (np.concatenate(rows), np.concatenate(columns)),
        )
        out = sparse.csr_array(sparse.coo_array(triplets, shape=self.shape))
        out.eliminate_zeros()
        return out
