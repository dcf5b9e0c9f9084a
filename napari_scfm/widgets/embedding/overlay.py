"""What is drawn over the points by Qt: lasso, box, and a ring around a cell.

The points themselves need not be drawn again while a hand draws over them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QColor, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QWidget

if TYPE_CHECKING:
    from qtpy.QtGui import QPaintEvent

_RING = 6.0


class Overlay(QWidget):
    """Lies over a canvas and lets the mouse through.

    Attributes
    ----------
    track
        (m, 2) pixels of the gesture under way.
    ring
        Pixel of the cell under the mouse, or None.
    ink
        Colour of both.
    """

    def __init__(self, canvas: QWidget) -> None:
        super().__init__(canvas)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.track = np.zeros((0, 2))
        self.ring: tuple[float, float] | None = None
        self.ink = "white"

    def show_ink(self, ink: str) -> None:
        """Draw in another colour."""
        self.ink = ink
        self.update()

    def show_track(self, track: np.ndarray) -> None:
        """Draw another gesture; an empty one is none."""
        self.track = np.asarray(track, dtype=float).reshape(-1, 2)
        self.update()

    def show_ring(self, at: tuple[float, float] | None) -> None:
        """Put a ring around another cell."""
        if at != self.ring:
            self.ring = at
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the gesture and the ring."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ink = QColor(self.ink)
        if len(self.track) > 1:
            shape = QPolygonF([QPointF(*corner) for corner in self.track])
            inside = QColor(ink)
            inside.setAlphaF(0.12)
            painter.setBrush(inside)
            painter.setPen(QPen(ink, 1.2, Qt.PenStyle.DashLine))
            painter.drawPolygon(shape)
        if self.ring is not None:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(ink, 1.6))
            painter.drawEllipse(QPointF(*self.ring), _RING, _RING)
        painter.end()
