"""Positional encodings: the dormant grid of the original, and ours.

The released CellPLM builds a sine table over a 100 x 100 grid and then replaces its
output by 0, so coordinates change nothing. It is kept here for files that turn it on
(``"pe_active": true``). Networks trained by this package read distances
(:mod:`.local`); asked to, they add Fourier features instead of the grid: sines and
cosines of the coordinates themselves at a ladder of wavelengths, followed by a learned
linear map. Nothing is snapped to a grid, so two cells a few um apart differ, and a
learned map can weigh coarse position against fine.

Both want coordinates scaled per bag to [0, 1] by the larger extent
(:func:`scale_coordinates`).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

GRID = 100
WAVELENGTHS = (2.0, 1.0, 0.5, 0.25, 0.125)
DIRECTIONS = 8


def scale_coordinates(xy: np.ndarray) -> np.ndarray:
    """Scale the coordinates of one bag to [0, 1], isotropic.

    Parameters
    ----------
    xy
        (n, 2) coordinates in any unit.

    Returns
    -------
    (n, 2) float32; the larger extent becomes 1, a single cell sits at 0.
    """
    xy = np.asarray(xy, dtype=np.float64)
    if len(xy) == 0:
        return xy.astype(np.float32)
    low = xy.min(axis=0)
    extent = float((xy.max(axis=0) - low).max())
    return np.asarray((xy - low) / (extent or 1.0), dtype=np.float32)


class GridPositions(nn.Module):
    """The grid encoding that original files carry (unused there).

    Parameters
    ----------
    width
        Width of the encoding, a multiple of 4.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.missing_pe = nn.Parameter(torch.randn(width) * 0.01)

    def forward(self, xy: Tensor) -> Tensor:
        """Return (n, width) for (n, 2) coordinates in [0, 1].

        A first coordinate of -1 in the first cell means that the whole bag has no
        coordinates; every cell then gets the learned ``missing_pe``.
        """
        if len(xy) and float(xy[0, 0]) == -1.0:
            return self.missing_pe.expand(len(xy), -1)
        cell = torch.trunc(GRID * (1.02 * xy - 0.01)).clamp(0, GRID - 1)
        rate = torch.arange(self.width // 4, device=xy.device, dtype=torch.float32)
        rate = torch.exp(rate * (-4.0 * math.log(10000.0) / self.width))
        parts = []
        # the second coordinate fills the first half of the channels
        for axis in (1, 0):
            angle = cell[:, axis : axis + 1].float() * rate
            pair = torch.stack((torch.sin(angle), torch.cos(angle)), dim=-1)
            parts.append(pair.flatten(1))
        return torch.cat(parts, dim=1)


class FourierPositions(nn.Module):
    """Fourier features of continuous coordinates and a learned linear map.

    Parameters
    ----------
    width
        Width of the encoding.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        angle = torch.arange(DIRECTIONS) * (math.pi / DIRECTIONS)
        direction = torch.stack((torch.cos(angle), torch.sin(angle)))
        waves = [2 * math.pi / length * direction for length in WAVELENGTHS]
        self.register_buffer("waves", torch.cat(waves, dim=1), persistent=False)
        self.project = nn.Linear(2 * DIRECTIONS * len(WAVELENGTHS), width)
        self.missing_pe = nn.Parameter(torch.randn(width) * 0.01)

    def forward(self, xy: Tensor) -> Tensor:
        """Return (n, width) for (n, 2) coordinates in [0, 1]; -1 as in the grid."""
        if len(xy) and float(xy[0, 0]) == -1.0:
            return self.missing_pe.expand(len(xy), -1)
        angle = xy @ self.get_buffer("waves")
        features = torch.cat((torch.sin(angle), torch.cos(angle)), dim=1)
        out: Tensor = self.project(features)
        return out


def make_positions(kind: str | None, width: int) -> nn.Module | None:
    """Return the encoding that a configuration names, or None."""
    if kind is None:
        return None
    return FourierPositions(width) if kind == "fourier" else GridPositions(width)


def untrained_missing_pe(missing_pe: Tensor) -> bool:
    """Tell whether ``missing_pe`` still has its initial distribution N(0, 0.01^2).

    It gets a gradient only when positions are used, so an untouched vector means
    that the weights were trained without positions. Four standard errors are allowed
    for the mean and for the standard deviation.
    """
    n = missing_pe.numel()
    mean, spread = float(missing_pe.mean()), float(missing_pe.std())
    return abs(mean) < 4 * 0.01 / math.sqrt(n) and abs(
        spread - 0.01
    ) < 4 * 0.01 / math.sqrt(2 * n)
