"""One training loop for every objective.

Early stopping on the held-out FOVs, best weights kept, a checkpoint after every
epoch. The same seed on the same machine gives the same weights, whether the run was
interrupted or not. A progress callback may stop it before any step.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.progress import report
from napari_scfm.training.pace import Pace
from napari_scfm.training.trainer import Trainer, part_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_scfm.progress import ProgressCallback
    from napari_scfm.training.batches import TrainingBag
    from napari_scfm.training.checkpoints import Checkpoints
    from napari_scfm.training.objectives.base import Objective
    from napari_scfm.training.settings import TrainSettings


@dataclass
class History:
    """What happened in each epoch.

    Attributes
    ----------
    epochs
        One mapping of figures per epoch.
    best
        The epoch whose weights were kept, from 0; -1 = the last.
    notes
        What a user should know.
    """

    epochs: list[dict[str, Any]] = field(default_factory=list)
    best: int = -1
    notes: list[str] = field(default_factory=list)

    @property
    def lowest(self) -> float:
        """The held-out loss of the best epoch."""
        return math.inf if self.best < 0 else float(self.epochs[self.best]["loss"])

    @property
    def scores(self) -> dict[str, float]:
        """The held-out figures of the best epoch; empty without held-out FOVs."""
        best = {} if self.best < 0 else self.epochs[self.best]
        return {k: v for k, v in best.items() if k != "train_loss" and v == v}

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {"best_epoch": self.best, "epochs": self.epochs}


def run_loop(
    network: Any,
    objective: Objective,
    rows: Tensor,
    training: Sequence[TrainingBag],
    validation: Sequence[TrainingBag],
    *,
    settings: TrainSettings,
    epochs: int,
    seed: int,
    progress: ProgressCallback | None,
    checkpoints: Checkpoints | None = None,
    resume: bool = False,
    kind: type[Trainer] = Trainer,
) -> History:
    """Train a network in place and return what happened.

    Without validation bags the last weights are kept.

    Parameters
    ----------
    network, objective, rows, settings, seed
        See :class:`Trainer`.
    training, validation
        Bags that are learned from, and bags that decide which weights are kept.
    epochs
        Passes over the training bags, ``settings.draws`` steps on each.
    progress
        Told before every step and after every epoch.
    checkpoints
        Where to write one after every epoch, or None.
    resume
        Go on from the newest checkpoint, if there is one.
    kind
        How steps are taken.

    Raises
    ------
    Cancelled
        If the progress callback asks for it, before a step.
    SpecError
        If the checkpoints are damaged, or of another run.
    """
    steps = epochs * settings.draws * len(training)
    trainer = kind(network, objective, rows, settings, steps, seed)
    run = _Run(trainer, training, validation, epochs, checkpoints, progress)
    if resume and checkpoints is not None:
        run.restore(checkpoints)
    run.go()
    return run.history


class _Run:
    """A trainer between the first epoch and the last."""

    def __init__(
        self,
        trainer: Trainer,
        training: Sequence[TrainingBag],
        validation: Sequence[TrainingBag],
        epochs: int,
        checkpoints: Checkpoints | None,
        progress: ProgressCallback | None,
    ) -> None:
        self.trainer, self.training, self.validation = trainer, training, validation
        self.epochs, self.checkpoints, self.progress = epochs, checkpoints, progress
        self.history = History()
        self.kept: dict[str, Tensor] = {}

    def restore(self, checkpoints: Checkpoints) -> None:
        """Go back to the newest checkpoint, if there is one."""
        read = checkpoints.newest()
        if read is None:
            return
        tensors, state = read
        self.trainer.restore(tensors, state)
        past = state["history"]
        self.history = History(past["epochs"], past["best_epoch"])
        device = self.trainer.device
        self.kept = {k: v.to(device) for k, v in part_of(tensors, "best").items()}

    def finished(self) -> bool:
        """Whether all epochs are done, or the loss has not fallen for too long."""
        done = len(self.history.epochs)
        waited = done - 1 - self.history.best
        patience = self.trainer.settings.patience
        return done >= self.epochs or (bool(self.kept) and waited >= patience)

    def go(self) -> None:
        """Train until finished; the network then holds the weights to keep."""
        trainer = self.trainer
        done = len(self.history.epochs)
        pace = Pace(trainer.steps - trainer.done, self.epochs - done)
        while not self.finished():
            losses = self._steps(pace)
            self._close(losses)
            pace.epoch()
            last = self.history.epochs[-1]
            told = {"train_loss": last["train_loss"]}
            if "loss" in last:
                told["validation_loss"] = last["loss"]
            epoch = len(self.history.epochs)
            self._tell(f"Epoch {epoch} of {self.epochs} done", epoch, pace, told)
        self.history.notes = trainer.notes
        trainer.network.load_state_dict(self.kept or trainer.average.state_dict())
        trainer.network.eval()
        report(self.progress, trainer.steps, trainer.steps, "Trained")

    def _steps(self, pace: Pace) -> list[float]:
        """Take the steps of one epoch and return their losses."""
        trainer = self.trainer
        losses: list[float] = []
        epoch = len(self.history.epochs) + 1
        draws = trainer.settings.draws
        for number in trainer.rng.permutation(len(self.training) * draws):
            told = {"loss": losses[-1]} if losses else {}
            self._tell(f"Epoch {epoch} of {self.epochs}", epoch, pace, told)
            losses.append(trainer.step(self.training[number % len(self.training)]))
            pace.step()
        return losses

    def _close(self, losses: list[float]) -> None:
        """Score the epoch, keep its weights if they are the best, write it down."""
        figures: dict[str, Any] = {"train_loss": float(np.mean(losses))}
        if self.validation:
            figures |= self.trainer.score(self.validation, self.training)
            if figures.get("loss", math.inf) < self.history.lowest:
                self.history.best = len(self.history.epochs)
                self.kept = copy.deepcopy(self.trainer.average.state_dict())
        self.history.epochs.append(figures)
        if self.checkpoints is not None:
            best = {f"best.{name}": value for name, value in self.kept.items()}
            self.checkpoints.save(
                len(self.history.epochs),
                self.trainer.tensors() | best,
                self.trainer.state() | {"history": self.history.to_dict()},
            )

    def _tell(
        self, message: str, epoch: int, pace: Pace, told: dict[str, float]
    ) -> None:
        numbers = {"epoch": epoch, "epochs": self.epochs, **pace.figures(), **told}
        report(self.progress, self.trainer.done, self.trainer.steps, message, **numbers)
