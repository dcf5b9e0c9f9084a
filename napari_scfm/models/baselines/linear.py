"""Ridge regression of many targets, each with its own penalty.

Decides the penalty of each target by generalised cross-validation (Golub, Heath and
Wahba 1979, Eq. 1.4): the one of :data:`PENALTIES` with the smallest
``n RSS / (n - 1 - trace H)^2``. One eigendecomposition serves all targets and
penalties.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PENALTIES = np.logspace(-1, 7, 17)
"""Penalties that are tried, for features of about unit variance."""


@dataclass(frozen=True)
class Linear:
    """A fitted linear map.

    Attributes
    ----------
    centre
        (features,) mean of the fitted rows.
    weights
        (features, targets).
    offset
        (targets,) mean of the fitted targets.
    penalty
        (targets,) penalty chosen.
    """

    centre: NDArray[np.float64]
    weights: NDArray[np.float64]
    offset: NDArray[np.float64]
    penalty: NDArray[np.float64]

    def predict(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (rows, targets)."""
        return (features - self.centre) @ self.weights + self.offset


def ridge(features: NDArray[np.float64], targets: NDArray[np.float64]) -> Linear:
    """Fit ridge regressions.

    Parameters
    ----------
    features
        (rows, features), at least one row. Their scale matters: a feature of small
        variance is held back more.
    targets
        (rows, targets).
    """
    n = len(features)
    centre, offset = features.mean(axis=0), targets.mean(axis=0)
    x, y = features - centre, targets - offset
    value, axes = np.linalg.eigh(x.T @ x)
    value = np.maximum(value, 0.0)
    projected = axes.T @ (x.T @ y)
    # residual sum of squares and freedom of each penalty, (penalties, targets)
    filters = 1.0 / (value[None] + PENALTIES[:, None])
    gain = 2 * filters - value[None] * filters**2
    rss = np.maximum((y**2).sum(axis=0)[None] - gain @ projected**2, 0.0)
    freedom = np.maximum(n - 1 - (value[None] * filters).sum(axis=1), 1e-9)
    best = np.argmin(n * rss / freedom[:, None] ** 2, axis=0)
    weights = axes @ (filters[best].T * projected)
    return Linear(centre, weights, offset, PENALTIES[best])
