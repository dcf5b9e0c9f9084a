"""Heat map of pairs of kinds, in multiples of chance; a click picks a pair.

Other numbers than multiples, and columns of other kinds, are drawn by those who say so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QFontInfo, QImage, QPainter, QPen
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_scfm.figures.palette import lut

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qtpy.QtGui import QHelpEvent, QKeyEvent, QMouseEvent, QPaintEvent

COLORMAP = "purple-green"
_WIDEST, _LARGEST, _LABELLED, _INSET = 0.3, 26, 9, 0.27
_STEPS = {
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
}
_TAKE = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)


class KindMap(QWidget):
    """Kinds from top to bottom, their neighbours from left to right.

    ``picked`` carries the (kind, neighbour) that was clicked.
    """

    picked = Signal(object)
    even = "1 = as by chance"
    """What the middle of the colour scale says."""
    under = ""
    """A line below it."""
    colormap = COLORMAP
    """Of the scale."""
    widest = _WIDEST
    """Largest share of the width that names take."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._names: list[str] = []
        self._columns: list[str] = []
        self._times = np.zeros((0, 0))
        self._sure = np.zeros((0, 0), dtype=bool)
        self._say: Callable[[str, str], str] = lambda kind, neighbour: ""
        self._reach = 1.0
        self._chosen: tuple[str, str] | None = None
        self._at: tuple[int, int] | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self._fit()

    @property
    def names(self) -> tuple[str, ...]:
        """The kinds that are drawn."""
        return tuple(self._names)

    @property
    def chosen(self) -> tuple[str, str] | None:
        """The pair that was picked last."""
        return self._chosen

    def show_map(
        self,
        names: Sequence[str],
        times: np.ndarray,
        sure: np.ndarray,
        say: Callable[[str, str], str],
        columns: Sequence[str] | None = None,
    ) -> None:
        """Draw other numbers; no names draw nothing.

        Parameters
        ----------
        names
            Of k kinds.
        times
            (k, k) multiples of chance; NaN where there is nothing to say.
        sure
            (k, k) whether chance is beaten; other squares are drawn small.
        say
            (kind, neighbour) -> what there is to say.
        columns
            Of the m columns, where they are others than the k kinds; the numbers are
            (k, m) then.
        """
        self._names, self._at = [str(name) for name in names], None
        self._columns = [str(name) for name in (names if columns is None else columns)]
        self._times, self._sure, self._say = times, sure, say
        self._reach = reach_of(times)
        kept = self._chosen
        if kept and not (kept[0] in self._names and kept[1] in self._columns):
            self._chosen = None
        self._fit()
        self.update()

    def resizeEvent(self, event: object) -> None:
        """Keep the squares square."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        line = self.fontMetrics().height()
        tall = (
            self._top()
            + self._side() * len(self._names)
            + (3 if self.under else 2) * line
            + 8
        )
        self.setFixedHeight(int(tall) if self._names else 0)

    def _left(self) -> int:
        """Return the room of the names; none where they could not be read."""
        wide = self.fontMetrics().horizontalAdvance
        every = {*self._names, *self._columns}
        longest = max((wide(name) for name in every), default=0)
        # the names are drawn in whole pixels, which can make them wider
        room = int(min(1.1 * longest + 8, self.widest * self.width()))
        side = (self.width() - room - 2) / max(len(self._columns), 1)
        return room if side >= _LABELLED else 2

    def _named(self) -> bool:
        return self._left() > 2

    def _side(self) -> float:
        room = self.width() - self._left() - 2
        return float(min(room / max(len(self._columns), 1), _LARGEST))

    def _top(self) -> int:
        return self._left() if self._named() else 4

    def square(self, kind: int, neighbour: int) -> QRectF:
        """Return where a pair is drawn."""
        side = self._side()
        x, y = self._left() + neighbour * side, self._top() + kind * side
        return QRectF(x, y, side, side)

    def _pair_at(self, where: QPointF) -> tuple[int, int] | None:
        side = self._side()
        if not self._names or side <= 0:
            return None
        kind = int((where.y() - self._top()) // side)
        neighbour = int((where.x() - self._left()) // side)
        inside = 0 <= kind < len(self._names) and 0 <= neighbour < len(self._columns)
        return (kind, neighbour) if inside else None

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw squares, names and the scale."""
        if not self._names:
            return
        painter = QPainter(self)
        self._paint_squares(painter)
        self._paint_scale(painter)
        if self._named():
            self._paint_names(painter)
        painter.end()

    def _paint_squares(self, painter: QPainter) -> None:
        gap = 1 if self._side() > 6 else 0
        inset = _INSET * self._side()
        for pair in np.ndindex(self._times.shape):
            square = self.square(*pair).adjusted(0, 0, -gap, -gap)
            if not self._sure[pair]:
                square = square.adjusted(inset, inset, -inset, -inset)
            painter.fillRect(square, self._colour(float(self._times[pair])))
        for places, width in ((self._at, 1.0), (self._chosen_places(), 2.5)):
            if places is not None:
                # two lines: one of them is seen on any colour of the scale
                around = self.square(*places).adjusted(0, 0, -1, -1)
                ink, page = self.palette().windowText(), self.palette().window()
                for brush, wide in ((page, width + 2), (ink, width)):
                    painter.setPen(QPen(brush.color(), wide))
                    painter.drawRect(around)

    def _chosen_places(self) -> tuple[int, int] | None:
        if self._chosen is None:
            return None
        kind, neighbour = self._chosen
        return self._names.index(kind), self._columns.index(neighbour)

    def _colour(self, times: float) -> QColor:
        if not np.isfinite(times):
            return QColor(128, 128, 128, 60)
        table = lut(self.colormap)
        rgba = table[int(np.clip(self.place(times), 0, 1) * (len(table) - 1))]
        return QColor.fromRgbF(*(float(part) for part in rgba[:3]))

    def place(self, value: float) -> float:
        """Return where a number lies on the colour scale, 0..1."""
        return float(0.5 + np.log2(max(value, 1e-9)) / (2 * self._reach))

    def ends(self) -> tuple[str, str]:
        """Return what the ends of the colour scale say."""
        return f"{2**-self._reach:.2g}×", f"{2**self._reach:.2g}×"

    def _paint_names(self, painter: QPainter) -> None:
        painter.setPen(self.palette().windowText().color())
        side, line, left = self._side(), self.fontMetrics().height(), self._left()
        font = painter.font()
        font.setPixelSize(min(QFontInfo(font).pixelSize(), int(side)))
        painter.setFont(font)
        metrics = painter.fontMetrics()
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        middle = Qt.TextElideMode.ElideMiddle
        for place, name in enumerate(self._names):
            text = metrics.elidedText(name, middle, left - 6)
            y = self._top() + place * side + side / 2 - line / 2
            painter.drawText(QRectF(0, y, left - 4, line), right, text)
        for place, name in enumerate(self._columns):
            text = metrics.elidedText(name, middle, left - 6)
            painter.save()
            painter.translate(self._left() + place * side + side / 2, self._top() - 3)
            painter.rotate(-90)
            box = QRectF(0, -line / 2, left, line)
            painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, text)
            painter.restore()

    def _paint_scale(self, painter: QPainter) -> None:
        line, wide = self.fontMetrics().height(), self.width()
        top = self._top() + self._side() * len(self._names) + 6
        table = np.asarray(lut(self.colormap))
        strip = np.ascontiguousarray((table * 255).astype(np.uint8))
        image = QImage(strip.data, len(strip), 1, QImage.Format.Format_RGBA8888).copy()
        painter.drawImage(QRectF(0, top, wide, line * 0.6), image)
        painter.setPen(self.palette().windowText().color())
        box = QRectF(0, top + line * 0.7, wide, line)
        low, high = self.ends()
        painter.drawText(box, Qt.AlignmentFlag.AlignLeft, low)
        painter.drawText(box, Qt.AlignmentFlag.AlignHCenter, self.even)
        painter.drawText(box, Qt.AlignmentFlag.AlignRight, high)
        mode = Qt.TextElideMode.ElideRight
        words = self.fontMetrics().elidedText(self.under, mode, wide)
        box.moveTop(top + line * 1.7)
        painter.drawText(box, Qt.AlignmentFlag.AlignLeft, words)

    def event(self, event: QEvent) -> bool:
        """Say the numbers of the pair under the mouse."""
        if event.type() == QEvent.Type.ToolTip:
            help_: QHelpEvent = event
            pair = self._pair_at(QPointF(help_.pos()))
            text = "" if pair is None else self.sentence(*pair)
            QToolTip.showText(help_.globalPos(), text, self)
            return True
        return bool(super().event(event))

    def sentence(self, kind: int, neighbour: int) -> str:
        """Return what there is to say of a pair."""
        return self._say(self._names[kind], self._columns[neighbour])

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
        """Pick the pair under the mouse."""
        pair = self._pair_at(event.position())
        if event.button() == Qt.MouseButton.LeftButton and pair is not None:
            self._pick(pair)

    def _pick(self, pair: tuple[int, int]) -> None:
        self._chosen = (self._names[pair[0]], self._columns[pair[1]])
        self.update()
        self.picked.emit(self._chosen)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Walk with the arrows, pick with Return."""
        step = _STEPS.get(event.key())
        if step is not None and self._names:
            here = self._at or self._chosen_places() or (0, 0)
            last = (len(self._names) - 1, len(self._columns) - 1)
            moved = [
                min(max(a + b, 0), end)
                for a, b, end in zip(here, step, last, strict=True)
            ]
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
