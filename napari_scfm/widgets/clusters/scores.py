"""Compare with known types: scores beside those of guessing, and a confusion map."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QFileDialog

from napari_scfm.analysis.celltypes.agreement import MAJORITY
from napari_scfm.errors import ScfmError, counted
from napari_scfm.experiments.files import atomic_path
from napari_scfm.progress import report
from napari_scfm.viewer import annotating, matching
from napari_scfm.widgets.kind_map import KindMap
from napari_scfm.widgets.neighbourhoods.asking import choices_of
from napari_scfm.widgets.section import Section
from napari_scfm.widgets.step import Context, button, hint, narrow, row

if TYPE_CHECKING:
    import pandas as pd

    from napari_scfm.progress import ProgressCallback
    from napari_scfm.viewer.matching import Match

ABOUT = "How well the classes on show agree with a column of the table."
NONE = "The table has no column of known types to compare with."
SCORES = {
    "accuracy": ("Right", "Share of the cells that are told their known type"),
    "balanced_accuracy": (
        "Right, types alike",
        "Balanced accuracy: mean share over the known types, rare ones count as much",
    ),
    "macro_f1": ("Macro-F1", "Mean F1 over all types that are known or told"),
    "macro_f1_shared": (
        "of types it can tell",
        "Mean F1 over the known types that could be told at all",
    ),
}


class ConfusionMap(KindMap):
    """Known types from top to bottom, told ones from left to right; shares of a row."""

    even = "share of a known type"
    under = "Rows: known types. Columns: classes on show"

    @property
    def colormap(self) -> str:
        """A small share is near the colour of the window, whatever its theme."""
        dark = self.palette().window().color().lightness() < 128
        return "mako" if dark else "mako_r"

    def place(self, value: float) -> float:
        """Return where a share lies on the colour scale."""
        return value

    def ends(self) -> tuple[str, str]:
        """Return what the ends of the colour scale say."""
        return "0", "1"


class ScoresSection(Section):
    """A column, Compare, scores and the confusion."""

    def __init__(self, context: Context) -> None:
        super().__init__("Compare with known types")
        self.context, self.session = context, context.session
        self.match: Match | None = None
        self.column = narrow(QComboBox(), 8)
        self.column.setToolTip("Column of the table with the known types")
        self.compare = button(
            "Compare", self.run, "All cells of the slide whose type is known"
        )
        self.about, self.said, self.note = hint(ABOUT), hint(), hint()
        self.said.setTextFormat(Qt.TextFormat.RichText)
        self.said.setToolTip(
            "".join(f"<p><b>{title}</b>: {tip}</p>" for title, tip in SCORES.values())
            + "<p><b>all the same</b>: every cell told the most common type</p>"
        )
        self.map = ConfusionMap()
        self.map.picked.connect(lambda pair: context.attempt(self._select, *pair))
        self.save = button(
            "Save the table…", self._ask_file, "Cells of each pair, as .csv"
        )
        self.add(self.about, row(self.column, self.compare))
        self.add(self.said, self.note, self.map, self.save)
        events = self.session.events
        for signal in (events.slide, events.fov, events.grouping):
            context.listen(signal, self.refresh)
        self.head.toggled.connect(self.refresh)
        self._show(None)
        self.refresh()

    def refresh(self, *_: Any) -> None:
        """Offer the columns; compare again what was compared, where classes changed."""
        chosen, grouping = self.column.currentText(), self.session.grouping
        own = "" if grouping is None else grouping.key
        names = [
            one.source
            for one in choices_of(self.session)
            if isinstance(one.source, str) and one.source != own
        ]
        self.column.clear()
        self.column.addItems(names)
        self.column.setCurrentIndex(max(self.column.findText(chosen), 0))
        for part in (self.column, self.compare):
            part.setVisible(bool(names))
        self.about.setText(ABOUT if names else NONE)
        match, slide = self.match, self.session.slide
        if match is None or match.grouping is grouping:
            return
        if not self.head.isChecked():
            return  # compared when somebody looks
        gone = grouping is None or len(grouping.labels) != len(match.known)
        if gone or match.column not in slide.obs:
            self._show(None)
        else:
            able = annotating.able(self.session)
            self._show(matching.matched(slide.obs, match.column, grouping, able))

    def run(self) -> None:
        """Compare in the background."""
        self.context.attempt(self._start)

    def _start(self) -> None:
        session, column = self.session, self.column.currentText()
        grouping, slide = session.grouping, session.slide
        able = annotating.able(session)
        if grouping is None:
            raise ScfmError(
                "The cells are in no classes yet.", "Cluster them, or tell their types."
            )

        def task(progress: ProgressCallback) -> Match:
            report(progress, 0, 0, "Comparing with known types")
            return matching.matched(slide.obs, column, grouping, able)

        def done(match: Match) -> None:
            if session.grouping is not grouping:
                session.say("The classes are no longer those that were compared.")
                return
            matching.remember(session, column)
            self._show(match)
            session.say(_sentence(match))

        self.context.jobs.run("Comparing", task, done)

    def _show(self, match: Match | None) -> None:
        self.match = match
        for part in (self.said, self.note, self.map, self.save):
            part.setVisible(match is not None)
        if match is None:
            return
        self.said.setText(_scores(match))
        self.note.setText(_note(match))
        found = match.table
        counts = found.to_numpy(dtype=float)
        share = counts / counts.sum(axis=1, keepdims=True)
        share[counts == 0] = np.nan
        rows, columns = map(list, (found.index, found.columns))
        sure = np.ones(share.shape, dtype=bool)
        self.map.show_map(rows, share, sure, self._say, columns)

    def _say(self, known: str, told: str) -> str:
        table: pd.DataFrame = self.match.table
        number, of = int(table.loc[known, told]), int(table.loc[known].sum())
        return f"{number:,} of {of:,} cells known as {known} are told {told}."

    def _select(self, known: str, told: str) -> None:
        if self.match is not None:
            found = matching.select_pair(self.session, self.match, known, told)
            self.session.say(found)

    def _ask_file(self) -> None:
        path, _ = QFileDialog.getSaveFileName(
            self, "Save the table", "confusion.csv", "Tables (*.csv)"
        )
        if path:
            self.context.attempt(self.write, Path(path))

    def write(self, path: Path) -> None:
        """Write the cells of each pair of known type and class."""
        path = path if path.suffix == ".csv" else path.with_name(f"{path.name}.csv")
        with atomic_path(path) as temporary:
            self.match.table.to_csv(temporary)
        self.session.say(f"{path}: known types in rows.")


def _scores(match: Match) -> str:
    """Return the scores as a small table; without shared names those that need none."""
    told, most = match.agreement.scores, match.agreement.summary.loc[MAJORITY]
    lines = []
    if match.agreement.comparable:
        lines.append(("", "told", "all the same"))
        lines += [
            (title, f"{told[name]:.3f}", f"{float(most[name]):.3f}")
            for name, (title, _) in SCORES.items()
        ]
    lines.append(("ARI", f"{match.overlap.ari:.3f}", "0"))
    lines.append(("NMI", f"{match.overlap.nmi:.3f}", "0"))
    cells = "".join(
        f"<tr><td>{title.replace(' ', '&nbsp;')}</td><td align='right'>&nbsp;&nbsp;"
        f"<b>{value}</b></td><td align='right'>&nbsp;&nbsp;{other}</td></tr>"
        for title, value, other in lines
    )
    return f"<table>{cells}</table>"


def _note(match: Match) -> str:
    """Return what must be known of the scores."""
    found, of = match.overlap, match.agreement
    text = (
        f"{found.n_cells:,} cells of {counted(found.n_known, 'known type')} in "
        f"{counted(found.n_told, 'class', 'classes')}"
    )
    silent = int(of.scores["n_unknown"])
    text += f"; {silent:,} told unknown count as wrong" if silent else ""
    text += f"; {of.n_unlabelled:,} without a known type left out" * bool(
        of.n_unlabelled
    )
    if not of.comparable:
        text += ". No class is named as a known type: rename them to score by name"
    return f"{text}."


def _sentence(match: Match) -> str:
    if match.agreement.comparable:
        return match.agreement.sentence
    found = match.overlap
    return (
        f"ARI {found.ari:.3f}, NMI {found.nmi:.3f} of "
        f"{counted(found.n_told, 'class', 'classes')} and "
        f"{counted(found.n_known, 'known type')} in {match.column}."
    )
