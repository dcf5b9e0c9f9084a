"""Log-normalised counts, sparse, as marker scores and neighbours read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUIET = 0.05
"""Added to a gene's standard deviation, so that a rare gene's noise stays small."""


def log_normalised(
    counts: Any, to: float | None = None, share: NDArray[np.floating] | None = None
) -> sparse.csr_array:
    """Return ``log1p(count / depth * to)``.

    Parameters
    ----------
    counts
        (cells, genes) raw counts, dense or sparse.
    to
        Depth that all cells are brought to; None = their median. A cell without
        counts stays 0.
    share
        (cells,) share of a cell's counts that its visible genes make up on average,
        from :func:`visible_share`; they are brought to that share of the depth, as if
        the hidden ones were there. None = all of it.

    Returns
    -------
    (cells, genes) float32 CSR.
    """
    out = sparse.csr_array(counts, dtype=np.float32, copy=True)
    depth = np.asarray(out.sum(axis=1)).ravel()
    if share is not None:
        depth = depth / np.maximum(share, 1e-9)
    filled = depth[depth > 0]
    if to is None:
        to = float(np.median(filled)) if len(filled) else 1.0
    factor = (to / np.where(depth > 0, depth, 1.0)).astype(np.float32)
    out.data = np.log1p(out.data * np.repeat(factor, np.diff(out.indptr)))
    return out


def visible_share(
    hidden: sparse.csr_array, profile: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return (cells,) the share of a profile that is visible in each cell.

    Parameters
    ----------
    hidden
        (cells, genes) bool.
    profile
        (genes,) mean counts.
    """
    total = float(profile.sum())
    if total <= 0:
        return np.ones(hidden.shape[0])
    return np.asarray(1 - (hidden.astype(np.float64) @ profile) / total)


def mean_counts(
    counts: sparse.csr_array, hidden: sparse.csr_array | None = None
) -> NDArray[np.float64]:
    """Return (genes,) mean count over the cells in which a gene is visible."""
    sums = np.bincount(counts.indices, counts.data, counts.shape[1])
    return sums / np.maximum(_cells(counts, hidden), 1)


def moments(
    values: sparse.csr_array, hidden: sparse.csr_array | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of every column, zeros included.

    Parameters
    ----------
    values
        (cells, genes).
    hidden
        (cells, genes) bool: entries that are left out, which ``values`` must not
        hold; a column that is hidden whole has mean 0.
    """
    n = np.maximum(_cells(values, hidden), 1)
    sums = np.bincount(values.indices, values.data, values.shape[1])
    squares = np.bincount(
        values.indices, values.data.astype(np.float64) ** 2, values.shape[1]
    )
    mean = sums / n
    return mean, np.sqrt(np.maximum(squares / n - mean**2, 0.0))


def _cells(
    values: sparse.csr_array, hidden: sparse.csr_array | None
) -> NDArray[np.int64]:
    """Return (genes,) in how many cells each is visible."""
    n = np.full(values.shape[1], values.shape[0], dtype=np.int64)
    if hidden is not None:
        n -= np.bincount(hidden.indices, minlength=values.shape[1])
    return n
