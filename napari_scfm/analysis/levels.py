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
from typing import TYPE_CHECKING, Any

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

    def levels(self, values: ArrayLike, cells: NDArray[np.integer]) -> NDArray[np.int8]:
        """Return the level of values of cells.

        Parameters
        ----------
        values
            (entries,) log1p counts, measured or predicted.
        cells
            (entries,) position of each value's cell; cells with counts only, what it
            says of others means nothing.

        Returns
        -------
        (entries,) integers 0..4.
        """
        value = np.asarray(values, dtype=np.float64)
        least = self.low / 2
        level = (value >= least[cells]).view(np.int8)
        width = np.where(self.high == self.low, np.inf, self.high - self.low)
        for step in (1, 2, 3):
            edge = self.low + step * width / 4
            level += (value >= edge[cells]).view(np.int8)
        return np.asarray(level)


def confusion(truth: ArrayLike, prediction: ArrayLike) -> NDArray[np.int64]:
    """Return the (5, 5) table of counts: rows true levels, columns predicted ones."""
    true = np.asarray(truth, dtype=np.int64)
    pairs = true * LEVELS + np.asarray(prediction)
    return np.bincount(pairs, minlength=LEVELS**2).reshape(LEVELS, LEVELS)


def expressed_only(tables: ArrayLike) -> NDArray[np.int64]:
    """Return confusion tables without the entries whose true level is 0."""
    found = np.array(tables)
    found[..., 0, :] = 0
    return found


def mcc(table: ArrayLike) -> float:
    """Return Matthews' correlation of a confusion table (Gorodkin 2004).

    ``(c s - sum p_k t_k) / sqrt((s^2 - sum p_k^2)(s^2 - sum t_k^2))``, with s entries,
    c of them right, t_k true and p_k predicted ones of class k.

    Returns
    -------
    -1..1; NaN where the truth is of one class (or empty); 0 where it is not but the
    prediction is.
    """
    return float(mcc_of(np.asarray(table)[None])[0])


def mcc_of(tables: ArrayLike) -> NDArray[np.float64]:
    """Return :func:`mcc` of many tables, (n, 5, 5) -> (n,)."""
    counts = np.asarray(tables, dtype=np.float64)
    total = counts.sum(axis=(1, 2))
    right = np.trace(counts, axis1=1, axis2=2)
    true, predicted = counts.sum(axis=2), counts.sum(axis=1)
    spread_true = total**2 - (true**2).sum(axis=1)
    spread_predicted = total**2 - (predicted**2).sum(axis=1)
    below = np.sqrt(spread_true) * np.sqrt(spread_predicted)
    covariance = right * total - (true * predicted).sum(axis=1)
    zero = np.zeros(len(total))
    found = np.divide(covariance, below, out=zero, where=below > 0)
    return np.where(spread_true <= 0, np.nan, found)


def mcc_flat(tables: ArrayLike) -> NDArray[np.bool_]:
    """Return where MCC is 0 because one level only is predicted, (n, 5, 5) -> (n,)."""
    counts = np.asarray(tables)
    true = (counts.sum(axis=2) > 0).sum(axis=1)
    predicted = (counts.sum(axis=1) > 0).sum(axis=1)
    return np.asarray((true > 1) & (predicted == 1))


def level_metrics(tables: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Return MCC and accuracy of (n, 5, 5) tables.

    Returns
    -------
    Columns of length n: ``mcc_all``; ``mcc_expressed``, of the entries with a true
    level of 1 or more; ``mcc_all_flat`` and ``mcc_expressed_flat``, see
    :func:`mcc_flat`; ``accuracy``, the share of all entries whose level is right.
    """
    total = tables.sum(axis=(1, 2))
    right = np.trace(tables, axis1=1, axis2=2)
    expressed = expressed_only(tables)
    return {
        "mcc_all": mcc_of(tables),
        "mcc_expressed": mcc_of(expressed),
        "mcc_all_flat": mcc_flat(tables),
        "mcc_expressed_flat": mcc_flat(expressed),
        "accuracy": np.divide(
            right, total, out=np.full(len(total), np.nan), where=total > 0
        ),
    }
