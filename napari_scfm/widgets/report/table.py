"""Tables of the report: a data frame as a Qt model that sorts by number.

A value that is not defined is a dash and stands last, whichever way it is sorted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSortFilterProxyModel, Qt
from qtpy.QtGui import QFontMetrics
from qtpy.QtWidgets import QAbstractItemView, QTableView

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

VALUE = int(Qt.ItemDataRole.UserRole)
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name
        Of the frame's column.
    head
        Over it.
    form
        Value -> text.
    tip
        Of the head.
    """

    name: str
    head: str
    form: Callable[[Any], str] = str
    tip: str = ""


class FrameModel(QAbstractTableModel):
    """A data frame, read-only; the first column is text, the others are numbers."""

    def __init__(self) -> None:
        super().__init__()
        self._frame: pd.DataFrame | None = None
        self._columns: Sequence[Column] = ()
        self._bold: set[int] = set()
        self._tip: Callable[[int, str], str] = lambda row, column: ""

    def show_frame(
        self,
        frame: pd.DataFrame,
        columns: Sequence[Column],
        bold: Sequence[int] = (),
        tip: Callable[[int, str], str] | None = None,
    ) -> None:
        """Show another frame.

        Parameters
        ----------
        frame
            One row per row.
        columns
            Those to show.
        bold
            Rows that stand out.
        tip
            (row, column name) -> what a number means.
        """
        self.beginResetModel()
        self._frame, self._columns, self._bold = frame, columns, set(bold)
        self._tip = tip or (lambda row, column: "")
        self.endResetModel()

    @property
    def columns(self) -> Sequence[Column]:
        """What is shown."""
        return self._columns

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of rows."""
        inside = parent is not None and parent.isValid()
        return 0 if self._frame is None or inside else len(self._frame)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(self._columns)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a view asks for."""
        if self._frame is None or not index.isValid():
            return None
        column = self._columns[index.column()]
        if role in (Qt.ItemDataRole.DisplayRole, VALUE):
            value = self._frame[column.name].iloc[index.row()]
            return column.form(value) if role == Qt.ItemDataRole.DisplayRole else value
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT if index.column() else _LEFT
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(index.row(), column.name) or None
        strong = index.row() in self._bold and not index.column()
        if role == Qt.ItemDataRole.FontRole and strong:
            from qtpy.QtGui import QFont

            font = QFont()
            font.setBold(True)
            return font
        return None

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Return the heads of the columns."""
        if orientation != Qt.Orientation.Horizontal or section >= len(self._columns):
            return None
        column = self._columns[section]
        if role == Qt.ItemDataRole.DisplayRole:
            return column.head
        if role == Qt.ItemDataRole.ToolTipRole:
            return column.tip or None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT if section else _LEFT
        return None


class NumberSort(QSortFilterProxyModel):
    """Sorts by value, undefined ones last, and filters by the first column."""

    def __init__(self) -> None:
        super().__init__()
        self.setFilterKeyColumn(0)
        self.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.setSortRole(VALUE)

    def lessThan(self, left: QModelIndex, right: QModelIndex) -> bool:
        """Compare two values; NaN is never before a number."""
        one, other = left.data(VALUE), right.data(VALUE)
        down = self.sortOrder() == Qt.SortOrder.DescendingOrder
        if one != one or other != other:
            # sorting downwards turns the comparison round
            return bool(down and other == other if one != one else not down)
        return bool(one < other)


def widths(view: QTableView, frame: pd.DataFrame, columns: Sequence[Column]) -> Any:
    """Return how many pixels each column takes; the first one's texts may be bold."""
    font = view.font()
    font.setBold(True)
    bold, plain = QFontMetrics(font), view.fontMetrics()
    found = []
    for place, column in enumerate(columns):
        width = (plain if place else bold).horizontalAdvance
        # of texts alike, the longest is the widest
        texts = sorted({column.form(v) for v in frame[column.name]}, key=len)[-40:]
        texts += column.head.split("\n")
        found.append(max(map(width, texts), default=0) + 9)
    return found


def dress(view: QTableView, sortable: bool = False) -> None:
    """Make a table a calm, read-only one that a keyboard can walk."""
    view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    view.setSortingEnabled(sortable)
    view.setTabKeyNavigation(False)
    view.setShowGrid(False)
    view.setAlternatingRowColors(False)
    view.verticalHeader().hide()
    view.horizontalHeader().setHighlightSections(False)
    view.horizontalHeader().setMinimumSectionSize(24)
    line = view.fontMetrics().height()
    view.verticalHeader().setMinimumSectionSize(line)
    view.verticalHeader().setDefaultSectionSize(line + 6)
    view.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
