"""Share bar: how much of the attention field geometry and layout explain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QPainter
from qtpy.QtWidgets import QSizePolicy, QWidget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QPaintEvent

COLOURS = ("#8c8c8c", "#56B4E9", "#E69F00")
NAMES = ("geometry", "layout", "rest")
TIPS = (
    "where a cell's possible partners lie",
    "where the kinds of cells lie, and keys that all cells look at",
    "what neither explains: the streams",
)


def percent(share: float) -> str:
    """Return a share for a legend; a small one is never 0%, a large one never 100%."""
    if 0 < share < 0.001:
        return "<0.1%"
    if 0.999 < share < 1:
        return ">99.9%"
    return f"{share:.1%}" if share < 0.01 or share > 0.99 else f"{share:.0%}"


class ShareBar(QWidget):
    """Three shares of the field's energy as one bar, named below."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shares: tuple[float, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._fit()

    def set_shares(self, shares: Sequence[float]) -> None:
        """Draw other shares, each 0..1."""
        self._shares = tuple(float(share) for share in shares)
        self.setToolTip(
            "\n".join(
                f"{name} {percent(share)}: {tip}"
                for name, tip, share in zip(NAMES, TIPS, self._shares, strict=False)
            )
        )
        self._fit()
        self.update()

    def _texts(self) -> list[str]:
        pairs = zip(NAMES, self._shares, strict=False)
        return [f"{name} {percent(share)}" for name, share in pairs]

    def _places(self) -> list[tuple[int, int]]:
        """Return where names begin (x, line), each after the one before it."""
        x, line, places = 0, 0, []
        metrics = self.fontMetrics()
        for text in self._texts():
            wide = metrics.horizontalAdvance(text) + int(metrics.height() * 0.8)
            if x and x + wide > self.width():
                x, line = 0, line + 1
            places.append((x, line))
            x += wide + metrics.height() // 2
        return places

    def _fit(self) -> None:
        lines = max((line for _, line in self._places()), default=0) + 2
        self.setFixedHeight(lines * self.fontMetrics().height() + 10)

    def resizeEvent(self, event: object) -> None:
        """Break the names into lines that fit."""
        super().resizeEvent(event)
        self._fit()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the bar and the names."""
        total = sum(max(share, 0) for share in self._shares)
        if not total > 0:
            return
        painter = QPainter(self)
        line, left = self.fontMetrics().height(), 0.0
        for share, colour in zip(self._shares, COLOURS, strict=True):
            wide = max(share, 0) / total * self.width()
            painter.fillRect(QRectF(left, 2, wide, line), QColor(colour))
            left += wide
        painter.setPen(self.palette().windowText().color())
        named = zip(self._texts(), self._places(), COLOURS, strict=True)
        for text, (x, row), colour in named:
            top = (1 + row) * line + 5
            square = QRectF(x, top + line * 0.2, line * 0.6, line * 0.6)
            painter.fillRect(square, QColor(colour))
            box = QRectF(x + line * 0.8, top, self.width() - x, line)
            painter.drawText(box, Qt.AlignmentFlag.AlignLeft, text)
        painter.end()
