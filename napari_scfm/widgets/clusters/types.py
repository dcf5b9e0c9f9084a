"""Cell types: told by labelled cells, by marker genes or by a trained model.

All cells of the slide are told in the background; the types are classes like clusters.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QGridLayout, QLabel
from superqt.utils import signals_blocked

from napari_scfm.analysis.annotate import NEAREST, PCA
from napari_scfm.analysis.celltypes.marker_lists import read_markers
from napari_scfm.errors import ScfmError, counted
from napari_scfm.experiments.annotation import AnnotationOptions, label_columns
from napari_scfm.progress import report
from napari_scfm.viewer import annotating
from napari_scfm.viewer import grouping as groups
from napari_scfm.widgets.file_line import FileLine
from napari_scfm.widgets.section import Section, whole
from napari_scfm.widgets.step import Context, button, hint, narrow

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_scfm.analysis.annotate import By
    from napari_scfm.models.base import CellModel
    from napari_scfm.progress import ProgressCallback

WAYS: dict[str, By] = {
    "Labelled cells": "reference",
    "Marker genes": "markers",
    "Trained model": "head",
}
EMPTY: dict[By, str] = {
    "reference": "Choose an .h5ad of cells whose types are known: for each cell of the "
    "slide its nearest cells there vote.",
    "markers": "Choose marker genes of the types: a .csv with the columns type and "
    'gene, or a .json such as {"B cell": ["MS4A1"]}.',
    "head": "A model that learned types says them. Train one in step 8 (Annotate "
    "cells), or load one in step 3.",
}
GENES = "Genes (PCA)"


class TypesSection(Section):
    """Who tells, how sure it must be, and the button that tells the whole slide."""

    def __init__(self, context: Context) -> None:
        super().__init__("Cell types")
        self.context, self.session = context, context.session
        self.by = narrow(QComboBox(), 8)
        self.by.addItems(list(WAYS))
        self.by.setToolTip("Who tells the types; every told type is a prediction")
        self._make_boxes()
        self.tell = button(
            "Tell cell types", self.run, "Of all cells of the slide, in the background"
        )
        self.fade = QCheckBox("Fade unsure cells")
        self.fade.setToolTip("The less sure a type, the fainter its cell")
        self.fade.setChecked(self.session.fade_uncertain)
        self.fade.toggled.connect(
            lambda on: setattr(self.session, "fade_uncertain", on)
        )
        self.said = hint()
        self._lay_out()
        self.by.currentTextChanged.connect(self.refresh)
        self.head.toggled.connect(self._on_unfold)
        events = self.session.events
        for signal in (events.model, events.grouping, events.slide):
            context.listen(signal, self.refresh)
        context.listen(events.fade_uncertain, self._on_fade)
        self.refresh()

    def _make_boxes(self) -> None:
        self.reference = FileLine(
            self.context, "labelled cells", "Cells with known types", "AnnData (*.h5ad)"
        )
        self.reference.asked.connect(self.choose_reference)
        self.labels = narrow(QComboBox(), 8)
        self.labels.setToolTip("Column of the file that says the types")
        self.near = narrow(QComboBox(), 8)
        self.near.setToolTip(
            "Where cells are near one another: principal components of the genes that "
            "both measure, or the embedding of a model that is loaded"
        )
        self.votes = whole(NEAREST, 1, 100, "Nearest labelled cells that vote")
        self.markers = FileLine(
            self.context, "marker genes", "Marker genes", "Lists (*.csv *.json)"
        )
        self.markers.asked.connect(
            lambda path: self.context.attempt(self.choose_markers, path)
        )
        self.model = narrow(QComboBox(), 8)
        self.model.setToolTip("Models of this session that learned types")
        self.least = QDoubleSpinBox()
        self.least.setRange(0, 1)
        self.least.setSingleStep(0.05)
        self.least.setKeyboardTracking(False)
        self.least.setToolTip(
            "Cells told less surely are unknown; 0 tells every cell. Sure is: the "
            "share of the votes, or of the softmax over types. Applies at once"
        )
        self.least.setStyleSheet("QAbstractSpinBox { min-width: 56px; }")
        self.least.valueChanged.connect(self._on_least)

    def _lay_out(self) -> None:
        lines: tuple[tuple[str, QWidget, By | None], ...] = (
            ("By", self.by, None),
            ("File", self.reference, "reference"),
            ("Types in", self.labels, "reference"),
            ("Near by", self.near, "reference"),
            ("Votes", self.votes, "reference"),
            ("File", self.markers, "markers"),
            ("Model", self.model, "head"),
            ("At least sure", self.least, None),
        )
        grid = QGridLayout()
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(1, 1)
        self._lines: list[tuple[By, tuple[QWidget, QWidget]]] = []
        for at, (text, box, way) in enumerate(lines):
            label = QLabel(text)
            grid.addWidget(label, at, 0)
            grid.addWidget(box, at, 1)
            if way is not None:
                self._lines.append((way, (label, box)))
        self.add(grid, self.tell, self.said, self.fade)

    @property
    def way(self) -> By:
        """Who tells."""
        return WAYS[self.by.currentText()]

    def refresh(self, *_: Any) -> None:
        """Show what this way needs, and the models that are there now."""
        fill(self.model, annotating.annotators(self.session))
        fill(self.near, annotating.embedders(self.session), GENES)
        way = self.way
        for its, parts in self._lines:
            for part in parts:
                part.setVisible(its == way)
        ready = {
            "reference": bool(self.reference.path and self.labels.count()),
            "markers": bool(self.markers.path),
            "head": self.model.count() > 0,
        }[way]
        self.labels.setEnabled(self.labels.count() > 0)
        made = groups.groups_of(self.session)
        told = isinstance(made, annotating.ToldGroups) and made.told is not None
        ours = told and made.asked.options.by == way
        self.said.setText(_said(made) if ours else "" if ready else EMPTY[way])
        self.said.setVisible(bool(self.said.text()))
        self._show_least()
        sure = self.session.grouping is not None and (
            self.session.grouping.confidence is not None
        )
        self.fade.setVisible(sure)

    def options(self) -> AnnotationOptions:
        """Return how types are to be told.

        Raises
        ------
        ScfmError
            If a file is missing, or no model tells types.
        """
        way, least = self.way, float(self.least.value())
        if way == "head":
            if not self.model.count():
                raise ScfmError("No model here tells types.", EMPTY["head"])
            return AnnotationOptions(
                "head", model=self.model.currentData(), threshold=least
            )
        if way == "markers":
            if not self.markers.path:
                raise ScfmError("No marker genes are chosen.", EMPTY["markers"])
            return AnnotationOptions(
                "markers", markers=self.markers.path, threshold=least
            )
        if not self.reference.path:
            raise ScfmError("No labelled cells are chosen.", EMPTY["reference"])
        return AnnotationOptions(
            "reference",
            model=self.near.currentData() or "",
            reference=self.reference.path,
            labels=self.labels.currentText(),
            k=self.votes.value(),
            threshold=least,
        )

    def run(self) -> None:
        """Tell the types of all cells of the slide in the background."""
        self.context.attempt(self._start)

    def _start(self) -> None:
        session = self.session
        asked = annotating.question_of(session, self.options())

        def task(progress: ProgressCallback) -> annotating.ToldGroups:
            return annotating.annotate(asked, progress)

        def done(made: annotating.ToldGroups) -> None:
            if session.slide is not asked.slide:
                session.say("The slide whose cells were told is no longer open.")
                return
            groups.take(session, made, f"types told by {made.model}")
            session.say(made.told.sentence)

        self.context.jobs.run("Telling cell types", task, done)

    def choose_reference(self, path: str | Path) -> None:
        """Read which columns label the cells, in the background; take the file then.

        Parameters
        ----------
        path
            An .h5ad; "" takes the one that is there back.
        """
        if not str(path):
            self.labels.clear()
            self.reference.take("")
            self.refresh()
            return

        def task(progress: ProgressCallback) -> list[str]:
            report(progress, 0, 0, "Reading its columns")
            return label_columns(path)

        def done(found: list[str]) -> None:
            self.reference.take(path)
            self.labels.clear()
            self.labels.addItems(found)
            self.refresh()
            columns = counted(len(found), "column")
            self.session.say(f"{name}: {columns} of labels to choose from.")

        name = Path(path).name
        self.context.jobs.run(f"Reading {name}", task, done)

    def choose_markers(self, path: str | Path) -> None:
        """Take a list of marker genes, if it can be read; "" takes it back.

        Raises
        ------
        ScfmError
            If it is no such list.
        """
        if str(path):
            read_markers(path)
        self.markers.take(path)
        self.refresh()

    def _on_unfold(self, open_: bool) -> None:
        """Offer the columns of a file that the session remembers."""
        path, known = self.reference.path, self.labels.count()
        if open_ and path and not known and not self.context.jobs.running:
            self.choose_reference(path)

    def _on_least(self, value: float) -> None:
        made = self.session.grouping
        edited = made is not None and groups.BY_HAND in made.about
        if annotating.retell(self.session, round(value, 3)):
            again = " Undo brings back what was done by hand." if edited else ""
            self.session.say(f"Types less sure than {value:g} are unknown.{again}")

    def _show_least(self) -> None:
        made = groups.groups_of(self.session)
        if not isinstance(made, annotating.ToldGroups):
            return
        value = annotating.threshold_of(made.history.current)
        if value is not None:
            with signals_blocked(self.least):
                self.least.setValue(value)

    def _on_fade(self, on: bool) -> None:
        with signals_blocked(self.fade):
            self.fade.setChecked(on)


def fill(
    box: QComboBox, models: dict[str, tuple[CellModel, str]], first: str = ""
) -> None:
    """Offer models by their names, with what loads them; the chosen one stays."""
    chosen = box.currentText()
    with signals_blocked(box):
        box.clear()
        if first:
            box.addItem(first, PCA)
        for name, (_, source) in models.items():
            box.addItem(name, source)
        box.setCurrentIndex(max(box.findText(chosen), 0) if box.count() else -1)


def _said(made: annotating.ToldGroups) -> str:
    """Return what was told, and what must be known of it."""
    value = annotating.threshold_of(made.history.current) or 0.0
    return " ".join([made.told.above(value).sentence, *made.told.notes])
