"""How fast a training run is, and how long it will take."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MEMORY = 0.9
"""Share of the former mean that a new time leaves in place."""


class Smoothed:
    """A running mean that forgets quickly at first."""

    def __init__(self) -> None:
        self.value = 0.0
        self.seen = 0

    def add(self, value: float) -> None:
        """Take one more value."""
        self.seen += 1
        keep = min(MEMORY, 1 - 1 / self.seen)
        self.value = keep * self.value + (1 - keep) * value


class Pace:
    """Smoothed times of steps and of what happens between epochs.

    Parameters
    ----------
    steps, epochs
        Steps and epochs that are left at the start.
    clock
        Returns seconds.
    """

    def __init__(
        self, steps: int, epochs: int, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.steps, self.epochs = steps, epochs
        self._clock = clock
        self._last = clock()
        self._step, self._between = Smoothed(), Smoothed()

    def step(self) -> None:
        """Note that a step ended."""
        self._step.add(self._passed())
        self.steps -= 1

    def epoch(self) -> None:
        """Note that an epoch was scored and kept."""
        self._between.add(self._passed())
        self.epochs -= 1

    def _passed(self) -> float:
        now = self._clock()
        passed, self._last = now - self._last, now
        return passed

    def figures(self) -> dict[str, float]:
        """Return ``rate`` in steps per second and ``seconds_left``; none at first.

        The time that is left is that of all epochs: training may stop earlier.
        """
        if not self._step.seen or self._step.value <= 0:
            return {}
        left = self.steps * self._step.value + self.epochs * self._between.value
        return {"rate": 1 / self._step.value, "seconds_left": left}
