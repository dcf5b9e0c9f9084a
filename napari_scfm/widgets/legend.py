"""The legend: a colour bar with its limits, or the classes, which can be hidden.

A click hides a class or shows it again, a double click or Alt+click shows it alone; the
same with the arrow keys, Space and Enter. It asks;
:func:`~napari_scfm.widgets.hiding.serve` lets a session answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QEvent, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QFont, QPainter, QPen
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_scfm.viewer.session import Legend
from napari_scfm.widgets.colour_bar import draw_bar

if TYPE_CHECKING:
    from qtpy.QtCore import QPointF, QSize
    from qtpy.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QPaintEvent, QWheelEvent

MOST = 24
"""Classes that are named before the list is folded out."""

LONG = 8
"""Classes from which on long names are cut, so that the legend leaves room."""

ROWS = 16
"""Lines of a list that is folded out; the others are scrolled to."""

SHOW_ALL = "Show all"
HOW = "Click to {act} · double-click to show it alone"
_DOWN = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}
_ALONG = {Qt.Key.Key_Right: 1, Qt.Key.Key_Left: -1}
_PRESS = {Qt.Key.Key_Space: "toggle", Qt.Key.Key_Return: "alone",
          Qt.Key.Key_Enter: "alone"}  # fmt: skip
_ENDS = (Qt.Key.Key_Home, Qt.Key.Key_End)
_FOLD, _ALL = -2, -3


class LegendView(QWidget):
    """Draws a :class:`~napari_scfm.viewer.session.Legend`.

    ``asked`` carries the name of a class with "toggle", "alone" or "double" (a double
    click, whose first click toggled already), and an empty name with "all".
    """

    asked = Signal(str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._legend = Legend()
        self._serves = False
        self._open, self._first = False, 0
        self._at, self._under = 0, -1
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)
        self.show_legend(Legend())

    @property
    def legend(self) -> Legend:
        """What is drawn."""
        return self._legend

    @property
    def clickable(self) -> bool:
        """Whether classes can be hidden here."""
        return self._serves and bool(self._legend.of and self._legend.categories)

    def serve(self) -> None:
        """Let classes be hidden here; somebody answers :attr:`asked`."""
        self._serves = True
        self.show_legend(self._legend)

    def show_legend(self, legend: Legend) -> None:
        """Draw another legend; an empty one takes no room."""
        if len(legend.categories) != len(self._legend.categories):
            self._first, self._under = 0, -1
        self._legend = legend
        self._at = min(self._at, max(len(legend.categories) - 1, 0))
        focus = Qt.FocusPolicy.TabFocus if self.clickable else Qt.FocusPolicy.NoFocus
        self.setFocusPolicy(focus)
        self.setAccessibleName(legend.title)
        self.setVisible(bool(legend.title or legend.veil))
        self._fit()
        self.update()

    def _line(self) -> int:
        return self.fontMetrics().height() + 3

    def _words(self) -> list[str]:
        """Return title and note, on one line if they fit on it."""
        title, note = self._legend.title, self._legend.note
        if not title:
            return []
        both = f"{title} · {note}" if note else title
        if self.fontMetrics().horizontalAdvance(both) <= self.width() or not note:
            return [both]
        return [title, *self._broken(note)]

    def _broken(self, note: str) -> list[str]:
        """Return a note on as many lines as it needs, broken at spaces."""
        lines, wide = [""], self.fontMetrics().horizontalAdvance
        for word in note.split(" "):
            longer = f"{lines[-1]} {word}".strip()
            if lines[-1] and wide(longer) > self.width():
                lines.append(word)
            else:
                lines[-1] = longer
        return lines

    def _columns(self) -> int:
        names = [name for name, _ in self._legend.categories[: self._named()]]
        widest = max(
            (self.fontMetrics().horizontalAdvance(n) for n in names), default=1
        )
        fitting = min(4, self.width() // (widest + self._line() + 14))
        return max(2 if len(names) > LONG else 1, fitting)

    def _named(self) -> int:
        """Return how many classes are named, if only by scrolling."""
        count = len(self._legend.categories)
        return count if self._open else min(count, MOST)

    def _seen(self) -> range:
        """Return the places of the classes that are in sight."""
        columns, count = self._columns(), self._named()
        most = ROWS * columns if self._open else count
        last = max(-(-count // columns) - ROWS, 0) if self._open else 0
        self._first = min(max(self._first, 0), last)
        start = self._first * columns
        return range(start, min(start + most, count))

    def spots(self) -> dict[int, QRectF]:
        """Return where each class in sight is drawn, by its place.

        Beside them -2 for the line that folds the list, and -3 for the hidden ones'.
        """
        line, top = self._line(), len(self._words()) * self._line()
        found: dict[int, QRectF] = {}
        if self._legend.categories:
            columns = self._columns()
            wide, seen = self.width() // columns, self._seen()
            for number, place in enumerate(seen):
                x, y = number % columns * wide, top + number // columns * line
                found[place] = QRectF(x, y, wide, line)
            top += -(-len(seen) // columns) * line
            if len(self._legend.categories) > MOST:
                found[_FOLD] = QRectF(0, top, self.width(), line)
                top += line
        elif self._legend.limits is not None:
            top += 2 * line
        if self._legend.veil:
            found[_ALL] = QRectF(0, top, self.width(), line)
        return found

    def _fit(self) -> None:
        lines = len(self._words())
        bottoms = [spot.bottom() for spot in self.spots().values()]
        if self._legend.limits is not None and not self._legend.categories:
            lines += 2
        self.setFixedHeight(round(max([lines * self._line(), *bottoms])) + 6)

    def resizeEvent(self, event: object) -> None:
        """Break categories into as many columns as fit."""
        super().resizeEvent(event)
        self._fit()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the title, the bar or the classes, and how many are hidden."""
        painter = QPainter(self)
        painter.setPen(self.palette().windowText().color())
        line, metrics = self._line(), self.fontMetrics()
        words = self._words()
        for number, words_ in enumerate(words):
            text = metrics.elidedText(words_, Qt.TextElideMode.ElideRight, self.width())
            painter.drawText(0, number * line + metrics.ascent() + 1, text)
        if not self._legend.categories and self._legend.limits is not None:
            draw_bar(painter, self._legend, len(words) * line, self.width(), line)
        for place, spot in self.spots().items():
            if place >= 0:
                self._draw_class(painter, place, spot)
            else:
                self._draw_line(painter, place, spot)
        painter.end()

    def _draw_class(self, painter: QPainter, place: int, spot: QRectF) -> None:
        """Draw a class: hidden ones empty, those not here pale, selected ones bold."""
        (name, colour), legend = self._legend.categories[place], self._legend
        line, ink = self._line(), self.palette().windowText().color()
        if self.clickable and (place == self._under or self._focused(place)):
            self._draw_under(painter, spot, self._focused(place))
        square = QRectF(spot.x() + 1, spot.y() + 2, line - 6, line - 6)
        away = name in legend.hidden
        if away:
            painter.setPen(QPen(QColor.fromRgbF(*colour), 1.4))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(square.adjusted(0.7, 0.7, -0.7, -0.7))
        else:
            painter.fillRect(square, QColor.fromRgbF(*colour))
        if away or (legend.sizes and not legend.sizes[place]):
            ink.setAlphaF(0.5)
        painter.setPen(ink)
        room = int(spot.width()) - line - 2
        font = QFont(self.font())
        font.setBold(bool(legend.chosen) and legend.chosen[place] > 0)
        painter.setFont(font)
        metrics = painter.fontMetrics()
        text = metrics.elidedText(name, Qt.TextElideMode.ElideRight, room)
        painter.drawText(
            int(spot.x()) + line, int(spot.y()) + metrics.ascent() + 1, text
        )
        painter.setFont(self.font())

    def _focused(self, place: int) -> bool:
        return self.hasFocus() and place == self._at

    def _draw_under(self, painter: QPainter, spot: QRectF, focused: bool) -> None:
        ink = self.palette().windowText().color()
        soft = QColor(ink)
        soft.setAlphaF(0.12)
        box = spot.adjusted(-1, 0, -6, -2)
        painter.fillRect(box, soft)
        if focused:
            painter.setPen(QPen(ink, 1, Qt.PenStyle.DotLine))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(box)

    def _draw_line(self, painter: QPainter, place: int, spot: QRectF) -> None:
        """Draw a line that is pressed as a whole: the fold, or Show all."""
        ink, metrics = self.palette().windowText().color(), self.fontMetrics()
        painter.setPen(ink)
        base = int(spot.y()) + metrics.ascent() + 1
        if place == _FOLD:
            painter.drawText(0, base, self._fold_text())
            return
        link = metrics.horizontalAdvance(SHOW_ALL) if self._serves else 0
        room = int(spot.width()) - link - 8
        text = self._legend.veil
        text = metrics.elidedText(text, Qt.TextElideMode.ElideRight, room)
        painter.drawText(0, base, text)
        if not self._serves:
            return
        font = QFont(painter.font())
        font.setUnderline(True)
        painter.setFont(font)
        painter.drawText(metrics.horizontalAdvance(text) + 8, base, SHOW_ALL)

    def _fold_text(self) -> str:
        count, seen = len(self._legend.categories), self._seen()
        if not self._open:
            return f"▸ and {count - MOST} more"
        if len(seen) < count:
            return f"▾ fewer · {seen.start + 1}–{seen.stop} of {count}, scroll for more"
        return "▾ fewer"

    def place_at(self, point: QPointF) -> int:
        """Return the place of the class at a point; negative for none."""
        for place, spot in self.spots().items():
            if spot.contains(point):
                return place
        return -1

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Hide or show the class under the mouse; Alt shows it alone."""
        if event.button() != Qt.MouseButton.LeftButton:
            return
        self._press(self.place_at(event.position()), event, "toggle")

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Show the class under the mouse alone."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._press(self.place_at(event.position()), event, "double")

    def _press(self, place: int, event: QMouseEvent, what: str) -> None:
        if place == _FOLD:
            self._open = not self._open
            self._first = 0
            self._fit()
            self.update()
        elif place == _ALL and self._serves:
            self.asked.emit("", "all")
        elif place >= 0 and self.clickable:
            self._at = place
            alone = event.modifiers() & Qt.KeyboardModifier.AltModifier
            name = self._legend.categories[place][0]
            self.asked.emit(name, "alone" if alone else what)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Point out what would be pressed."""
        place = self.place_at(event.position())
        pressed = place >= 0 and self.clickable
        pressed = pressed or place == _FOLD or (place == _ALL and self._serves)
        shape = Qt.CursorShape
        self.setCursor(shape.PointingHandCursor if pressed else shape.ArrowCursor)
        self._point(place)

    def leaveEvent(self, event: QEvent) -> None:
        """Point out nothing."""
        self._point(-1)

    def _point(self, place: int) -> None:
        if place != self._under:
            self._under = place
            self.update()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll through the classes where they do not all fit."""
        if not self._open or len(self._seen()) == self._named():
            event.ignore()
            return
        self._first -= int(np.sign(event.angleDelta().y()))
        event.accept()
        self._fit()
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move with the arrows, hide with Space, show alone with Enter."""
        key, count = event.key(), self._named()
        if not self.clickable or not count:
            super().keyPressEvent(event)
        elif key in _PRESS:
            self.asked.emit(self._legend.categories[self._at][0], _PRESS[key])
        elif key in (*_DOWN, *_ALONG, *_ENDS):
            step = _DOWN.get(key, 0) * self._columns() + _ALONG.get(key, 0)
            step = {_ENDS[0]: -count, _ENDS[1]: count}.get(key, step)
            self._move_to(min(max(self._at + step, 0), count - 1))
        else:
            super().keyPressEvent(event)

    def _move_to(self, place: int) -> None:
        self._at = place
        row = place // self._columns()
        self._first = min(max(self._first, row - ROWS + 1), row)
        self._fit()
        self.update()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show where the keys act."""
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Show it no more."""
        super().focusOutEvent(event)
        self.update()

    def event(self, event: QEvent) -> bool:
        """Say how many cells a class has, and what a click does."""
        if event.type() == QEvent.Type.ToolTip:
            text = self.told(self.place_at(event.pos().toPointF()))
            QToolTip.showText(event.globalPos(), text, self)
            return True
        return super().event(event)

    def told(self, place: int) -> str:
        """Return what is said of a class, or of the line under the mouse."""
        legend = self._legend
        if not 0 <= place < len(legend.categories):
            return legend.veil if place == _ALL else ""
        name = legend.categories[place][0]
        found = [name]
        if legend.sizes:
            found.append(f"{legend.sizes[place]:,} cells{_where(legend, place)}")
        if legend.chosen:
            found.append(f"{legend.chosen[place]:,} of them selected")
        if self.clickable:
            act = "show it again" if name in legend.hidden else "hide it"
            found.append(HOW.format(act=act))
        return "\n".join(found)

    def sizeHint(self) -> QSize:
        """Ask for the width of a narrow dock."""
        hint = super().sizeHint()
        hint.setWidth(280)
        return hint


def _where(legend: Legend, place: int) -> str:
    if not legend.whole:
        return ""
    return f" here, {legend.whole[place]:,} on the slide"
