"""The attention inside one bag: factors that are never multiplied out, or a matrix."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from scipy import sparse

Matrix: TypeAlias = np.ndarray | sparse.csr_array

BLOCK_BYTES = 64 * 2**20
"""What is held at most of anything that is computed on the way."""
_PAIR_BYTES = 2**20
"""Of the factors of pairs, which should stay in the processor's cache."""


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
        (n, n) explicit weights, dense or sparse. What a sparse matrix does not store
        was never seen: it weighs nothing, which says nothing of the pair.
    own
        (n,) added to the diagonal of a product of factors; None adds nothing.
    """

    cells: np.ndarray
    query: np.ndarray | None = None
    key: np.ndarray | None = None
    matrix: Matrix | None = None
    own: np.ndarray | None = None

    @property
    def has_factors(self) -> bool:
        """Whether the weights are a product of factors."""
        return self.matrix is None

    @property
    def all_seen(self) -> bool:
        """Whether every cell could take from every other."""
        matrix = self.matrix
        if matrix is None or isinstance(matrix, np.ndarray):
            return True
        return bool(matrix.nnz == len(self.cells) ** 2)

    def seen(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (m,) rows and columns of the pairs of two cells that have a weight."""
        if self.matrix is None or isinstance(self.matrix, np.ndarray):
            rows, columns = np.nonzero(~np.eye(len(self.cells), dtype=bool))
        else:
            entries = self.matrix.tocoo()
            rows, columns = entries.row, entries.col
        others = rows != columns
        return rows[others], columns[others]

    def even(self) -> Block:
        """Return weights that are even over the other cells that were seen.

        Rows sum to 1; what a cell takes from itself is 0.
        """
        n = len(self.cells)
        if self.all_seen:
            share = np.full((n, 1), 1 / max(n - 1, 1))
            one = np.ones((n, 1))
            return Block(self.cells, query=share, key=one, own=-share[:, 0])
        rows, columns = self.seen()
        share = 1 / np.bincount(rows, minlength=n)[rows]
        matrix = sparse.csr_array((share, (rows, columns)), shape=(n, n))
        return Block(self.cells, matrix=matrix)

    def factors(self) -> tuple[np.ndarray, np.ndarray]:
        """Return query and key, (n, d) each."""
        assert self.query is not None
        assert self.key is not None
        return self.query, self.key

    def apply(self, values: np.ndarray) -> np.ndarray:
        """``A @ values`` for this bag, linear in the cells for factors.

        Single-precision factors are used in double precision, piece by piece, when
        the values are double.
        """
        if self.matrix is not None:
            return np.asarray(self.matrix @ values)
        query, key = self.factors()
        precision = np.result_type(values, query)
        inner = np.zeros((key.shape[1], *values.shape[1:]), dtype=precision)
        for piece in self._pieces():
            inner += key[piece].astype(precision, copy=False).T @ values[piece]
        out = np.zeros(values.shape, dtype=precision)
        for piece in self._pieces():
            out[piece] = query[piece].astype(precision, copy=False) @ inner
        if self.own is not None:
            own = self.own.astype(precision, copy=False)
            out += own.reshape(-1, *[1] * (values.ndim - 1)) * values
        return out

    def diagonal(self) -> np.ndarray:
        """Return (n,) what each cell takes from itself."""
        if self.matrix is not None:
            return np.asarray(self.matrix.diagonal(), dtype=np.float64)
        query, key = self.factors()
        out = np.einsum("ij,ij->i", query, key, dtype=np.float64)
        return np.asarray(out if self.own is None else out + self.own)

    def pairs(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return (m,) the weights of queries ``rows`` on keys ``columns``.

        Both count from 0 inside the bag. Costs O(m d) for factors.
        """
        if self.matrix is not None:
            found = self.matrix[rows, columns]
            dense = found.toarray() if sparse.issparse(found) else found
            return np.asarray(dense, dtype=np.float64).reshape(len(rows))
        query, key = self.factors()
        out = np.empty(len(rows))
        step = max(1, _PAIR_BYTES // (query.itemsize * max(query.shape[1], 1)))
        for start in range(0, len(rows), step):
            piece = slice(start, start + step)
            taken, given = query[rows[piece]], key[columns[piece]]
            out[piece] = np.einsum("ij,ij->i", taken, given)
        if self.own is not None:
            out += np.where(rows == columns, self.own[rows], 0.0)
        return out

    def squares(self, codes: np.ndarray, groups: int) -> np.ndarray:
        """Return (n, groups) sums of squared weights over the keys of each group.

        Linear in the cells for factors: ``F_i' (sum of G_j G_j') F_i``.
        """
        if self.matrix is not None:
            chosen = membership(codes, groups)
            if isinstance(self.matrix, np.ndarray):
                return np.asarray(np.square(self.matrix) @ chosen)
            squared = self.matrix.multiply(self.matrix)
            return np.asarray((squared @ chosen).toarray())
        query, key = self.factors()
        out = np.zeros((len(codes), groups))
        for group in range(groups):
            members = np.flatnonzero(codes == group)
            gram = np.zeros((key.shape[1], key.shape[1]))
            for piece in self._pieces(len(members)):
                part = key[members[piece]].astype(np.float64)
                gram += part.T @ part
            for piece in self._pieces():
                part = query[piece].astype(np.float64)
                out[piece, group] = np.einsum("ij,ij->i", part @ gram, part)
        if self.own is not None:
            known = np.flatnonzero((codes >= 0) & (codes < groups))
            own = self.own[known].astype(np.float64)
            # (p + own)^2 - p^2, where diagonal() is p + own
            more = own * (2 * self.diagonal()[known] - own)
            out[known, codes[known]] += more
        return out

    def group_sums(self, codes: np.ndarray, groups: int) -> np.ndarray:
        """Return (groups, groups) sums of weights by receiver and sender group.

        Weights of cells on themselves are left out. Linear in the cells for factors.

        Parameters
        ----------
        codes
            (n,) group of each cell; cells outside 0 .. groups - 1 are in none.
        groups
            Number of groups.
        """
        chosen = membership(codes, groups)
        if self.matrix is not None:
            sums = np.asarray(chosen.T @ np.asarray(self.matrix @ chosen.toarray()))
        else:
            query, key = self.factors()
            taken, given = (_summed(chosen, factor) for factor in (query, key))
            sums = taken @ given.T
        own = self.diagonal() if self.own is None else self.diagonal() - self.own
        sums[np.arange(groups), np.arange(groups)] -= chosen.T @ own
        return np.asarray(sums)

    def transposed(self) -> Block:
        """Return the block of ``A.T``."""
        matrix = self.matrix
        if isinstance(matrix, np.ndarray):
            matrix = matrix.T
        elif matrix is not None:
            matrix = sparse.csr_array(matrix.T)
        return replace(self, query=self.key, key=self.query, matrix=matrix)

    def scaled(
        self, queries: np.ndarray | None = None, keys: np.ndarray | None = None
    ) -> Block:
        """Return the block with ``A[i, j]`` times ``queries[i] * keys[j]``.

        Parameters
        ----------
        queries, keys
            (n,) factors, or None for 1.
        """
        if self.matrix is None:
            query, key = self.factors()
            own = self.own
            for factor in (queries, keys):
                if own is not None and factor is not None:
                    own = own * factor.astype(own.dtype)
            query, key = _times(query, queries), _times(key, keys)
            return replace(self, query=query, key=key, own=own)
        matrix = self.matrix
        for factor, side in ((queries, 0), (keys, 1)):
            if factor is not None and isinstance(matrix, np.ndarray):
                matrix = matrix * (factor if side else factor[:, None])
            elif factor is not None:
                scaling = sparse.diags_array(np.asarray(factor, dtype=np.float64))
                product = matrix @ scaling if side else scaling @ matrix
                matrix = sparse.csr_array(product)
        return replace(self, matrix=matrix)

    def of(self, places: np.ndarray, cells: np.ndarray) -> Block:
        """Return the block of some of its cells.

        Parameters
        ----------
        places
            (m,) which, counted from 0 inside the bag.
        cells
            (m,) their positions in the table.
        """
        if np.array_equal(places, np.arange(len(self.cells))):
            return replace(self, cells=cells)
        own = None if self.own is None else self.own[places]
        if self.matrix is not None:
            matrix = self.matrix[np.ix_(places, places)]
            if not isinstance(matrix, np.ndarray):
                matrix = sparse.csr_array(matrix)
            return replace(self, cells=cells, matrix=matrix)
        query, key = self.factors()
        return Block(cells, query=query[places], key=key[places], own=own)

    def keys_moved(self, places: np.ndarray) -> Block:
        """Return the block whose key j is key ``places[j]``; factors only."""
        _, key = self.factors()
        return replace(self, key=key[places])

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Return rows ``start:stop`` as a dense array."""
        return self.tile(slice(start, stop), slice(0, len(self.cells)))

    def tile(self, rows: slice, columns: slice) -> np.ndarray:
        """Return some rows of some columns as a dense array of its own."""
        if self.matrix is not None:
            part = self.matrix[rows, columns]
            return np.array(part if isinstance(part, np.ndarray) else part.toarray())
        query, key = self.factors()
        out = np.asarray(query[rows] @ key[columns].T)
        if self.own is not None:
            first = max(rows.start, columns.start)
            both = np.arange(first, min(rows.stop, columns.stop, len(self.cells)))
            out[both - rows.start, both - columns.start] += self.own[both]
        return out

    def _pieces(self, cells: int | None = None) -> list[slice]:
        """Return slices of cells whose factors fit into memory in double precision."""
        n = len(self.cells) if cells is None else cells
        step = max(1, BLOCK_BYTES // (8 * max(self.factors()[0].shape[1], 1)))
        return [slice(start, start + step) for start in range(0, n, step)]


def membership(codes: np.ndarray, groups: int) -> sparse.csr_array:
    """Return (n, groups) with 1 where a cell is in a group."""
    known = np.flatnonzero((codes >= 0) & (codes < groups))
    ones = np.ones(len(known))
    return sparse.csr_array((ones, (known, codes[known])), shape=(len(codes), groups))


def _summed(chosen: sparse.csr_array, factor: np.ndarray) -> np.ndarray:
    """Return (groups, d) sums of a factor over groups, in double precision."""
    step = max(1, BLOCK_BYTES // (8 * max(factor.shape[1], 1)))
    out = np.zeros((chosen.shape[1], factor.shape[1]))
    for start in range(0, len(factor), step):
        part = factor[start : start + step].astype(np.float64, copy=False)
        out += chosen[start : start + step].T @ part
    return out


def _times(values: np.ndarray, factor: np.ndarray | None) -> np.ndarray:
    """Return rows times a factor each."""
    if factor is None:
        return values
    return np.asarray(values * factor[:, None].astype(values.dtype))
