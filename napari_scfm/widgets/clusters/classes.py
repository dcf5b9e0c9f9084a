"""The classes of the slide's cells: names, colours, sizes, and what is done to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHeaderView,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_scfm.errors import ScfmError, counted, named
from napari_scfm.viewer import clustering, hidden
from napari_scfm.viewer import grouping as groups
from napari_scfm.widgets.step import Context, button, narrow, row

if TYPE_CHECKING:
    from napari_scfm.analysis.groups.grouping import Grouping
    from napari_scfm.progress import ProgressCallback

ROWS = 9
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_HEADS = (
    ("Class", "Double-click a name to write another; untick a class to hide it"),
    ("Here", "Cells of the field of view on show"),
    ("Slide", "Cells of the whole slide"),
)


class ClassList(QWidget):
    """A line per class, and buttons for those that are selected."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context, self.session = context, context.session
        self._shown: Grouping | None = None
        self._make_table()
        self._make_buttons()
        body = QVBoxLayout(self)
        body.setContentsMargins(0, 0, 0, 0)
        body.setSpacing(4)
        body.addWidget(self.table)
        body.addLayout(row(self.merge, self.split, self.pick, self.undo, self.redo))
        body.addLayout(row(self.name, self.put))
        body.addWidget(self.split_cells)
        self.table.itemSelectionChanged.connect(self._fit_buttons)
        events = self.session.events
        for signal in (events.grouping, events.clusters):
            context.listen(signal, self.refresh)
        for signal in (events.hidden_classes, events.hidden_of):
            context.listen(signal, self._tick)
        context.listen(events.selection, self._fit_buttons)
        self.refresh()

    def _make_buttons(self) -> None:
        self.merge = button("Merge", self._merge, "Make one class of the lines chosen")
        self.split = button(
            "Split", self._split, "Cluster the cells of the line chosen anew"
        )
        self.split_cells = button(
            "Split selected cells",
            self._split_cells,
            "Cluster the selected cells anew, whatever class they are of; other cells "
            "keep theirs",
        )
        self.pick = button("Select", self._pick, "Select the cells of the lines chosen")
        self.undo = button("↶", lambda: groups.step_back(self.session))
        self.redo = button("↷", lambda: groups.step_back(self.session, forward=True))
        for one in (self.undo, self.redo):
            one.setMaximumWidth(36)
        self.name = narrow(QComboBox(), 6)
        self.name.setEditable(True)
        self.name.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.name.setSizePolicy(
            QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred
        )
        self.name.lineEdit().setPlaceholderText("class name")
        self.name.setToolTip("A class that is there, or the name of a new one")
        self.put = button(
            "Put selected cells", self._put, "Put the selected cells into this class"
        )

    def _make_table(self) -> None:
        self.table = QTableWidget(0, len(_HEADS))
        for place, (head, tip) in enumerate(_HEADS):
            item = QTableWidgetItem(head)
            item.setToolTip(tip)
            item.setTextAlignment(_RIGHT if place else _LEFT)
            self.table.setHorizontalHeaderItem(place, item)
        self.table.verticalHeader().hide()
        self.table.setShowGrid(False)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        head = self.table.horizontalHeader()
        head.setHighlightSections(False)
        head.setMinimumSectionSize(30)
        head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        head.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.table.itemChanged.connect(self._on_changed)

    @property
    def chosen(self) -> list[str]:
        """Names of the lines that are selected."""
        if self._shown is None:
            return []
        lines = self.table.selectionModel().selectedRows()
        return [self._shown.names[line] for line in sorted(x.row() for x in lines)]

    def refresh(self, *_: object) -> None:
        """Show the grouping of the session; without one take no room."""
        grouping = self.session.grouping
        self.setVisible(grouping is not None)
        if grouping is None or self.session.fov is None:
            self._shown = None
            self.table.setRowCount(0)
            return
        here = self._here(grouping)
        kept = set(self.chosen)
        with signals_blocked(self.table):
            if self._shown is not grouping:
                self._fill(grouping)
            for line, number in enumerate(here):
                self.table.item(line, 1).setText(f"{number:,}")
        if self._shown is not grouping:
            self._shown = grouping
            self._offer(grouping, kept)
        self._tick()
        self._fit_buttons()

    def _tick(self, *_: object) -> None:
        """Tick the classes that are shown."""
        if self._shown is None:
            return
        gone = hidden.hidden_in(self.session, hidden.CLUSTERS)
        with signals_blocked(self.table):
            for line, name in enumerate(self._shown.names):
                state = Qt.CheckState
                shown = state.Unchecked if name in gone else state.Checked
                self.table.item(line, 0).setCheckState(shown)

    def _here(self, grouping: Grouping) -> np.ndarray:
        made = self.session.clusters
        if made is None or made.grouping is not grouping:
            labels = grouping.labels[groups.rows_here(self.session)]
        else:
            labels = made.values
        return np.bincount(labels[labels >= 0], minlength=len(grouping.names))

    def _fill(self, grouping: Grouping) -> None:
        sizes = grouping.sizes
        self.table.clearSelection()
        self.table.setRowCount(len(grouping.names))
        for line, name in enumerate(grouping.names):
            item = QTableWidgetItem(_patch(grouping.colours[line]), name)
            item.setToolTip(name)
            self.table.setItem(line, 0, item)
            for column in (1, 2):
                number = QTableWidgetItem(f"{sizes[line]:,}")
                number.setFlags(number.flags() & ~Qt.ItemFlag.ItemIsEditable)
                number.setTextAlignment(_RIGHT)
                self.table.setItem(line, column, number)
        line_height = self.table.verticalHeader().defaultSectionSize()
        lines = min(max(len(grouping.names), 1), ROWS) * line_height
        head = self.table.horizontalHeader().sizeHint().height()
        self.table.setFixedHeight(lines + head + 6)

    def _offer(self, grouping: Grouping, kept: set[str]) -> None:
        """Offer the classes for selected cells, and select the lines of before."""
        text = self.name.currentText()
        self.name.clear()
        self.name.addItems(list(grouping.names))
        self.name.setEditText(text)
        mode = self.table.selectionModel()
        flags = mode.SelectionFlag.Select | mode.SelectionFlag.Rows
        for line, name in enumerate(grouping.names):
            if name in kept:
                mode.select(self.table.model().index(line, 0), flags)

    def _fit_buttons(self, *_: object) -> None:
        chosen = len(self.chosen)
        self.merge.setEnabled(chosen > 1)
        self.pick.setEnabled(chosen > 0)
        found = groups.groups_of(self.session)
        self.split.setEnabled(chosen == 1)
        self.split_cells.setEnabled(len(self.session.selection) > 0)
        history = None if found is None else found.history
        for one, word, said in (
            (self.undo, "Undo", "" if history is None else history.undoes),
            (self.redo, "Do again", "" if history is None else history.redoes),
        ):
            one.setEnabled(bool(said))
            one.setToolTip(f"{word}: {said}" if said else word)

    def _merge(self) -> None:
        names = self.chosen
        said = f"merged {named(names)}"
        act = groups.change
        if self.context.attempt(act, self.session, lambda x: x.merge(names), said):
            self.session.say(f"{said.capitalize()}.")

    def _split(self) -> None:
        """Cluster one class anew, in the background."""
        (name,) = self.chosen
        rows = self.session.grouping.rows(name)
        self.context.attempt(self._start_split, rows, name)

    def _split_cells(self) -> None:
        """Cluster the selected cells anew, in the background."""
        rows = groups.selected_rows(self.session)
        self.context.attempt(self._start_split, rows, counted(len(rows), "cell"))

    def _start_split(self, rows: np.ndarray, what: str) -> None:
        session, before = self.session, self.session.grouping
        found, again = groups.groups_of(session), None
        if found.vectors is None:
            again = clustering.question_again(session, found, 1.0)

        def task(progress: ProgressCallback) -> Grouping:
            return clustering.split(before, rows, found, again, progress)

        def done(made: Grouping) -> None:
            if session.grouping is not before:
                session.say("The classes are no longer those that were split.")
                return
            parts = len(set(made.names) - set(before.names))
            groups.change(session, lambda _: made, f"split {what}")
            text = f"{what} split into {counted(parts, 'class', 'classes')}."
            session.say(text if parts > 1 else f"{what} did not fall into parts.")

        self.context.jobs.run("Splitting", task, done)

    def _pick(self) -> None:
        made, session = self.session.clusters, self.session
        names = self.chosen
        if made is None or self._shown is None:
            return
        rows = groups.rows_here(session)
        labels = np.append(self._shown.labels, np.int32(-1))[rows]
        session.selection = np.flatnonzero(np.isin(labels, self._shown.codes(names)))
        cells = counted(len(session.selection), "cell")
        session.say(f"{cells} of {session.fov.name} selected: {named(names)}.")

    def _put(self) -> None:
        self.context.attempt(self._assign)

    def _assign(self) -> None:
        name = self.name.currentText().strip()
        number = groups.assign_selected(self.session, name)
        self.session.say(f"{counted(number, 'cell')} put into {name}.")

    def _on_changed(self, item: QTableWidgetItem) -> None:
        if item.column() or self._shown is None:
            return
        old, new = self._shown.names[item.row()], item.text().strip()
        gone = old in hidden.hidden_in(self.session, hidden.CLUSTERS)
        if (item.checkState() == Qt.CheckState.Unchecked) != gone:
            hidden.toggle(self.session, old, hidden.CLUSTERS)
            return
        if new == old or not self.context.attempt(self._rename, old, new):
            with signals_blocked(self.table):
                item.setText(old)

    def _rename(self, old: str, new: str) -> None:
        if not new:
            raise ScfmError("A class must have a name.", "Write one.")
        said = f"renamed {old} to {new}"
        groups.change(self.session, lambda x: x.rename(old, new), said)


def _patch(colour: np.ndarray) -> QIcon:
    """Return a square of a colour."""
    picture = QPixmap(14, 14)
    picture.fill(QColor.fromRgbF(*(float(part) for part in colour)))
    icon = QIcon(picture)
    icon.addPixmap(picture, QIcon.Mode.Selected)  # a style would tint it
    return icon
