"""Curve: the losses of a training run as they are told, and what they say so far.

A training step tells its loss, and the end of an epoch the mean of its steps and the
loss of what is held out; see :func:`napari_scfm.train`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_scfm.errors import counted

if TYPE_CHECKING:
    from napari_scfm.progress import Progress


@dataclass
class Curve:
    """Losses of one run.

    Attributes
    ----------
    steps
        (epochs passed, loss) of the training steps.
    training, held_out
        Epoch, from 1 -> mean loss of its steps; loss of the held-out FOVs after it.
    epochs
        How many there will be; 0 while that is not known.
    """

    steps: list[tuple[float, float]] = field(default_factory=list)
    training: dict[int, float] = field(default_factory=dict)
    held_out: dict[int, float] = field(default_factory=dict)
    epochs: int = 0
    _rate: float = 0.0
    _left: float = math.nan

    def add(self, progress: Progress) -> bool:
        """Take one report; return whether it told a loss or the speed."""
        told = progress.figures
        if "epoch" not in told:
            return False
        epoch = int(told["epoch"])
        self.epochs = int(told.get("epochs", self.epochs))
        self._rate = told.get("rate", self._rate)
        self._left = told.get("seconds_left", self._left)
        if "loss" in told and progress.total:
            at = progress.done / progress.total * self.epochs
            self.steps.append((at, told["loss"]))
        for name, into in (
            ("train_loss", self.training),
            ("validation_loss", self.held_out),
        ):
            if name in told:
                into[epoch] = told[name]
        return True

    @property
    def best(self) -> int:
        """The epoch with the lowest held-out loss; 0 without one."""
        finite = {e: loss for e, loss in self.held_out.items() if loss == loss}
        return min(finite, key=finite.__getitem__) if finite else 0

    @property
    def done(self) -> int:
        """How many epochs are complete."""
        return max([0, *self.training])

    def pace(self) -> str:
        """Return where the run is, how fast, and how long it will take, in words."""
        parts = [f"Epoch {min(self.done + 1, self.epochs)} of {self.epochs}"]
        if self._rate >= 1:
            parts.append(f"{self._rate:.2g} steps per second")
        elif self._rate > 0:
            parts.append(f"{1 / self._rate:.2g} seconds per step")
        if self._left == self._left:
            parts.append(f"{in_words(self._left)} left")
        return " · ".join(parts)


def in_words(seconds: float) -> str:
    """Return a time as a person says it: ``about 3 minutes``."""
    if seconds < 10:
        return "a few seconds"
    if seconds < 50:
        return f"about {round(seconds, -1):.0f} seconds"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"about {counted(max(minutes, 1), 'minute')}"
    hours = seconds / 3600
    if hours < 3:
        return f"about {round(hours * 2) / 2:g} hours".replace("1 hours", "1 hour")
    return f"about {hours:.0f} hours"
