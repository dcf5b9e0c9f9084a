"""Which scale a table's values are on: raw counts, normalised, or logarithms.

A model that takes the logarithm itself reads logarithms as if they were small counts,
and nothing fails. Counts leave a trace on every scale: within one cell all values are
whole multiples of what one molecule became, before or after the logarithm is undone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy import sparse

from napari_scfm.errors import named
from napari_scfm.slides.checks import fractional_genes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

COUNTS: Final = "counts"
NORMALISED: Final = "normalised counts"
LOG: Final = "log1p of counts"
LOG2: Final = "log2(1 + counts)"
UNKNOWN: Final = "no counts"

_UNDO: Final[dict[str, Callable[[np.ndarray], np.ndarray]]] = {
    NORMALISED: lambda x: x,
    LOG: np.expm1,
    LOG2: lambda x: np.exp2(x) - 1.0,
}
_CELLS = 400
_ENOUGH = 0.8
_LARGEST_LOG = 30.0


def scale_of(counts: Any) -> str:
    """Return what the values of a matrix are.

    Parameters
    ----------
    counts
        (cells, genes), dense or sparse, not negative. Some hundred cells are read.

    Returns
    -------
    ``COUNTS`` where all are whole numbers; ``LOG``, ``LOG2`` or ``NORMALISED`` where
    in four fifths of the cells the values, with the logarithm undone or as they are,
    are whole multiples of the cell's smallest; else ``UNKNOWN``.
    """
    size = counts.shape[0]
    rows = np.unique(np.linspace(0, max(size - 1, 0), min(size, _CELLS)).astype(int))
    some = sparse.csr_array(counts[rows], dtype=np.float64)
    some.eliminate_zeros()
    if not np.any(some.data % 1):
        return COUNTS
    shares = {name: _multiples(some, undo) for name, undo in _UNDO.items()}
    best = max(shares, key=lambda name: shares[name])
    return best if shares[best] >= _ENOUGH else UNKNOWN


def scale_note(counts: Any, genes: Sequence[str]) -> str:
    """Return a sentence where values are not raw counts, else ``""``.

    Parameters
    ----------
    counts
        See :func:`scale_of`.
    genes
        Names of the columns.
    """
    found = scale_of(counts)
    if found == COUNTS:
        return ""
    then = "Models and metrics take log1p of raw counts themselves"
    if found in (LOG, LOG2):
        then += ", so the logarithm would be taken twice"
    if found != UNKNOWN:
        return f"Counts are not whole numbers; they look like {found}. {then}."
    odd = fractional_genes(counts, genes)
    if 2 * len(odd) > len(genes):
        return f"Counts are not whole numbers. {then}."
    return (
        f"Counts of {len(odd)} of {len(genes)} genes are not whole numbers: "
        f"{named(odd)}. {then}; leave genes out that were not counted."
    )


def _multiples(cells: sparse.csr_array, undo: Callable[..., np.ndarray]) -> float:
    """Return the share of cells whose values are multiples of their smallest.

    A cell of fewer than three different values says nothing.
    """
    good = telling = 0
    for start, end in zip(cells.indptr, cells.indptr[1:], strict=False):
        values = np.unique(cells.data[start:end])
        if len(values) < 3:
            continue
        telling += 1
        if values[-1] > _LARGEST_LOG and undo is not _UNDO[NORMALISED]:
            continue
        undone = undo(values)
        multiple = undone / undone[0]
        # what float32 leaves of a value, and of one that was rounded before
        slack = 1e-3 + 1e-5 * multiple
        good += bool(np.all(np.abs(multiple - np.round(multiple)) < slack))
    return good / telling if telling else 0.0
