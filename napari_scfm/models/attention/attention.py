"""Attention of a whole table: blocks of bags, read as one matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_scfm.models.attention.block import Block
from napari_scfm.models.attention.strongest import as_matrix, strongest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_scfm.models.attention.block import Matrix


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

    @property
    def has_factors(self) -> bool:
        """Whether every bag's weights are a product of factors, never formed."""
        return all(block.has_factors for block in self.blocks)

    @property
    def all_seen(self) -> bool:
        """Whether every cell of a bag could take from every other.

        Not so where cells were read in windows: pairs that share none have no weight,
        and what is said of weights goes for the pairs that were seen.
        """
        return all(block.all_seen for block in self.blocks)

    def seen(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Return (m,) receivers and senders of the pairs of cells that have a weight.

        None where all cells of every bag have.
        """
        if self.all_seen:
            return None
        none = np.zeros(0, dtype=np.intp)
        found = [(block.cells, *block.seen()) for block in self.blocks]
        rows = np.concatenate([none, *(cells[rows] for cells, rows, _ in found)])
        columns = np.concatenate([none, *(cells[cols] for cells, _, cols in found)])
        return rows, columns

    def even(self) -> Attention:
        """Return attention that is even over all other cells that could be seen."""
        return self._each(lambda block: block.even())

    def transposed(self) -> Attention:
        """Return ``A.T``: rows are senders."""
        return self._each(lambda block: block.transposed())

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
        return self._each(lambda block: block.scaled(keys=factor[block.cells]))

    def restricted(
        self, receivers: np.ndarray | None = None, senders: np.ndarray | None = None
    ) -> Attention:
        """Return the attention between some cells; all other weights become 0.

        The weights that stay are as they were: rows are not made to sum to anything.

        Parameters
        ----------
        receivers, senders
            (n,) bool, or None for all cells.

        Raises
        ------
        ValueError
            If there is not one bool for each cell.
        """
        for chosen in (receivers, senders):
            if chosen is not None and (
                np.shape(chosen) != (self.n_cells,) or np.asarray(chosen).dtype != bool
            ):
                raise ValueError(f"restricting takes {self.n_cells} bools")
        return self._each(
            lambda block: block.scaled(
                None if receivers is None else np.asarray(receivers)[block.cells],
                None if senders is None else np.asarray(senders)[block.cells],
            )
        )

    def of(self, cells: np.ndarray) -> Attention:
        """Return the attention among some cells, renumbered; bags stay apart.

        Parameters
        ----------
        cells
            (m,) different positions; cell ``cells[i]`` becomes cell i. Or (n,) bool.

        Raises
        ------
        ValueError
            If a cell is named twice.
        """
        cells = np.asarray(cells)
        if cells.dtype == bool:
            cells = np.flatnonzero(cells)
        if len(np.unique(cells)) != len(cells):
            raise ValueError("a part of an attention holds every cell once")
        homes = self._home[cells]
        blocks = []
        for number, block in enumerate(self.blocks):
            here = np.flatnonzero(homes == number)
            if len(here):
                blocks.append(block.of(self._place[cells[here]], here))
        return Attention(blocks, len(cells))

    def keys_moved(self, order: np.ndarray) -> Attention:
        """Return the attention whose key j is key ``order[j]``.

        Every weight is computed anew from query i and the key that cell j now holds.
        What a rollout leaves with the cell itself stays there.

        Parameters
        ----------
        order
            (n,) positions; a cell takes the key of a cell of its own bag.

        Raises
        ------
        ValueError
            If the weights are no product of factors, or a key would leave its bag.
        """
        order = np.asarray(order)
        if not self.has_factors:
            raise ValueError("keys can only be moved where attention has factors")
        if order.shape != (self.n_cells,) or (self._home[order] != self._home).any():
            raise ValueError("keys can only be moved inside their bag, one per cell")
        return self._each(lambda b: b.keys_moved(self._place[order[b.cells]]))

    def _each(self, change: Callable[[Block], Block]) -> Attention:
        return Attention([change(block) for block in self.blocks], self.n_cells)

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

    def pairs(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return (m,) exact weights of queries ``rows`` on keys ``columns``.

        Pairs of cells of different bags weigh 0. For factors of width d this takes
        O(m d) time.

        Parameters
        ----------
        rows, columns
            (m,) positions of cells.
        """
        rows, columns = np.asarray(rows), np.asarray(columns)
        out = np.zeros(len(rows))
        homes = np.where(self._home[rows] == self._home[columns], self._home[rows], -1)
        for number, block in enumerate(self.blocks):
            here = homes == number
            out[here] = block.pairs(self._place[rows[here]], self._place[columns[here]])
        return out

    def group_sums(self, codes: np.ndarray, count: int) -> np.ndarray:
        """Return (count, count) sums of weights between groups of cells.

        ``[a, b]`` is all that the cells of group a take from the cells of group b,
        each cell's weight on itself left out. Linear in the cells for factors.

        Parameters
        ----------
        codes
            (n,) group of each cell, 0 to count - 1; cells with other codes (-1) are
            in none.
        count
            Number of groups.
        """
        codes = np.asarray(codes)
        out = np.zeros((count, count))
        for block in self.blocks:
            out += block.group_sums(codes[block.cells], count)
        return out

    def effective_partners(self, *, without_self: bool = False) -> np.ndarray:
        """Return (n,) how many cells each row is spread over.

        One over the sum of the squared weights of a row that was made to sum to 1
        (inverse Simpson index): n for even attention, 1 for a single partner, 0 for
        a cell that takes nothing. Linear in the cells for factors.

        Parameters
        ----------
        without_self
            Leave each cell's weight on itself out, as for a rollout, in which most
            of a row stays with the cell.
        """
        everything = self.row_sums()
        total, squares = everything, np.zeros(self.n_cells)
        for block in self.blocks:
            one = np.zeros(len(block.cells), dtype=np.intp)
            squares[block.cells] = block.squares(one, 1)[:, 0]
        if without_self:
            own = self.diagonal()
            total, squares = total - own, squares - own**2
        # alone in its bag, what a cell takes from the others is rounding
        alive = (total > 1e-9 * everything) & (squares > 0)
        found = np.divide(total**2, squares, out=np.zeros(self.n_cells), where=alive)
        return np.asarray(found)

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

    def top_k(self, k: int, *, without_self: bool = False) -> sparse.csr_array:
        """Return the k largest weights of each row, exact, for rollouts too.

        Memory is bound by one tile of 2,048 x 4,096 weights. The time grows with the
        square of the cells of a bag: 20,000 cells took 3 s at width 256 and 8 s at
        width 1,024 on one core, so that 100,000 take one to four minutes.

        Parameters
        ----------
        k
            Weights per cell; weights of 0 are not kept.
        without_self
            Leave each cell's weight on itself out. It takes one of the k places
            otherwise, in a rollout always.
        """
        found = [
            (block.cells, strongest(block, k, without_self=without_self))
            for block in self.blocks
        ]
        return as_matrix(found, self.shape)
