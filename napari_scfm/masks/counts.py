"""What of a table is expressed, read without a copy where it is clean already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from anndata import AnnData


def expressed(table: AnnData) -> sparse.csr_array:
    """Return the counts above 0, CSR with sorted indices; treat it as read-only."""
    counts = clean(table)
    above = counts.data > 0
    if above.all():
        return counts
    return kept(counts, above)


def kept(counts: sparse.csr_array, flags: np.ndarray) -> sparse.csr_array:
    """Return the flagged ones of the stored counts."""
    chosen = np.flatnonzero(flags)
    starts = np.searchsorted(chosen, counts.indptr).astype(counts.indptr.dtype)
    parts = (counts.data[chosen], counts.indices[chosen], starts)
    return sparse.csr_array(parts, shape=counts.shape)


def clean(table: AnnData) -> sparse.csr_array:
    """Return the counts, CSR with every entry once and in order; read-only."""
    counts = sparse.csr_array(table.X)
    if not counts.has_canonical_format:
        counts = counts.copy()
        counts.sum_duplicates()
    return counts


def cells_per_gene(table: AnnData) -> np.ndarray:
    """Return in how many cells each gene is expressed, (genes,)."""
    return np.bincount(expressed(table).indices, minlength=table.n_vars)
