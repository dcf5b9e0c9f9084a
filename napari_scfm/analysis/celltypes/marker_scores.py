"""How strongly each cell expresses the markers of each type.

The score of a type is the mean over its markers of z, less the mean over control genes
of like expression (Tirosh et al., Science 2016, who matched controls in bins of mean
expression), times the square root of the number of markers: by chance a mean over m
independent z has a standard deviation of 1/sqrt(m), so the score is in standard errors
and lists of unequal length compare. z is that of log-normalised counts over all cells
of the table, so that a gene that every cell expresses does not speak for one type.

What is hidden of a cell is left out: the means are over the markers and controls that
are visible in it, and their number is what the square root is taken of. A type without
a visible marker has no score (NaN).

Confidence is a softmax of the scores over the types, and over "none of them" with score
0. It orders cells; it is not a calibrated probability.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from napari_scfm.analysis.celltypes.lognormal import (
    QUIET,
    log_normalised,
    mean_counts,
    moments,
    visible_share,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

CONTROLS = 10
"""Control genes per marker."""

LARGEST = 10.0
"""z beyond which a value counts no more: one count of a rare gene must not decide."""


def marker_scores(
    counts: Any,
    columns: Mapping[str, NDArray[np.intp]],
    controls: int = CONTROLS,
    hidden: sparse.csr_array | None = None,
) -> NDArray[np.float32]:
    """Return the score of every type in every cell.

    Parameters
    ----------
    counts
        (cells, genes) raw counts.
    columns
        Type -> positions of its markers.
    controls
        Control genes per marker; fewer where the panel is small, 0 for none.
    hidden
        (cells, genes) bool: entries that are left out, which ``counts`` must not hold.

    Returns
    -------
    (cells, types) float32 in standard errors, 0 = as its controls; NaN where every
    marker is hidden.
    """
    given = sparse.csr_array(counts, dtype=np.float32)
    share = None
    if hidden is not None:
        share = visible_share(hidden, mean_counts(given, hidden))
    values = log_normalised(given, share=share)
    mean, spread = moments(values, hidden)
    spread = spread + QUIET
    ceiling = (mean + LARGEST * spread).astype(np.float32)
    values.data = np.minimum(values.data, ceiling[values.indices])
    never = None if hidden is None else _never_seen(hidden)
    shape = (len(mean), len(columns))
    plus, minus = np.zeros(shape), np.zeros(shape)
    for at, markers in enumerate(columns.values()):
        plus[markers, at] = 1 / len(markers)
        minus[:, at] = _control_weights(mean, markers, controls, never)
    sizes = np.array([len(markers) for markers in columns.values()])
    empty = np.diff(values.indptr) == 0
    if hidden is None:
        both = (plus - minus) / spread[:, None]
        out = (values @ both - mean @ both) * np.sqrt(sizes)
        out[empty] = 0.0
    else:
        first, seen = _seen_mean(values, hidden, plus, mean, spread)
        second = _seen_mean(values, hidden, minus, mean, spread)[0]
        out = (first - second) * np.sqrt(sizes * seen)
        out[empty] = 0.0
        out[seen <= 0] = np.nan
    return np.asarray(out, dtype=np.float32)


def _seen_mean(
    values: sparse.csr_array,
    hidden: sparse.csr_array,
    weights: NDArray[np.float64],
    mean: NDArray[np.float64],
    spread: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return means of z over the visible genes, and the weight that is visible.

    Parameters
    ----------
    values, hidden
        (cells, genes).
    weights
        (genes, types), columns sum to 1 or 0.
    """
    away = hidden.astype(np.float64)
    seen = weights.sum(axis=0) - away @ weights
    seen[seen < 1e-9] = 0.0
    scaled = weights / spread[:, None]
    centre = mean[:, None] * scaled
    sums = values @ scaled - (centre.sum(axis=0) - away @ centre)
    return np.asarray(sums / np.where(seen > 0, seen, 1.0)), np.asarray(seen)


def _never_seen(hidden: sparse.csr_array) -> NDArray[np.bool_]:
    times = np.bincount(hidden.indices, minlength=hidden.shape[1])
    return np.asarray(times == hidden.shape[0])


def marker_confidence(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the share of each type in a softmax beside "none of them".

    Parameters
    ----------
    scores
        (cells, types) in standard errors; NaN = the type has no say.

    Returns
    -------
    (cells, types) float32 whose rows sum to less than 1.
    """
    said = np.where(np.isnan(scores), -np.inf, scores)
    top = np.maximum(said.max(axis=1, keepdims=True), 0.0)
    raised = np.exp(said - top)
    share = raised / (raised.sum(axis=1, keepdims=True) + np.exp(-top))
    return np.asarray(share, dtype=np.float32)


def _control_weights(
    mean: NDArray[np.float64],
    markers: NDArray[np.intp],
    controls: int,
    never: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Return (genes,) weights of the mean over the markers' nearest other genes."""
    weights = np.zeros(len(mean))
    others = np.setdiff1d(np.arange(len(mean)), markers)
    if never is not None:
        others = others[~never[others]]
    count = min(controls, len(others))
    if count:
        apart = np.abs(mean[others][None] - mean[markers][:, None])
        near = np.argsort(apart, axis=1, kind="stable")[:, :count]
        np.add.at(weights, others[near], 1 / (count * len(markers)))
    return weights
