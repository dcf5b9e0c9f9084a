"""Refine an embedding: cells of one kind come together, others move apart.

A small head over the embedding learns by the supervised contrastive loss (see
:mod:`.objectives.supcon`) from examples and from cells whose kind is told by them; the
network under it stays as it is. A few examples alone do not do: a head, or a network,
that learns from them only learns them by heart (see the benchmark few_examples.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from napari_scfm.progress import report
from napari_scfm.training.objectives.supcon import contrastive

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scfm.progress import ProgressCallback

STEPS = 600
"""Whatever the size of the slide: a step reads :data:`ANCHORS` cells at most."""
ANCHORS, EACH = 512, 16
"""Cells that a step compares at most, and of each kind."""
TEMPERATURE = 0.1
LEARNING_RATE, WEIGHT_DECAY = 1e-3, 0.01
DROPPED = 0.2
"""Share of the numbers of a cell that a step does not show."""
WIDTH = 128
_TOLD = 20


@dataclass(frozen=True, eq=False)
class Refined:
    """A refined embedding.

    Attributes
    ----------
    vectors
        (cells, d) float32 of length 1.
    losses
        Of each step.
    """

    vectors: NDArray[np.float32]
    losses: tuple[float, ...]


class _Head(nn.Module):
    """The embedding itself, turned, and a correction that begins at nothing."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.turn, self.into = nn.Linear(d, d), nn.Linear(d, WIDTH)
        self.out = nn.Linear(WIDTH, d)
        self.drop = nn.Dropout(DROPPED)
        nn.init.eye_(self.turn.weight)
        for part in (self.turn.bias, self.out.weight, self.out.bias):
            nn.init.zeros_(part)

    def forward(self, x: Tensor) -> Tensor:
        """Return (cells, d) of length 1."""
        x = self.drop(x)
        moved: Tensor = self.turn(x) + self.out(torch.relu(self.into(x)))
        return nn.functional.normalize(moved, dim=1)


def refine(
    points: NDArray[np.floating],
    rows: NDArray[np.intp],
    codes: NDArray[np.intp],
    weights: NDArray[np.floating],
    *,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> Refined:
    """Return an embedding in which the kinds of cells lie apart.

    The same cells and seed give the same numbers on one machine: the number of steps
    is fixed, whatever time they take.

    Parameters
    ----------
    points
        (cells, d), each dimension around 0.
    rows
        (known,) cells that are learned from.
    codes
        (known,) their kind, from 0, all of which occur.
    weights
        (known,) how often a cell is drawn, relative to others of its kind.
    seed
        Of first weights, draws and dropout.
    progress
        Told after every few steps, with the loss.

    Raises
    ------
    Cancelled
        If the progress callback asks for it.
    """
    before = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1)  # so small products are slower in more
        try:
            x = torch.as_tensor(np.asarray(points, dtype=np.float32))
            head = _Head(x.shape[1])
            losses = _learn(head, x, rows, codes, weights, seed, progress)
            with torch.no_grad():
                found = head.eval()(x).numpy()
        finally:
            torch.set_num_threads(before)
    return Refined(np.asarray(found, dtype=np.float32), tuple(losses))


def _learn(
    head: _Head,
    x: Tensor,
    rows: NDArray[np.intp],
    codes: NDArray[np.intp],
    weights: NDArray[np.floating],
    seed: int,
    progress: ProgressCallback | None,
) -> list[float]:
    optimiser = torch.optim.AdamW(
        head.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY
    )
    rng = np.random.default_rng(seed)
    kinds = int(codes.max()) + 1
    each = max(2, min(EACH, ANCHORS // kinds))
    of = [np.flatnonzero(codes == kind) for kind in range(kinds)]
    odds = [weights[own] / weights[own].sum() for own in of]
    losses: list[float] = []
    for step in range(STEPS):
        for group in optimiser.param_groups:
            group["lr"] = 0.5 * LEARNING_RATE * (1 + math.cos(math.pi * step / STEPS))
        chosen = np.concatenate(
            [rng.choice(own, each, p=p) for own, p in zip(of, odds, strict=True)]
        )
        labels = torch.as_tensor(codes[chosen])
        loss = contrastive(head(x[rows[chosen]]), labels, TEMPERATURE)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(float(loss.detach()))
        if step % _TOLD == 0:
            report(progress, step, STEPS, "Learning", loss=losses[-1])
    report(progress, STEPS, STEPS, "Learned", loss=losses[-1])
    return losses
