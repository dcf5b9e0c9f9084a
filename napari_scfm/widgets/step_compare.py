"""Step 5: predict what is hidden, and compare with the truth and the baselines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
)

from napari_scfm.errors import named
from napari_scfm.models.baselines.registry import BASELINES
from napari_scfm.viewer import tasks
from napari_scfm.viewer.acts import colour_by_gene, show_comparison
from napari_scfm.viewer.look import comparison_of
from napari_scfm.widgets.step import Context, Step, button, hint, narrow, row

if TYPE_CHECKING:
    import pandas as pd

    from napari_scfm.viewer.session import Comparison

EMPTY = (
    "Hide genes or cells, then press Predict. Simple baselines are scored beside the "
    "model, so that a good-looking map cannot oversell it."
)
DEFAULTS = ("gene-mean", "knn-space", "ridge")
COLUMNS = {"pearson": "Pearson", "rmse": "RMSE", "cosine": "Cosine"}


class CompareStep(Step):
    """Predict, baselines, summary table, gene chooser, side by side, blink."""

    def __init__(self, context: Context) -> None:
        super().__init__("5  Predict and compare", context)
        self.predict = button("Predict", self.run, "Guess back what is hidden")
        font = self.predict.font()
        font.setBold(True)
        self.predict.setFont(font)
        self.baselines = {name: QCheckBox(name) for name in BASELINES}
        for name, box in self.baselines.items():
            box.setChecked(name in DEFAULTS)
            box.setToolTip("Score this baseline beside the model")
        self.status = hint(EMPTY)
        self.table = QTableWidget()
        self.genes = narrow(QComboBox(), 8)
        self.genes.textActivated.connect(
            lambda gene: context.attempt(colour_by_gene, self.session, gene)
        )
        go = context.command
        self.side = button(
            "Side by side",
            go("side_by_side"),
            "Truth, prediction and error in a grid",
            "side_by_side",
        )
        self.side.setCheckable(True)
        self.blink = button(
            "Blink", go("blink"), "Swap truth and prediction in place", "blink"
        )
        self.gene_label = QLabel("Gene")
        self._lay_out()
        self._listen()

    def _lay_out(self) -> None:
        boxes = list(self.baselines.values())
        self.body.addWidget(self.predict)
        for first in range(0, len(boxes), 2):
            self.body.addLayout(row(*boxes[first : first + 2]))
        self.body.addWidget(self.status)
        self.body.addWidget(self.table)
        self.body.addLayout(row(self.gene_label, self.genes, 1))
        self.body.addLayout(row(self.side, self.blink))

    def _listen(self) -> None:
        context = self.context
        context.listen(self.session.events.comparison, self._on_comparison)
        context.listen(self.session.events.fov, self._on_comparison)
        context.listen(self.session.events.gene, self._on_gene)
        context.listen(self.session.events.side_by_side, self._on_side)
        context.listen(self.session.events.shown, self._on_side)
        self._dress_table()
        self._on_comparison()

    def run(self) -> None:
        """Predict in the background; show the comparison when it is done."""
        self.context.attempt(self._start)

    def _start(self) -> None:
        work = tasks.work_of(self.session, "impute")
        tasks.hidden_mask(work)
        chosen = tuple(n for n, box in self.baselines.items() if box.isChecked())

        def task(progress: Any) -> Comparison:
            return tasks.predict(work, chosen, progress=progress)

        self.context.jobs.run(
            f"Predicting with {work.model.info.name}", task, self._done
        )

    def _done(self, made: Comparison) -> None:
        session = self.session
        show_comparison(session, made)
        if comparison_of(session) is None:
            session.say(f"The prediction of {made.fov} is ready; go back to see it.")
            return
        session.say(told(made))

    def _dress_table(self) -> None:
        self.table.setColumnCount(1 + len(COLUMNS))
        self.table.setHorizontalHeaderLabels(["", *COLUMNS.values()])
        self.table.verticalHeader().hide()
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QTableWidget.SelectionMode.NoSelection)
        self.table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        head = self.table.horizontalHeader()
        head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        head.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)

    def _on_comparison(self) -> None:
        made = comparison_of(self.session)
        for part in (self.table, self.genes, self.gene_label, self.side, self.blink):
            part.setVisible(made is not None)
        self.genes.clear()
        if made is None:
            self.status.setText(EMPTY)
            return
        self.genes.addItems(made.genes)
        warning = made.about.get("warning", "")
        said = f"{warning} Scores" if warning else "Scores"
        self.status.setText(f"{said} of the hidden entries, log1p counts:")
        self._fill(made.summary, made.model)
        self._on_gene()
        self._on_side()

    def _fill(self, summary: pd.DataFrame, model: str) -> None:
        self.table.setRowCount(len(summary))
        for line, (_, scores) in enumerate(summary.reset_index().iterrows()):
            name = str(scores["model"])
            cells = [name, *(number(scores[column]) for column in COLUMNS)]
            for column, text in enumerate(cells):
                item = QTableWidgetItem(text)
                font = item.font()
                font.setBold(name == model)
                item.setFont(font)
                if column:
                    item.setTextAlignment(
                        Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    )
                self.table.setItem(line, column, item)
        self.table.resizeRowsToContents()
        tall = sum(self.table.rowHeight(i) for i in range(len(summary)))
        self.table.setFixedHeight(tall + self.table.horizontalHeader().height() + 4)

    def _on_gene(self) -> None:
        self.genes.setCurrentIndex(self.genes.findText(self.session.gene))

    def _on_side(self) -> None:
        self.side.setChecked(self.session.side_by_side)


def told(made: Comparison) -> str:
    """Return what was predicted, and what the model could not."""
    blind = [gene for gene in made.genes if not made.guessed(gene)]
    done = len(made.genes) - len(blind)
    text = f"{made.model} predicted {done} of {len(made.genes)} genes of {made.fov}."
    return f"{text} Unknown to it: {named(blind, 4)}." if blind else text


def number(value: float) -> str:
    """Return a score for a narrow table; a score that is not defined is a dash."""
    return "–" if value != value else f"{value:.3f}"
