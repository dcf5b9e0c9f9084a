"""The embedding dock in a real window: what a hand does there, and what it shows."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QToolTip

from napari_scfm.models.base import CellModel, ModelInfo
from napari_scfm.viewer.acts import colour_by_gene
from napari_scfm.viewer.embedding import selecting
from napari_scfm.viewer.embedding.picture_look import PictureLook
from napari_scfm.viewer.export import panels_of
from napari_scfm.viewer.hiding.picking import pick
from napari_scfm.viewer.open import open_slide, show_fov
from napari_scfm.viewer.sessions.restore import open_session
from napari_scfm.viewer.sessions.save import save_session
from napari_scfm.widgets.embedding import dock as module
from napari_scfm.widgets.embedding.controls import ONE
from napari_scfm.widgets.embedding.dock import EmbeddingDock

pytestmark = pytest.mark.gui
ONE_WINDOW = True
WAIT = 60_000
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def dock(viewer):
    made = EmbeddingDock(viewer)
    viewer.window.add_dock_widget(made, name="Embedding", area="right")
    return made


@pytest.fixture
def session(viewer, slide):
    """Session of a window without a workbench: the dock stands alone."""
    made = open_slide(viewer, copy.copy(slide), "F004")
    made.parts.pop("embedding store", None)
    return made


@pytest.fixture(autouse=True)
def quick_umap(monkeypatch):
    """UMAP as a turned picture: umap-learn itself costs a minute of compiling."""

    def turned(embedding, seed=0, *, near=None, progress=None):
        found = np.asarray(embedding, dtype=np.float32)[:, :2]
        return np.ascontiguousarray(found[:, ::-1])

    monkeypatch.setattr("napari_scfm.viewer.embedding.picture.umap_apart", turned)


class Blind(CellModel):
    """Embeds by counts, and cannot read the first five cells of the slide."""

    info = ModelInfo("blind", capabilities=frozenset({"embed"}))

    def embed(self, table, *, mask=None, progress=None):
        found = table.X[:, :8].toarray()
        first = table.obs_names.str.startswith("1_")
        found[np.flatnonzero(first)[:5]] = np.nan
        return found

    def impute(self, table, genes, **_):
        raise NotImplementedError


@pytest.fixture
def drawn(dock, session, qtbot):
    """The dock with the pictures of all cells by their counts."""
    return _drawn(dock, qtbot)


def _drawn(dock, qtbot):
    dock.draw()
    qtbot.waitUntil(lambda: len(dock.pictures) == 2, timeout=WAIT)
    qtbot.waitUntil(
        lambda: not dock.jobs.running and len(dock.scatter.drawn) > 0, timeout=WAIT
    )
    _placed(dock, qtbot)
    return dock


def _placed(dock, qtbot) -> None:
    """Wait until the canvas has found its place in the window."""
    scatter = dock.scatter
    qtbot.waitUntil(
        lambda: scatter.native.size() == scatter.size() == scatter.overlay.size(),
        timeout=WAIT,
    )
    QTest.qWait(50)


def _pixel(dock, row: int) -> QPoint:
    """Return where a cell is drawn."""
    x, y = dock.scatter.to_pixels(dock.picture.xy[[row]])[0]
    return QPoint(round(x), round(y))


def _point_at(dock, row: int) -> None:
    """Move the mouse to a cell, wherever the screen's own pointer is."""
    native, at = dock.scatter.native, QPointF(_pixel(dock, row))
    none = Qt.MouseButton.NoButton
    move = QMouseEvent(
        QEvent.Type.MouseMove,
        at,
        QPointF(native.mapToGlobal(at)),
        none,
        none,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(native, move)


def _drag(dock, corners, key=Qt.KeyboardModifier.NoModifier) -> None:
    """Drag over the scatter through corners, in shares of its size."""
    native = dock.scatter.native
    points = [
        QPoint(round(x * native.width()), round(y * native.height()))
        for x, y in corners
    ]
    QTest.mousePress(native, LEFT, key, points[0])
    for point in points[1:]:
        QTest.mouseMove(native, point)
        QTest.qWait(5)
    QTest.mouseRelease(native, LEFT, key, points[-1])


ALL = [(0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99)]


def test_without_a_slide_it_says_what_to_do(dock):
    if dock.session.fov is None:
        assert "Open a slide" in dock.title.text()
    assert not dock.scatter.isVisible()
    assert not dock.controls.tools["lasso"].isVisible()


def test_pca_is_shown_while_umap_is_computed(dock, session, qtbot, monkeypatch):
    seen = []
    later = module.umap_picture

    def watched(picture, store, progress):
        seen.append(dock.picture.method)
        return later(picture, store, progress)

    monkeypatch.setattr(module, "umap_picture", watched)
    _drawn(dock, qtbot)
    assert seen == ["PCA"]
    assert dock.picture.method == "UMAP"
    assert "1,404 cells" in dock.title.text()
    QTest.mouseClick(dock.controls.methods["PCA"], LEFT)
    assert dock.picture.method == "PCA"
    np.testing.assert_array_equal(dock.scatter.xy, dock.pictures["PCA"].xy)


def test_a_lasso_selects_cells_of_the_tissue_and_counts_those_elsewhere(drawn, session):
    _drag(drawn, ALL)
    assert len(session.selection) == session.n_cells
    others = len(drawn.picture.crowd) - session.n_cells
    assert f"{others:,} more in 3 other FOVs" in drawn.elsewhere.said.text()
    assert drawn.elsewhere.isVisible()
    assert len(drawn.scatter.marked) == len(drawn.picture.crowd)


def test_the_button_goes_to_the_other_field_of_view_with_its_cells(drawn, session):
    _drag(drawn, ALL)
    there = drawn.elsewhere.go.text().removeprefix("Go to ")
    wanted = drawn.picture.crowd.codes == drawn.picture.crowd.fovs.index(there)
    QTest.mouseClick(drawn.elsewhere.go, LEFT)
    assert session.fov.name == there
    assert len(session.selection) == wanted.sum() == session.n_cells
    assert "F004" in [act.text()[:4] for act in drawn.elsewhere.menu.actions()]


def test_a_click_selects_one_cell_and_shift_adds_another(drawn, session):
    rows = drawn.picture.crowd.rows(session.fov)
    far = drawn.gestures.tree.query(drawn.picture.xy[rows], k=2)[0][:, 1]
    one, other = rows[np.argsort(far)[-2:]]  # those that stand alone
    native = drawn.scatter.native
    QTest.mouseClick(native, LEFT, pos=_pixel(drawn, one))
    assert list(rows[session.selection]) == [one]
    shift = Qt.KeyboardModifier.ShiftModifier
    QTest.mouseClick(native, LEFT, shift, _pixel(drawn, other))
    assert set(rows[session.selection]) == {one, other}
    alt = Qt.KeyboardModifier.AltModifier
    QTest.mouseClick(native, LEFT, alt, _pixel(drawn, one))
    assert list(rows[session.selection]) == [other]


def test_what_is_selected_on_the_tissue_is_marked_and_escape_clears_both(
    drawn, session
):
    pick(session, np.array([3, 5]))
    rows = drawn.picture.crowd.rows(session.fov)[[3, 5]]
    np.testing.assert_array_equal(np.sort(drawn.scatter.marked), rows)
    QTest.keyClick(drawn.scatter.native, Qt.Key.Key_Escape)
    assert len(session.selection) == len(drawn.scatter.marked) == 0


def test_a_selection_made_elsewhere_forgets_cells_of_other_fields(drawn, session):
    _drag(drawn, ALL)
    pick(session, np.array([0]))
    assert not drawn.elsewhere.isVisible()
    assert len(drawn.scatter.marked) == 1


def test_the_box_takes_what_lies_between_its_corners(drawn, session):
    QTest.keyClick(drawn.scatter.native, "q")
    assert drawn.controls.tools["box"].isChecked()
    _drag(drawn, [(0.01, 0.01), (0.2, 0.4), (0.5, 0.99)])
    left, right, _, _ = drawn.scatter.box()
    x = drawn.picture.xy[drawn.picture.crowd.rows(session.fov), 0]
    expected = np.flatnonzero(x <= (left + right) / 2)
    assert abs(len(session.selection) - len(expected)) <= 1 + 0.01 * len(expected)


def test_panning_and_the_wheel_move_the_picture_and_select_nothing(drawn, session):
    before = drawn.scatter.box()
    QTest.mouseClick(drawn.controls.tools["pan"], LEFT)
    _drag(drawn, [(0.2, 0.5), (0.5, 0.5)])
    moved = drawn.scatter.box()
    assert moved[0] < before[0]
    assert moved[1] - moved[0] == pytest.approx(before[1] - before[0], rel=1e-3)
    assert len(session.selection) == 0
    QTest.keyClick(drawn.scatter.native, "f")
    assert drawn.scatter.box() == pytest.approx(before, rel=1e-3, abs=1e-3)


def test_the_name_of_the_cell_under_the_mouse_is_shown(drawn, session):
    row = int(drawn.picture.crowd.rows(session.fov)[7])
    _point_at(drawn, row)
    under = drawn.gestures.under
    assert under >= 0
    said = drawn.named(under)
    table = drawn.picture.crowd.table
    assert str(table.obs["cell_id"].iloc[under]) in said
    assert str(table.obs["cell_type"].iloc[under]) in said
    assert QToolTip.text() == said


def test_a_cell_that_the_model_cannot_read_has_no_point(dock, session, qtbot):
    session.model = Blind()
    shown = _drawn(dock, qtbot).picture
    assert np.isnan(shown.xy[:5]).all()
    assert sorted(dock.scatter.drawn) == list(range(5, len(shown.xy)))
    assert "; 5 cells are left out: without a count" in dock.title.text()
    _point_at(dock, 20)
    assert shown.xy[dock.gestures.under] == pytest.approx(shown.xy[20], abs=0.05)
    _drag(dock, ALL)
    picked = selecting.selected(session, shown)
    assert sorted(picked) == list(range(5, len(shown.xy)))
    dock.pick(np.arange(7))
    assert sorted(dock.scatter.marked) == [5, 6]
    (panel,) = panels_of(session, "embedding")
    assert len(panel.places) == len(shown.xy) - 5


def test_points_take_the_colours_of_the_tissue(drawn, session, qtbot):
    gene = str(session.fov.table.var_names[2])
    colour_by_gene(session, gene)
    qtbot.waitUntil(lambda: gene in drawn.legend.legend.title, timeout=WAIT)
    painter = session.parts["painter"]
    assert drawn.legend.legend == painter.legend
    drawn.colour_by("fov")
    qtbot.waitUntil(lambda: drawn.legend.legend.title == "Field of view", timeout=WAIT)
    assert [name for name, _ in drawn.legend.legend.categories] == session.slide.fovs


def test_the_density_is_drawn_in_place_of_points(drawn):
    points = drawn.scatter.canvas.render()
    QTest.mouseClick(drawn.controls.density, LEFT)
    drawn.scatter.count()
    raster = drawn.scatter.canvas.render()
    assert drawn.scatter.crowded
    assert (points != raster).any()
    page = np.round(255 * np.array(drawn.scatter.canvas.bgcolor.rgb))
    assert (np.abs(raster[..., :3] - page) > 2).any()


def test_one_field_of_view_and_what_is_said_on_another(drawn, session, viewer, qtbot):
    drawn.controls.cells.setCurrentText(ONE)
    _drawn(drawn, qtbot)
    qtbot.waitUntil(lambda: len(drawn.scatter.xy) == session.n_cells, timeout=WAIT)
    show_fov(viewer, "F001")
    assert "Press Draw for F001" in drawn.title.text()
    assert len(drawn.scatter.marked) == 0


def test_another_slide_takes_the_picture_away(drawn, session, viewer, slide):
    open_slide(viewer, copy.copy(slide), "F001")
    assert drawn.picture is None
    assert not drawn.scatter.isVisible()


def test_a_dock_that_floats_draws_its_points_and_takes_the_mouse(drawn, session, qtbot):
    frame = drawn.parent()

    def all_lassoed() -> bool:
        # the window may still be finding its sizes
        drawn.scatter.fit()
        _drag(drawn, ALL)
        return len(session.selection) == session.n_cells

    for floats in (True, False):
        session.selection = session.selection[:0]
        frame.setFloating(floats)
        qtbot.waitUntil(lambda: drawn.window().isVisible(), timeout=WAIT)
        assert (drawn.window() is frame) == floats
        qtbot.waitUntil(drawn.scatter.native.isVisible, timeout=WAIT)
        _placed(drawn, qtbot)
        seen = drawn.scatter.canvas.render()
        page = np.round(255 * np.array(drawn.scatter.canvas.bgcolor.rgb))
        assert (np.abs(seen[..., :3] - page) > 20).any()
        qtbot.waitUntil(all_lassoed, timeout=WAIT)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_follows_the_theme(drawn, viewer, theme):
    viewer.theme = theme
    bright = np.mean(drawn.scatter.canvas.bgcolor.rgb)
    assert bright > 0.7 if theme == "light" else bright < 0.3


def test_a_session_brings_the_picture_back(drawn, session, viewer, qtbot, tmp_path):
    QTest.mouseClick(drawn.controls.methods["PCA"], LEFT)
    drawn.colour_by("fov")
    path = save_session(viewer, tmp_path / "mine")
    drawn.pictures, session.embedding = {}, None
    drawn.colour_by("tissue")
    drawn.controls.cells.setCurrentText(ONE)
    drawn.draw()
    qtbot.waitUntil(lambda: "UMAP" in drawn.pictures, timeout=WAIT)
    qtbot.waitUntil(lambda: not drawn.jobs.running, timeout=WAIT)
    open_session(viewer, path)
    qtbot.waitUntil(
        lambda: (
            len(drawn.pictures) == 2
            and drawn.picture.asked.whole
            and drawn.picture.method == "PCA"
            and not drawn.jobs.running
        ),
        timeout=WAIT,
    )
    assert drawn.by == drawn.controls.colours.currentData() == "fov"
    assert session.picture_look == PictureLook("PCA", counts=True, by="fov")
