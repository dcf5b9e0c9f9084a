"""Five levels of expression per cell, and Matthews' correlation on them.

Level 0 is zero; the non-zero log1p counts of one cell are cut into four bins of equal
width between that cell's smallest and largest (sCT). The paper leaves open what is
decided here: log1p, no depth normalisation, edges from the truth of the whole cell,
bins closed on the left and the last on both sides, a prediction below half the
smallest non-zero value is level 0, and a cell with one distinct non-zero value has
levels 0 and 1 only. A cell without counts has no levels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

LEVELS = 5


@dataclass(frozen=True)
class CellRange:
    """Smallest and largest non-zero log1p count of each cell.

    Attributes
    ----------
    low, high
        (cells,) NaN for a cell without counts.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def of(cls, counts: ArrayLike | sparse.sparray | sparse.spmatrix) -> CellRange:
        """Return the ranges of a (cells, genes) matrix of counts, all measured."""
        matrix = sparse.csr_array(counts, dtype=np.float64)
        matrix.eliminate_zeros()
        low = np.full(matrix.shape[0], np.nan)
        high = low.copy()
        filled = np.flatnonzero(np.diff(matrix.indptr))
        if len(filled):
            starts = matrix.indptr[filled]
            low[filled] = np.log1p(np.minimum.reduceat(matrix.data, starts))
            high[filled] = np.log1p(np.maximum.reduceat(matrix.data, starts))
        return cls(low, high)

    def levels(
        self, values: ArrayLike, cells: NDArray[np.integer]
    ) -> NDArray[np.int64]:
        """Return the level of values of cells.

        Parameters
        ----------
        values
            (entries,) log1p counts, measured or predicted.
        cells
            (entries,) position of each value's cell; cells with counts only.

        Returns
        -------
        (entries,) integers 0..4.
        """
        value = np.asarray(values, dtype=np.float64)
        low, high = self.low[cells], self.high[cells]
        level = 1 + sum(
            (value >= low + step * (high - low) / 4).astype(np.int64)
            for step in (1, 2, 3)
        )
        level = np.where(high == low, 1, level)
        return np.where(value < low / 2, 0, level)


def confusion(truth: ArrayLike, prediction: ArrayLike) -> NDArray[np.int64]:
    """Return the (5, 5) table of counts: rows true levels, columns predicted ones."""
    pairs = np.asarray(truth, dtype=np.int64) * LEVELS + np.asarray(prediction)
    return np.bincount(pairs, minlength=LEVELS**2).reshape(LEVELS, LEVELS)


def mcc(table: ArrayLike) -> float:
    """Return Matthews' correlation of a confusion table (Gorodkin 2004).

    ``(c s - sum p_k t_k) / sqrt((s^2 - sum p_k^2)(s^2 - sum t_k^2))``, with s entries,
    c of them right, t_k true and p_k predicted ones of class k.

    Returns
    -------
    -1..1; NaN where the truth is of one class (or empty); 0 where it is not but the
    prediction is.
    """
    counts = np.asarray(table, dtype=np.float64)
    total, right = counts.sum(), np.trace(counts)
    true, predicted = counts.sum(axis=1), counts.sum(axis=0)
    spread_true = total**2 - (true**2).sum()
    spread_predicted = total**2 - (predicted**2).sum()
    if spread_true <= 0:
        return float("nan")
    if spread_predicted <= 0:
        return 0.0
    covariance = right * total - (true * predicted).sum()
    return float(covariance / np.sqrt(spread_true) / np.sqrt(spread_predicted))
