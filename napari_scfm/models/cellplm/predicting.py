"""Predicted counts of asked genes, filled bag by bag and scaled at the end.

Only the asked genes and those of the table are decoded. The factor of a cell comes
from its visible entries (:mod:`.scaling`); hidden ones take no part in either sum
unless ``compat`` asks for the original's rule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.genes.identity import resolve
from napari_scfm.models.cellplm.scaling import cell_factors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scipy import sparse

    from napari_scfm.models.cellplm.reading import TableReading

BLIND_BAG = (
    "A bag has no visible counts of genes that the model knows: its predictions take "
    "their depth from the other bags, or are missing."
)


class Predictions:
    """Means of asked genes, and what their scaling needs.

    Parameters
    ----------
    reading
        The table that is read.
    asked
        (genes,) positions in the gene list, -1 for genes without.
    compat
        Scale as in the original program.

    Attributes
    ----------
    genes
        (n,) positions in the gene list of the genes to decode.
    own
        (matched,) columns of the table's genes in ``genes``.
    values
        (cells, asked) unscaled means so far; NaN for unknown genes.
    factor
        (cells,) factors that are set already; NaN where they are not.
    """

    def __init__(
        self, reading: TableReading, asked: np.ndarray, *, compat: bool
    ) -> None:
        cells = reading.table.n_obs
        self.compat = compat
        self._bags = reading.bags
        self._known = np.flatnonzero(asked >= 0)
        both = np.concatenate([reading.rows, asked[self._known]])
        self.genes, back = np.unique(both, return_inverse=True)
        self.own, self._other = np.split(back, [len(reading.rows)])
        self.values = np.full((cells, len(asked)), np.nan, dtype=np.float32)
        self.factor = np.full(cells, np.nan)
        self._sums = np.zeros((2, cells))

    def take(
        self, cells: np.ndarray, means: np.ndarray, hidden: sparse.csr_array | None
    ) -> None:
        """Note the means of some cells.

        Parameters
        ----------
        cells
            (n,) row positions in the table.
        means
            (n, genes) of :attr:`genes`.
        hidden
            (n, matched) hidden entries of the table's genes, or None.
        """
        self.put(cells, means)
        self._sums[1, cells] = self.expected(means, hidden)

    def put(self, cells: np.ndarray, means: np.ndarray) -> None:
        """Store the asked genes of some cells."""
        self.values[np.ix_(cells, self._known)] = _columns(means, self._other)

    def expected(
        self, means: np.ndarray, hidden: sparse.csr_array | None
    ) -> np.ndarray:
        """Return (n,) sums of the means over what is visible."""
        own = _columns(means, self.own)
        if hidden is not None and hidden.nnz and not self.compat:
            own = own.copy()
            own[hidden.nonzero()] = 0
        return np.asarray(own.sum(axis=1, dtype=np.float64))

    def observe(self, cells: np.ndarray, counts: sparse.csr_array) -> None:
        """Note the visible sums of some cells."""
        self._sums[0, cells] = counts.sum(axis=1)

    def scaled(self) -> tuple[np.ndarray, list[str]]:
        """Return (cells, asked) counts, and what a user should know of them."""
        factor, notes = np.zeros(len(self.factor)), []
        for cells in self._bags:
            factor[cells] = cell_factors(*self._sums[:, cells], compat=self.compat)
        given = ~np.isnan(self.factor)
        factor[given] = self.factor[given]
        unknown = np.isnan(factor)
        if unknown.any():
            factor[unknown] = cell_factors(*self._sums)[unknown]
            notes.append(BLIND_BAG)
        self.values *= factor.astype(np.float32)[:, None]
        return self.values, notes


def asked_genes(reading: TableReading, genes: Sequence[str]) -> np.ndarray:
    """Return the position of each asked gene in the gene list, -1 unknown.

    Parameters
    ----------
    reading
        The table; a name that it holds means that column.
    genes
        Names as in the table, identifiers of the model, or symbols.
    """
    genes = [str(gene) for gene in genes]
    asked = np.asarray(resolve(genes, reading.config.gene_list), dtype=np.int64)
    matched = np.full(reading.table.n_vars, -1)
    matched[reading.match.columns] = reading.rows
    columns = reading.table.var_names.get_indexer(genes)
    here = columns >= 0
    measured = matched[columns[here]]
    asked[here] = np.where(measured >= 0, measured, asked[here])
    return asked


def _columns(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return columns of an array, itself where that is all of them in order."""
    if np.array_equal(chosen, np.arange(values.shape[1])):
        return values
    return np.asarray(values[:, chosen])
