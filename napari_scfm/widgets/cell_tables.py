"""Tables of the cell card: guessed genes as small bars, and cells that can be clicked.

Both show all their rows; the card around them scrolls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QRectF, Qt, Signal
from qtpy.QtGui import QColor, QFont, QPainter, QPalette
from qtpy.QtWidgets import (
    QHeaderView,
    QStyledItemDelegate,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from napari_scfm.figures.palette import series

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtCore import QModelIndex
    from qtpy.QtWidgets import QStyleOptionViewItem

    from napari_scfm.viewer.card import Guess, Neighbour

TOP = 12
"""Genes that are shown before "Show all"."""

_BARS = Qt.ItemDataRole.UserRole
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


def plain(value: float) -> str:
    """Return a count for a narrow table: ``9``, ``7.0``, ``–`` where unknown."""
    if np.isnan(value):
        return "–"
    return f"{value:.0f}" if value == round(value) or value >= 100 else f"{value:.1f}"


class FlatTable(QTableWidget):
    """A table without a scroll bar of its own, as high as its rows.

    ``picked`` carries the number of the row that was clicked, or chosen with Return.
    """

    picked = Signal(int)

    def __init__(self, heads: Sequence[str], stretch: int) -> None:
        super().__init__(0, len(heads))
        self.setHorizontalHeaderLabels(list(heads))
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 4)
        self.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        self.setSelectionMode(QTableWidget.SelectionMode.SingleSelection)
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        off = Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        self.setHorizontalScrollBarPolicy(off)
        self.setVerticalScrollBarPolicy(off)
        head = self.horizontalHeader()
        head.setHighlightSections(False)
        head.setMinimumSectionSize(24)
        head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        head.setSectionResizeMode(stretch, QHeaderView.ResizeMode.Stretch)
        self.cellClicked.connect(lambda row, _: self.picked.emit(row))
        self.cellActivated.connect(lambda row, _: self.picked.emit(row))

    def wheelEvent(self, event: Any) -> None:
        """Leave the wheel to the card, which scrolls."""
        event.ignore()

    def put(self, row: int, column: int, text: str, tip: str = "") -> QTableWidgetItem:
        """Write a field; numbers stand on the right."""
        item = QTableWidgetItem(text)
        item.setToolTip(tip or text)
        if column:
            item.setTextAlignment(_RIGHT)
        self.setItem(row, column, item)
        return item

    def fit(self) -> None:
        """Become as high as the rows, and disappear without any."""
        rows = self.rowCount()
        tall = sum(self.rowHeight(row) for row in range(rows))
        self.setFixedHeight(tall + self.horizontalHeader().sizeHint().height() + 4)
        self.setVisible(rows > 0)


class Bars(QStyledItemDelegate):
    """Draws one gene: a bar for the truth, a dot for each model's prediction."""

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        """Draw truth and predictions on a log1p scale that all rows share."""
        super().paint(painter, option, index)
        given = index.data(_BARS)
        if given is None:
            return
        truth, said, top = given
        box = QRectF(option.rect).adjusted(4, 3, -6, -3)
        scale = box.width() / max(np.log1p(top), 1e-6)
        grey = option.palette.color(QPalette.ColorRole.WindowText)
        grey.setAlphaF(0.35)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        wide = max(scale * np.log1p(truth), 1.0)
        painter.fillRect(QRectF(box.left(), box.top(), wide, box.height()), grey)
        painter.setPen(option.palette.color(QPalette.ColorRole.Base))
        # the first is on show: it is drawn last, and larger
        for place, (value, colour) in reversed(list(enumerate(said))):
            if np.isnan(value):
                continue
            reach = (0.5 if place == 0 else 0.32) * box.height()
            x = box.left() + scale * np.log1p(max(value, 0.0))
            middle = box.center().y()
            painter.setBrush(QColor(colour))
            painter.drawEllipse(QRectF(x - reach, middle - reach, 2 * reach, 2 * reach))
        painter.restore()


class GuessTable(FlatTable):
    """Hidden genes of a cell: name, bars, truth and prediction."""

    def __init__(self) -> None:
        super().__init__(("Gene", "Truth and guesses", "Truth", "Guess"), 1)
        self._bars = Bars(self)
        self.setItemDelegateForColumn(1, self._bars)
        self._guesses: Sequence[Guess] = ()

    def show_guesses(
        self, guesses: Sequence[Guess], colours: dict[str, str], model: str
    ) -> None:
        """Show genes; ``colours`` has one colour per model."""
        self._guesses = guesses
        names = [model, *(name for name in colours if name != model)]
        values = [v for g in guesses for v in (g.truth, *g.predicted.values())]
        top = float(np.nanmax(values)) if values else 1.0
        self.setRowCount(len(guesses))
        for row, guess in enumerate(guesses):
            said = [(guess.predicted[name], colours[name]) for name in names]
            tip = "\n".join(
                [f"{guess.gene}, counts", f"truth {plain(guess.truth)}"]
                + [f"{name} {plain(guess.predicted[name])}" for name in names]
            )
            self.put(row, 0, guess.gene, tip)
            self.put(row, 1, "", tip).setData(_BARS, (guess.truth, said, top))
            self.put(row, 2, plain(guess.truth), tip)
            self.put(row, 3, plain(guess.predicted[model]), tip)
        self.fit()

    def gene(self, row: int) -> str:
        """Return the gene of a row."""
        return self._guesses[row].gene


