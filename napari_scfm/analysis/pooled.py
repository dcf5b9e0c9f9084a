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

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

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
    On log1p of counts per 10,000; NaN where no entry can be scored, Pearson also where
    the truth is constant, cosine where it is 0. With them
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
    each = np.divide(TARGET, total, out=np.zeros_like(total), where=total > 0)
    y, x = predicted.truth * each[rows], guess * (TARGET / size)[rows]
    found = _vector_metrics(np.log1p(y, out=y), np.log1p(x, out=x))
    return {f"pooled_{name}": found[name] for name in METRICS} | {
        "n_entries_pooled": len(rows),
        "n_entries_without_depth": int((~deep).sum()),
    }


def _vector_metrics(y: Floats, x: Floats) -> dict[str, float]:
    """Return the metrics of one vector; y and x are changed in place."""
    if not len(y):
        return dict.fromkeys(METRICS, float("nan"))
    error = x - y
    mse = float(error @ error) / len(y)
    mae = float(np.abs(error, out=error).sum()) / len(y)
    flat_y, flat_x = y.min() == y.max(), x.min() == x.max()
    cosine = _angle(y, x) if y.any() else float("nan")
    y -= y.mean()
    x -= x.mean()
    pearson = 0.0 if flat_x else _angle(y, x)
    return {
        "mse": mse,
        "rmse": mse**0.5,
        "mae": mae,
        "pearson": float("nan") if flat_y else pearson,
        "cosine": cosine,
    }


def _angle(y: Floats, x: Floats) -> float:
    below = float(np.sqrt(y @ y) * np.sqrt(x @ x))
    return float(np.clip((y @ x) / below, -1, 1)) if below > 0 else 0.0
