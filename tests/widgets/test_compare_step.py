"""Step 5 by clicking: who guesses, where, and what is kept of it."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_scfm.errors import SlideError
from napari_scfm.experiments.result import load_result
from napari_scfm.experiments.sweep import sweep_spec
from napari_scfm.models.hub import load_model
from napari_scfm.viewer import acts, compare
from napari_scfm.viewer.hiding import masking
from napari_scfm.widgets.steps.sweep_dialog import SweepDialog, run_sweep
from napari_scfm.widgets.steps.sweep_view import SweepView

pytestmark = pytest.mark.gui
ONE_WINDOW = True


@pytest.fixture
def step(workbench, session):
    session.model = load_model("gene-mean")
    made = workbench.compare
    made.expand(animate=False)
    for name, box in made.baselines.items():
        box.setChecked(name == "knn-space")
    masking.hide_genes(session, ["EPCAM", "KRT8", "CD3E"])
    QTest.qWait(50)
    return made


def test_several_models_are_scored_in_one_table(step, session, finish):
    assert "gene-mean (loaded)" in step.who.loaded.text()
    step.who.models["cellplm-mini"].setChecked(True)
    QTest.mouseClick(step.predict, Qt.MouseButton.LeftButton)
    finish()
    assert session.message.level == "info", session.message
    names = [step.table.item(i, 0).text() for i in range(step.table.rowCount())]
    assert names == ["gene-mean", "cellplm-mini", "knn-space"]
    assert session.comparison.models == tuple(names)
    assert "1,065 hidden entries" in step.status.text()
    assert "hidden entries" in step.table.item(0, 1).toolTip()
    step.table.cellClicked.emit(1, 0)
    finish()
    assert session.comparison.model == "cellplm-mini"
    assert step.models.currentText() == "cellplm-mini"
    assert step.table.item(1, 0).font().bold()
    assert not step.table.item(0, 0).font().bold()


def test_repeats_allow_fading(step, session, finish):
    step.who.draws.setCurrentIndex(1)
    step.run()
    finish()
    assert session.comparison.spread is not None
    assert step.fade.isEnabled()
    step.fade.click()
    assert session.fade_uncertain
    assert session.comparison.result.spec.draws == 10


def test_all_fovs_and_what_was_left_behind_when_cancelled(step, session, finish):
    QTest.mouseClick(step.everywhere, Qt.MouseButton.LeftButton)
    finish()
    assert "4 fields of view" in step.status.text()
    assert len(session.comparison.result.per_fov["fov"].unique()) == 4
    before = session.comparison
    step.run()
    step.context.jobs.cancel()
    finish()
    assert session.comparison is before
    assert "cancelled" in session.message.text


def test_the_key_predicts_and_it_is_seen_by_grid_or_curtain_and_saved_whole(
    step, session, viewer, finish, tmp_path
):
    acts.run(viewer, "predict")
    finish()
    assert session.comparison is not None
    assert viewer.canvas.grid.enabled
    QTest.mouseClick(step.curtain, Qt.MouseButton.LeftButton)
    assert session.curtain is not None
    assert not viewer.canvas.grid.enabled
    assert step.curtain.isChecked()
    assert "predicted by gene-mean" in session.parts["painter"].legend.note
    acts.run(viewer, "curtain")
    assert not step.curtain.isChecked()
    step.keep.save_to(tmp_path / "result")
    finish()
    made = load_result(tmp_path / "result")
    np.testing.assert_array_equal(
        made.prediction(), session.comparison.result.prediction()
    )


def test_tiles_are_made_while_the_model_works(step, session, viewer, finish, qtbot):
    step.idle.walk(compare.prepare(viewer, session))
    qtbot.waitUntil(lambda: not step.idle.busy, timeout=60_000)
    tiles = session.parts["tiles"].layers
    assert len(tiles) == 3
    assert not any(layer.visible for layer in tiles)
    assert viewer.layers.selection.active.name == "cells F004"
    step.run()
    finish()
    assert session.parts["tiles"].layers == tiles
    assert all(layer.visible for layer in tiles)


def test_a_job_goes_on_until_its_result_is_handed_over(workbench, session, finish):
    seen, jobs = [], workbench.jobs

    def done(value):
        seen.append(value)
        yield
        seen.append(jobs.running)
        yield
        raise SlideError("It does not fit.", "Take another.")

    assert jobs.run("Working", lambda progress: 7, done)
    finish()
    assert seen == [7, True]
    assert session.message.level == "error"
    assert "does not fit" in session.message.text
    assert not session.busy


def test_nothing_to_copy_says_so(step, session):
    masking.clear(session)
    QApplication.clipboard().setText("before")
    step.keep.copy_command()
    assert "Nothing is hidden" in session.message.text
    assert QApplication.clipboard().text() == "before"


def test_a_sweep_shows_its_curves_and_exports_them(
    step, session, viewer, finish, tmp_path
):
    dialog = SweepDialog("F004", step)
    dialog.what.setCurrentIndex(2)
    assert dialog.fields()["values"] == (5, 10, 20, 40)
    dialog.what.setCurrentIndex(0)
    dialog.values.setText("20 %, 60")
    dialog.seeds.setValue(1)
    fields = dialog.fields()
    assert fields["values"] == (0.2, 0.6)
    run_sweep(step.context, sweep_spec(**fields, models=("ridge",), fovs=("F004",)))
    finish()
    assert "Sweep of 2 runs is done" in session.message.text
    (view,) = (w for w in QApplication.allWidgets() if isinstance(w, SweepView))
    assert view.canvas.figure.axes
    view.export(tmp_path / "sweep")
    finish()
    names = {path.name for path in (tmp_path / "sweep").iterdir()}
    assert {"curves.png", "curves.svg", "curves.csv", "sweep.json"} <= names


def test_wrong_values_of_a_sweep_are_told(step, session):
    dialog = SweepDialog("F004", step)
    dialog.values.setText("ten, 500")

    def act():
        sweep_spec(**dialog.fields())

    assert not step.context.attempt(act)
    assert session.message.level == "error"
