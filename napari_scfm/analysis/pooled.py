"""Denoising metrics: all hidden entries of all cells as one vector.

Both truth and prediction are normalised to 10,000 molecules a cell and then take
log1p (Wen et al., ICLR 2024, appendix F.1). A predicted cell is what was visible of
it plus what was predicted, so that no size factor is read from hidden counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.analysis.metrics import group_metrics

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

TARGET = 1e4
METRICS = ("rmse", "mae", "pearson", "cosine")


def pooled_metrics(
    truth: NDArray[Any],
    prediction: NDArray[Any],
    hidden: NDArray[np.bool_],
    totals: ArrayLike,
) -> dict[str, float]:
    """Return ``pooled_rmse``, ``pooled_mae``, ``pooled_pearson``, ``pooled_cosine``.

    Parameters
    ----------
    truth, prediction
        (cells, genes) counts of the genes with hidden entries; NaN = not predicted.
    hidden
        (cells, genes) entries to score.
    totals
        (cells,) all measured counts of a cell, hidden ones included.

    Returns
    -------
    On log1p of counts per 10,000; NaN where no entry can be scored.
    """
    hidden = hidden & ~np.isnan(prediction)
    total = np.asarray(totals, dtype=np.float64)
    guess = np.where(hidden, np.clip(prediction, 0, None), 0.0)
    guessed = total - np.where(hidden, truth, 0.0).sum(axis=1) + guess.sum(axis=1)
    rows, columns = np.nonzero(hidden & (total > 0)[:, None])
    size = np.maximum(guessed[rows], 1e-12)
    found = group_metrics(
        truth[rows, columns] / total[rows] * TARGET,
        guess[rows, columns] / size * TARGET,
        np.zeros(len(rows), dtype=np.intp),
        1,
    )
    return {f"pooled_{name}": float(found[name][0]) for name in METRICS}
