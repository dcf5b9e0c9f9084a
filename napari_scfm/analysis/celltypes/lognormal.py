"""Log-normalised counts, sparse, as marker scores and neighbours read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUIET = 0.05
"""Added to a gene's standard deviation, so that a rare gene's noise stays small."""


def log_normalised(counts: Any, to: float | None = None) -> sparse.csr_array:
    """Return ``log1p(count / depth * to)``.

    Parameters
    ----------
    counts
        (cells, genes) raw counts, dense or sparse.
    to
        Depth that all cells are brought to; None = their median. A cell without
        counts stays 0.

    Returns
    -------
    (cells, genes) float32 CSR.
    """
    out = sparse.csr_array(counts, dtype=np.float32, copy=True)
    depth = np.asarray(out.sum(axis=1)).ravel()
    filled = depth[depth > 0]
    if to is None:
        to = float(np.median(filled)) if len(filled) else 1.0
    factor = (to / np.where(depth > 0, depth, 1.0)).astype(np.float32)
    out.data = np.log1p(out.data * np.repeat(factor, np.diff(out.indptr)))
    return out


def moments(
    values: sparse.csr_array,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of every column, zeros included."""
    n = max(values.shape[0], 1)
    sums = np.bincount(values.indices, values.data, values.shape[1])
    squares = np.bincount(
        values.indices, values.data.astype(np.float64) ** 2, values.shape[1]
    )
    mean = sums / n
    return mean, np.sqrt(np.maximum(squares / n - mean**2, 0.0))
