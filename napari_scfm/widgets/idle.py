"""Idle: slow work of the window itself, a piece at a time between other events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAUSE = 5
"""Milliseconds between two pieces, in which the window answers."""


class Idle(QObject):
    """Walks through an iterator, one step per turn of the event loop."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._steps: Iterator[None] | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(PAUSE)
        self._timer.timeout.connect(self._step)

    @property
    def busy(self) -> bool:
        """Whether there is a step left."""
        return self._steps is not None

    def walk(self, steps: Iterator[None]) -> None:
        """Begin with other steps; those before are left where they are."""
        self._steps = steps
        self._timer.start()

    def stop(self) -> None:
        """Take no further step."""
        self._steps = None
        self._timer.stop()

    def _step(self) -> None:
        if self._steps is None or next(self._steps, self) is self:
            self.stop()


class Turns(QObject):
    """Calls functions one by one, each in a turn of the event loop of its own."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._calls: list[Callable[[], None]] = []
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._next)

    def call(self, act: Callable[[], None]) -> None:
        """Call a function in one of the next turns."""
        self._calls.append(act)
        self._timer.start()

    def _next(self) -> None:
        if self._calls:
            self._calls.pop(0)()
        if not self._calls:
            self._timer.stop()
