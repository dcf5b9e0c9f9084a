"""Sessions in a real window: saved, reopened, autosaved, dropped, and asked about."""

from __future__ import annotations

import json
import shutil

import numpy as np
import platformdirs
import pytest
from napari.components import ViewerModel
from npe2 import PluginManager
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QMessageBox, QWidget

from napari_scfm.experiments.slide_experiment import run_on_slide
from napari_scfm.experiments.spec import ExperimentSpec
from napari_scfm.masks.spec import MaskSpec
from napari_scfm.models.hub import load_model
from napari_scfm.slides.read import read_slide
from napari_scfm.viewer import acts, tasks
from napari_scfm.viewer.arrival import show_workbench
from napari_scfm.viewer.hiding import masking
from napari_scfm.viewer.open import open_slide
from napari_scfm.viewer.session import session_of
from napari_scfm.viewer.sessions.autosave import autosave_path
from napari_scfm.viewer.sessions.file import read_session_file, side_car
from napari_scfm.viewer.sessions.save import save_session
from napari_scfm.widgets.sessions import autosave as session_autosave
from napari_scfm.widgets.sessions import dialogs as session_dialogs

pytestmark = pytest.mark.gui


@pytest.fixture(scope="module")
def home(tmp_path_factory, sample):
    """Return a folder with a copy of the sample slide in it."""
    folder = tmp_path_factory.mktemp("home")
    shutil.copytree(sample, folder / "slide")
    return folder


@pytest.fixture
def opened(viewer, workbench, home):
    """Return the session of a window that shows the copy's second FOV."""
    session = open_slide(viewer, read_slide(home / "slide"), "F002")
    QTest.qWait(50)
    return session


def compared(session) -> None:
    """Hide genes and cells, let k-NN guess, and show truth beside prediction."""
    masking.hide_random_genes(session, 4)
    masking.hide(session, MaskSpec(cells=tuple(session.fov.table.obs_names[:40])))
    session.model = load_model("knn-space")
    work = tasks.work_of(session, "impute")
    acts.show_comparison(session, tasks.predict(work, tasks.Asked(("gene-mean",))))


@pytest.fixture
def saved(qtbot):
    """Return a function that saves and waits until the session is on disk."""

    def save(bar, path):
        bar.save_as(path)
        qtbot.waitUntil(lambda: bar.path == path, timeout=60_000)
        return path

    return save


