"""The classes over the fields of view: a bar each, and the numbers as a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QPainter
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QToolTip,
    QWidget,
)

from napari_scfm import keys
from napari_scfm.analysis.groups.composition import composition
from napari_scfm.errors import ScfmError
from napari_scfm.experiments.files import atomic_path
from napari_scfm.viewer.open import show_fov
from napari_scfm.widgets.section import Section
from napari_scfm.widgets.step import Context, button, hint

if TYPE_CHECKING:
    import pandas as pd
    from qtpy.QtGui import QMouseEvent, QPaintEvent

ABOUT = "Share of each class in each field of view. Click a line to go there."
NONE = "Cells in no class are not counted."
ROWS = 10
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class Bar(QWidget):
    """Shares of classes side by side in their colours.

    Parameters
    ----------
    names, colours, counts
        Of each class: its name, (4,) RGBA, and its cells.
    """

    def __init__(
        self, names: tuple[str, ...], colours: np.ndarray, counts: np.ndarray
    ) -> None:
        super().__init__()
        self.names, self.colours, self.counts = names, colours, counts
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    @property
    def ends(self) -> np.ndarray:
        """Where each share ends, 0..1."""
        return np.cumsum(self.counts) / max(int(self.counts.sum()), 1)

    def class_at(self, share: float) -> int:
        """Return the class at a place of the bar, 0..1; -1 without any cells."""
        if not self.counts.sum():
            return -1
        return int(
            np.searchsorted(self.ends, min(max(share, 0.0), 1.0 - 1e-9), "right")
        )

    def paintEvent(self, _: QPaintEvent) -> None:
        """Draw the shares."""
        painter, start = QPainter(self), 0.0
        wide, high = self.width() - 4, self.height() - 6
        for end, colour in zip(self.ends, self.colours, strict=True):
            box = QRectF(2 + start * wide, 3, (end - start) * wide, high)
            painter.fillRect(box, QColor.fromRgbF(*(float(part) for part in colour)))
            start = float(end)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Name the class under the mouse."""
        place = (event.position().x() - 2) / max(self.width() - 4, 1)
        which = self.class_at(place)
        if which >= 0:
            number, whole = int(self.counts[which]), int(self.counts.sum())
            said = f"{self.names[which]}: {number:,} cells, {number / whole:.1%}"
            QToolTip.showText(event.globalPosition().toPoint(), said, self)
        event.ignore()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Leave clicks to the table below."""
        event.ignore()


class CompositionSection(Section):
    """A bar per field of view, and Save as CSV."""

    def __init__(self, context: Context) -> None:
        super().__init__("Over fields of view")
        self.context, self.session = context, context.session
        self.counts: pd.DataFrame | None = None
        self._of: Any = None
        self._make_table()
        self.save = button(
            "Save as CSV…", self._ask_file, "Cells of each class in each field of view"
        )
        self.none = hint(NONE)
        self.add(hint(ABOUT), self.table, self.none, self.save)
        events = self.session.events
        for signal in (events.grouping, events.fov):
            context.listen(signal, self.refresh)
        self.head.toggled.connect(self.refresh)
        self.refresh()

    def _make_table(self) -> None:
        self.table = QTableWidget(0, 3)
        self.table.setHorizontalHeaderLabels(["FOV", "Cells", "Classes"])
        self.table.horizontalHeaderItem(0).setToolTip("Field of view")
        self.table.verticalHeader().hide()
        self.table.setShowGrid(False)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        head = self.table.horizontalHeader()
        head.setHighlightSections(False)
        head.setMinimumSectionSize(30)
        head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        head.setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        self.table.cellClicked.connect(lambda line, _: self._go(line))
        self.table.cellActivated.connect(lambda line, _: self._go(line))

    def refresh(self, *_: object) -> None:
        """Count anew where another grouping is on show; cost nothing while folded."""
        grouping = self.session.grouping
        self.setVisible(grouping is not None)
        if grouping is None or self.session.fov is None or not self.head.isChecked():
            return
        if grouping is not self._of:
            table = self.session.slide.table
            self.counts, self._of = composition(grouping, table.obs[keys.FOV]), grouping
            self.none.setVisible(bool((grouping.labels < 0).any()))
            self._fill()
        names = list(self.counts.index)
        here = self.session.fov.name
        self.table.clearSelection()
        if here in names:
            self.table.selectRow(names.index(here))

    def _fill(self) -> None:
        grouping, counts = self._of, self.counts
        self.table.setRowCount(len(counts))
        for line, (fov, numbers) in enumerate(counts.iterrows()):
            number = QTableWidgetItem(f"{int(numbers.sum()):,}")
            number.setTextAlignment(_RIGHT)
            self.table.setItem(line, 0, QTableWidgetItem(str(fov)))
            self.table.setItem(line, 1, number)
            bar = Bar(grouping.names, grouping.colours, numbers.to_numpy())
            self.table.setCellWidget(line, 2, bar)
        lines = (
            min(len(counts), ROWS) * self.table.verticalHeader().defaultSectionSize()
        )
        head = self.table.horizontalHeader().sizeHint().height()
        self.table.setFixedHeight(lines + head + 6)

    def _go(self, line: int) -> None:
        fov = str(self.counts.index[line])
        if fov != self.session.fov.name:
            self.context.attempt(show_fov, self.context.viewer, fov)

    def _ask_file(self) -> None:
        name = f"{Path(self.session.slide.name).stem}_classes_per_fov.csv"
        path, _ = QFileDialog.getSaveFileName(
            self, "Save as CSV", name, "Tables (*.csv)"
        )
        if path:
            self.write(Path(path))

    def write(self, path: Path) -> None:
        """Write the cells of each class in each field of view."""
        self.context.attempt(self._write, path)

    def _write(self, path: Path) -> None:
        if self.counts is None:
            raise ScfmError("The cells are in no classes yet.", "Press Cluster first.")
        path = path if path.suffix == ".csv" else path.with_name(f"{path.name}.csv")
        with atomic_path(path) as temporary:
            self.counts.to_csv(temporary)
        self.session.say(f"{path}: cells of each class in each field of view.")
