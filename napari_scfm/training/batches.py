"""A FOV as a training step reads it: a window of it, turned, thinned.

The few FOVs of a slide are all there is to learn from, so every step sees another
part of one, in another orientation, with fewer molecules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_scfm.models.cellplm.places import places

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scipy import sparse


@dataclass(frozen=True)
class TrainingBag:
    """The cells of one FOV, or of a part of a reference.

    Attributes
    ----------
    name
        Of the FOV.
    counts
        (cells, genes) float32 counts of the model's genes, dense or CSR.
    xy
        (cells, 2) coordinates in um, or None.
    labels
        (cells,) int64 classes, -1 without one; None where no labels are read.
    measured
        (genes,) bool, genes whose counts may be learned from; None = all.
    scored
        (genes,) bool, genes whose counts may be compared with a guess; None = those
        measured.
    """

    name: str
    counts: np.ndarray | sparse.csr_array
    xy: np.ndarray | None
    labels: np.ndarray | None = None
    measured: np.ndarray | None = None
    scored: np.ndarray | None = None

    def __len__(self) -> int:
        return int(self.counts.shape[0])


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
    labels, measured, scored
        See :class:`TrainingBag`.
    """

    truth: Tensor
    shown: Tensor
    positions: Tensor
    nearest: Tensor | None
    labels: Tensor | None = None
    measured: Tensor | None = None
    scored: Tensor | None = None


def place(
    xy: np.ndarray | None, cells: int, neighbours: int
) -> list[np.ndarray | None]:
    """Return positions and nearest cells as arrays."""
    positions, *nearest = places(xy, cells, neighbours)
    return [positions, nearest[0] if nearest else None]


def whole(
    bag: TrainingBag,
    neighbours: int,
    device: torch.device,
    cells: np.ndarray | None = None,
) -> Step:
    """Return a FOV, or some of its cells, as they are."""
    cells = np.arange(len(bag)) if cells is None else cells
    counts = torch.as_tensor(dense(bag.counts[cells]), device=device)
    xy = None if bag.xy is None else bag.xy[cells]
    return _step(bag, cells, counts, counts, place(xy, len(cells), neighbours))


class Views:
    """The FOVs as they are, each time they are asked for.

    Parameters
    ----------
    bags
        The FOVs.
    neighbours, device
        See :func:`whole`.
    largest
        FOVs of more cells are read in parts; 0 = never.
    """

    def __init__(
        self,
        bags: Sequence[TrainingBag],
        neighbours: int,
        device: torch.device,
        largest: int = 0,
    ) -> None:
        self.bags, self.neighbours, self.device = bags, neighbours, device
        self.largest = largest

    def __iter__(self) -> Iterator[Step]:
        for bag in self.bags:
            for cells in parts(bag, self.largest):
                yield whole(bag, self.neighbours, self.device, cells)


def parts(bag: TrainingBag, largest: int) -> list[np.ndarray]:
    """Return the cells of a bag in compact parts of nearly one size.

    Parameters
    ----------
    bag
        Cells with coordinates are halved across their longer side until no part is
        larger; others are cut in their order.
    largest
        Most cells of a part, 0 = all together.
    """
    whole_bag = [np.arange(len(bag))]
    if not largest or len(bag) <= largest:
        return whole_bag
    if bag.xy is None:
        return np.array_split(whole_bag[0], -(-len(bag) // largest))
    open_ones, done = whole_bag, []
    while open_ones:
        cells = open_ones.pop()
        if len(cells) <= largest:
            done.append(np.sort(cells))
            continue
        xy = bag.xy[cells]
        side = int(np.ptp(xy, axis=0).argmax())
        order = cells[np.argsort(xy[:, side], kind="stable")]
        open_ones += np.array_split(order, 2)
    return done


def varied(
    bag: TrainingBag,
    neighbours: int,
    device: torch.device,
    rng: np.random.Generator,
    *,
    crop: float,
    thinning: float,
    largest: int = 0,
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
    largest
        Most cells that are kept; 0 = no limit.
    """
    cells = np.arange(len(bag))
    xy = bag.xy
    keep = max(1, round(rng.uniform(crop, 1.0) * len(cells)))
    keep = min(keep, largest) if largest else keep
    if xy is None:
        cells = rng.permutation(cells)[:keep]
    else:
        xy = _turned(xy, rng)
        cells = _window(xy, keep, rng)
        xy = xy[cells]
    truth = dense(bag.counts[cells])
    kept = 1.0 - rng.uniform(0.0, thinning)
    shown = rng.binomial(truth.astype(np.int64), kept).astype(np.float32)
    return _step(
        bag,
        cells,
        torch.as_tensor(truth, device=device),
        torch.as_tensor(shown, device=device),
        place(xy, len(cells), neighbours),
    )


def _step(
    bag: TrainingBag,
    cells: np.ndarray,
    truth: Tensor,
    shown: Tensor,
    places: list[np.ndarray | None],
) -> Step:
    labels = None if bag.labels is None else bag.labels[cells]
    arrays = [*places, labels, bag.measured, bag.scored]
    positions, *others = (
        None if array is None else torch.as_tensor(array, device=truth.device)
        for array in arrays
    )
    assert positions is not None
    return Step(truth, shown, positions, *others)


def dense(counts: np.ndarray | sparse.csr_array) -> np.ndarray:
    """Return counts as an array."""
    if isinstance(counts, np.ndarray):
        return counts
    return np.asarray(counts.toarray())


def _turned(xy: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    flip = np.array([1.0, rng.choice([-1.0, 1.0])])
    return np.asarray((xy - xy.mean(axis=0)) @ turn * flip)


def _window(xy: np.ndarray, keep: int, rng: np.random.Generator) -> np.ndarray:
    """Cells of the square around a random cell that holds that many."""
    centre = xy[rng.integers(len(xy))]
    reach = np.abs(xy - centre).max(axis=1)
    return np.sort(np.argpartition(reach, keep - 1)[:keep])
