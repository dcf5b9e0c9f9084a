"""Mask: which expression entries are hidden from a model.

A mask is a value: a sparse boolean cells x genes matrix with the names of its
rows and columns, combined by set algebra. It never changes a table; it only says
what a model may not see. ``labels`` are a different thing (the segmentation).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_scfm.errors import MaskError, named

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData


class Mask:
    """Hidden entries of a cells x genes table; True = hidden.

    Parameters
    ----------
    hidden
        (cells, genes) boolean matrix, dense or sparse.
    cells, genes
        Names of the rows and columns, unique.

    Raises
    ------
    MaskError
        If the shape does not agree with the names.
    """

    def __init__(
        self,
        hidden: sparse.sparray | sparse.spmatrix | np.ndarray,
        cells: Sequence[str] | np.ndarray | pd.Index,
        genes: Sequence[str] | np.ndarray | pd.Index,
    ) -> None:
        matrix = sparse.csr_array(hidden, dtype=bool)
        matrix.eliminate_zeros()
        matrix.sum_duplicates()
        self.cells = np.asarray(cells, dtype=object)
        self.genes = np.asarray(genes, dtype=object)
        if matrix.shape != (len(self.cells), len(self.genes)):
            raise MaskError(
                f"A mask of shape {matrix.shape} does not fit "
                f"{len(self.cells)} cells x {len(self.genes)} genes.",
                "Make it from the table it hides parts of.",
            )
        self._matrix = matrix

    @classmethod
    def empty(cls, table: AnnData) -> Mask:
        """Return a mask that hides nothing of a table."""
        return cls(
            sparse.csr_array(table.shape, dtype=bool), table.obs_names, table.var_names
        )

    @property
    def matrix(self) -> sparse.csr_array:
        """(cells, genes) boolean CSR; treat it as read-only."""
        return self._matrix

    @property
    def shape(self) -> tuple[int, int]:
        """(cells, genes)."""
        return len(self.cells), len(self.genes)

    @property
    def n_hidden(self) -> int:
        """Number of hidden entries."""
        return int(self._matrix.nnz)

    @property
    def share(self) -> float:
        """Hidden entries as a share of all, 0..1."""
        return self.n_hidden / max(1, self.shape[0] * self.shape[1])

    @property
    def whole_genes(self) -> np.ndarray:
        """(genes,) bool: genes that are hidden in every cell."""
        counts = np.bincount(self._matrix.indices, minlength=self.shape[1])
        return np.asarray((counts == self.shape[0]) & (self.shape[0] > 0))

    @property
    def whole_cells(self) -> np.ndarray:
        """(cells,) bool: cells in which every gene is hidden."""
        counts = np.diff(self._matrix.indptr)
        return np.asarray((counts == self.shape[1]) & (self.shape[1] > 0))

    @property
    def hidden_genes(self) -> list[str]:
        """Names of the genes that are hidden in every cell."""
        return list(self.genes[self.whole_genes])

    @property
    def hidden_cells(self) -> list[str]:
        """Names of the cells in which every gene is hidden."""
        return list(self.cells[self.whole_cells])

    @property
    def touched_genes(self) -> list[str]:
        """Genes that are hidden in at least one cell."""
        return list(self.genes[np.unique(self._matrix.indices)])

    def for_table(self, table: AnnData) -> Mask:
        """Return the mask in the row and column order of a table.

        Entries whose cell or gene the table does not hold are left out; cells
        and genes that the mask does not know are visible.
        """
        if np.array_equal(self.cells, table.obs_names) and np.array_equal(
            self.genes, table.var_names
        ):
            return self
        rows = table.obs_names.get_indexer(self.cells)
        columns = table.var_names.get_indexer(self.genes)
        entries = self._matrix.tocoo()
        row, column = rows[entries.row], columns[entries.col]
        keep = (row >= 0) & (column >= 0)
        hidden = sparse.coo_array(
            (np.ones(keep.sum(), dtype=bool), (row[keep], column[keep])),
            shape=table.shape,
        )
        return Mask(hidden, table.obs_names, table.var_names)

    def visible(self, table: AnnData) -> sparse.csr_array:
        """Return a table's counts, float32 CSR, with hidden entries set to 0."""
        counts = sparse.csr_array(table.X, dtype=np.float32)
        hidden = self.for_table(table).matrix
        shown = sparse.csr_array(counts - counts.multiply(hidden))
        shown.eliminate_zeros()
        return shown

    def _same_names(self, other: Mask) -> None:
        if not (
            np.array_equal(self.cells, other.cells)
            and np.array_equal(self.genes, other.genes)
        ):
            odd = set(self.genes) ^ set(other.genes) or set(self.cells) ^ set(
                other.cells
            )
            raise MaskError(
                "Two masks of different tables cannot be combined; they differ in "
                f"{named(sorted(odd)) or 'the order of their names'}.",
                "Make both from the same table.",
            )

    def __or__(self, other: Mask) -> Mask:
        """Hide what either hides."""
        self._same_names(other)
        return Mask(self._matrix + other._matrix, self.cells, self.genes)

    def __and__(self, other: Mask) -> Mask:
        """Hide what both hide."""
        self._same_names(other)
        return Mask(self._matrix.multiply(other._matrix), self.cells, self.genes)

    def __sub__(self, other: Mask) -> Mask:
        """Hide what this mask hides and the other does not."""
        self._same_names(other)
        both = self._matrix.multiply(other._matrix)
        return Mask(self._matrix > both, self.cells, self.genes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mask):
            return NotImplemented
        return (
            np.array_equal(self.cells, other.cells)
            and np.array_equal(self.genes, other.genes)
            and (self._matrix != other._matrix).nnz == 0
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return (
            f"Mask({self.n_hidden} of {self.shape[0]} x {self.shape[1]} entries "
            f"hidden, {len(self.hidden_genes)} whole genes, "
            f"{len(self.hidden_cells)} whole cells)"
        )
