"""Denoising metrics: all hidden entries of all cells as one vector.

Both truth and prediction are normalised to 10,000 molecules a cell and then take
log1p (Wen et al., ICLR 2024, appendix F.1). A predicted cell is what was visible of
it plus what was predicted, so that no size factor is read from hidden counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.analysis.entries import Entries, clipped
from napari_scfm.analysis.levels import CellRange
from napari_scfm.analysis.metrics import group_metrics

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

TARGET = 1e4
METRICS = ("mse", "rmse", "mae", "pearson", "cosine")


def pooled_metrics(
    truth: NDArray[Any],
    prediction: NDArray[Any],
    hidden: NDArray[np.bool_],
    totals: ArrayLike,
) -> dict[str, Any]:
    """Return :func:`pooled_entries` of matrices.

    Parameters
    ----------
    truth, prediction
        (cells, genes) counts of the genes with hidden entries; NaN = not predicted.
    hidden
        (cells, genes) entries to score.
    totals
        (cells,) all measured counts of a cell, hidden ones included.
    """
    rows, columns = np.nonzero(hidden)
    entries = Entries(
        rows,
        columns,
        np.asarray(truth[rows, columns], dtype=np.float64),
        truth.shape,
        CellRange.of(truth),
    )
    return pooled_entries(entries, prediction[rows, columns], totals)


def pooled_entries(
    entries: Entries, prediction: NDArray[Any], totals: ArrayLike
) -> dict[str, Any]:
    """Return ``pooled_mse``, ``_rmse``, ``_mae``, ``_pearson`` and ``_cosine``.

    Parameters
    ----------
    entries
        What was hidden.
    prediction
        (entries,) predicted counts; NaN = not predicted.
    totals
        (cells,) all measured counts of a cell, hidden ones included.

    Returns
    -------
    On log1p of counts per 10,000; NaN where no entry can be scored. With them
    ``n_entries_pooled``, those that are averaged, and ``n_entries_without_depth``,
    those left out because their cell has no counts at all.
    """
    predicted = entries.kept(~np.isnan(prediction))
    total = np.asarray(totals, dtype=np.float64)
    guess = clipped(prediction[~np.isnan(prediction)])
    change = predicted.by_cell.total(guess - predicted.truth)
    size = np.maximum(total + change, 1e-12)
    deep = (total > 0)[predicted.rows]
    if not deep.all():
        predicted, guess = predicted.kept(deep), guess[deep]
    rows = predicted.rows
    found = group_metrics(
        predicted.truth
        * np.divide(TARGET, total, out=np.zeros_like(total), where=total > 0)[rows],
        guess * (TARGET / size)[rows],
        np.zeros(len(rows), dtype=np.intp),
        1,
    )
    scores = {f"pooled_{name}": float(found[name][0]) for name in METRICS}
    left_out = int((~deep).sum())
    return scores | {
        "n_entries_pooled": len(rows),
        "n_entries_without_depth": left_out,
    }
