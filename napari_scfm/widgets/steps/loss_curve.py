"""Loss curve: training and held-out loss over the epochs, drawn as they come."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_scfm.viewer.training.curve import Curve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QPaintEvent

KEPT = "best"
TRAINING, HELD_OUT = "#56B4E9", "#E69F00"
ROWS = 9
"""Height in lines of text."""
MOST_STEPS = 1000
"""Single steps that are drawn; more would hide one another."""


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round numbers between two limits, at most so many."""
    span = high - low
    if not span > 0:
        return [low]
    raw = span / most
    scale = 10.0 ** math.floor(math.log10(raw))
    step = next(s * scale for s in (1, 2, 5, 10) if s * scale >= raw)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [n * step for n in range(first, last + 1)]


def limits(curve: Curve) -> tuple[float, float]:
    """Return the smallest and largest loss to draw, with a margin."""
    values = [*curve.training.values(), *curve.held_out.values()]
    values = values or [loss for _, loss in curve.steps]
    values = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(values), max(values)
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 0.5
    return low - margin, high + margin


class LossCurve(QWidget):
    """Two lines with axes; the epoch that was kept is ringed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.curve = Curve()
        self._span = (0.0, 1.0)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(ROWS * self.fontMetrics().height())

    def show_curve(self, curve: Curve) -> None:
        """Draw a curve; call again whenever it has grown."""
        self.curve = curve
        self._span = limits(curve)
        ends = [
            f"{name} {values[max(values)]:.4g}"
            for name, values in (
                ("training", curve.training),
                ("held out", curve.held_out),
            )
            if values
        ]
        self.setToolTip(f"Loss after the last epoch: {', '.join(ends)}" if ends else "")
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw axes, lines and names."""
        if not self.curve.epochs:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        marks = ticks(*self._span)
        digits = _digits(marks)
        metrics = self.fontMetrics()
        line = metrics.height()
        left = max(metrics.horizontalAdvance(f"{m:.{digits}f}") for m in marks) + 8
        area = QRectF(
            left, line + 4, self.width() - left - 8, self.height() - 3.6 * line
        )
        self._axes(painter, area, marks, digits)
        self._names(painter, area)
        painter.setClipRect(area.adjusted(-4, -6, 7, 4))
        self._cloud(painter, area)
        dots = QPen(QColor(TRAINING), 2)
        self._line(painter, area, sorted(self.curve.training.items()), dots)
        held = QPen(QColor(HELD_OUT), 2)
        self._line(painter, area, sorted(self.curve.held_out.items()), held)
        if self.curve.best:
            at = self.curve.best
            point = self._point(area, at, self.curve.held_out[at])
            painter.drawEllipse(point, 4.5, 4.5)
        painter.end()

    def _axes(
        self, painter: QPainter, area: QRectF, marks: Sequence[float], digits: int
    ) -> None:
        ink = self.palette().windowText().color()
        grid = QColor(ink)
        grid.setAlpha(45)
        line = self.fontMetrics().height()
        for mark in marks:
            y = self._point(area, 0, mark).y()
            painter.setPen(QPen(grid, 1))
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            painter.setPen(ink)
            box = QRectF(0, y - line / 2, area.left() - 5, line)
            right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(box, right, f"{mark:.{digits}f}")
        painter.drawLine(area.topLeft(), area.bottomLeft())
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        centre = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop
        for mark in ticks(0, self._epochs(), 5):
            if mark != round(mark):
                continue
            x = self._point(area, mark, marks[0]).x()
            painter.drawLine(QPointF(x, area.bottom()), QPointF(x, area.bottom() + 3))
            box = QRectF(x - 30, area.bottom() + 4, 60, line)
            painter.drawText(box, centre, f"{mark:.0f}")
        box = QRectF(area.left(), area.bottom() + 2 + line, area.width(), line + 2)
        painter.drawText(box, centre, "epoch")

    def _names(self, painter: QPainter, area: QRectF) -> None:
        metrics = self.fontMetrics()
        ink = self.palette().windowText().color()
        painter.setPen(ink)
        painter.drawText(QPointF(0, metrics.ascent()), "loss")
        right = area.right()
        for name, colour, values in (
            (KEPT, HELD_OUT, self.curve.best),
            ("held out", HELD_OUT, self.curve.held_out),
            ("training", TRAINING, self.curve.steps or self.curve.training),
        ):
            if not values:
                continue
            right -= metrics.horizontalAdvance(name)
            painter.setPen(ink)
            painter.drawText(QPointF(right, metrics.ascent()), name)
            middle = metrics.height() / 2
            painter.setPen(QPen(QColor(colour), 3))
            if name == KEPT:
                painter.setPen(QPen(QColor(colour), 2))
                painter.drawEllipse(QPointF(right - 10, middle), 4.5, 4.5)
                right -= 26
                continue
            painter.drawLine(QPointF(right - 20, middle), QPointF(right - 5, middle))
            right -= 34

    def _cloud(self, painter: QPainter, area: QRectF) -> None:
        """Draw single steps, which scatter with what each of them hides, as dots."""
        faded = QColor(TRAINING)
        faded.setAlpha(90)
        painter.setPen(QPen(faded, 2))
        thinned = self.curve.steps[:: 1 + len(self.curve.steps) // MOST_STEPS]
        finite = [self._point(area, *p) for p in thinned if math.isfinite(p[1])]
        painter.drawPoints(QPolygonF(finite))

    def _line(
        self,
        painter: QPainter,
        area: QRectF,
        points: Sequence[tuple[float, float]],
        pen: QPen,
    ) -> None:
        painter.setPen(pen)
        drawn = [self._point(area, *p) for p in points if math.isfinite(p[1])]
        if len(drawn) == 1:
            painter.drawEllipse(drawn[0], 1.5, 1.5)
        elif drawn:
            painter.drawPolyline(QPolygonF(drawn))

    def _epochs(self) -> int:
        return max(1, self.curve.epochs)

    def _point(self, area: QRectF, epoch: float, loss: float) -> QPointF:
        low, high = self._span
        x = area.left() + epoch / self._epochs() * area.width()
        return QPointF(x, area.bottom() - (loss - low) / (high - low) * area.height())


def _digits(marks: Sequence[float]) -> int:
    """Return how many decimals tell the marks apart."""
    gaps = [b - a for a, b in itertools.pairwise(marks)]
    step = min(gaps, default=abs(marks[0]) or 1.0)
    return max(0, -math.floor(math.log10(step) + 1e-9))
