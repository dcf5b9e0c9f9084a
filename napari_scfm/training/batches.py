"""A FOV as a training step reads it: a window of it, turned, thinned.

The few FOVs of a slide are all there is to learn from, so every step sees another
part of one, in another orientation, with fewer molecules.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_scfm.models.cellplm.positions import scale_coordinates
from napari_scfm.models.cellplm.reading import nearest_cells


@dataclass(frozen=True)
class TrainingBag:
    """The cells of one FOV.

    Attributes
    ----------
    name
        Of the FOV.
    counts
        (cells, genes) float32 counts of the model's genes.
    xy
        (cells, 2) coordinates in um, or None.
    """

    name: str
    counts: np.ndarray
    xy: np.ndarray | None


@dataclass(frozen=True)
class Step:
    """What one training step sees; tensors on the device.

    Attributes
    ----------
    truth
        (cells, genes) counts to be guessed.
    shown
        (cells, genes) counts of the input before hiding (thinned).
    positions, nearest
        See :class:`napari_scfm.models.cellplm.reading.Bag`.
    """

    truth: Tensor
    shown: Tensor
    positions: Tensor
    nearest: Tensor | None


def place(
    xy: np.ndarray | None, cells: int, neighbours: int
) -> list[np.ndarray | None]:
    """Return scaled positions and nearest cells as arrays."""
    if xy is None:
        return [np.full((cells, 2), -1, dtype=np.float32), None]
    return [scale_coordinates(xy), nearest_cells(xy, neighbours)]


def whole(bag: TrainingBag, neighbours: int, device: torch.device) -> Step:
    """Return a FOV as it is, for validation."""
    counts = torch.as_tensor(bag.counts, device=device)
    positions, nearest = (
        None if x is None else torch.as_tensor(x, device=device)
        for x in place(bag.xy, len(bag.counts), neighbours)
    )
    assert positions is not None
    return Step(counts, counts, positions, nearest)


def varied(
    bag: TrainingBag,
    neighbours: int,
    device: torch.device,
    rng: np.random.Generator,
    *,
    crop: float,
    thinning: float,
) -> Step:
    """Return a turned, thinned window of a FOV.

    Parameters
    ----------
    bag
        The FOV.
    neighbours
        How many nearest cells the network reads.
    device
        Where the tensors go.
    rng
        Source of everything random here.
    crop
        Smallest share of the cells that is kept.
    thinning
        Largest share of molecules that is taken away.
    """
    cells = np.arange(len(bag.counts))
    xy = bag.xy
    share = rng.uniform(crop, 1.0)
    if xy is None:
        cells = rng.permutation(cells)[: max(1, round(share * len(cells)))]
    else:
        xy = _turned(xy, rng)
        cells = _window(xy, share, rng)
        xy = xy[cells]
    truth = bag.counts[cells]
    kept = 1.0 - rng.uniform(0.0, thinning)
    shown = rng.binomial(truth.astype(np.int64), kept).astype(np.float32)
    positions, nearest = (
        None if x is None else torch.as_tensor(x, device=device)
        for x in place(xy, len(cells), neighbours)
    )
    assert positions is not None
    return Step(
        torch.as_tensor(truth, device=device),
        torch.as_tensor(shown, device=device),
        positions,
        nearest,
    )


def _turned(xy: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    flip = np.array([1.0, rng.choice([-1.0, 1.0])])
    return np.asarray((xy - xy.mean(axis=0)) @ turn * flip)


def _window(xy: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Cells of the square around a random cell that holds about that share."""
    centre = xy[rng.integers(len(xy))]
    reach = np.abs(xy - centre).max(axis=1)
    keep = max(1, round(share * len(xy)))
    return np.sort(np.argpartition(reach, keep - 1)[:keep])
