"""Hidden entries with their truth: what every model of an experiment is scored on.

Held as vectors, row after row, since a mask hides a part of a table; nothing here is
as large as the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.analysis.levels import LEVELS, CellRange
from napari_scfm.analysis.ranks import TruthRanks
from napari_scfm.analysis.sums import Groups, Moments

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Entries:
    """Entries to score, and what was measured there.

    Attributes
    ----------
    rows, columns
        (entries,) positions of the cell and the gene.
    truth
        (entries,) measured counts.
    shape
        Number of cells and of genes.
    ranges
        Smallest and largest non-zero log1p count of each cell, over all its genes.
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    truth: Floats
    shape: tuple[int, int]
    ranges: CellRange

    @classmethod
    def of_matrices(
        cls, truth: NDArray[Any], hidden: NDArray[np.bool_], counts: ArrayLike
    ) -> Entries:
        """Return the hidden entries of a (cells, genes) table.

        Parameters
        ----------
        truth, hidden
            (cells, genes) counts, and which of them to score.
        counts
            (cells, all genes) measured counts, from which the levels are cut.
        """
        rows, columns = np.nonzero(hidden)
        values = np.asarray(truth[rows, columns], dtype=np.float64)
        return cls(rows, columns, values, truth.shape, CellRange.of(counts))

    def __len__(self) -> int:
        return len(self.rows)

    def kept(self, keep: NDArray[np.bool_]) -> Entries:
        """Return some of the entries of the same table."""
        if keep.all():
            return self
        return Entries(
            self.rows[keep],
            self.columns[keep],
            self.truth[keep],
            self.shape,
            self.ranges,
        )

    @cached_property
    def logs(self) -> Floats:
        """(entries,) log1p of the truth."""
        return np.log1p(clipped(self.truth))

    @cached_property
    def squares(self) -> Floats:
        """(entries,) squares of the logs."""
        return self.logs * self.logs

    @cached_property
    def levels(self) -> NDArray[np.int8]:
        """(entries,) true level 0..4; -1 where the cell has no counts."""
        found = self.ranges.levels(self.logs, self.rows)
        empty = np.isnan(self.ranges.low)
        if empty.any():
            found[empty[self.rows]] = -1
        return found

    @cached_property
    def by_cell(self) -> Groups:
        """The entries of each cell."""
        return Groups(self.rows, self.shape[0])

    @cached_property
    def by_gene(self) -> Groups:
        """The entries of each gene."""
        return Groups(self.columns, self.shape[1])

    @cached_property
    def truth_by_cell(self) -> Moments:
        """Moments of each cell's truth."""
        return Moments.of(self.logs, self.squares, self.by_cell)

    @cached_property
    def truth_by_gene(self) -> Moments:
        """Moments of each gene's truth."""
        return Moments.of(self.logs, self.squares, self.by_gene)

    @cached_property
    def ranks(self) -> TruthRanks:
        """Ranks of the truth within each gene."""
        return TruthRanks(clipped(self.truth), self.columns, self.shape[1])

    @cached_property
    def _rows_of_confusions(self) -> NDArray[np.intp]:
        return (self.columns * LEVELS + self.levels) * LEVELS

    def confusions(self, prediction: Floats) -> NDArray[np.int64]:
        """Return (genes, 5, 5) tables: rows true levels, columns predicted ones.

        Parameters
        ----------
        prediction
            (entries,) log1p of the predicted counts.
        """
        guess = self.ranges.levels(prediction, self.rows)
        pair = self._rows_of_confusions + guess
        if np.isnan(self.ranges.low).any():
            pair = pair[self.levels >= 0]
        found = np.bincount(pair, minlength=self.shape[1] * LEVELS**2)
        return found.reshape(self.shape[1], LEVELS, LEVELS)


def clipped(counts: ArrayLike) -> Floats:
    """Return counts in float64, none below 0."""
    return np.maximum(np.asarray(counts, dtype=np.float64), 0)