def drop(widget: QWidget, path) -> None:
    """Drag a file or folder onto a widget and let it go there."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    held = data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    copy = Qt.DropAction.CopyAction
    QApplication.sendEvent(widget, QDragEnterEvent(QPoint(10, 10), copy, *held))
    QApplication.sendEvent(widget, QDropEvent(QPointF(10, 10), copy, *held))


def click_in_dialog(text: str, seen: list[str]) -> None:
    """Click a button of the next message box once it is there; note what it says."""

    def click() -> None:
        box = QApplication.activeModalWidget()
        if not isinstance(box, QMessageBox):
            QTimer.singleShot(20, click)
            return
        seen.append(f"{box.text()} {box.informativeText()}")
        (chosen,) = [b for b in box.buttons() if text in b.text()]
        QTest.mouseClick(chosen, Qt.MouseButton.LeftButton)

    QTimer.singleShot(20, click)


def test_the_reopened_window_shows_the_same_pixels(
    make_napari_viewer, viewer, workbench, opened, home, saved, qtbot
):
    compared(opened)
    opened.update({"colormap": "magma", "selection": np.array([1, 2, 3])})
    workbench.compare.expand(animate=False)
    workbench.slide.collapse(animate=False)
    workbench.compare.baselines["ridge"].setChecked(False)
    viewer.scene.camera.zoom *= 1.3
    QTest.qWait(200)
    before = viewer.screenshot(flash=False)
    saved(workbench.sessions, home / "pixels.scfm.json")
    fresh = make_napari_viewer(show=True)
    fresh.window.resize(1400, 900)
    bench = show_workbench(fresh)
    bench.sessions.open_path(home / "pixels.scfm.json")
    qtbot.waitUntil(lambda: not bench.jobs.running, timeout=60_000)
    QTest.qWait(200)
    assert session_of(fresh).message.level == "info", session_of(fresh).message
    after = fresh.screenshot(flash=False)
    assert after.shape == before.shape
    assert np.ptp(before[..., :3]) > 100, "something is on the canvas"
    assert (after != before).any(axis=-1).mean() < 1e-4
    cells = [
        [
            bench_.compare.table.item(row, column).text()
            for row in range(bench_.compare.table.rowCount())
            for column in range(bench_.compare.table.columnCount())
        ]
        for bench_ in (workbench, bench)
    ]
    assert cells[0] == cells[1]
    assert bench.compare.isExpanded()
    assert not bench.slide.isExpanded()
    assert not bench.compare.baselines["ridge"].isChecked()
    assert bench.mask.undo.isEnabled()


def test_save_asks_once_and_the_key_saves_again(
    workbench, opened, home, monkeypatch, qtbot
):
    asked = []
    path = home / "asked"

    def ask(parent, start):
        asked.append(start)
        return path

    monkeypatch.setattr(session_dialogs, "ask_save", ask)
    QTest.mouseClick(workbench.sessions.save, Qt.MouseButton.LeftButton)
    file = home / "asked.scfm.json"
    qtbot.waitUntil(lambda: workbench.sessions.path == file, timeout=60_000)
    assert "is saved in" in workbench.message.text()
    assert asked[0].name == "Synthetic.scfm.json"
    masking.hide_genes(opened, ["EPCAM"])
    acts.run(workbench.context.viewer, "save_session")
    qtbot.waitUntil(lambda: "F002" in read_session_file(file).masks, timeout=60_000)
    assert len(asked) == 1


def test_save_without_a_slide_and_cancelled_dialogs_change_nothing(
    viewer, workbench, monkeypatch
):
    assert not workbench.sessions.save.isEnabled()
    acts.run(viewer, "save_session")
    assert "No slide is open" in workbench.message.text()
    monkeypatch.setattr(session_dialogs, "ask_open", lambda *_: None)
    QTest.mouseClick(workbench.sessions.open, Qt.MouseButton.LeftButton)
    assert not workbench.jobs.running


def test_a_damaged_file_is_one_sentence_and_the_window_stays(
    viewer, workbench, opened, home, finish
):
    (home / "bad.scfm.json").write_text("{")
    masking.hide_genes(opened, ["EPCAM"])
    workbench.sessions.open_path(home / "bad.scfm.json")
    finish()
    assert opened.message.level == "error"
    assert "bad.scfm.json is damaged" in workbench.message.text()
    assert opened.mask.hidden_genes == ["EPCAM"]
    assert viewer.layers["cells F002"].visible


def test_a_slide_that_moved_is_asked_for(
    workbench, viewer, opened, home, finish, monkeypatch, saved
):
    path = saved(workbench.sessions, home / "moving.scfm.json")
    values = json.loads(path.read_text("utf-8"))
    values["slide"]["place"] = {"relative": "gone", "absolute": "/nowhere/slide"}
    path.write_text(json.dumps(values), "utf-8")
    seen: list[str] = []
    click_in_dialog("Cancel", seen)
    workbench.sessions.open_path(path)
    finish()
    assert "neither at" in seen[0]
    assert "was cancelled; nothing was changed" in workbench.message.text()
    dialogs = session_dialogs.QFileDialog
    monkeypatch.setattr(dialogs, "getExistingDirectory", lambda *_: str(home / "slide"))
    click_in_dialog("Folder", seen)
    workbench.sessions.open_path(path)
    finish()
    assert "is open: F002" in workbench.message.text()
    assert opened.slide.path == home / "slide"


def test_what_is_lost_is_told_before_the_rest_is_opened(
    workbench, opened, home, finish, saved
):
    opened.selection = np.array([1, 2])
    opened.model = load_model("ridge")
    path = saved(workbench.sessions, home / "lost.scfm.json")
    values = json.loads(path.read_text("utf-8"))
    values["view"]["selection"] = ["nobody"]
    path.write_text(json.dumps(values), "utf-8")
    opened.model = None
    seen: list[str] = []
    click_in_dialog("Cancel", seen)
    workbench.sessions.open_path(path)
    finish()
    assert "The selection is left out" in seen[0]
    assert "nobody" in seen[0]
    assert opened.model is None
    click_in_dialog("Open the rest", seen)
    workbench.sessions.open_path(path)
    finish()
    assert opened.model.info.name == "ridge"
    assert len(opened.selection) == 0


def test_closing_the_dock_while_it_asks_ends_the_job(
    viewer, workbench, opened, home, qtbot, monkeypatch, saved
):
    path = saved(workbench.sessions, home / "closing.scfm.json")
    values = json.loads(path.read_text("utf-8"))
    values["slide"]["place"] = {}
    path.write_text(json.dumps(values), "utf-8")
    asked = []

    def ask(parent, wanted):
        asked.append(wanted)
        viewer.window.remove_dock_widget(workbench)
        workbench.deleteLater()

    monkeypatch.setattr(session_dialogs, "ask_slide", ask)
    workbench.sessions.open_path(path)
    qtbot.waitUntil(lambda: bool(asked), timeout=60_000)
    qtbot.waitUntil(lambda: opened.busy == "", timeout=60_000)
    assert opened.fov.name == "F002"


@pytest.fixture
def autosaving(monkeypatch, tmp_path):
    """Switch autosave on, let it write soon, and keep it out of the user's folder."""
    monkeypatch.setenv("NAPARI_SCFM_AUTOSAVE", "1")
    monkeypatch.setattr(platformdirs, "user_data_path", lambda _: tmp_path / "user")
    monkeypatch.setattr(session_autosave, "WAIT", 150)
    monkeypatch.setattr(session_autosave, "SETTLE", 20)


