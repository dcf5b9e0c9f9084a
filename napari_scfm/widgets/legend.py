"""The legend: a colour bar with its limits, or the names of the categories."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QBrush, QColor, QImage, QPainter
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_scfm.figures.palette import lut
from napari_scfm.viewer.session import Legend

if TYPE_CHECKING:
    from qtpy.QtCore import QSize
    from qtpy.QtGui import QPaintEvent

MOST = 24
"""Categories that are named; the rest are counted."""


class LegendView(QWidget):
    """Draws a :class:`~napari_scfm.viewer.session.Legend`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._legend = Legend()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.show_legend(Legend())

    @property
    def legend(self) -> Legend:
        """What is drawn."""
        return self._legend

    def show_legend(self, legend: Legend) -> None:
        """Draw another legend; an empty one takes no room."""
        self._legend = legend
        self.setVisible(bool(legend.title))
        self._fit()
        self.update()

    def _line(self) -> int:
        return self.fontMetrics().height() + 3

    def _words(self) -> list[str]:
        """Return title and note, on one line if they fit on it."""
        title, note = self._legend.title, self._legend.note
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
        names = [name for name, _ in self._legend.categories[:MOST]]
        widest = max(
            (self.fontMetrics().horizontalAdvance(n) for n in names), default=1
        )
        return max(1, min(4, self.width() // (widest + self._line() + 14)))

    def _fit(self) -> None:
        words = len(self._words())
        lines = words + 2
        if self._legend.categories:
            shown = min(len(self._legend.categories), MOST)
            lines = words + -(-shown // self._columns())
            lines += len(self._legend.categories) > MOST
        self.setFixedHeight(lines * self._line() + 6)

    def resizeEvent(self, event: object) -> None:
        """Break categories into as many columns as fit."""
        super().resizeEvent(event)
        self._fit()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the title and the bar or the categories."""
        painter = QPainter(self)
        painter.setPen(self.palette().windowText().color())
        line, metrics = self._line(), self.fontMetrics()
        words = self._words()
        for number, words_ in enumerate(words):
            text = metrics.elidedText(words_, Qt.TextElideMode.ElideRight, self.width())
            painter.drawText(0, number * line + metrics.ascent() + 1, text)
        painter.translate(0, (len(words) - 1) * line)
        if self._legend.categories:
            self._draw_categories(painter, line)
        elif self._legend.limits is not None:
            self._draw_bar(painter, line)
        painter.end()

    def _draw_bar(self, painter: QPainter, line: int) -> None:
        colours = (np.asarray(lut(self._legend.colormap)) * 255).astype(np.uint8)
        strip = np.ascontiguousarray(colours[None])
        image = QImage(
            strip.data, strip.shape[1], 1, QImage.Format.Format_RGBA8888
        ).copy()
        bar = QRectF(0, line + 2, self.width(), line - 6)
        painter.drawImage(bar, image)
        if self._legend.predicted:
            self._hatch(painter, bar)
        low, high = self._legend.limits
        box = QRectF(0, 2 * line, self.width(), line)
        painter.drawText(box, Qt.AlignmentFlag.AlignLeft, f"{low:.3g}")
        painter.drawText(box, Qt.AlignmentFlag.AlignRight, f"{high:.3g}")

    def _hatch(self, painter: QPainter, bar: QRectF) -> None:
        """Hatch the bar's lower edge: what it measures was predicted, not seen."""
        edge = QRectF(
            bar.left(), bar.bottom() - bar.height() / 3, bar.width(), bar.height() / 3
        )
        painter.fillRect(edge, QBrush(Qt.GlobalColor.white, Qt.BrushStyle.BDiagPattern))

    def _draw_categories(self, painter: QPainter, line: int) -> None:
        columns = self._columns()
        wide = self.width() // columns
        metrics = self.fontMetrics()
        shown = self._legend.categories[:MOST]
        for number, (name, colour) in enumerate(shown):
            x, y = number % columns * wide, (1 + number // columns) * line
            painter.fillRect(
                QRectF(x, y + 2, line - 6, line - 6), QColor.fromRgbF(*colour)
            )
            text = metrics.elidedText(
                name, Qt.TextElideMode.ElideRight, wide - line - 2
            )
            painter.drawText(x + line, y + metrics.ascent(), text)
        rest = len(self._legend.categories) - len(shown)
        if rest > 0:
            y = (1 + -(-len(shown) // columns)) * line
            painter.drawText(0, y + metrics.ascent(), f"and {rest} more")

    def sizeHint(self) -> QSize:
        """Ask for the width of a narrow dock."""
        hint = super().sizeHint()
        hint.setWidth(280)
        return hint
