"""Step 8: train a model on the slide that is open."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFileDialog, QScrollArea, QWidget
from superqt.utils import qthrottled

from napari_scfm.errors import counted
from napari_scfm.viewer.sct_offer import cost_line
from napari_scfm.viewer.training import choices as training
from napari_scfm.viewer.training import run as train_run
from napari_scfm.viewer.training.curve import Curve
from napari_scfm.viewer.training.trained import advice, told, training_lines
from napari_scfm.widgets.step import Context, Step, button, hint, row
from napari_scfm.widgets.steps.loss_curve import LossCurve
from napari_scfm.widgets.steps.train_form import TrainForm

if TYPE_CHECKING:
    from napari_scfm.models.base import CellModel
    from napari_scfm.progress import Progress

EMPTY = "Open a slide first: a model learns from all its fields of view."
TITLE = "Training"


class TrainStep(Step):
    """Form, Train, Cancel, the loss as it falls, and Save."""

    def __init__(self, context: Context) -> None:
        super().__init__("8  Train", context)
        self.form = TrainForm()
        self.train = button("Train", self.run, "Train on the slide that is open")
        font = self.train.font()
        font.setBold(True)
        self.train.setFont(font)
        self.cancel = button(
            "Cancel", context.jobs.cancel, "Stop at the next step; nothing is changed"
        )
        self.cancel.setEnabled(False)
        self.curve = LossCurve()
        self.pace = hint()
        self.status = hint(EMPTY)
        self.save = button(
            "Save model…", self._ask_folder, "Write the weights into a folder"
        )
        self._mine = False
        self._told = Curve()
        self._columns_of: Any = None
        self._lay_out()
        self._listen()

    def _lay_out(self) -> None:
        self.body.addWidget(self.form)
        self.body.addLayout(row(self.train, self.cancel))
        for widget in (self.pace, self.curve, self.status, self.save):
            self.body.addWidget(widget)
        for widget in (self.pace, self.curve, self.save):
            widget.hide()

    def _listen(self) -> None:
        context, events = self.context, self.session.events
        context.listen(events.slide, self._on_slide)
        context.listen(events.fov, self._on_fov)
        context.listen(events.model, self._on_model)
        context.listen(events.mask, self._on_mask)
        context.jobs.progressed.connect(self._on_progress)
        context.jobs.finished.connect(self._on_finished)
        self.form.objective_changed.connect(self._on_objective)
        self.toggled.connect(self._read_labels)
        self._on_slide()
        self._on_model()
        self._on_mask()

    def run(self) -> None:
        """Train in the background; nothing is changed until it has ended well."""
        self.context.attempt(self._start)

    def _start(self) -> None:
        work = training.prepare(self.session, self.form.plan())

        def task(progress: Any) -> CellModel:
            model = train_run.train_on(work, progress)
            cost_line(model)
            return model

        if self.context.jobs.run(TITLE, task, self._done):
            self._mine = True
            self.session.say(training.begun(work))
            self._told = Curve()
            self.curve.show_curve(self._told)
            self.pace.setText("Reading the slide…")
            self._show_run(True)
            QTimer.singleShot(0, self._reveal)

    def _reveal(self) -> None:
        """Scroll the curve, or what came out, into view once it has its place."""
        area = self.parent()
        while area is not None and not isinstance(area, QScrollArea):
            area = area.parent()
        if area is not None:
            shown = (self.curve, self.status, self.save)
            for widget in filter(QWidget.isVisible, shown):
                area.ensureWidgetVisible(widget)

    def _show_run(self, running: bool) -> None:
        self.form.setEnabled(not running)
        self.train.setEnabled(not running)
        self.cancel.setEnabled(running)
        self.pace.setVisible(running)
        self.curve.setVisible(running or bool(self.curve.curve.steps))
        self.status.setVisible(not running and bool(self.status.text()))
        self._on_model()

    def _on_progress(self, progress: Progress) -> None:
        if not self._mine:
            return
        if self._told.add(progress):
            self._draw()
        elif progress.message:
            self.pace.setText(f"{progress.message}…")

    @qthrottled(timeout=100)
    def _draw(self) -> None:
        """Draw what was told so far; fast steps come many at a time."""
        self.curve.show_curve(self._told)
        self.pace.setText(f"{self._told.pace()}.")

    def _done(self, model: CellModel) -> None:
        train_run.take(self.session, model)
        self.session.say(told(model))
        lines = [*training_lines(model), advice(model, self._told.done)]
        if model.notes:
            lines.append(f"{counted(len(model.notes), 'note')}: point here to read.")
        self.status.setText("<br>".join(filter(None, lines)))
        self.status.setToolTip("\n".join(model.notes))

    def _on_finished(self, good: bool) -> None:
        if self._mine:
            self._mine = False
            self.curve.show_curve(self._told)
            if not good:
                why = self.session.message
                also = " Nothing was changed." if why.level == "error" else ""
                self.status.setText(why.text + also)
                self.status.setToolTip("")
            self._show_run(False)
            QTimer.singleShot(0, self._reveal)
        elif not good and not self.form.labels.isEnabled():
            self._columns_of = None  # perhaps they were not read: ask again later
        elif self._columns_of is None:
            self._read_labels()

    def _on_slide(self) -> None:
        slide = self.session.slide
        self._columns_of = None
        self.form.setVisible(slide is not None)
        if slide is not None:
            self._clear()
        names = [] if slide is None else slide.fovs
        self.form.offer_fovs(names, training.default_held_out(self.session))
        self.form.offer_labels({}, "not read yet")
        self._read_labels()
        self._on_fov()

    def _clear(self) -> None:
        """Forget what was told of the run before."""
        if not self._mine:
            self._told = Curve()
            self.curve.show_curve(self._told)
            self.curve.hide()
            self.status.clear()
            self.status.hide()

    def _on_objective(self) -> None:
        if self.session.slide is not None:
            self._clear()
        self._read_labels()

    def _on_fov(self) -> None:
        """Hold out the field of view that is shown, until a person chooses."""
        if self.session.slide is not None and not self.form.chosen:
            self.form.tick(training.default_held_out(self.session))
        self._on_model()

    def _on_model(self) -> None:
        model, new = self.session.model, train_run.unsaved(self.session)
        self.form.offer_model("" if model is None else model.info.name)
        self.save.setVisible(new is not None and not self._mine)
        if new is not None:
            self.save.setText(f"Save {new.info.name}…")

    def _on_mask(self) -> None:
        self.form.offer_hidden(training.hidden_genes(self.session))

    def _read_labels(self) -> None:
        """Look once for columns of labels, when somebody first wants them."""
        slide = self.session.slide
        wanted = self.isExpanded() and self.form.goal.labelled
        if slide is None or not wanted or self._columns_of is slide:
            return
        if self.context.jobs.running:
            self.form.offer_labels({}, "read when the work under way has ended")
            return

        def done(columns: dict[str, int]) -> None:
            if self.session.slide is slide:
                self.form.offer_labels(columns, "this slide has no labels")

        if self.context.jobs.run(
            "Reading the labels",
            lambda _: training.label_columns(slide.table.obs),
            done,
        ):
            self._columns_of = slide

    def _ask_folder(self) -> None:
        new = train_run.unsaved(self.session)
        if new is None:
            return
        path, _ = QFileDialog.getSaveFileName(
            self, "Save the model as a new folder", new.info.name
        )
        if path:
            self.save_as(Path(path))

    def save_as(self, folder: Path) -> None:
        """Write the trained model into a folder; go on with what was written."""
        model = train_run.unsaved(self.session)
        if model is None:
            return
        device = self.session.parts.get("device", "auto")

        def done(written: CellModel) -> None:
            train_run.forget(self.session, model)
            train_run.take(self.session, written, folder)
            self.session.say(f"The model is saved in {folder}.")

        self.context.jobs.run(
            f"Saving {folder.name}",
            lambda _: train_run.save(model, folder, device),
            done,
        )
