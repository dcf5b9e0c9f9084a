"""Step 5: predict what is hidden, and compare with the truth and the baselines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLabel
from superqt.utils import signals_blocked

from napari_scfm.errors import SlideError, named
from napari_scfm.viewer import acts, compare, tasks
from napari_scfm.viewer.acts import colour_by_gene, show_comparison
from napari_scfm.viewer.compared import by_model
from napari_scfm.viewer.hiding import selection
from napari_scfm.viewer.layout import LATER
from napari_scfm.viewer.look import comparison_of
from napari_scfm.widgets.idle import Idle, Turns
from napari_scfm.widgets.section import Section
from napari_scfm.widgets.step import Context, Step, button, hint, narrow, row
from napari_scfm.widgets.steps.compare_keep import KeepRow, read_report_ahead
from napari_scfm.widgets.steps.compare_who import WhoPane
from napari_scfm.widgets.steps.score_table import ScoreTable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_scfm.viewer.session import Comparison

EMPTY = (
    "Hide genes or cells, then press Predict. Simple baselines are scored beside the "
    "model, so that a good-looking map cannot oversell it."
)


class CompareStep(Step):
    """Predict, who guesses, scores, gene chooser, views of the comparison."""

    def __init__(self, context: Context) -> None:
        super().__init__("5  Predict and compare", context)
        self.predict = button(
            "Predict", self.run, "Guess back what is hidden here", "predict"
        )
        font = self.predict.font()
        font.setBold(True)
        self.predict.setFont(font)
        self.everywhere = button(
            "Run on all FOVs", self.run_all, "The same on every field of view in turn"
        )
        self.who = WhoPane(context)
        self.baselines = self.who.baselines
        self.status = hint(EMPTY)
        self.table = ScoreTable()
        self.table.chosen.connect(self.show_model)
        self._make_views(context)
        self.idle, self.soon, self.turns = Idle(self), Idle(self), Turns(self)
        self.keep = KeepRow(context, lambda: self.who.asked())
        self._lay_out()
        self._listen()

    def _make_views(self, context: Context) -> None:
        self.models = narrow(QComboBox(), 8)
        self.models.setToolTip("Whose prediction is on show")
        self.models.textActivated.connect(self.show_model)
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
        self.blink = button(
            "Blink", go("blink"), "Swap truth and prediction in place", "blink"
        )
        self.curtain = button(
            "Curtain",
            go("curtain"),
            "Truth left, prediction right of a line",
            "curtain",
        )
        for made in (self.side, self.curtain):
            made.setCheckable(True)
        self.fade = QCheckBox("Fade what is uncertain")
        self.fade.toggled.connect(self._on_fade_box)
        self.views = self._views()

    def _views(self) -> Section:
        choices = QGridLayout()
        choices.setSpacing(4)
        for line, (text, box) in enumerate(
            (("On show", self.models), ("Gene", self.genes))
        ):
            choices.addWidget(QLabel(text), line, 0)
            choices.addWidget(box, line, 1)
        choices.setColumnStretch(1, 1)
        views = Section("On the tissue", True)
        views.add(
            choices,
            row(self.side, self.blink, self.curtain),
            self.fade,
        )
        return views

    def _lay_out(self) -> None:
        self.body.addWidget(self.who)
        self.body.addLayout(row(self.predict, self.everywhere))
        self.body.addWidget(self.status)
        self.body.addWidget(self.table)
        self.body.addWidget(self.views)
        self.body.addWidget(self.keep)

    def _listen(self) -> None:
        context, events = self.context, self.session.events
        context.listen(events.comparison, self._on_comparison)
        context.listen(events.fov, self._on_comparison)
        context.listen(events.gene, self._on_gene)
        for event in (events.side_by_side, events.shown, events.curtain):
            context.listen(event, self._on_side)
        context.listen(events.fade_uncertain, self._on_fade)
        self.session.parts["predict"] = self.run
        self.session.parts[LATER] = self.turns.call
        context.listen(events.fov, self._on_fov)
        self._on_fov()
        self._on_comparison()

    def run(self) -> None:
        """Predict in the background; show the comparison when it is done."""
        self.context.attempt(self._start, ())

    def run_all(self) -> None:
        """Predict on every field of view of the slide."""
        slide = self.session.slide
        self.context.attempt(self._start, () if slide is None else tuple(slide.fovs))

    def _start(self, fovs: tuple[str, ...]) -> None:
        work = tasks.work_of(self.session, "impute")
        tasks.hidden_mask(work)
        asked = self.who.asked(fovs)

        def task(progress: Any) -> Comparison:
            return tasks.predict(work, asked, progress=progress)

        where = f" on {len(fovs)} fields of view" if fovs else ""
        title = f"Predicting with {work.model.info.name}{where}"
        if self.context.jobs.run(title, task, self._done):
            self.idle.walk(compare.prepare(self.context.viewer, self.session))
            read_report_ahead()

    def _done(self, made: Comparison) -> Iterator[None]:
        """Take the prediction over: numbers, then tiles out of sight, then the view."""
        self.idle.stop()
        session, viewer = self.session, self.context.viewer
        session.comparison = made
        yield
        if comparison_of(session) is not made:
            session.say(f"The prediction of {made.fov} is ready; go back to see it.")
            return
        acts.look_at_a_guess(session, made)
        yield
        yield from compare.prepare(viewer, session)
        if comparison_of(session) is made and made.genes:
            show_comparison(session, made)
        yield
        session.say(told(made))

    def show_model(self, name: str) -> None:
        """Put another model's prediction on show, prepared in the background."""
        self.context.attempt(self._show_model, name)

    def _show_model(self, name: str) -> None:
        made = comparison_of(self.session)
        if made is None or name == made.model:
            return
        if made.result is None:
            raise SlideError("Only one prediction is known.", "Press Predict again.")

        def done(other: Comparison) -> None:
            self.session.comparison = other
            self.session.say(f"On show: predicted by {name}.")

        self.context.jobs.run(f"Showing {name}", lambda _: by_model(made, name), done)

    def _on_fov(self) -> None:
        """Make ahead what the first acts on a field of view need."""
        if self.session.fov is not None:
            self.soon.walk(self._ahead())

    def _ahead(self) -> Iterator[None]:
        yield
        painter = self.session.parts.get("painter")
        if painter is None or painter.layers.cells is None:
            return
        yield from painter.ahead()
        yield
        selection.ahead(self.context.viewer, self.session)

    def _on_comparison(self) -> None:
        made = comparison_of(self.session)
        for part in (self.table, self.views):
            part.setVisible(made is not None)
        self.keep.follow(made)
        if made is None:
            self.genes.clear()
            self.status.setText(EMPTY)
            return
        if [self.genes.itemText(i) for i in range(self.genes.count())] != made.genes:
            self.genes.clear()
            self.genes.addItems(made.genes)
        self.status.setText(scored(made))
        self.table.fill(made.summary, made.model)
        with signals_blocked(self.models):
            self.models.clear()
            self.models.addItems(made.models or (made.model,))
            self.models.setCurrentText(made.model)
        self.fade.setEnabled(made.spread is not None)
        tip = "Ask for draws above first" if made.spread is None else "See the legend"
        self.fade.setToolTip(f"Predictions that repeats disagree on are faint. {tip}.")
        self._on_gene()
        self._on_side()
        self._on_fade()

    def _on_gene(self) -> None:
        session, jobs = self.session, self.context.jobs
        seen = session.side_by_side or jobs.running
        if comparison_of(session) is not None and not seen:
            self.idle.walk(compare.prepare(self.context.viewer, session))
        self.genes.setCurrentIndex(self.genes.findText(self.session.gene))

    def _on_side(self) -> None:
        self.side.setChecked(self.session.side_by_side)
        self.curtain.setChecked(self.session.curtain is not None)

    def _on_fade_box(self, on: bool) -> None:
        self.session.fade_uncertain = on

    def _on_fade(self) -> None:
        self.fade.setChecked(self.session.fade_uncertain)


def scored(made: Comparison) -> str:
    """Return what the scores are of, as the line above the table."""
    warning = made.about.get("warning", "")
    said = f"{warning} Scores" if warning else "Scores"
    count = made.summary["n_entries"].iloc[0] if "n_entries" in made.summary else 0
    much = f"{int(count):,} hidden entries" if count else "the hidden entries"
    lost = made.summary["n_entries_left_out"].iloc[0] if count else 0
    if lost:
        much += f" ({int(lost):,} more left out: not every model can predict them)"
    fovs = () if made.result is None else made.result.spec.fovs
    where = f" of {len(fovs)} fields of view" if len(fovs) > 1 else ""
    return f"{said} of {much}{where}, log1p counts:"


def told(made: Comparison) -> str:
    """Return what was predicted, and what the model could not."""
    blind = [gene for gene in made.genes if not made.guessed(gene)]
    done = len(made.genes) - len(blind)
    text = f"{made.model} predicted {done} of {len(made.genes)} genes of {made.fov}."
    return f"{text} Unknown to it: {named(blind, 4)}." if blind else text
