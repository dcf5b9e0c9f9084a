"""The Train step in a real window: choices, a short run, and every wrong click."""

from __future__ import annotations

import copy
import time

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_scfm.errors import ModelError
from napari_scfm.progress import report
from napari_scfm.training.sct.settings import SCTSettings
from napari_scfm.training.settings import TrainSettings
from napari_scfm.viewer.hiding import masking
from napari_scfm.viewer.open import open_slide, show_fov
from napari_scfm.viewer.training import choices as training
from napari_scfm.viewer.training import run as train_run
from napari_scfm.viewer.training.choices import settings_of
from napari_scfm.viewer.training.curve import Curve
from napari_scfm.widgets.steps.loss_curve import LossCurve, limits, ticks

pytestmark = pytest.mark.gui
ONE_WINDOW = True

NARROW = TrainSettings(
    width=16, layers=1, heads=2, latent=8, neighbours=(4,), draws=2, average=0.5
)


@pytest.fixture
def step(workbench, session, monkeypatch):
    """Return the open Train step; its models are as small as they can be."""
    monkeypatch.setattr(training, "settings_of", lambda *_: NARROW)
    workbench.model.device.setCurrentIndex(workbench.model.device.findData("cpu"))
    session.parts["device"] = "cpu"
    made = workbench.train
    made.expand(animate=False)
    form = made.form
    choose(made, "masked")
    form.start.setCurrentIndex(0)
    form.unit.setCurrentIndex(form.unit.findData("epochs"))
    form.more.setChecked(False)
    form.genes.clear()
    form.epochs.setValue(2)
    QTest.qWait(20)
    return made


def press(button) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def test_a_model_is_trained_chosen_and_saved(
    step, session, workbench, finish, tmp_path
):
    assert step.form.ticked() == ["F004"]
    press(step.train)
    assert not step.train.isEnabled()
    assert step.cancel.isEnabled()
    finish()
    assert session.message.level == "info", session.message
    assert session.model.info.name == "trained-masked"
    assert step.train.isEnabled()
    assert workbench.model.names.currentText() == "trained-masked"
    card = workbench.model.card.text()
    assert "guess hidden genes and cells" in card
    assert "F001, F002, F003" in card
    assert "Held out F004: Pearson of hidden genes" in card
    assert "Hide something in step 4" in session.message.text
    curve = step.curve.curve
    assert set(curve.training) == set(curve.held_out) == {1, 2}
    assert len(curve.steps) >= 10
    assert step.curve.isVisible()
    assert step.save.text() == "Save trained-masked…"
    folder = tmp_path / "mine"
    step.save_as(folder)
    finish()
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "model.safetensors",
    ]
    assert session.model.info.name == "mine"
    assert session.model.info.sha256
    assert not step.save.isVisible()
    assert workbench.model.names.findText("trained-masked") == -1


def test_an_sct_panel_is_trained_here_too(
    step, session, workbench, finish, monkeypatch, tmp_path
):
    tiny = SCTSettings(
        width=32,
        layers=1,
        heads=2,
        hidden=32,
        draws=1,
        scored=1,
        cells=10,
    )
    monkeypatch.setattr(training, "settings_of", lambda *_: tiny)
    choose(step, "sct")
    press(step.train)
    finish()
    assert session.message.level == "info", session.message
    assert session.model.info.name == "trained-sct"
    assert "Hide cells in step 4" in session.message.text
    card = workbench.model.card.text()
    assert "guess hidden cells (sCT)" in card
    assert "predicted, in less than 0.1 GB" in card
    assert set(step.curve.curve.held_out) == {1, 2}

    step.form.start.setCurrentIndex(1)
    choose(step, "impute")
    press(step.train)
    assert "trained-sct is an sCT network" in session.message.text

    # in a folder it is a model like others: listed, loaded again, nothing to agree to
    folder = tmp_path / "own"
    step.save_as(folder)
    finish()
    assert workbench.model.names.findText("trained-sct") == -1
    workbench.model.load_name("cellplm-mini")
    finish()
    choose(step, "sct")
    press(step.train)
    assert "cellplm-mini is no sCT network" in session.message.text
    workbench.model.names.setCurrentText("own")
    workbench.model.load_chosen()
    finish()
    assert session.model.info.name == "own"
    workbench.model.offer.chosen(folder)
    finish()
    assert session.model.info.name == "own"
    assert not workbench.model.offer.isVisible()


