"""The report's page of genes: sort by a number, click a gene to paint it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QItemSelectionModel, Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHeaderView,
    QLineEdit,
    QTableView,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import qthrottled

from napari_scfm.errors import counted
from napari_scfm.figures.report.style import number
from napari_scfm.figures.report.tables import (
    MEASURES,
    Measure,
    best_baseline,
    gene_table,
)
from napari_scfm.viewer.acts import colour_by_gene
from napari_scfm.widgets.report.table import (
    Column,
    FrameModel,
    NumberSort,
    dress,
    widths,
)
from napari_scfm.widgets.step import hint, narrow, row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    from qtpy.QtCore import QModelIndex
    from qtpy.QtGui import QResizeEvent, QShowEvent

    from napari_scfm.figures.report.data import ReportData
    from napari_scfm.widgets.step import Context


class GeneTable(QTableView):
    """A table that shows as many of its columns as there is room for."""

    _sizes: Sequence[int] = ()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Choose the columns anew."""
        super().resizeEvent(event)
        if event.oldSize().width() != event.size().width():
            self.fit()

    def show_widths(self, sizes: Sequence[int]) -> None:
        """Take how many pixels each column needs."""
        self._sizes = sizes
        self.fit()

    def fit(self) -> None:
        """Let the last columns go where the dock is narrow."""
        head = self.horizontalHeader()
        head.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        room = self.viewport().width()
        for place, size in enumerate(self._sizes):
            room -= size
            self.setColumnHidden(place, room < 0 and place > 1)
            head.resizeSection(place, size)
        head.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)


class GenesPage(QWidget):
    """Table of genes with a filter and a choice of what to compare by."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context
        self._data: ReportData | None = None
        self._model, self._stale, self._sorted_by = "", False, ""
        self._frame: pd.DataFrame | None = None
        self._quiet = False
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("Filter genes")
        self.filter.setClearButtonEnabled(True)
        self.filter.textChanged.connect(self._on_filter)
        self.measures = narrow(QComboBox())
        for key, measure in MEASURES.items():
            self.measures.addItem(measure.short, key)
        self.measures.setToolTip("What genes are compared by")
        self.measures.currentIndexChanged.connect(self._fill)
        self.rows, self.sorted = FrameModel(), NumberSort()
        self.sorted.setSourceModel(self.rows)
        self.table = GeneTable()
        self.table.setModel(self.sorted)
        dress(self.table, sortable=True)
        self.caption = hint()
        body = QVBoxLayout(self)
        body.setContentsMargins(0, 0, 0, 0)
        body.addLayout(row(self.filter, self.measures))
        body.addWidget(self.table, 1)
        body.addWidget(self.caption)
        self.table.selectionModel().currentRowChanged.connect(self._on_row)
        self.table.clicked.connect(self._on_click)
        context.listen(context.session.events.gene, self._on_gene)

    def show_report(self, data: ReportData | None, model: str) -> None:
        """Take other numbers."""
        if data is self._data and model == self._model:
            return
        self._data, self._model = data, model
        self._stale = True
        if self.isVisible():
            self._fill()

    def showEvent(self, event: QShowEvent) -> None:
        """Fill the table when it is first looked at."""
        super().showEvent(event)
        if self._stale:
            self._fill()

    def _fill(self) -> None:
        self._stale = False
        if self._data is None:
            return
        key = self.measures.currentData()
        measure, rival = MEASURES[key], best_baseline(self._data, key, self._model)
        frame = self._frame = gene_table(self._data, self._model, key)
        columns = columns_of(frame, measure, rival)
        # room for the arrow that says how the table is sorted
        columns = [replace(one, head=f"{one.head}\u2003") for one in columns]
        with self._quietly():
            self.rows.show_frame(frame, columns, tip=self._tip)
        if self._sorted_by != key:
            self._sorted_by = key
            down = Qt.SortOrder.DescendingOrder
            best = down if measure.higher else Qt.SortOrder.AscendingOrder
            self.table.sortByColumn(1, best)
        self.table.show_widths(widths(self.table, frame, columns))
        self._tell(frame, measure.undefined, rival)
        self._on_gene()

    def _tell(self, frame: pd.DataFrame, undefined: str, rival: str) -> None:
        lost = int(frame["value"].isna().sum())
        done = len(frame) - lost
        said = f"{counted(done, 'gene')} predicted by {self._model}."
        if rival and rival != self._model:
            better = int((frame["gain"] > 0).sum())
            said += (
                f" Better than {rival} on {better} of {frame['gain'].notna().sum()}."
            )
        if lost:
            said += f" Left out: {lost} {undefined}, or that it cannot predict."
        self.caption.setText(said)

    def _tip(self, line: int, column: str) -> str:
        if self._frame is None or "excluded" not in self._frame:
            return ""
        why = str(self._frame["excluded"].iloc[line])
        return f"No Pearson: {why}" if why else ""

    def _on_filter(self, text: str) -> None:
        with self._quietly():
            self.sorted.setFilterFixedString(text.strip())
        self._on_gene()

    def _on_row(self, index: QModelIndex) -> None:
        # a filter moves the current row, too, and nobody asked for that gene
        if not self._quiet:
            self._paint(index)

    def _on_click(self, index: QModelIndex) -> None:
        self._paint(index)

    @qthrottled(timeout=40)
    def _paint(self, index: QModelIndex) -> None:
        gene = index.siblingAtColumn(0).data()
        session = self.context.session
        if gene and (gene != session.gene or session.colour_by != "gene"):
            self.context.attempt(colour_by_gene, session, gene)

    def _on_gene(self, *_: Any) -> None:
        """Mark the gene that is on show, without painting it again."""
        gene = self.context.session.gene
        first = self.sorted.index(0, 0)
        exact = Qt.MatchFlag.MatchExactly | Qt.MatchFlag.MatchCaseSensitive
        found = (
            self.sorted.match(first, Qt.ItemDataRole.DisplayRole, gene, 1, exact)
            if gene and first.isValid()
            else []
        )
        with self._quietly():
            self._mark(found)

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Change rows without painting their genes."""
        self._quiet = True
        try:
            yield
        finally:
            self._quiet = False

    def _mark(self, found: list[QModelIndex]) -> None:
        chosen = self.table.selectionModel()
        if not found:
            chosen.clear()
            return
        if chosen.currentIndex().row() == found[0].row() and chosen.hasSelection():
            return
        flags = QItemSelectionModel.SelectionFlag
        chosen.setCurrentIndex(found[0], flags.ClearAndSelect | flags.Rows)
        self.table.scrollTo(found[0], QAbstractItemView.ScrollHint.EnsureVisible)


def columns_of(frame: pd.DataFrame, measure: Measure, rival: str) -> list[Column]:
    """Return the columns of the table, the most telling first."""
    columns = [Column("gene", "Gene")]
    columns.append(Column("value", measure.short, number, measure.label))
    if rival:
        over = f"How much better than {rival}, the best baseline over all genes"
        columns.append(Column("baseline", rival, number, f"{measure.label}, {rival}"))
        columns.append(Column("gain", "Gain", signed, over))
    if "sparsity" in frame:
        tip = "Share of cells without a count"
        columns.append(Column("sparsity", "Sparsity", _two, tip))
    if "n_entries" in frame:
        columns.append(Column("n_entries", "n", _whole, "Hidden entries scored"))
    return columns


def signed(value: float) -> str:
    """Return a difference with its sign."""
    text = number(value)
    return f"+{text}" if value > 0 else text


def _two(value: float) -> str:
    return number(value, 2)


def _whole(value: float) -> str:
    return f"{int(value):,}"
