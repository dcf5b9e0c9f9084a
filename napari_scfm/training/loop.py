"""One training loop for every objective.

AdamW with linear warm-up and cosine decay, clipped gradients, early stopping on the
validation FOVs, best weights kept. The same seed on the same machine gives the same
weights. A progress callback may stop it before any step.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from napari_scfm.progress import report
from napari_scfm.training.batches import TrainingBag, varied, whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_scfm.models.cellplm.network import CellPLMNetwork
    from napari_scfm.progress import ProgressCallback
    from napari_scfm.training.objectives import Objective
    from napari_scfm.training.settings import TrainSettings


@dataclass
class History:
    """What happened in each epoch.

    Attributes
    ----------
    epochs
        One mapping of figures per epoch.
    best
        The epoch whose weights were kept.
    """

    epochs: list[dict[str, Any]] = field(default_factory=list)
    best: int = -1

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {"best_epoch": self.best, "epochs": self.epochs}


class Trainer:
    """One network on its way; see :func:`run_loop`."""

    def __init__(
        self,
        network: CellPLMNetwork,
        objective: Objective,
        rows: Tensor,
        settings: TrainSettings,
        steps: int,
        seed: int,
    ) -> None:
        self.network, self.objective, self.rows = network, objective, rows
        self.settings = settings
        self.rng = np.random.default_rng(seed)
        self.neighbours = max(network.config.neighbours, default=0)
        self.optimiser = _optimiser(network, settings)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimiser, lambda step: _rate(step, steps, settings.warm_up)
        )
        # what is scored and kept: a running mean of the weights
        self.average = copy.deepcopy(network)
        self.done = 0

    def step(self, bag: TrainingBag) -> float:
        """Take one step on a varied view of a bag; return its loss."""
        self.network.train()
        view = varied(
            bag,
            self.neighbours,
            self.rows.device,
            self.rng,
            crop=self.settings.crop,
            thinning=self.settings.thinning,
        )
        loss = self.objective.loss(self.network, view, self.rows, self.rng)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
        self.optimiser.step()
        self.schedule.step()
        self.done += 1
        self._follow()
        return float(loss.detach())

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the running mean; it forgets quickly at first."""
        pace = min(self.settings.average, self.done / (self.done + 10))
        new = self.network.state_dict()
        for name, value in self.average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(new[name], 1 - pace)
            else:
                value.copy_(new[name])


def run_loop(
    network: CellPLMNetwork,
    objective: Objective,
    rows: Tensor,
    training: Sequence[TrainingBag],
    validation: Sequence[TrainingBag],
    *,
    settings: TrainSettings,
    epochs: int,
    seed: int,
    progress: ProgressCallback | None,
) -> History:
    """Train a network in place and return what happened.

    Without validation bags the last weights are kept.

    Raises
    ------
    Cancelled
        If the progress callback asks for it, before a step.
    """
    steps = epochs * settings.draws * len(training)
    trainer = Trainer(network, objective, rows, settings, steps, seed)
    held_out = [whole(bag, trainer.neighbours, rows.device) for bag in validation]
    history = History()
    kept: dict[str, Tensor] | None = None
    lowest = math.inf
    for epoch in range(epochs):
        losses = []
        for number in trainer.rng.permutation(len(training) * settings.draws):
            report(progress, trainer.done, steps, f"Epoch {epoch + 1} of {epochs}")
            losses.append(trainer.step(training[number % len(training)]))
        figures: dict[str, Any] = {"train_loss": float(np.mean(losses))}
        if held_out:
            figures |= score(trainer.average, objective, held_out, rows)
            if figures["loss"] < lowest:
                lowest, history.best = figures["loss"], epoch
                kept = copy.deepcopy(trainer.average.state_dict())
        history.epochs.append(figures)
        if held_out and epoch - history.best >= settings.patience:
            break
    network.load_state_dict(trainer.average.state_dict() if kept is None else kept)
    network.eval()
    report(progress, steps, steps, "Trained")
    return history


def score(
    network: CellPLMNetwork,
    objective: Objective,
    steps: Sequence[Any],
    rows: Tensor,
) -> dict[str, float]:
    """Return the objective's figures, mean over FOVs."""
    network.eval()
    with torch.no_grad():
        found = [objective.score(network, step, rows) for step in steps]
    return {k: float(np.mean([f[k] for f in found])) for k in found[0]}


def _optimiser(network: CellPLMNetwork, settings: TrainSettings) -> torch.optim.AdamW:
    """AdamW; norms, biases and dispersions do not decay."""
    free = [p for p in network.parameters() if p.ndim < 2]
    decayed = [p for p in network.parameters() if p.ndim >= 2]
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate)


def _rate(step: int, steps: int, warm_up: float) -> float:
    first = max(1, round(warm_up * steps))
    if step < first:
        return (step + 1) / first
    share = (step - first) / max(1, steps - first)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, share))) * 0.99 + 0.01
