"""Learn these: a few cells of each kind, from which the kind of all cells is told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QGridLayout,
    QHeaderView,
    QLabel,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
)
from superqt.utils import signals_blocked

from napari_scfm.errors import counted, named
from napari_scfm.experiments.examples import THRESHOLD
from napari_scfm.viewer import examples
from napari_scfm.viewer.refined import refined_of
from napari_scfm.viewer.session import NO_CELLS
from napari_scfm.widgets.section import Section
from napari_scfm.widgets.step import Context, button, hint, narrow, row

if TYPE_CHECKING:
    from napari_scfm.progress import ProgressCallback

EMPTY = (
    "Select a few cells of one kind, on the tissue or in the Embedding dock, name the "
    "kind and add them. With two kinds or more, every cell of the slide is told its "
    "kind. Five to ten cells of each are a good start."
)
STALE = (
    "Another model was chosen, or other genes or cells were hidden: learn again to use "
    "the refined embedding."
)
FILES = "Examples (*.csv)"
ROWS = 6
_HEADS = (
    ("Kind", "Examples are of these kinds"),
    ("Here", "Examples in the field of view on show"),
    ("Slide", "Examples on the whole slide"),
)


class LearnSection(Section):
    """Kinds with their examples, and the button that learns them."""

    def __init__(self, context: Context) -> None:
        super().__init__("Learn these")
        self.context, self.session = context, context.session
        self._made: examples.LearnedGroups | None = None
        self._make_parts()
        self._make_table()
        self._lay_out()
        events = self.session.events
        for signal in (events.examples, events.fov, events.slide, events.grouping):
            context.listen(signal, self.refresh)
        for signal in (events.refined, events.mask, events.model):
            context.listen(signal, self._on_refined)
        self.refresh()

    def _make_parts(self) -> None:
        self.about = hint(EMPTY)
        self.kind = narrow(QComboBox(), 6)
        self.kind.setEditable(True)
        self.kind.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        wide = QSizePolicy.Policy.Expanding
        self.kind.setSizePolicy(wide, QSizePolicy.Policy.Preferred)
        self.kind.lineEdit().setPlaceholderText("kind of cell")
        self.kind.setToolTip("Such as T cell; a kind that is there, or a new one")
        self.put = button(
            "Add selected", self._add, "Make the selected cells examples of this kind"
        )
        self.pick = button(
            "Select", self._pick, "Select the examples of the lines chosen"
        )
        self.drop = button("Remove", self._drop, "Forget the lines chosen")
        self.open = button("Read…", self._ask_open, "Examples from a .csv: cell, kind")
        self.keep = button("Write…", self._ask_keep, "Examples to a .csv: cell, kind")
        self.least = QDoubleSpinBox()
        self.least.setRange(0, 1)
        self.least.setSingleStep(0.05)
        self.least.setValue(THRESHOLD)
        self.least.setStyleSheet("QAbstractSpinBox { min-width: 56px; }")
        self.least.setToolTip(
            "Cells told less surely are unknown: how likely the kind is, less where a "
            "cell is unlike every example; 0 tells every cell"
        )
        self.run_ = button(
            "Learn these",
            self.run,
            "The kinds grow from the examples over all cells, and the embedding is "
            "refined so that they lie apart (supervised contrastive learning)",
        )
        self.use = QCheckBox("Use the refined embedding")
        self.use.setToolTip(
            "Cluster and the Embedding dock read it instead of the model's embedding; "
            "press Cluster, or Draw there"
        )
        self.use.toggled.connect(self._on_use)
        self.said = hint()

    def _make_table(self) -> None:
        self.table = QTableWidget(0, len(_HEADS))
        for place, (head, tip) in enumerate(_HEADS):
            item = QTableWidgetItem(head)
            item.setToolTip(tip)
            item.setTextAlignment(_side(place))
            self.table.setHorizontalHeaderItem(place, item)
        self.table.verticalHeader().hide()
        self.table.setShowGrid(False)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        head = self.table.horizontalHeader()
        head.setHighlightSections(False)
        head.setMinimumSectionSize(30)
        head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        head.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.table.itemSelectionChanged.connect(self._fit_buttons)

    def _lay_out(self) -> None:
        sure = QGridLayout()
        sure.setColumnStretch(1, 1)
        sure.addWidget(QLabel("At least sure"), 0, 0)
        sure.addWidget(self.least, 0, 1)
        self.add(
            self.about,
            row(self.kind, self.put),
            self.table,
            row(self.pick, self.drop, self.open, self.keep),
            sure,
            self.run_,
            self.said,
            self.use,
        )

    @property
    def chosen(self) -> list[str]:
        """Kinds of the lines that are selected."""
        lines = self.table.selectionModel().selectedRows()
        return [
            self.table.item(line, 0).text() for line in sorted(x.row() for x in lines)
        ]

    def refresh(self, *_: object) -> None:
        """Show the examples of the slide that is open."""
        session = self.session
        kinds = examples.kinds_of(session)
        here = examples.here(session) if session.fov is not None else {}
        kept = set(self.chosen)
        with signals_blocked(self.table):
            self.table.clearSelection()
            self.table.setRowCount(len(kinds))
            for line, (kind, cells) in enumerate(kinds.items()):
                for place, text in enumerate((kind, here.get(kind, 0), len(cells))):
                    item = QTableWidgetItem(str(text))
                    item.setTextAlignment(_side(place))
                    item.setToolTip(kind)
                    self.table.setItem(line, place, item)
                    item.setSelected(kind in kept)
        line_height = self.table.verticalHeader().defaultSectionSize()
        head = self.table.horizontalHeader().sizeHint().height()
        self.table.setFixedHeight(
            min(max(len(kinds), 1), ROWS) * line_height + head + 6
        )
        for part in (self.table, self.pick, self.drop):
            part.setVisible(bool(kinds))
        self.about.setVisible(len(kinds) < 2)
        self._offer(kinds)
        self._fit_buttons()
        self._on_refined()

    def _offer(self, kinds: dict[str, tuple[str, ...]]) -> None:
        """Offer the kinds that have examples, and the classes on show."""
        text, grouping = self.kind.currentText(), self.session.grouping
        classes = () if grouping is None else grouping.names
        named_ = [name for name in classes if not _numbered(name) and name != "unknown"]
        with signals_blocked(self.kind):
            self.kind.clear()
            self.kind.addItems(list(dict.fromkeys((*kinds, *named_))))
            self.kind.setEditText(text)

    def _fit_buttons(self) -> None:
        kinds = examples.kinds_of(self.session)
        for part in (self.pick, self.drop):
            part.setEnabled(bool(self.chosen))
        self.keep.setEnabled(bool(kinds))
        self.run_.setEnabled(len(kinds) > 1)

    def _on_refined(self, *_: object) -> None:
        """Say what was learned, and whether its embedding is in use."""
        made, session = self._made, self.session
        if made is not None and made.refined.slide is not session.slide:
            made = self._made = None
        self.said.setVisible(made is not None)
        self.use.setVisible(made is not None)
        with signals_blocked(self.use):
            self.use.setChecked(refined_of(session) is not None)
        if made is None:
            return
        learned = made.learned
        first, last = learned.losses[0], learned.losses[-1]
        lines = [learned.told.sentence, *learned.told.notes]
        if session.refined is not None and refined_of(session) is None:
            lines.append(STALE)
        self.said.setText(" ".join(lines))
        self.said.setToolTip(
            f"Contrastive loss {first:.2f} at the first of {len(learned.losses)} "
            f"steps, {last:.2f} at the last"
        )

    def run(self) -> None:
        """Learn the kinds in the background, and tell all cells of the slide."""
        self.context.attempt(self._start)

    def _start(self) -> None:
        session = self.session
        asked = examples.question_of(session, float(self.least.value()))

        def task(progress: ProgressCallback) -> examples.LearnedGroups:
            return examples.learn(asked, progress)

        def done(made: examples.LearnedGroups) -> None:
            if session.slide is not asked.asked.slide:
                session.say("The slide whose cells were learned is no longer open.")
                return
            self._made = made
            examples.show(session, made)
            session.say(f"Learned: {made.learned.told.sentence}")

        self.context.jobs.run("Learning these", task, done)

    def _add(self) -> None:
        self.context.attempt(self._add_selected)

    def _add_selected(self) -> None:
        kind = self.kind.currentText().strip()
        number = examples.add_selected(self.session, kind)
        self.session.selection = NO_CELLS
        self.session.say(f"{counted(number, 'example')} of {kind} added.")

    def _drop(self) -> None:
        kinds = self.chosen
        examples.remove(self.session, kinds)
        self.session.say(f"Examples removed: {named(kinds)}.")

    def _pick(self) -> None:
        session, kinds = self.session, self.chosen
        here, elsewhere = examples.select(session, kinds)
        text = f"{counted(here, 'example')} selected in {session.fov.name}"
        more = f"; {elsewhere} in other fields of view" if elsewhere else ""
        session.say(f"{text}{more}: {named(kinds)}.")

    def _ask_open(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Read examples", "", FILES)
        if path:
            self.context.attempt(self.read, Path(path))

    def read(self, path: Path) -> None:
        """Take the examples of a file in the place of those that are there.

        Raises
        ------
        ScfmError
            If it holds none.
        """
        number = examples.read(self.session, path)
        self.session.say(f"{path.name}: examples of {counted(number, 'kind')}.")

    def _ask_keep(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Write examples", "", FILES)
        if path:
            self.context.attempt(self.write, Path(path))

    def write(self, path: Path) -> None:
        """Write the examples, for `napari-scfm annotate --by examples` too.

        Raises
        ------
        ScfmError
            If there are none, or it cannot be written.
        """
        self.session.say(f"{examples.write(self.session, path)}: the examples.")

    def _on_use(self, on: bool) -> None:
        made = self._made
        self.session.refined = made.refined if on and made is not None else None
        if on and refined_of(self.session) is None:
            self._on_refined()


def _side(place: int) -> Qt.AlignmentFlag:
    """Return where the text of a column stands: names left, numbers right."""
    side = Qt.AlignmentFlag.AlignRight if place else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter


def _numbered(name: str) -> bool:
    """Return whether a class is a cluster that nobody named."""
    return name.replace(".", "").isdigit()