def test_the_window_asks_for_the_settings_of_the_family():
    plan = training.Plan(objective="sct")
    assert isinstance(settings_of(plan, "sct-panel"), SCTSettings)
    assert not isinstance(settings_of(plan, "cellplm"), SCTSettings)


def test_an_unsaved_model_predicts_and_the_other_one_comes_back(
    step, session, workbench, finish
):
    press(step.train)
    finish()
    masking.hide_genes(session, ["EPCAM", "CD3E"])
    for box in workbench.compare.baselines.values():
        box.setChecked(False)
    workbench.compare.run()
    finish()
    assert session.message.level == "info", session.message
    assert session.comparison.model == "trained-masked"
    assert "flatter" not in workbench.compare.status.text()
    assert workbench.compare.table.item(0, 0).text() == "trained-masked"
    names = workbench.model.names
    names.setCurrentText("cellplm-mini")
    workbench.model.load_chosen()
    finish()
    assert session.model.info.name == "cellplm-mini"
    assert not step.save.isVisible()
    names.setCurrentText("trained-masked")
    workbench.model.load_chosen()
    assert session.model.info.name == "trained-masked"
    assert step.save.isVisible()


def choose(step, objective: str) -> None:
    step.form.objective.setCurrentIndex(step.form.objective.findData(objective))


def endless(work, progress=None):
    """Train for ever: tell a falling loss until somebody cancels."""
    total = 1_000_000
    for done in range(total):
        figures = {
            "epoch": 1 + done // 20,
            "epochs": total // 20,
            "loss": 1 / (1 + done),
        }
        figures |= {"rate": 40.0, "seconds_left": 200.0}
        report(progress, done, total, "Epoch", **figures)
        time.sleep(0.001)


def test_the_curve_grows_and_cancel_changes_nothing(
    step, session, finish, qtbot, monkeypatch, slow_model
):
    session.model = before = slow_model()
    monkeypatch.setattr(train_run, "train_on", endless)
    press(step.train)
    assert "3 fields of view; F004 held out" in session.message.text
    qtbot.waitUntil(lambda: len(step.curve.curve.steps) > 40, timeout=60_000)
    assert "40 steps per second · about 3 minutes left" in step.pace.text()
    assert step.curve.isVisible()
    assert not step.form.isEnabled()
    press(step.cancel)
    finish()
    assert "cancelled; nothing was changed" in step.status.text()
    assert session.model is before
    assert not step.save.isVisible()
    assert step.form.isEnabled()
    assert step.train.isEnabled()
    assert not step.cancel.isEnabled()


def test_another_slide_begins_with_a_clean_step(
    step, session, viewer, slide, finish, monkeypatch
):
    def fail(work, progress=None):
        report(progress, 5, 10, "", epoch=1, epochs=2, loss=0.5)
        raise ModelError("The loss is no longer a number.", "Train a smaller model.")

    monkeypatch.setattr(train_run, "train_on", fail)
    press(step.train)
    finish()
    assert step.curve.isVisible()
    choose(step, "impute")
    assert not step.curve.isVisible()
    choose(step, "masked")
    press(step.train)
    finish()
    assert step.status.isVisible()
    open_slide(viewer, copy.copy(slide), "F002")
    assert not step.status.isVisible()


