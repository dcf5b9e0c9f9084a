"""The report's first page: every model and baseline in one table, and what to know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QHeaderView,
    QLabel,
    QScrollArea,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_scfm.figures.report.style import number
from napari_scfm.figures.report.tables import COLUMNS, LEVELS, explain, summary_table
from napari_scfm.widgets.report.table import Column, FrameModel, dress, widths
from napari_scfm.widgets.step import hint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qtpy.QtGui import QResizeEvent

    from napari_scfm.figures.report.data import ReportData

_HEADS = COLUMNS | {"mcc_all": "MCC\nall", "mcc_expressed": "MCC\nexpr."}


class Scores(QTableView):
    """A table as high as its rows; names stand above their numbers if need be."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = FrameModel()
        self.setModel(self.rows)
        dress(self)
        self._shown: tuple[Any, ...] | None = None
        self._narrow = False
        self.setSelectionMode(QTableView.SelectionMode.NoSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def show_scores(
        self,
        frame: pd.DataFrame,
        columns: Sequence[Column],
        bold: int = -1,
        tip: Callable[[int, str], str] | None = None,
    ) -> None:
        """Show other scores; ``bold`` is the row that stands out."""
        self._shown = (frame.reset_index(drop=True), columns, bold, tip)
        self._spread()

    def _spread(self) -> None:
        """Give names a line of their own where one line is too narrow for all."""
        if self._shown is None:
            return
        frame, columns, bold, tip = self._shown
        sizes = widths(self, frame, columns)
        self._narrow = self.viewport().width() < sum(sizes)
        self.clearSpans()
        if self._narrow:
            name = columns[0].name
            above = frame[[name]].assign(**{c.name: np.nan for c in columns[1:]})
            below = frame.assign(**{name: ""})
            frame = pd.concat([above, below]).sort_index(kind="stable")
        times = 2 if self._narrow else 1
        self.rows.show_frame(
            frame,
            columns,
            bold=range(times * bold, times * bold + times) if bold >= 0 else (),
            tip=None if tip is None else lambda row, name: tip(row // times, name),
        )
        if self._narrow:
            for row in range(0, len(frame), 2):
                self.setSpan(row, 0, 1, len(columns))
            sizes[0] = 2
        self._fit(sizes)

    def _fit(self, sizes: Sequence[int]) -> None:
        """Give numbers the room they need; be as high as the rows."""
        head = self.horizontalHeader()
        head.setMinimumSectionSize(2)
        head.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        room = max(0, self.viewport().width() - sum(sizes))
        more = room // (len(sizes) - 1) if self._narrow else 0
        for place, size in enumerate(sizes):
            head.resizeSection(place, size + more if place else size)
        if not self._narrow:
            head.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        rows = self.rows.rowCount() * self.verticalHeader().defaultSectionSize()
        self.setFixedHeight(rows + head.sizeHint().height() + 4)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Use one line or two."""
        super().resizeEvent(event)
        if event.oldSize().width() != event.size().width():
            self._spread()


class SummaryPage(QWidget):
    """Scores of all models, what they average, notes, and each field of view."""

    def __init__(self) -> None:
        super().__init__()
        self._data: ReportData | None = None
        self.scores, self.fovs = Scores(), Scores()
        self.fov_title = QLabel("Each field of view")
        self.words = hint()
        self.notes = hint()
        inside = QWidget()
        body = QVBoxLayout(inside)
        body.setContentsMargins(0, 0, 0, 0)
        for part in (self.scores, self.words, self.fov_title, self.fovs, self.notes):
            body.addWidget(part)
        body.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(inside)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(scroll)

    def show_report(self, data: ReportData | None, model: str) -> None:
        """Take other numbers."""
        self._data = data
        if data is None:
            return
        table = summary_table(data)
        names = list(table["model"])
        columns = [Column("model", "")]
        columns += [Column(key, _HEADS[key], number) for key in COLUMNS]
        self.scores.show_scores(
            table,
            columns,
            bold=names.index(model) if model in names else -1,
            tip=lambda line, column: (
                data.kinds[names[line]]
                if column == "model"
                else explain(data, names[line], column)
            ),
        )
        self._show_fovs(data)
        said = [explain(data, model, "pearson"), explain(data, model, "mcc_all")]
        self.words.setText(
            " ".join(part for part in (*said, data.left_out) if part)
            + " Point at a number for what it averages."
        )
        self.notes.setText("\n".join(data.notes))
        self.notes.setVisible(bool(data.notes))

    def _show_fovs(self, data: ReportData) -> None:
        table = data.per_fov
        several = not table.empty and table["fov"].nunique() > 1
        self.fov_title.setVisible(several)
        self.fovs.setVisible(several)
        if not several:
            return
        shown = [key for key in ("pearson", "rmse", *LEVELS) if key in table]
        columns = [Column("fov", "FOV"), Column("model", "model")]
        columns += [Column(key, _HEADS[key], number) for key in shown]
        self.fovs.show_scores(table, columns)
