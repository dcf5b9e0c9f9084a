"""Smooth random fields over the plane.

A field is a sum of plane waves with normally distributed wave vectors (random
Fourier features of a Gaussian kernel: Rahimi & Recht 2007, eq. 1), so that it can
be evaluated at any point, has unit variance and an exact gradient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class RandomField:
    """A stationary Gaussian-like field of mean 0 and variance 1.

    Parameters
    ----------
    rng
        Source of the waves.
    length
        Correlation length in um.
    waves
        Number of plane waves.
    """

    def __init__(
        self, rng: np.random.Generator, length: float, waves: int = 48
    ) -> None:
        self._vectors = rng.normal(0.0, 1.0 / length, (waves, 2))
        self._phases = rng.uniform(0.0, 2.0 * np.pi, waves)
        self._scale = float(np.sqrt(2.0 / waves))

    def at(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the field at (n, 2) points in um."""
        angles = xy @ self._vectors.T + self._phases
        values: NDArray[np.float64] = self._scale * np.cos(angles).sum(axis=1)
        return values

    def gradient(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the (n, 2) gradient, per um, at (n, 2) points in um."""
        angles = xy @ self._vectors.T + self._phases
        slopes: NDArray[np.float64] = -self._scale * (np.sin(angles) @ self._vectors)
        return slopes

    def image(
        self, shape: tuple[int, int], pixel_size: float, step: int = 8
    ) -> NDArray[np.float32]:
        """Return the field at the pixels of an image, interpolated every `step`."""
        rows = np.arange(0, shape[0] + step, step)
        columns = np.arange(0, shape[1] + step, step)
        x, y = np.meshgrid((columns + 0.5) * pixel_size, (rows + 0.5) * pixel_size)
        coarse = self.at(np.stack([x.ravel(), y.ravel()], axis=1)).reshape(x.shape)
        return _enlarge(coarse.astype(np.float32), step, shape)


def _enlarge(
    coarse: NDArray[np.float32], step: int, shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Interpolate linearly between grid points that lie `step` pixels apart."""
    fine: NDArray[np.float32] = coarse
    for axis, size in enumerate(shape):
        position = np.arange(size) / step
        low = position.astype(np.intp)
        part = (position - low).astype(np.float32)
        part = part[:, None] if axis == 0 else part[None, :]
        below, above = np.take(fine, low, axis), np.take(fine, low + 1, axis)
        fine = below + part * (above - below)
    return fine