class CellTable(FlatTable):
    """Cells that can be clicked: name, type, distance and one more number."""

    def __init__(self, number: str = "", tip: str = "") -> None:
        super().__init__(("Cell", "Type", "µm", number), 1)
        self.horizontalHeaderItem(1).setTextAlignment(Qt.AlignmentFlag.AlignLeft)
        self.horizontalHeaderItem(3).setToolTip(tip)
        self._cells: Sequence[Neighbour] = ()

    def show_cells(self, cells: Sequence[Neighbour], numbers: Sequence[str]) -> None:
        """Show cells, with a text each for the last column."""
        self._cells = cells
        self.setRowCount(len(cells))
        self.setColumnHidden(3, not any(numbers))
        for row, (cell, number) in enumerate(zip(cells, numbers, strict=True)):
            said = " · hidden" if cell.hidden else ""
            tip = (
                f"{cell.name}, {cell.kind or 'type not known'}{said}. Click: its card."
            )
            self.put(row, 0, cell.name, tip)
            typed = self.put(row, 1, f"{cell.kind or '–'}{said}", tip)
            typed.setTextAlignment(
                Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
            )
            self.put(row, 2, "–" if np.isnan(cell.distance) else f"{cell.distance:.0f}")
            self.put(row, 3, number)
        self.fit()

    def cell(self, row: int) -> int:
        """Return the table row of the cell in a line."""
        return self._cells[row].row


class ModelKey(QWidget):
    """What the bar and the dots are, with each model's mean error of this cell."""

    def __init__(self) -> None:
        super().__init__()
        self._entries: list[tuple[str, str, bool]] = []

    def show_models(
        self, colours: dict[str, str], errors: dict[str, float], model: str
    ) -> None:
        """Name the models; ``model`` is on show and stands first, in bold."""
        names = [model, *(name for name in colours if name != model)]
        self._entries = [("", "truth", False)]
        for name in names:
            error = errors.get(name, float("nan"))
            text = name if np.isnan(error) else f"{name} {error:.2f}"
            self._entries.append((colours[name], text, name == model))
        self.setFixedHeight(self._line() * len(self._rows()) + 2)
        self.setToolTip("Mean |error| of this cell's hidden genes, log1p counts")
        self.update()

    def _line(self) -> int:
        return self.fontMetrics().height() + 2

    def _rows(self) -> list[list[tuple[str, str, bool]]]:
        """Break the entries into lines that fit."""
        rows: list[list[tuple[str, str, bool]]] = [[]]
        room = self.width()
        for entry in self._entries:
            wide = self.fontMetrics().horizontalAdvance(entry[1]) + 2 * self._line()
            if rows[-1] and wide > room:
                rows.append([])
                room = self.width()
            rows[-1].append(entry)
            room -= wide
        return rows

    def resizeEvent(self, event: Any) -> None:
        """Take as many lines as the width asks for."""
        super().resizeEvent(event)
        self.setFixedHeight(self._line() * len(self._rows()) + 2)

    def paintEvent(self, event: Any) -> None:
        """Draw bar, dots and names."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        line, ink = self._line(), self.palette().windowText().color()
        for number, entries in enumerate(self._rows()):
            x, y = 0, number * line
            for colour, text, bold in entries:
                mark = QRectF(x + 1, y + 3, line - 7, line - 7)
                grey = QColor(ink)
                grey.setAlphaF(0.35)
                if colour:
                    painter.setPen(Qt.PenStyle.NoPen)
                    painter.setBrush(QColor(colour))
                    painter.drawEllipse(mark)
                else:
                    painter.fillRect(mark, grey)
                font = QFont(self.font())
                font.setBold(bold)
                painter.setFont(font)
                painter.setPen(ink)
                painter.drawText(x + line - 2, y + self.fontMetrics().ascent(), text)
                x += self.fontMetrics().horizontalAdvance(text) + 2 * line
        painter.end()


def model_colours(names: Sequence[str], dark: bool) -> dict[str, str]:
    """Return a colour for each model, one that reads on the dock."""
    rgba = np.asarray(series(len(names), dark))[:, :3]
    return {
        name: QColor.fromRgbF(*map(float, colour)).name()
        for name, colour in zip(names, rgba, strict=True)
    }
