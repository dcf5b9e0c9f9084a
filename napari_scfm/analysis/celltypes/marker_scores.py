"""How strongly each cell expresses the markers of each type.

The score of a type is the mean over its markers of z, less the mean over control genes
of like expression (Tirosh et al., Science 2016, who matched controls in bins of mean
expression), times the square root of the number of markers: by chance a mean over m
independent z has a standard deviation of 1/sqrt(m), so the score is in standard errors
and lists of unequal length compare. z is that of log-normalised counts over all cells
of the table, so that a gene that every cell expresses does not speak for one type.

Confidence is a softmax of the scores over the types, and over "none of them" with score
0. It orders cells; it is not a calibrated probability.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.analysis.celltypes.lognormal import QUIET, log_normalised, moments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

CONTROLS = 10
"""Control genes per marker."""

LARGEST = 10.0
"""z beyond which a value counts no more: one count of a rare gene must not decide."""


def marker_scores(
    counts: Any, columns: Mapping[str, NDArray[np.intp]], controls: int = CONTROLS
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

    Returns
    -------
    (cells, types) float32 in standard errors, 0 = as its controls.
    """
    values = log_normalised(counts)
    mean, spread = moments(values)
    spread = spread + QUIET
    ceiling = (mean + LARGEST * spread).astype(np.float32)
    values.data = np.minimum(values.data, ceiling[values.indices])
    weights = np.zeros((len(mean), len(columns)))
    for at, markers in enumerate(columns.values()):
        weights[markers, at] = 1 / len(markers)
        weights[:, at] -= _control_weights(mean, markers, controls)
    weights /= spread[:, None]
    out = values @ weights - mean @ weights
    empty = np.diff(values.indptr) == 0
    out[empty] = 0.0
    out *= np.sqrt([len(markers) for markers in columns.values()])
    return np.asarray(out, dtype=np.float32)


def marker_confidence(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the share of each type in a softmax beside "none of them".

    Parameters
    ----------
    scores
        (cells, types) in standard errors.

    Returns
    -------
    (cells, types) float32 whose rows sum to less than 1.
    """
    top = np.maximum(scores.max(axis=1, keepdims=True), 0.0)
    raised = np.exp(scores - top)
    share = raised / (raised.sum(axis=1, keepdims=True) + np.exp(-top))
    return np.asarray(share, dtype=np.float32)


def _control_weights(
    mean: NDArray[np.float64], markers: NDArray[np.intp], controls: int
) -> NDArray[np.float64]:
    """Return (genes,) weights of the mean over the markers' nearest other genes."""
    weights = np.zeros(len(mean))
    others = np.setdiff1d(np.arange(len(mean)), markers)
    count = min(controls, len(others))
    if count:
        apart = np.abs(mean[others][None] - mean[markers][:, None])
        near = np.argsort(apart, axis=1, kind="stable")[:, :count]
        np.add.at(weights, others[near], 1 / (count * len(markers)))
    return weights