@pytest.fixture
def alone(home, tmp_path):
    """Return a copy of the slide that no other test writes beside."""
    shutil.copytree(home / "slide", tmp_path / "slide")
    return tmp_path / "slide"


def test_work_is_autosaved_and_offered_but_never_opened_by_itself(
    viewer, workbench, autosaving, alone, qtbot, finish, sample
):
    bar = workbench.sessions
    session = open_slide(viewer, read_slide(alone), "F003")
    assert not bar.offer.isVisible()
    acts.colour_by_gene(session, "EPCAM")
    qtbot.waitUntil(lambda: not bar.autosave.busy, timeout=60_000)
    path = autosave_path(session.slide)
    assert path == alone / "autosave.scfm.json"
    QTest.qWait(250)
    assert not path.exists(), "a look at a slide is no work"
    compared(session)
    qtbot.waitUntil(path.exists, timeout=60_000)
    qtbot.waitUntil(lambda: not bar.autosave.busy, timeout=60_000)
    part = next(side_car(path).iterdir())
    written = (part / "about.json").stat().st_mtime_ns
    session.side_by_side = False
    kept = read_session_file(path)
    masking.hide_genes(session, ["CD3E"])
    qtbot.waitUntil(lambda: read_session_file(path) != kept, timeout=60_000)
    qtbot.waitUntil(lambda: not bar.autosave.busy, timeout=60_000)
    assert (part / "about.json").stat().st_mtime_ns == written
    hidden = session.mask.n_hidden
    open_slide(viewer, read_slide(sample), "F001")
    assert not bar.offer.isVisible()
    bar.autosave.mine.clear()  # as in another window
    fresh = read_slide(alone)
    open_slide(viewer, fresh)
    assert bar.offer.isVisible()
    assert bar.line.text().startswith("Autosaved at ")
    assert "F003, masks, a prediction" in bar.line.toolTip()
    assert session.mask is None
    QTest.mouseClick(bar.reopen, Qt.MouseButton.LeftButton)
    finish()
    assert session.fov.name == "F003"
    assert session.mask.n_hidden == hidden
    assert not bar.offer.isVisible()
    assert bar.path is None, "Save asks where, it does not write over the autosave"


def test_work_is_not_lost_with_the_slide_that_goes(
    viewer, workbench, autosaving, alone, sample, monkeypatch, qtbot
):
    monkeypatch.setattr(session_autosave, "WAIT", 60_000)
    session = open_slide(viewer, read_slide(alone), "F001")
    path = autosave_path(session.slide)
    masking.hide_genes(session, ["EPCAM"])
    autosave = workbench.sessions.autosave
    qtbot.waitUntil(lambda: autosave.pending is not None, timeout=60_000)
    other = open_slide(viewer, read_slide(sample), "F001").slide
    qtbot.waitUntil(path.exists, timeout=60_000)
    assert read_session_file(path).masks["F001"].steps[-1].genes == ("EPCAM",)
    assert autosave_path(other).is_relative_to(alone.parent / "user")


def test_an_autosave_that_was_not_reopened_is_kept_aside(
    viewer, workbench, autosaving, alone, qtbot
):
    bar = workbench.sessions
    session = open_slide(viewer, read_slide(alone), "F001")
    masking.hide_genes(session, ["EPCAM"])
    path = autosave_path(session.slide)
    qtbot.waitUntil(path.exists, timeout=60_000)
    bar.autosave.mine.clear()  # as in another window
    open_slide(viewer, read_slide(alone), "F002")
    QTest.mouseClick(bar.dismiss, Qt.MouseButton.LeftButton)
    assert not bar.offer.isVisible()
    masking.hide_genes(session, ["CD3E"])
    aside = alone / "autosave-before.scfm.json"
    qtbot.waitUntil(lambda: aside.exists() and path.exists(), timeout=60_000)
    assert read_session_file(aside).view.fov == "F001"
    assert read_session_file(path).view.fov == "F002"


