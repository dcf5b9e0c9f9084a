"""Principal components of what is visible of every cell of a table.

Log-normalised counts, genes centred but not standardised. Hidden entries are never
read: the components are those of the cells of which nothing is hidden (where there are
enough of them), and a cell with hidden genes is placed by its visible ones, see
:mod:`.filled`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_scfm.analysis.celltypes.filled import Axes, placed
from napari_scfm.analysis.celltypes.lognormal import (
    log_normalised,
    mean_counts,
    moments,
    visible_share,
)

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from napari_scfm.masks.mask import Mask

COMPONENTS = 50
_ROWS = 10_000
"""Cells that are made dense at once."""


def components(
    table: AnnData, mask: Mask | None = None, n: int = COMPONENTS
) -> NDArray[np.float32]:
    """Return (cells, min(n, genes)) principal components of the visible counts.

    Parameters
    ----------
    table
        Raw counts.
    mask
        What is hidden. A gene that is hidden in all cells takes no part.
    n
        How many.
    """
    from scipy.linalg import eigh

    counts = sparse.csr_array(table.X, dtype=np.float32)
    hidden = share = None
    if mask is not None and mask.n_hidden:
        hidden = mask.for_table(table).matrix
        counts = mask.visible(table)
        share = visible_share(hidden, mean_counts(counts, hidden))
    values = log_normalised(counts, share=share)
    whole = np.ones(table.n_obs, dtype=bool)
    if hidden is not None:
        whole = np.diff(hidden.indptr) == 0
    few = whole.sum() <= n  # too few to shape components: the others help
    shaping = values if few else values[np.flatnonzero(whole)]
    mean, _ = moments(shaping, hidden if few else None)
    covariance = _covariance(shaping, mean)
    first = max(len(mean) - n, 0)
    variance, axes = eigh(covariance, subset_by_index=[first, len(mean) - 1])
    found = Axes(mean, np.ones_like(mean), axes, variance, float(np.trace(covariance)))
    points = values @ found.scaled - found.centre
    part = np.flatnonzero(~whole)
    if hidden is not None and len(part):
        points[part] = placed(values[part], hidden[part], found)
    return np.asarray(points, dtype=np.float32)


def _covariance(
    values: sparse.csr_array, mean: NDArray[np.float64]
) -> NDArray[np.float64]:
    product = np.zeros((len(mean), len(mean)))
    for start in range(0, values.shape[0], _ROWS):
        some = values[start : start + _ROWS].toarray()
        product += some.T @ some
    return np.asarray(product / max(values.shape[0], 1) - np.outer(mean, mean))
