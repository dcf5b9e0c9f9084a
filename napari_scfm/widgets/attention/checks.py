"""Check the model: what is left of the picture when something is broken."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QCheckBox, QComboBox, QVBoxLayout, QWidget

from napari_scfm.errors import ScfmError, counted
from napari_scfm.experiments.attention.verdicts import (
    CHECKS,
    EXCHANGED,
    OTHER,
    PLACES,
    RANDOM,
    UNIFORM,
)
from napari_scfm.viewer import tasks
from napari_scfm.viewer.attention.compute import checked_stream
from napari_scfm.widgets.section import Section
from napari_scfm.widgets.step import Context, button, hint, narrow

if TYPE_CHECKING:
    import pandas as pd

    from napari_scfm.viewer.session import Stream

NAMES = {
    RANDOM: "Random weights",
    EXCHANGED: "Expression exchanged",
    UNIFORM: "Uniform attention",
    PLACES: "Coordinates",
    OTHER: "Other checkpoint",
}
TIPS = {
    RANDOM: "The same network with weights drawn anew: what it draws too was not "
    "learned (3 runs of the model)",
    EXCHANGED: "Cells of a kind exchange their counts, through the model (20 runs)",
    UNIFORM: "Every cell attends alike to all its partners (no run)",
    PLACES: "The model is told that the cells lie elsewhere (1 run)",
    OTHER: "Another model of this session (1 run)",
}
ASK = (
    "Which of these streams would a model draw that learned nothing, or was told "
    "something else?"
)
USUAL = (RANDOM, UNIFORM, PLACES)
WARNING = "QLabel { border-left: 3px solid #d55e00; padding-left: 6px; }"
CALM = "QLabel { border-left: 3px solid #009e73; padding-left: 6px; }"


class ChecksSection(Section):
    """Which checks, Run, and a sentence for each."""

    def __init__(self, context: Context) -> None:
        super().__init__("Check the model")
        self.context, self.session = context, context.session
        self.boxes = {name: self._box(name) for name in CHECKS}
        self.other = narrow(QComboBox(), 8)
        self.other.setToolTip("Models that were loaded or trained in this session")
        self.go = button("Check", self.run, "Run the checks that are ticked")
        self.results = QWidget()
        self.lines = QVBoxLayout(self.results)
        self.lines.setContentsMargins(0, 0, 0, 0)
        self.lines.setSpacing(4)
        self.add(hint(ASK), *self.boxes.values(), self.other, self.go, self.results)
        self.boxes[OTHER].toggled.connect(self._offer)
        context.listen(self.session.events.model, self._offer)
        self._offer()

    def _box(self, name: str) -> QCheckBox:
        made = QCheckBox(NAMES[name])
        made.setToolTip(TIPS[name])
        made.setChecked(name in USUAL)
        return made

    def _offer(self, *_: Any) -> None:
        """Offer the other models of the session that can attend."""
        kept = self.other.currentText()
        known = tasks.known_models(self.session)
        names = [
            name
            for name, (model, _) in known.items()
            if "attend" in model.info.capabilities and model is not self.session.model
        ]
        self.other.clear()
        self.other.addItems(names)
        self.other.setCurrentIndex(max(self.other.findText(kept), 0))
        self.other.setVisible(self.boxes[OTHER].isChecked() and bool(names))

    def run(self) -> None:
        """Run the checks in the background."""
        self.context.attempt(self._start)

    def _start(self) -> None:
        session = self.session
        work = tasks.work_of(session, "attend")
        stream = drawn(session)
        which = tuple(name for name, box in self.boxes.items() if box.isChecked())
        if not which:
            raise ScfmError("No check is ticked.", "Tick one or more.")
        other = self._other() if OTHER in which else None

        def task(progress: Any) -> pd.DataFrame:
            return checked_stream(work, stream, which, other, progress)

        self.context.jobs.run(
            "Checking the model", task, lambda found: self._done(stream, found)
        )

    def _other(self) -> Any:
        self._offer()
        known = tasks.known_models(self.session)
        if not self.other.currentText():
            raise ScfmError(
                "There is no other model in this session that can attend.",
                "Load one in step 3, load this one again, and press Check.",
            )
        return known[self.other.currentText()][0]

    def _done(self, stream: Stream, found: pd.DataFrame) -> None:
        now = self.session.stream
        if now is None or now.attention is not stream.attention:
            self.session.say("Other streams are on show by now; check these.")
            return
        self.session.stream = replace(now, checks=found)
        against = int(found["warns"].sum())
        done = counted(len(found), "check was", "checks were")
        self.session.say(f"{done} made; {against or 'none'} against the picture.")

    def show_stream(self, stream: Stream | None) -> None:
        """Show what was found of a stream; nothing of one that was not checked."""
        found = None if stream is None else stream.checks
        while self.lines.count():
            self.lines.takeAt(0).widget().deleteLater()
        for row in () if found is None else found.to_dict("records"):
            line = hint(f"<b>{NAMES[row['check']]}</b><br>{row['sentence']}")
            line.setStyleSheet(WARNING if row["warns"] else CALM)
            self.lines.addWidget(line)
        self.results.setVisible(found is not None)


def drawn(session: Any) -> Stream:
    """Return the streams on show.

    Raises
    ------
    ScfmError
        If there are none, or they are of another model or FOV.
    """
    stream = session.stream
    if stream is None or session.fov is None or stream.fov != session.fov.name:
        raise ScfmError("No streams are drawn.", "Press Draw streams first.")
    if stream.model != session.model.info.name:
        raise ScfmError(
            f"The streams are of {stream.model}, but {session.model.info.name} is "
            "loaded.",
            "Draw the streams again, or load that model.",
        )
    return stream
