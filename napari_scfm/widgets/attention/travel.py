"""Travel: arrow heads move along the streams, and never at the window's cost."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

if TYPE_CHECKING:
    from qtpy.QtWidgets import QCheckBox

    from napari_scfm.widgets.step import Context

FRAME = 40
"""Milliseconds between two pictures at best."""

SHARE = 3
"""A picture may take one part in so many of the time."""

LAP = 4.0
"""Seconds in which a head goes from one place to that of the next."""


class Travel(QObject):
    """Moves the heads while its switch is on and there are streams."""

    def __init__(self, context: Context, switch: QCheckBox) -> None:
        super().__init__(switch)
        self.context, self.session = context, context.session
        self._switch = switch
        self._began = 0.0
        self._timer = QTimer(self)
        self._timer.setInterval(FRAME)
        self._timer.timeout.connect(self._step)
        switch.toggled.connect(self._follow)
        context.listen(self.session.events.stream, self._follow)

    @property
    def moving(self) -> bool:
        """Whether heads travel."""
        return bool(self._timer.isActive())

    def _follow(self, *_: object) -> None:
        wanted = self._switch.isChecked() and self.session.stream is not None
        if wanted and not self.moving:
            self._began = time.monotonic()
            self._timer.start()
        elif not wanted and self.moving:
            self._timer.stop()
            self._move(0.0)

    def _step(self) -> None:
        begin = time.monotonic()
        phase = (begin - self._began) / LAP % 1.0
        self._move(phase)
        spent = 1000 * (time.monotonic() - begin)
        self._timer.setInterval(max(FRAME, int(SHARE * spent)))

    def _move(self, phase: float) -> None:
        from napari_scfm.viewer.attention import motion

        motion.step(self.context.viewer, self.session, phase)