def test_closing_the_dock_stops_the_training(
    step, workbench, session, viewer, qtbot, monkeypatch
):
    ended = []

    def work(plan, progress=None):
        try:
            endless(plan, progress)
        finally:
            ended.append(True)

    monkeypatch.setattr(train_run, "train_on", work)
    press(step.train)
    qtbot.waitUntil(lambda: len(step.curve.curve.steps) > 5, timeout=60_000)
    viewer.window.remove_dock_widget(workbench)
    workbench.deleteLater()
    qtbot.waitUntil(lambda: bool(ended), timeout=60_000)
    QTest.qWait(250)
    assert session.model is None
    assert session.busy == ""


def test_a_failure_is_one_sentence_and_changes_nothing(
    step, session, finish, monkeypatch
):
    def fail(work, progress=None):
        raise ModelError("The loss is no longer a number.", "Train a smaller model.")

    monkeypatch.setattr(train_run, "train_on", fail)
    press(step.train)
    finish()
    assert step.status.text().startswith("The loss is no longer a number. Train")
    assert session.message.level == "error"
    assert step.status.text().endswith("Nothing was changed.")
    assert session.model is None
    assert step.train.isEnabled()


def test_another_job_leaves_the_train_step_alone(step, workbench, session, finish):
    workbench.model.load_name("cellplm-mini")
    press(step.train)
    assert "still under way" in session.message.text
    assert step.train.isEnabled()
    finish()
    assert not step.curve.isVisible()
    assert step.form.start.itemText(1) == "Loaded: cellplm-mini"


def test_only_what_an_objective_needs_is_asked(step, finish):
    form = step.form
    assert not form.labels.isVisible()
    assert not form.genes.isVisible()
    choose(step, "impute")
    assert form.genes.isVisible()
    assert form.reference.isVisible()
    choose(step, "annotate")
    finish()
    assert form.labels.isVisible()
    assert not form.genes.isVisible()
    assert form.labels.currentText() == "cell_type (8 classes)"
    assert form.plan().labels == "cell_type"
    choose(step, "masked")
    assert form.plan().labels == ""
    assert not form.size.isVisible()
    form.more.setChecked(True)
    assert form.size.isVisible()
    form.start.setCurrentIndex(1)
    assert not form.size.isVisible()
    assert form.seed.isVisible()
    form.unit.setCurrentIndex(form.unit.findData("minutes"))
    assert form.plan().minutes == form.minutes.value() > 0
    assert not form.epochs.isVisible()


def test_what_is_held_out_follows_the_picture_until_it_is_chosen(step, session, viewer):
    show_fov(viewer, "F002")
    assert step.form.ticked() == ["F002"]
    item = step.form.held_out.item(0)
    item.setCheckState(Qt.CheckState.Checked)
    show_fov(viewer, "F003")
    assert step.form.ticked() == ["F001", "F002"]


def test_what_is_held_out_is_in_sight(step):
    form = step.form
    form.offer_fovs([f"F{number:03}" for number in range(1, 31)], ["F020"])
    QTest.qWait(20)
    seen = form.held_out.visualItemRect(form.held_out.item(19))
    assert form.held_out.viewport().rect().contains(seen)


def test_one_field_of_view_cannot_be_held_out(step, viewer, slide, session):
    alone = type(slide)(
        slide.path,
        format=slide.format,
        fov_cells={"F001": slide.fov_cells["F001"]},
        report=slide.report,
        read_table=lambda: slide.table[slide.table.obs["fov"] == "F001"].copy(),
        read_fov=slide.fov,
    )
    open_slide(viewer, alone)
    assert not step.form.held_out.isVisible()
    assert "nothing can be held out" in step.form.alone.text()
    assert step.form.alone.isVisible()
    assert step.form.plan().held_out == ()


