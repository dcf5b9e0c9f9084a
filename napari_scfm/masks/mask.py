"""Mask: which expression entries are hidden from a model.

A mask is a value: a boolean cells x genes matrix with the names of its rows and
columns, combined by set algebra. It never changes a table; it only says what a model
may not see. ``labels`` are a different thing (the segmentation). It is held as packed
bits, so that counting and combining take a millisecond where a slide has thousands of
cells; only ``matrix`` writes every hidden entry out.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_scfm.errors import MaskError, named
from napari_scfm.masks import bits
from napari_scfm.masks.counts import clean, kept

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData


Change = tuple[np.ndarray | None, np.ndarray]
"""Which words of bits differ between two masks (None: any), and in which bits."""


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
        shape = (len(cells), len(genes))
        if np.shape(hidden) != shape:
            raise MaskError(
                f"A mask of shape {np.shape(hidden)} does not fit "
                f"{shape[0]} cells x {shape[1]} genes.",
                "Make it from the table it hides parts of.",
            )
        if sparse.issparse(hidden):
            words = bits.from_csr(sparse.csr_array(hidden))
        else:
            words = bits.pack(np.asarray(hidden, dtype=bool))
        self._take(words, cells, genes)

    def _take(
        self,
        words: np.ndarray,
        cells: Sequence[str] | np.ndarray | pd.Index,
        genes: Sequence[str] | np.ndarray | pd.Index,
    ) -> None:
        self.cells = np.asarray(cells, dtype=object)
        self.genes = np.asarray(genes, dtype=object)
        self._words = words

    @classmethod
    def packed(
        cls,
        words: np.ndarray,
        cells: Sequence[str] | np.ndarray | pd.Index,
        genes: Sequence[str] | np.ndarray | pd.Index,
    ) -> Mask:
        """Return the mask of packed bits, see :mod:`napari_scfm.masks.bits`.

        Parameters
        ----------
        words
            (cells, words) uint64; not copied, so do not change it.
        cells, genes
            Names of the rows and columns, unique.
        """
        mask = cls.__new__(cls)
        mask._take(words, cells, genes)
        return mask

    @classmethod
    def empty(cls, table: AnnData) -> Mask:
        """Return a mask that hides nothing of a table."""
        return cls.packed(bits.zeros(table.shape), table.obs_names, table.var_names)

    @cached_property
    def matrix(self) -> sparse.csr_array:
        """(cells, genes) boolean CSR; treat it as read-only.

        It is made on first use and takes 5 bytes per hidden entry; the properties
        below need none of it.
        """
        return bits.to_csr(self._words, self.shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        """(cells, genes)."""
        return len(self.cells), len(self.genes)

    @property
    def n_hidden(self) -> int:
        """Number of hidden entries."""
        return int(self.hidden_per_cell.sum())

    @property
    def share(self) -> float:
        """Hidden entries as a share of all, 0..1."""
        return self.n_hidden / max(1, self.shape[0] * self.shape[1])

    @cached_property
    def hidden_per_cell(self) -> np.ndarray:
        """(cells,) number of hidden genes of each cell; treat it as read-only."""
        return bits.row_counts(self._words)

    @cached_property
    def hidden_per_gene(self) -> np.ndarray:
        """(genes,) number of cells in which each gene is hidden; read-only."""
        return bits.column_counts(self._words, self.shape[1])

    @property
    def whole_genes(self) -> np.ndarray:
        """(genes,) bool: genes that are hidden in every cell."""
        if self.shape[0] == 0:
            return np.zeros(self.shape[1], dtype=bool)
        return self._row(np.bitwise_and.reduce(self._words, axis=0))

    @property
    def whole_cells(self) -> np.ndarray:
        """(cells,) bool: cells in which every gene is hidden."""
        counts = self.hidden_per_cell
        return np.asarray((counts == self.shape[1]) & (self.shape[1] > 0))

    @property
    def scattered(self) -> Mask:
        """What is hidden besides whole genes and whole cells."""
        if self.whole_genes.all():
            return Mask.packed(self._words & np.uint64(0), self.cells, self.genes)
        words = self._words & ~bits.pack(self.whole_genes[None])
        words[self.whole_cells] = 0
        return Mask.packed(words, self.cells, self.genes)

    @property
    def touched(self) -> np.ndarray:
        """(genes,) bool: genes that are hidden in at least one cell."""
        return self._row(np.bitwise_or.reduce(self._words, axis=0))

    def _row(self, words: np.ndarray) -> np.ndarray:
        row: np.ndarray = bits.unpack(words[None], self.shape[1])[0]
        return row

    @property
    def entries(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of every hidden entry, by row and then by column."""
        matrix = self.matrix
        rows = np.repeat(np.arange(self.shape[0]), self.hidden_per_cell)
        return rows, np.asarray(matrix.indices)

    def hidden_in(self, gene: str | int) -> np.ndarray:
        """Return in which cells a gene is hidden, (cells,) bool.

        Parameters
        ----------
        gene
            Its name, or its position.

        Raises
        ------
        MaskError
            If the mask has no gene of that name.
        """
        if isinstance(gene, str):
            found = np.flatnonzero(self.genes == gene)
            if not len(found):
                raise MaskError(
                    f"The mask has no gene {gene}.", "Check the name; case matters."
                )
            gene = int(found[0])
        word, bit = divmod(int(gene), bits.WORD)
        return np.asarray(self._words[:, word] >> np.uint64(bit) & np.uint64(1) != 0)

    def at(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return whether the entries (rows[i], columns[i]) are hidden, bool."""
        return bits.lookup(self._words, np.asarray(rows), np.asarray(columns))

    def dense(self) -> np.ndarray:
        """Return (cells, genes) bool, one byte per entry."""
        return bits.unpack(self._words, self.shape[1])

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
        return list(self.genes[self.touched])

    def for_table(self, table: AnnData) -> Mask:
        """Return the mask in the row and column order of a table.

        Entries whose cell or gene the table does not hold are left out; cells
        and genes that the mask does not know are visible.
        """
        if _same(self.cells, table.obs_names) and _same(self.genes, table.var_names):
            return self
        rows = _places(self.cells, table.obs_names, "cell")
        columns = _places(self.genes, table.var_names, "gene")
        words = bits.zeros((table.n_obs, self.shape[1]))
        words[rows >= 0] = self._words[rows[rows >= 0]]
        if not np.array_equal(columns, np.arange(self.shape[1])):
            words = bits.take(words, self.shape[1], columns)
        return Mask.packed(words, table.obs_names, table.var_names)

    def visible(self, table: AnnData) -> sparse.csr_array:
        """Return a table's counts, float32 CSR, with hidden entries set to 0."""
        counts = clean(table)
        rows = np.repeat(
            np.arange(counts.shape[0], dtype=np.int32), np.diff(counts.indptr)
        )
        hidden = self.for_table(table).at(rows, counts.indices)
        return kept(counts, ~hidden & (counts.data != 0)).astype(np.float32, copy=False)

    def _fits(self, other: Mask) -> bool:
        return _same(self.cells, other.cells) and _same(self.genes, other.genes)

    def _same_names(self, other: Mask) -> None:
        if not self._fits(other):
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
        return Mask.packed(self._words | other._words, self.cells, self.genes)

    def __and__(self, other: Mask) -> Mask:
        """Hide what both hide."""
        self._same_names(other)
        return Mask.packed(self._words & other._words, self.cells, self.genes)

    def __sub__(self, other: Mask) -> Mask:
        """Hide what this mask hides and the other does not."""
        self._same_names(other)
        return Mask.packed(self._words & ~other._words, self.cells, self.genes)

    def change_to(self, other: Mask) -> Change:
        """Return what must be turned over to get another mask of the same table."""
        self._same_names(other)
        flips = (self._words ^ other._words).reshape(-1)
        places = np.flatnonzero(flips)
        if 2 * len(places) > len(flips):
            return None, flips
        return places, flips[places]

    def changed(self, change: Change) -> Mask:
        """Return the mask after a change, or before it: it leads both ways."""
        places, flips = change
        words = self._words.copy()
        words.reshape(-1)[slice(None) if places is None else places] ^= flips
        return Mask.packed(words, self.cells, self.genes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mask):
            return NotImplemented
        return self._fits(other) and np.array_equal(self._words, other._words)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return (
            f"Mask({self.n_hidden} of {self.shape[0]} x {self.shape[1]} entries "
            f"hidden, {len(self.hidden_genes)} whole genes, "
            f"{len(self.hidden_cells)} whole cells)"
        )


def _same(a: np.ndarray, b: np.ndarray | pd.Index) -> bool:
    other = np.asarray(b)
    return a is other or np.array_equal(a, other)


def _places(own: np.ndarray, wanted: pd.Index, kind: str) -> np.ndarray:
    """Return where each wanted name stands among a mask's own, -1 for nowhere."""
    import pandas as pd

    index = pd.Index(own)
    if not index.is_unique:
        twice = index[index.duplicated()].unique()
        raise MaskError(
            f"{len(twice)} {kind} names of the mask occur more than once: "
            f"{named(twice)}.",
            "Make the names of the table unique.",
        )
    return np.asarray(index.get_indexer(wanted), dtype=np.int64)
