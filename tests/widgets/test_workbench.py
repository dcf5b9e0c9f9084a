"""The workbench in a real window: what a person does, and what they then see."""

from __future__ import annotations

import time

import numpy as np
import pytest
from qtpy.QtCore import QMimeData, QPointF, Qt, QTimer, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtTest import QTest

from napari_scfm.progress import report
from napari_scfm.viewer import acts, tasks
from napari_scfm.viewer.hiding import masking

pytestmark = pytest.mark.gui
ONE_WINDOW = True


def test_fov_list_and_next_button(workbench, session, viewer):
    fovs = workbench.slide.fovs
    assert fovs.count() == 4
    assert fovs.currentItem().text().startswith("F004")
    assert f"{session.n_cells:,} cells" in fovs.currentItem().text()
    assert not workbench.slide.next.isEnabled()
    QTest.mouseClick(workbench.slide.previous, Qt.MouseButton.LeftButton)
    assert session.fov.name == "F003"
    fovs.setCurrentRow(0)
    assert session.fov.name == "F001"
    assert viewer.layers["cells F001"].visible


def test_gene_box_and_limits(workbench, session, qtbot):
    box = workbench.colour.genes
    assert len(box.shown) == session.fov.table.n_vars
    QTest.keyClicks(box.search, "epc")
    assert box.shown[0] == "EPCAM"
    QTest.keyClick(box.search, Qt.Key.Key_Return)
    assert (session.gene, session.colour_by) == ("EPCAM", "gene")
    assert workbench.legend.legend.title == "EPCAM, counts"
    box.search.setText("NOSUCH")
    QTest.keyClick(box.search, Qt.Key.Key_Return)
    assert "Gene 'NOSUCH' is not measured" in session.message.text
    assert session.gene == "EPCAM"
    slider = workbench.colour.limits
    assert slider.value()[1] == pytest.approx(
        workbench.legend.legend.limits[1], abs=0.1
    )
    slider.setValue((0.0, 3.0))
    qtbot.waitUntil(lambda: session.limits == (0.0, 3.0), timeout=60_000)
    assert workbench.legend.legend.limits == (0.0, 3.0)
    QTest.mouseClick(workbench.colour.auto, Qt.MouseButton.LeftButton)
    assert session.limits is None


def test_hide_predict_compare_and_blink(workbench, session, viewer, finish):
    workbench.model.load_name("gene-mean")
    finish()
    assert "gene-mean" in workbench.model.card.text()
    for step in (workbench.mask, workbench.compare):
        step.expand(animate=False)
    QTest.qWait(100)
    session.selection = np.arange(30)
    workbench.mask.choose("Cells")
    QTest.mouseClick(workbench.mask.cells.hide, Qt.MouseButton.LeftButton)
    assert "30 cells" in workbench.mask.status.text()
    for box in workbench.compare.baselines.values():
        box.setChecked(False)
    QTest.mouseClick(workbench.compare.predict, Qt.MouseButton.LeftButton)
    finish()
    assert session.message.level == "info", session.message
    assert workbench.compare.table.item(0, 0).text() == "gene-mean"
    assert viewer.canvas.grid.enabled
    shown = [layer.name for layer in viewer.layers if layer.visible]
    gene = session.gene
    assert shown == [
        f"{gene}: truth",
        f"{gene}: prediction by gene-mean",
        f"{gene}: error (prediction − truth)",
    ]
    colours = [viewer.layers[name].colormap.colors for name in shown[:2]]
    assert not np.allclose(*colours)
    acts.run(viewer, "blink")
    assert not viewer.canvas.grid.enabled
    assert "predicted by gene-mean" in workbench.legend.legend.note
    assert viewer.layers["cells F004"].visible
    acts.run(viewer, "blink")
    assert workbench.legend.legend.note == "measured"


def test_wrong_clicks_are_answered_in_words(workbench, session):
    def said(button) -> str:
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        assert session.message.level == "error"
        assert workbench.message.isVisible()
        return workbench.message.text()

    for step in (workbench.mask, workbench.compare, workbench.clusters):
        step.expand(animate=False)
    QTest.qWait(100)
    assert "No model is loaded" in said(workbench.compare.predict)
    workbench.mask.choose("Cells")
    QTest.qWait(50)  # the buttons of the page that came are not laid out yet
    assert "No cell is selected" in said(workbench.mask.cells.hide)
    workbench.mask.choose("Genes")
    workbench.mask.genes.checks.search.setText("NOSUCHGENE")
    workbench.mask.genes.hide_genes()
    assert "NOSUCHGENE" in workbench.message.text()
    acts.run(workbench.context.viewer, "blink")
    assert "no prediction" in workbench.message.text()
    workbench.attention.run()
    assert "No model is loaded" in workbench.message.text()
    session.model = _load("gene-mean")
    assert "Nothing is hidden" in said(workbench.compare.predict)
    workbench.attention.run()
    assert "cannot attend" in workbench.message.text()


