"""One selection: made in any view of the cells, it is seen in all of them."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from vispy.scene import SceneCanvas

from napari_scfm.experiments.slide_experiment import run_on_slide
from napari_scfm.experiments.spec import ExperimentSpec
from napari_scfm.masks.spec import MaskSpec
from napari_scfm.viewer import acts, hidden, tasks
from napari_scfm.widgets.embedding.dock import EmbeddingDock
from napari_scfm.widgets.report.dock import ReportDock

pytestmark = pytest.mark.gui
ONE_WINDOW = True
WAIT = 60_000
LEFT = Qt.MouseButton.LeftButton


class Desk:
    """A window with every view of the cells: tissue, embedding, report, legend."""

    def __init__(self, viewer, workbench, session, qtbot) -> None:
        self.viewer, self.bench, self.session = viewer, workbench, session
        self.qtbot = qtbot
        self.dock, self.report = EmbeddingDock(viewer), ReportDock(viewer)
        for made, name in ((self.dock, "Embedding"), (self.report, "Report")):
            viewer.window.add_dock_widget(made, name=name, area="right")
        self.dock.controls.show_models("")
        self.dock.draw()
        qtbot.waitUntil(lambda: "UMAP" in self.dock.pictures, timeout=WAIT)
        qtbot.waitUntil(lambda: not self.dock.jobs.running, timeout=WAIT)
        self.report.show_page("Cells")
        self.page = self.report.pages["Cells"]
        qtbot.waitUntil(lambda: self.page.axes is not None, timeout=WAIT)

    def bars(self) -> str:
        """Return what the report's bars say they are."""
        made = self.page.axes.get_legend() if self.page.axes else None
        return "; ".join(t.get_text() for t in made.get_texts()) if made else ""

    def seen_everywhere(self) -> None:
        """Check that all views show the session's selection."""
        session, rows = self.session, np.sort(self.session.selection)
        assert 0 < len(rows) < session.n_cells
        cells = session.parts["painter"].layers.cells
        alpha = np.asarray(cells.colormap.colors)[session.fov.table.obs["label"], 3]
        others = np.setdiff1d(np.arange(session.n_cells), rows)
        assert alpha[rows].min() > alpha[others].max()
        there = self.dock.picture.crowd.rows(session.fov)[rows]
        np.testing.assert_array_equal(np.sort(self.dock.scatter.marked), np.sort(there))
        label = f"selected ({len(rows):,})"
        self.qtbot.waitUntil(lambda: label in self.bars(), timeout=WAIT)
        assert sum(self.bench.legend.legend.chosen) == len(rows)
        assert (session.cell is not None) == (len(rows) == 1)


@pytest.fixture
def desk(viewer, workbench, session, slow_model, qtbot, monkeypatch):
    # umap-learn costs a minute of compiling
    monkeypatch.setattr(
        "napari_scfm.viewer.embedding.picture.umap_apart",
        lambda embedding, *_, **__: np.asarray(embedding[:, 1::-1], dtype=np.float32),
    )
    spec = ExperimentSpec(
        model="gene-mean",
        mask=MaskSpec(genes=tuple(session.fov.table.var_names[:25])),
        baselines=(),
        fovs=("F004",),
    )
    session.model = slow_model()
    work = tasks.work_of(session, "impute")
    made = tasks.compared(work, run_on_slide(session.slide, spec))
    acts.show_comparison(session, made)
    session.side_by_side = False
    session.colour_by = "type"
    return Desk(viewer, workbench, session, qtbot)


def test_cells_that_are_selected_in_one_view_are_selected_in_all(desk, finish):
    session, viewer = desk.session, desk.viewer
    for act in (_on_the_tissue, _in_the_embedding, _in_the_report, _by_the_card):
        act(desk)
        desk.seen_everywhere()
    _by_a_heat_map(desk, finish)
    desk.seen_everywhere()
    _by_the_class_list(desk, finish)
    desk.seen_everywhere()
    acts.run(viewer, "clear")
    assert len(desk.dock.scatter.marked) == 0
    assert not desk.bench.legend.legend.chosen
    desk.qtbot.waitUntil(lambda: "selected" not in desk.bars(), timeout=WAIT)
    name = session.grouping.names[0]
    hidden.isolate(session, name, hidden.CLUSTERS)
    acts.run(viewer, "select_all")
    assert (session.clusters.values[session.selection] == 0).all()
    desk.seen_everywhere()


def _on_the_tissue(desk) -> None:
    session, camera = desk.session, desk.viewer.scene.camera
    canvas = [
        widget
        for widget in QApplication.allWidgets()
        if isinstance(getattr(widget, "_vispy_canvas", None), SceneCanvas)
        and not desk.dock.isAncestorOf(widget)
    ][-1]
    acts.run(desk.viewer, "tool_click")
    xy = np.asarray(session.fov.table.obsm["spatial"])
    middle = np.asarray(camera.center)[:-3:-1]
    row = int(np.linalg.norm(xy - middle, axis=1).argmin())
    size = np.array([canvas.width(), canvas.height()])
    x, y = (xy[row] - middle) * camera.zoom + size / 2
    QTest.mouseClick(canvas, LEFT, pos=QPoint(round(x), round(y)))
    assert list(session.selection) == [row]


def _in_the_embedding(desk) -> None:
    desk.dock.scatter.fit()
    desk.dock.controls.choose_tool("box")
    native = desk.dock.scatter.native
    here = desk.dock.picture.crowd.rows(desk.session.fov)
    x = desk.dock.scatter.to_pixels(desk.dock.picture.xy[here])[:, 0]
    right = int(np.quantile(x, 0.3))
    ends = [QPoint(1, 1), QPoint(right, native.height() - 1)]
    QTest.mousePress(native, LEFT, pos=ends[0])
    QTest.mouseMove(native, ends[1])
    QTest.mouseRelease(native, LEFT, pos=ends[1])
    # cells of other fields of view are picked with them; here only those on show
    desk.dock.pick(here[desk.session.selection])


def _in_the_report(desk) -> None:
    page = desk.page
    page.low.setValue(float(np.round(np.median(page.measured.values), 3)))
    page.high.setValue(page.high.maximum())
    QTest.mouseClick(page.select, LEFT)


def _by_the_card(desk) -> None:
    desk.session.selection = np.array([3])
    table = desk.bench.cell.near
    where = table.visualItemRect(table.item(0, 0)).center()
    QTest.mouseClick(table.viewport(), LEFT, pos=where)
    assert list(desk.session.selection) != [3]


def _by_a_heat_map(desk, finish) -> None:
    desk.bench.clusters.expand(animate=False)
    section = desk.bench.clusters.neighbourhoods
    section.shuffles.setValue(99)
    QTest.mouseClick(section.find, LEFT)
    finish()
    section.map.map.setFocus()
    QTest.keyClick(section.map.map, Qt.Key.Key_Home)
    QTest.keyClick(section.map.map, Qt.Key.Key_Return)


def _by_the_class_list(desk, finish) -> None:
    step = desk.bench.clusters
    step.asking.by.setCurrentIndex(0)
    step.run()
    finish()
    step.classes.table.selectRow(1)
    QTest.mouseClick(step.classes.pick, LEFT)
    assert (desk.session.clusters.values[desk.session.selection] == 1).all()
