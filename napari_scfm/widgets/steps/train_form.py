"""Train form: what to learn, from what, and for how long."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QGridLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QWidget,
)

from napari_scfm.errors import counted, named
from napari_scfm.viewer.training.choices import GOALS, Goal, Plan, genes_in, goal_of
from napari_scfm.widgets.step import button, hint, narrow, row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROWS = 4
"""Most fields of view that are seen without scrolling."""
_OFF = Qt.CheckState.Unchecked
SIZES = {"small": "Small: fits a laptop", "base": "Base: wants a GPU"}


class TrainForm(QWidget):
    """Every choice of a training run, one under the other.

    ``objective_changed`` is emitted when another objective is chosen.

    Attributes
    ----------
    chosen
        Whether a person has chosen the fields of view to hold out.
    """

    objective_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: dict[str, list[QWidget]] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(6)
        self._grid.setColumnStretch(1, 1)
        self._hidden: Sequence[str] = ()
        self.chosen = False
        self._make_what()
        self._make_data()
        self._make_how()
        self._make_more()
        self._on_objective()
        self._on_more(False)
        for field in (self.epochs, self.minutes, self.genes, self.reference, self.seed):
            field.setMinimumWidth(40)
        for spin in (self.epochs, self.minutes):
            spin.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.unit.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.unit.setMinimumWidth(98)
        self.held_out.setMinimumWidth(60)

    def _add(self, name: str, label: str, *widgets: QWidget) -> None:
        """Add a row with a label; an empty label spans the row."""
        place = self._grid.rowCount()
        made: list[QWidget] = list(widgets)
        box = widgets[0]
        if len(widgets) > 1:
            box = QWidget()
            box.setLayout(row(*widgets))
            made.append(box)
        if label:
            text = QLabel(label)
            text.setBuddy(widgets[0])
            made.append(text)
            top = (
                Qt.AlignmentFlag.AlignTop if name == "held_out" else Qt.AlignmentFlag(0)
            )
            self._grid.addWidget(text, place, 0, top)
            self._grid.addWidget(box, place, 1)
        else:
            self._grid.addWidget(box, place, 0, 1, 2)
        self._rows[name] = made

    def _show(self, name: str, shown: bool) -> None:
        for widget in self._rows[name]:
            widget.setVisible(shown)

    def _make_what(self) -> None:
        self.objective = narrow(QComboBox(), 8)
        for goal in GOALS:
            self.objective.addItem(goal.title, goal.name)
        self.objective.currentIndexChanged.connect(self._on_objective)
        self.about = hint()
        self.start = narrow(QComboBox(), 8)
        self.start.addItem("A new model", True)
        self.start.addItem("The loaded model", False)
        self.start.currentIndexChanged.connect(self._on_start)
        self._add("objective", "", self.objective)
        self._add("about", "", self.about)
        self._add("start", "Start from", self.start)

    def _make_data(self) -> None:
        self.labels = narrow(QComboBox(), 8)
        self.labels.setToolTip("Column of the table with 2 to 60 classes")
        self._add("labels", "Labels", self.labels)
        self.genes = QLineEdit()
        self.genes.setPlaceholderText("EPCAM, CD3E or a pasted list")
        self.genes.textChanged.connect(self._count_genes)
        self.gene_count = hint()
        self._add("genes", "Genes", self.genes)
        self._add("gene_count", "", self.gene_count)
        self.reference = QLineEdit()
        self.reference.setPlaceholderText("none: this slide")
        self.reference.setToolTip(
            "Single-cell counts (.h5ad) in which the genes are measured"
        )
        self.reference.setClearButtonEnabled(True)
        file = button("File…", self._ask_reference, "Single-cell data, .h5ad")
        self._add("reference", "Reference", self.reference, file)
        self.held_out = QListWidget()
        self.held_out.setToolTip(
            "Not learned from; they tell how well the model does on tissue it has "
            "not seen, and which epoch to keep"
        )
        self.held_out.itemChanged.connect(self._on_tick)
        self.alone = hint("One field of view: nothing can be held out.")
        self._add("held_out", "Hold out", self.held_out)
        self._add("alone", "", self.alone)

    def _make_how(self) -> None:
        self.epochs = QSpinBox()
        self.epochs.setRange(1, 10_000)
        self.epochs.setValue(Plan.epochs)
        self.minutes = QDoubleSpinBox()
        self.minutes.setRange(0.5, 24 * 60)
        self.minutes.setDecimals(1)
        self.minutes.setValue(5)
        self.unit = narrow(QComboBox(), 5)
        self.unit.addItem("epochs", "epochs")
        self.unit.addItem("minutes", "minutes")
        self.unit.setToolTip("An epoch is one pass over the fields of view")
        self.unit.currentIndexChanged.connect(self._on_unit)
        self._add("stop", "Stop after", self.epochs, self.minutes, self.unit)
        self._on_unit()

    def _make_more(self) -> None:
        self.more = QToolButton()
        self.more.setText("More")
        self.more.setCheckable(True)
        self.more.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.more.toggled.connect(self._on_more)
        self.size = narrow(QComboBox(), 8)
        for value, text in SIZES.items():
            self.size.addItem(text, value)
        self.size.setToolTip("Of a new model; a loaded one keeps its own")
        self.seed = QSpinBox()
        self.seed.setRange(0, 2**31 - 1)
        self.seed.setToolTip("The same seed gives the same model")
        self._add("more", "", self.more)
        self._add("size", "Size", self.size)
        self._add("seed", "Seed", self.seed)

    @property
    def goal(self) -> Goal:
        """The objective that is chosen."""
        return goal_of(self.objective.currentData())

    def plan(self) -> Plan:
        """Return what is chosen."""
        timed = self.unit.currentData() == "minutes"
        impute = self.goal.name == "impute"
        return Plan(
            objective=self.goal.name,
            fresh=self.start.currentData(),
            labels=self.labels.currentData() or "" if self.goal.labelled else "",
            genes=tuple(genes_in(self.genes.text())) if impute else (),
            reference=self.reference.text().strip() if impute else "",
            held_out=tuple(self.ticked()),
            epochs=self.epochs.value(),
            minutes=self.minutes.value() if timed else 0.0,
            seed=self.seed.value(),
            size=self.size.currentData(),
        )

    def ticked(self) -> list[str]:
        """Return the fields of view that are held out."""
        items = map(self.held_out.item, range(self.held_out.count()))
        return [i.text() for i in items if i.checkState() == Qt.CheckState.Checked]

    def offer_fovs(self, names: Sequence[str], ticked: Sequence[str]) -> None:
        """List the fields of view of a slide, some of them held out."""
        self.chosen = False
        self.held_out.clear()
        self.held_out.addItems(list(names))
        self.tick(ticked)
        tall = max(self.held_out.sizeHintForRow(0), self.fontMetrics().height())
        self.held_out.setFixedHeight(tall * min(max(len(names), 1), ROWS) + 6)
        self._show("held_out", len(names) > 1)
        self._show("alone", len(names) == 1)

    def tick(self, names: Sequence[str]) -> None:
        """Hold out these fields of view and no others."""
        self.held_out.blockSignals(True)
        for item in map(self.held_out.item, range(self.held_out.count())):
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            on = Qt.CheckState.Checked if item.text() in names else _OFF
            item.setCheckState(on)
            if on == Qt.CheckState.Checked:
                self.held_out.scrollToItem(item)
        self.held_out.blockSignals(False)

    def offer_labels(self, columns: Mapping[str, int], why: str = "") -> None:
        """List columns of labels; none of them needs a reason."""
        before = self.labels.currentData()
        self.labels.clear()
        for name, classes in columns.items():
            self.labels.addItem(f"{name} ({classes} classes)", name)
        if not columns:
            self.labels.addItem(why, "")
        self.labels.setEnabled(bool(columns))
        self.labels.setCurrentIndex(max(0, self.labels.findData(before)))

    def offer_model(self, name: str) -> None:
        """Name the loaded model; "" where there is none to train."""
        self.start.setItemText(1, f"Loaded: {name}" if name else "The loaded model")

    def offer_hidden(self, genes: Sequence[str]) -> None:
        """Tell which genes are hidden: they are taken if none are typed."""
        self._hidden = genes
        self._count_genes()

    def _count_genes(self) -> None:
        typed = genes_in(self.genes.text())
        if typed:
            text = f"{counted(len(typed), 'gene')} typed."
        elif self._hidden:
            count = counted(len(self._hidden), "gene")
            text = f"Empty: the {count} hidden in step 4 ({named(self._hidden, 3)})."
        else:
            text = "Empty: the genes hidden in step 4; none are hidden now."
        self.gene_count.setText(text)

    def _ask_reference(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Single-cell data", filter="AnnData (*.h5ad)"
        )
        if path:
            self.reference.setText(str(Path(path)))

    def _on_objective(self) -> None:
        goal = self.goal
        self.about.setText(goal.text)
        self._show("labels", goal.labelled)
        for name in ("genes", "gene_count", "reference"):
            self._show(name, goal.name == "impute")
        self.objective_changed.emit()

    def _on_start(self) -> None:
        self._on_more(self.more.isChecked())

    def _on_tick(self) -> None:
        self.chosen = True

    def _on_unit(self) -> None:
        timed = self.unit.currentData() == "minutes"
        self.minutes.setVisible(timed)
        self.epochs.setVisible(not timed)

    def _on_more(self, shown: bool) -> None:
        arrow = Qt.ArrowType.DownArrow if shown else Qt.ArrowType.RightArrow
        self.more.setArrowType(arrow)
        self._show("size", shown and bool(self.start.currentData()))
        self._show("seed", shown)
