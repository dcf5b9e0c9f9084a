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
        self.setFixedHeight(2 * self.fontMetrics().height() + 10)

    def set_shares(self, shares: Sequence[float]) -> None:
        """Draw other shares, each 0..1."""
        self._shares = tuple(float(share) for share in shares)
        self.setToolTip(
            ", ".join(
                f"{name} {share:.1%}"
                for name, share in zip(NAMES, self._shares, strict=False)
            )
        )
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the bar and the names."""
        total = sum(max(share, 0) for share in self._shares)
        if total <= 0:
            return
        painter = QPainter(self)
        line = self.fontMetrics().height()
        left, text_left = 0.0, 0
        for share, name, colour in zip(self._shares, NAMES, COLOURS, strict=True):
            wide = max(share, 0) / total * self.width()
            painter.fillRect(QRectF(left, 2, wide, line), QColor(colour))
            left += wide
            text = f"{name} {percent(share)}"
            painter.fillRect(
                QRectF(text_left, line + 8, line * 0.6, line * 0.6), QColor(colour)
            )
            painter.setPen(self.palette().windowText().color())
            box = QRectF(text_left + line * 0.8, line + 3, self.width() / 2, line + 2)
            painter.drawText(box, Qt.AlignmentFlag.AlignLeft, text)
            text_left += self.fontMetrics().horizontalAdvance(text) + int(line * 1.6)
        painter.end()