def _load(name: str):
    from napari_scfm.models.hub import load_model

    return load_model(name)


def test_a_broken_slide_leaves_the_window_alive(
    workbench, session, tmp_path, finish, viewer
):
    broken = tmp_path / "Run_exprMat_file.csv"
    broken.write_text('fov,cell_ID,EPCAM\n1,1,"2')
    workbench.slide.open_path(tmp_path)
    finish()
    assert session.message.level == "error"
    assert (
        str(tmp_path) in workbench.message.text() or "Run_" in workbench.message.text()
    )
    assert session.fov.name == "F004"
    assert viewer.layers["cells F004"].visible


def test_clusters_are_painted_with_their_legend(workbench, session, slow_model, finish):
    session.model = slow_model()
    workbench.clusters.run()
    finish()
    assert session.colour_by == "clusters"
    count = int(session.clusters.values.max()) + 1
    assert count >= 2
    assert len(workbench.legend.legend.categories) == count
    assert f"{count} clusters" in workbench.clusters.status.text()


def test_attention_is_drawn_as_streams_with_its_caveat(
    workbench, session, viewer, slow_model, finish
):
    session.model = slow_model()
    workbench.attention.run()
    finish()
    assert session.message.level == "info", session.message
    layer = viewer.layers["model attention (slow)"]
    assert "not evidence of communication" in layer.metadata["description"]
    assert viewer.layers.selection.active.name == "cells F004"
    assert "p = " in workbench.attention.result.text()
    assert sum(session.stream.field.shares) == pytest.approx(1, abs=0.05)


def test_the_window_answers_while_predicting_and_cancel_stops(
    workbench, session, monkeypatch, finish, qtbot
):
    beats: list[str] = []
    timer = QTimer()
    timer.timeout.connect(lambda: beats.append(session.busy))
    weights = np.random.default_rng(0).random((400, 400))
    stopped = []

    def predict(work, asked, progress=None):
        try:
            for done in range(1_000_000):
                report(progress, done, 1_000_000, "predicting")
                _ = weights @ weights
        finally:
            stopped.append(done)

    monkeypatch.setattr(tasks, "predict", predict)
    session.model = _load("gene-mean")
    masking.hide_genes(session, ["EPCAM"])
    timer.start(5)
    workbench.compare.run()
    assert not workbench.jobs.run("Another", lambda _: None, lambda _: None)
    assert "still under way" in session.message.text
    qtbot.waitUntil(lambda: sum(map(bool, beats)) >= 5, timeout=60_000)
    assert workbench.progress.isVisible()
    QTest.mouseClick(workbench.cancel, Qt.MouseButton.LeftButton)
    finish()
    timer.stop()
    assert stopped
    assert stopped[0] < 999_999
    assert session.comparison is None
    assert "cancelled" in session.message.text
    assert not workbench.progress.isVisible()


def test_a_crash_in_a_model_becomes_a_sentence(workbench, session, monkeypatch, finish):
    def predict(work, asked, progress=None):
        raise KeyError("weights")

    monkeypatch.setattr(tasks, "predict", predict)
    session.model = _load("gene-mean")
    masking.hide_genes(session, ["EPCAM"])
    workbench.compare.run()
    finish()
    assert "failed: KeyError" in workbench.message.text()
    assert session.busy == ""


def test_a_slide_can_be_dropped_on_the_dock(workbench, sample, finish):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(sample))])
    event = QDropEvent(
        QPointF(10, 10),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    workbench.dropEvent(event)
    finish()
    assert workbench.context.session.fov.name == "F001"
    assert workbench.slide.fovs.isVisible()
    assert "214 genes" in workbench.message.text()


def test_closing_the_dock_stops_its_job(viewer, workbench, session, qtbot):
    ended = []

    def work(progress):
        try:
            for done in range(1000):
                report(progress, done, 1000)
                time.sleep(0.005)
        finally:
            ended.append(done)

    workbench.jobs.run("Counting", work, lambda _: ended.append("delivered"))
    QTest.qWait(50)
    viewer.window.remove_dock_widget(workbench)
    workbench.deleteLater()
    qtbot.waitUntil(lambda: bool(ended), timeout=60_000)
    QTest.qWait(150)
    assert len(ended) == 1
    assert ended[0] < 999
    assert session.busy == ""


def test_closing_the_dock_lets_go_of_the_session(viewer, workbench, session, qtbot):
    links = workbench.context.links
    assert links
    viewer.window.remove_dock_widget(workbench)
    workbench.deleteLater()
    qtbot.waitUntil(lambda: not links, timeout=60_000)
    acts.colour_by_gene(session, "EPCAM")
    assert session.gene == "EPCAM"
