"""What a field is made of, before it is put on the grid."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from napari_scfm.analysis.attention.field import Shares


class Parts(NamedTuple):
    """The arrows of the cells, split.

    Attributes
    ----------
    vectors, geometry, layout, rest
        (n, 2); the first is the sum of the others.
    shuffled
        (B, n, 2) float32 ``rest`` under the null.
    rounding
        Length up to which ``rest`` is rounding.
    covariance
        (n, 2, 2) of ``rest`` under the null, or None.
    """

    vectors: np.ndarray
    geometry: np.ndarray
    layout: np.ndarray
    rest: np.ndarray
    shuffled: np.ndarray
    rounding: float = 0.0
    covariance: np.ndarray | None = None

    @property
    def shares(self) -> Shares:
        """Energies of geometry, layout and rest; NaN where there are no vectors."""
        parts = (self.geometry, self.layout, self.rest)
        energies = np.array([np.sum(np.square(part)) for part in parts])
        if not energies.sum() > 0:
            return Shares(float("nan"), float("nan"), float("nan"))
        return Shares(*(float(share) for share in energies / energies.sum()))


def nothing(n: int) -> Parts:
    """Return the parts of a field without arrows."""
    zero = np.zeros((n, 2))
    return Parts(zero, zero, zero, zero, np.zeros((0, n, 2), np.float32))


def spread_of(shuffled: np.ndarray) -> np.ndarray | None:
    """Return (n, 2, 2) covariances over permutations, about zero; None without any."""
    if len(shuffled) == 0:
        return None
    sums = np.einsum("bni,bnj->nij", shuffled, shuffled, dtype=np.float64)
    return np.asarray(sums / len(shuffled))
