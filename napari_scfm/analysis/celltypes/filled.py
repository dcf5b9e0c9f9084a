"""Where a cell lies on principal axes when some of its genes are hidden.

Probabilistic PCA (Tipping and Bishop, J. R. Stat. Soc. B 1999): z = W c + noise, with
the variances of the axes for c and the mean of the others for the noise. Of a cell with
the visible genes V the expected c is (W_V' W_V + s2 L^-1)^-1 W_V' z_V; the hidden z are
filled with W c, and the cell is projected as if they were measured (the missing-value
step of Ilin and Raiko, JMLR 2010, section 2.3). With nothing hidden that is the plain
projection.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

_ROWS = 2_000
"""Cells whose equations are solved at once."""


@dataclass(frozen=True, eq=False)
class Axes:
    """Principal axes of standardised genes.

    Attributes
    ----------
    mean, spread
        (genes,) of the values, before they are standardised.
    axes
        (genes, d) orthonormal.
    variance
        (d,) along each axis.
    total
        Variance of all genes together.
    """

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    axes: NDArray[np.float64]
    variance: NDArray[np.float64]
    total: float

    @cached_property
    def scaled(self) -> NDArray[np.float64]:
        """(genes, d) axes for values that are not standardised."""
        return np.asarray(self.axes / self.spread[:, None])

    @cached_property
    def centre(self) -> NDArray[np.float64]:
        """(d,) where a cell of mean values lies before it is centred."""
        return np.asarray(self.mean @ self.scaled)

    @property
    def noise(self) -> float:
        """Mean variance off the axes."""
        rest = len(self.mean) - len(self.variance)
        left = self.total - float(self.variance.sum())
        return max(left / rest, 0.0) if rest else 0.0


def placed(
    values: sparse.csr_array, hidden: sparse.csr_array, axes: Axes
) -> NDArray[np.float64]:
    """Return (cells, d) where cells lie, told by their visible genes alone.

    Parameters
    ----------
    values
        (cells, genes); hidden entries must not be in them.
    hidden
        (cells, genes) bool.
    axes
        Of the genes.
    """
    d = axes.axes.shape[1]
    pairs = (axes.axes[:, :, None] * axes.axes[:, None, :]).reshape(-1, d * d)
    off = axes.mean[:, None] * axes.scaled
    prior = np.diag(axes.noise / np.maximum(axes.variance, 1e-9) + 1e-9)
    out = np.zeros((values.shape[0], d))
    for start in range(0, len(out), _ROWS):
        part = slice(start, start + _ROWS)
        away = hidden[part].astype(np.float64)
        seen = values[part] @ axes.scaled - (axes.centre - away @ off)
        lost = (away @ pairs).reshape(-1, d, d)
        system = np.eye(d) - lost + prior
        found = np.linalg.solve(system, seen[:, :, None])
        out[part] = seen + (lost @ found)[:, :, 0]
    return out