def test_a_saved_session_needs_no_autosave(
    viewer, workbench, autosaving, alone, qtbot, saved
):
    bar = workbench.sessions
    session = open_slide(viewer, read_slide(alone), "F001")
    masking.hide_genes(session, ["EPCAM"])
    path = autosave_path(session.slide)
    qtbot.waitUntil(path.exists, timeout=60_000)
    qtbot.waitUntil(lambda: not bar.autosave.busy, timeout=60_000)
    saved(bar, alone.parent / "kept.scfm.json")
    assert not path.exists()
    assert not side_car(path).exists()


def test_what_was_not_written_yet_is_written_when_the_window_closes(
    make_napari_viewer, monkeypatch, alone, qtbot
):
    monkeypatch.setenv("NAPARI_SCFM_AUTOSAVE", "1")
    monkeypatch.setattr(session_autosave, "SETTLE", 20)
    viewer = make_napari_viewer(show=True)
    bench = show_workbench(viewer)
    session = open_slide(viewer, read_slide(alone), "F001")
    masking.hide_genes(session, ["EPCAM"])
    path = autosave_path(session.slide)
    autosave = bench.sessions.autosave
    qtbot.waitUntil(lambda: autosave.pending is not None, timeout=60_000)
    assert not path.exists()
    viewer.close()
    qtbot.waitUntil(path.exists, timeout=60_000)
    assert read_session_file(path).masks["F001"].steps[-1].genes == ("EPCAM",)


def test_an_autosave_that_cannot_be_written_says_so_once(
    viewer, workbench, autosaving, alone, qtbot
):
    (alone / "autosave.scfm").write_text("in the way")
    session = open_slide(viewer, read_slide(alone), "F001")
    masking.hide_genes(session, ["EPCAM"])
    text = "The session was not autosaved"
    qtbot.waitUntil(lambda: text in workbench.message.text(), timeout=60_000)
    masking.hide_genes(session, ["CD3E"])
    bar = workbench.sessions
    qtbot.waitUntil(lambda: not bar.autosave.busy, timeout=60_000)
    assert "CD3E" in workbench.message.text()


@pytest.fixture(scope="module")
def result(home):
    """Return the folder of a saved result."""
    spec = ExperimentSpec(
        model="knn-space",
        mask=MaskSpec(genes=("KRT8", "EPCAM")),
        baselines=(),
        fovs=("F004",),
    )
    return run_on_slide(read_slide(home / "slide"), spec).save(home / "result")


def test_a_result_dropped_on_the_dock_or_the_window_asks_nothing(
    viewer, workbench, result, finish, qtbot
):
    session = session_of(viewer)
    drop(workbench, result)
    qtbot.waitUntil(lambda: session.side_by_side, timeout=60_000)
    finish()
    assert session.fov.name == "F004"
    assert viewer.canvas.grid.enabled
    session.side_by_side = False
    acts.run(viewer, "previous_fov")
    takers = [
        widget
        for widget in workbench.window().findChildren(QWidget)
        if widget.acceptDrops() and "QtViewer" in type(widget).__name__
    ]
    assert takers
    drop(takers[0], result)
    qtbot.waitUntil(lambda: session.side_by_side, timeout=60_000)
    finish()
    assert session.fov.name == "F004"


def test_napari_opens_sessions_and_results_without_a_question(
    viewer, opened, workbench, home, result, finish, qtbot
):
    opened.update({"colour_by": "gene", "gene": "KRT8"})
    path = save_session(viewer, home / "napari.scfm.json")
    opened.gene = "EPCAM"
    for file in (path, result / "spec.json"):
        able = PluginManager.instance().iter_compatible_readers([str(file)])
        assert {reader.plugin_name for reader in able} == {"napari-scfm"}
    assert viewer.open(str(path), plugin="napari-scfm") == []
    finish()
    assert opened.gene == "KRT8"
    assert viewer.open(str(result), plugin="napari-scfm") == []
    finish()
    assert opened.side_by_side


def test_view_starts_with_a_session_or_a_result(home, result):
    from napari_scfm.widgets.app import start

    hidden = ViewerModel()
    open_slide(hidden, read_slide(home / "slide"), "F002")
    path = save_session(hidden, home / "start.scfm.json")
    for given, fov in ((path, "F002"), (result, "F004")):
        started = start(given)
        try:
            assert session_of(started).fov.name == fov
        finally:
            started.close()
