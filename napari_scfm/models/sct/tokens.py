"""Counts of cells as tokens: 0 nothing, 1 to 4 how much, 5 hidden, 6 beyond the genes.

The values of one cell, after the logarithm, are cut at equal distances between its
own smallest and largest (released notebooks of sCT; :mod:`.values` makes them). Only
visible values have a part in anything here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import sparse

ZERO: Final = 0
MASK: Final = 5
PAD: Final = 6
BINS: Final = 4
LEVELS: Final = BINS + 1

_LAST: Final = 0.01
"""Added to the last edge, so that the largest value is in the last bin."""
_ALIKE: Final = 0.1
"""Half the width of the one bin of a cell whose values are all the same."""


@dataclass(frozen=True)
class CellTokens:
    """Tokens of cells, only those of expressed genes held.

    Attributes
    ----------
    matrix
        (cells, positions) uint8 CSR: 1..4 where a gene is expressed and visible.
    values
        The values behind :attr:`matrix`, in the same order, float64.
    low, high
        (cells,) smallest and largest value; NaN for a cell that expresses nothing.
    """

    matrix: sparse.csr_array
    values: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def blank(self) -> np.ndarray:
        """(cells,) bool: cells of which nothing that is expressed is visible."""
        return np.asarray(np.isnan(self.low))

    def edges(self, cell: int) -> np.ndarray:
        """Return the edges between the bins of a cell: 5, 2 if all values are alike.

        The last of five is 0.01 above the largest value, as in the released code.
        """
        low, high = self.low[cell], self.high[cell]
        if low == high:
            return np.array([low - _ALIKE, high + _ALIKE])
        return np.array(
            [edge[0] for edge in _edges(self.low[[cell]], self.high[[cell]])]
        )

    def medians(self, cells: np.ndarray) -> np.ndarray:
        """Return (n, 4) median of the values in each bin; NaN where it is empty."""
        out = np.full((len(cells), BINS), np.nan)
        starts = self.matrix.indptr
        for at, cell in enumerate(cells):
            part = slice(starts[cell], starts[cell + 1])
            tokens, values = self.matrix.data[part], self.values[part]
            for token in range(1, LEVELS):
                if (here := tokens == token).any():
                    out[at, token - 1] = np.median(values[here])
        return out

    def dense(self, cells: np.ndarray, genes: int, width: int) -> np.ndarray:
        """Return (n, width) uint8 tokens, pads behind the genes; nothing is hidden.

        Parameters
        ----------
        cells
            (n,) rows.
        genes
            Positions that are genes.
        width
            Positions in all.
        """
        out = np.full((len(cells), width), PAD, dtype=np.uint8)
        out[:, :genes] = self.matrix[cells].toarray()
        return out


def tokenise(values: sparse.csr_array) -> CellTokens:
    """Return the tokens of cells.

    A value on an edge belongs to the bin above it; edges are float64.

    Parameters
    ----------
    values
        (cells, positions) expression after the logarithm; only visible entries.
        Entries of 0 and below express nothing.
    """
    values = sparse.csr_array(values, dtype=np.float64, copy=True)
    values.sum_duplicates()
    values.data[~(values.data > 0)] = 0
    values.eliminate_zeros()
    sizes = np.diff(values.indptr)
    low = np.full(values.shape[0], np.nan)
    high = low.copy()
    filled = np.flatnonzero(sizes)
    if len(filled):
        starts = values.indptr[filled]
        low[filled] = np.minimum.reduceat(values.data, starts)
        high[filled] = np.maximum.reduceat(values.data, starts)
    rows = np.repeat(np.arange(len(sizes)), sizes)
    token = np.zeros(len(values.data), dtype=np.uint8)
    for edge in _edges(low, high):
        token += values.data >= edge[rows]
    token[(low == high)[rows]] = 1
    parts = (token, values.indices, values.indptr)
    matrix = sparse.csr_array(parts, shape=values.shape)
    return CellTokens(matrix, values.data, low, high)


def _edges(low: np.ndarray, high: np.ndarray) -> list[np.ndarray]:
    """Return five edges, (cells,) each, as ``numpy.linspace`` makes them."""
    step = (high - low) / BINS
    inner = [low + number * step for number in range(BINS)]
    return [*inner, high + _LAST]
