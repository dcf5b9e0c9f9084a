"""Heat map: which kinds of cells attend to which, in multiples of an even share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QFontInfo, QImage, QPainter, QPen
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_scfm.figures.palette import lut

if TYPE_CHECKING:
    import pandas as pd
    from qtpy.QtGui import QHelpEvent, QKeyEvent, QMouseEvent, QPaintEvent

COLORMAP = "purple-green"
_WIDEST, _LARGEST, _LABELLED = 0.36, 26, 9
_LEGEND = 3
_STEPS = {
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
}
_TAKE = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)


class HeatMap(QWidget):
    """Receivers (queries) from top to bottom, senders (keys) from left to right.

    ``picked`` carries the (receiver, sender) that was clicked, or None when the one
    that was chosen is clicked again.
    """

    picked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._names: list[str] = []
        self._table: pd.DataFrame | None = None
        self._times = np.zeros((0, 0))
        self._reach = 1.0
        self._chosen: tuple[str, str] | None = None
        self._at: tuple[int, int] | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)

    @property
    def chosen(self) -> tuple[str, str] | None:
        """The (receiver, sender) that the streams are restricted to."""
        return self._chosen

    def show_table(
        self, table: pd.DataFrame | None, chosen: tuple[str, str] | None = None
    ) -> None:
        """Draw another table, as :func:`.type_table` makes it; None draws nothing."""
        if table is not self._table:
            self._table, self._at = table, None
            names = [] if table is None else list(dict.fromkeys(table["receiver"]))
            self._names = [str(name) for name in names]
            times = np.zeros(0) if table is None else table["times"].to_numpy(float)
            self._times = times.reshape(len(names), len(names))
            self._reach = reach_of(self._times)
        self._chosen = chosen
        self._fit()
        self.update()

    def resizeEvent(self, event: object) -> None:
        """Keep the squares square."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        side, left = self._side(), self._left()
        labels = left if side >= _LABELLED else 4
        line = self.fontMetrics().height()
        tall = labels + side * len(self._names) + _LEGEND * line + 8
        self.setFixedHeight(int(tall) if self._names else 0)

    def _left(self) -> int:
        wide = self.fontMetrics().horizontalAdvance
        longest = max((wide(name) for name in self._names), default=0)
        return int(min(longest + 6, _WIDEST * self.width()))

    def _side(self) -> float:
        room = self.width() - self._left() - 2
        return float(min(room / max(len(self._names), 1), _LARGEST))

    def _top(self) -> int:
        return self._left() if self._side() >= _LABELLED else 4

    def square(self, receiver: int, sender: int) -> QRectF:
        """Return where a pair is drawn."""
        side = self._side()
        x, y = self._left() + sender * side, self._top() + receiver * side
        return QRectF(x, y, side, side)

    def _pair_at(self, where: QPointF) -> tuple[int, int] | None:
        side, count = self._side(), len(self._names)
        if not count or side <= 0:
            return None
        receiver = int((where.y() - self._top()) // side)
        sender = int((where.x() - self._left()) // side)
        inside = 0 <= receiver < count and 0 <= sender < count
        return (receiver, sender) if inside else None

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw squares, names and the scale."""
        if not self._names:
            return
        painter = QPainter(self)
        self._paint_squares(painter)
        self._paint_scale(painter)
        if self._side() >= _LABELLED:
            self._paint_names(painter)
        painter.end()

    def _paint_squares(self, painter: QPainter) -> None:
        gap = 1 if self._side() > 6 else 0
        for receiver, sender in np.ndindex(self._times.shape):
            square = self.square(receiver, sender).adjusted(0, 0, -gap, -gap)
            painter.fillRect(square, self._colour(self._times[receiver, sender]))
        outlined = self._chosen_places()
        for places, width in ((self._at, 1.0), (outlined, 2.5)):
            if places is not None:
                painter.setPen(QPen(self.palette().windowText().color(), width))
                painter.drawRect(self.square(*places).adjusted(0, 0, -1, -1))

    def _chosen_places(self) -> tuple[int, int] | None:
        if self._chosen is None or not set(self._chosen) <= set(self._names):
            return None
        receiver, sender = map(self._names.index, self._chosen)
        return receiver, sender

    def _colour(self, times: float) -> QColor:
        if not np.isfinite(times):
            return QColor(128, 128, 128, 60)
        place = 0.5 + np.log2(max(times, 1e-9)) / (2 * self._reach)
        table = lut(COLORMAP)
        rgba = table[int(np.clip(place, 0, 1) * (len(table) - 1))]
        return QColor.fromRgbF(*(float(part) for part in rgba[:3]))

    def _paint_names(self, painter: QPainter) -> None:
        painter.setPen(self.palette().windowText().color())
        side, line, left = self._side(), self.fontMetrics().height(), self._left()
        font = painter.font()
        font.setPixelSize(min(QFontInfo(font).pixelSize(), int(side)))
        painter.setFont(font)
        metrics = painter.fontMetrics()
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for place, name in enumerate(self._names):
            text = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, left - 6)
            y = self._top() + place * side + side / 2 - line / 2
            painter.drawText(QRectF(0, y, left - 4, line), right, text)
            painter.save()
            painter.translate(self._left() + place * side + side / 2, self._top() - 3)
            painter.rotate(-90)
            box = QRectF(0, -line / 2, left, line)
            painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, text)
            painter.restore()

    def _paint_scale(self, painter: QPainter) -> None:
        line, left = self.fontMetrics().height(), 0
        top = self._top() + self._side() * len(self._names) + 6
        strip = np.ascontiguousarray((np.asarray(lut(COLORMAP)) * 255).astype(np.uint8))
        image = QImage(
            strip.data, strip.shape[0], 1, QImage.Format.Format_RGBA8888
        ).copy()
        painter.drawImage(QRectF(left, top, self.width(), line * 0.6), image)
        painter.setPen(self.palette().windowText().color())
        box = QRectF(left, top + line * 0.7, self.width(), line)
        low, high = f"{2**-self._reach:.2g}×", f"{2**self._reach:.2g}×"
        painter.drawText(box, Qt.AlignmentFlag.AlignLeft, low)
        painter.drawText(box, Qt.AlignmentFlag.AlignHCenter, "1 = an even share")
        painter.drawText(box, Qt.AlignmentFlag.AlignRight, high)
        under = QRectF(left, top + line * 1.7, self.width(), line)
        words = "Rows are receivers, columns are senders"
        mode = Qt.TextElideMode.ElideRight
        words = self.fontMetrics().elidedText(words, mode, self.width())
        painter.drawText(under, Qt.AlignmentFlag.AlignLeft, words)

    def sentence(self, receiver: int, sender: int) -> str:
        """Return what the table says of a pair."""
        assert self._table is not None
        found = self._table.iloc[receiver * len(self._names) + sender]
        to, of = self._names[receiver], self._names[sender]
        if not np.isfinite(found["times"]):
            return f"{to} (receiver) to {of} (sender): no two cells, or no attention."
        return (
            f"{to} (receiver) to {of} (sender): {found['times']:.3g} times an even "
            f"share, {found['share']:.1%} of what {to} attends to; "
            f"{found['n_receivers']:,} and {found['n_senders']:,} cells."
        )

    def event(self, event: QEvent) -> bool:
        """Say the numbers of the pair under the mouse."""
        if event.type() == QEvent.Type.ToolTip:
            help_: QHelpEvent = event
            pair = self._pair_at(QPointF(help_.pos()))
            text = "" if pair is None else self.sentence(*pair)
            QToolTip.showText(help_.globalPos(), text, self)
            return True
        return bool(super().event(event))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Outline the pair under the mouse."""
        self._point(self._pair_at(event.position()))

    def leaveEvent(self, event: QEvent) -> None:
        """Outline none."""
        self._point(None)

    def _point(self, pair: tuple[int, int] | None) -> None:
        if pair != self._at:
            self._at = pair
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Choose the pair under the mouse, or free the streams."""
        pair = self._pair_at(event.position())
        if event.button() == Qt.MouseButton.LeftButton and pair is not None:
            self._pick(pair)

    def _pick(self, pair: tuple[int, int]) -> None:
        names = (self._names[pair[0]], self._names[pair[1]])
        self.picked.emit(None if names == self._chosen else names)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Walk with the arrows, choose with Return."""
        step = _STEPS.get(event.key())
        if step is not None and self._names:
            here = self._at or self._chosen_places() or (0, 0)
            last = len(self._names) - 1
            moved = [min(max(a + b, 0), last) for a, b in zip(here, step, strict=True)]
            self._point((moved[0], moved[1]))
        elif event.key() in _TAKE and self._at is not None:
            self._pick(self._at)
        else:
            super().keyPressEvent(event)


def reach_of(times: np.ndarray) -> float:
    """Return the end of the colour scale: powers of 2 on either side of 1."""
    known = times[np.isfinite(times) & (times > 0)]
    furthest = float(np.abs(np.log2(known)).max(initial=0))
    return float(np.clip(furthest, 0.05, 4))
