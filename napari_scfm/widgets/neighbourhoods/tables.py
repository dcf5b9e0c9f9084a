"""Tables of neighbourhoods: genes by Moran's I, pairs of molecules between kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHeaderView, QLineEdit, QTableView, QVBoxLayout, QWidget

from napari_scfm.widgets.report.table import Column, FrameModel, NumberSort, dress

if TYPE_CHECKING:
    import pandas as pd
    from qtpy.QtCore import QModelIndex

ROWS = 9
MOST = 2000
"""Rows that are listed; a saved table has them all."""

_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter


def signed(value: float) -> str:
    """Return a number around 0."""
    return "–" if value != value else f"{value:+.3f}"


def small(value: float) -> str:
    """Return a p- or q-value; what no test can show is a limit."""
    if value != value:
        return "–"
    return "< 1e-15" if value < 1e-15 else f"{value:.1g}"


GENES = (
    Column("gene", "Gene"),
    Column("I", "I", signed, "Moran's I of the measured counts"),
    Column("I_predicted", "I pred.", signed, "Moran's I of the predicted counts"),
    Column("q_value", "q", small, "False discovery rate of the measured counts"),
)
PAIRS = (
    Column("pair", "Pair", str, "Ligand → receptor"),
    Column("sender", "From", str, "Kind of cell with the ligand"),
    Column("receiver", "To", str, "Kind of cell with the receptor"),
    Column("q_value", "q", small, "False discovery rate over all tests"),
)


class _Rows(FrameModel):
    """Rows in which texts stand on the left, wherever they are."""

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a view asks for."""
        side = Qt.ItemDataRole.TextAlignmentRole
        if role == side and self.columns and self.columns[index.column()].form is str:
            return _LEFT
        return super().data(index, role)

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Return the heads of the columns."""
        side = role == Qt.ItemDataRole.TextAlignmentRole
        if side and self.columns and self.columns[section].form is str:
            return _LEFT
        return super().headerData(section, orientation, role)


class FilteredTable(QWidget):
    """A table with a filter over it; ``picked`` carries the row of the frame."""

    picked = Signal(int)

    def __init__(self, columns: tuple[Column, ...], asks: str) -> None:
        super().__init__()
        self._columns = columns
        self.filter = QLineEdit()
        self.filter.setPlaceholderText(asks)
        self.filter.setClearButtonEnabled(True)
        self.rows, self.sorted = _Rows(), NumberSort()
        self.sorted.setSourceModel(self.rows)
        self.filter.textChanged.connect(self.sorted.setFilterFixedString)
        self.table = QTableView()
        self.table.setModel(self.sorted)
        dress(self.table, sortable=True)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.table.clicked.connect(self._on_clicked)
        self.table.activated.connect(self._on_clicked)
        body = QVBoxLayout(self)
        body.setContentsMargins(0, 0, 0, 0)
        body.setSpacing(4)
        body.addWidget(self.filter)
        body.addWidget(self.table)

    def show_frame(self, frame: pd.DataFrame) -> None:
        """Show another frame, in its order; columns that it lacks are left out."""
        columns = [one for one in self._columns if one.name in frame]
        shown = frame.head(MOST)
        self.filter.clear()
        self.table.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        self.rows.show_frame(
            shown, columns, tip=lambda row, name: self._tip(shown, row)
        )
        head = self.table.horizontalHeader()
        head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        texts = [place for place, one in enumerate(columns) if one.form is str]
        for place in texts[1:] or texts:
            head.setSectionResizeMode(place, QHeaderView.ResizeMode.Stretch)
        line = self.table.verticalHeader().defaultSectionSize()
        lines = min(max(len(shown), 1), ROWS) * line
        self.table.setFixedHeight(lines + head.sizeHint().height() + 6)

    @staticmethod
    def _tip(frame: pd.DataFrame, row: int) -> str:
        return str(frame["tip"].iloc[row]) if "tip" in frame else ""

    def _on_clicked(self, index: QModelIndex) -> None:
        self.picked.emit(self.sorted.mapToSource(index).row())