def test_wrong_choices_are_answered_in_words(step, session, finish):
    form = step.form

    def said() -> str:
        press(step.train)
        assert session.message.level == "error"
        assert not step.context.jobs.running
        return session.message.text

    form.start.setCurrentIndex(1)
    assert "No model is loaded to go on from" in said()
    form.start.setCurrentIndex(0)
    choose(step, "impute")
    assert "No gene to impute is chosen" in said()
    form.genes.setText("NOSUCH, EPCAM")
    assert "does not measure NOSUCH" in said()
    form.genes.clear()
    masking.hide_genes(session, ["EPCAM"])
    assert "the 1 gene hidden in step 4 (EPCAM)" in form.gene_count.text()
    form.tick(["F001", "F002", "F003", "F004"])
    assert "none is left to train on" in said()


def test_a_slide_without_labels_says_so(step, session, viewer, slide, finish):
    table = slide.table.copy()
    del table.obs["cell_type"]
    bare = type(slide)(
        slide.path,
        format=slide.format,
        fov_cells=slide.fov_cells,
        report=slide.report,
        read_table=lambda: table,
        read_fov=slide.fov,
    )
    open_slide(viewer, bare, "F001")
    choose(step, "supcon")
    finish()
    assert step.form.labels.currentText() == "this slide has no labels"
    press(step.train)
    assert "has no labels to learn from" in session.message.text


def test_an_annotating_model_names_the_cells(step, session, workbench, finish, viewer):
    choose(step, "annotate")
    finish()
    press(step.train)
    finish()
    assert session.model.info.name == "trained-annotate"
    assert "accuracy" in workbench.model.card.text()
    types = workbench.clusters.types
    workbench.clusters.expand(animate=False)
    types.unfold()
    types.by.setCurrentText("Trained model")
    assert types.model.currentText() == "trained-annotate"
    press(types.tell)
    finish()
    assert session.colour_by == "clusters"
    legend = workbench.legend.legend
    assert legend.title == "Cell types told by trained-annotate"
    assert legend.note == "predicted"
    assert "tumour" in [name for name, _ in legend.categories]
    features = viewer.layers["cells F004"].features
    assert set(features["label predicted"]) <= set(session.clusters.names)
    assert features["confidence"].between(0, 1).all()
    assert len(session.grouping.labels) == session.slide.table.n_obs


def test_scores_of_what_was_learned_from_are_called_flattering(
    step, session, workbench, finish, viewer, qtbot
):
    press(step.train)
    finish()
    show_fov(viewer, "F001")
    masking.hide_genes(session, ["EPCAM"])
    for box in workbench.compare.baselines.values():
        box.setChecked(False)
    workbench.compare.run()
    finish()
    status = workbench.compare.status
    qtbot.waitUntil(lambda: "learned from F001" in status.text(), timeout=60_000)
    assert "F004 was held out" in workbench.compare.status.text()


def test_a_curve_is_drawn_with_both_lines(qtbot):
    widget = LossCurve()
    qtbot.addWidget(widget)
    widget.resize(300, 160)
    blank = widget.grab().toImage()
    curve = Curve(epochs=4)
    curve.steps = [(0.1 * i, 1.0 - 0.02 * i) for i in range(40)]
    curve.training = {e: 1.0 - 0.2 * e for e in (1, 2, 3)}
    curve.held_out = {1: 0.9, 2: 0.6, 3: float("nan")}
    widget.show_curve(curve)
    drawn = widget.grab().toImage()
    assert drawn != blank
    colours = {
        drawn.pixelColor(x, y).name()
        for x in range(drawn.width())
        for y in range(drawn.height())
    }
    assert {"#56b4e9", "#e69f00"} <= colours
    assert "training 0.4" in widget.toolTip()


def test_axes_have_round_marks():
    assert ticks(0.38, 0.83) == pytest.approx([0.4, 0.5, 0.6, 0.7, 0.8])
    assert ticks(0, 50) == pytest.approx([0, 10, 20, 30, 40, 50])
    assert ticks(2.0, 2.0) == [2.0]
    low, high = limits(Curve())
    assert low < 0 < 1 < high
    broken = Curve(training={1: float("nan"), 2: 3.0})
    assert limits(broken)[0] < 3.0 < limits(broken)[1]
