"""The legend in a real window: classes are hidden, shown alone, and stay in colour."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from vispy.scene import SceneCanvas

from napari_scfm.viewer import acts, hidden
from napari_scfm.viewer.cells import centroids
from napari_scfm.viewer.colouring import FAINT_OUTLINE
from napari_scfm.viewer.export import panels_of
from napari_scfm.viewer.hiding import picking
from napari_scfm.viewer.open import show_fov
from napari_scfm.viewer.session import Legend
from napari_scfm.viewer.sessions.restore import open_session
from napari_scfm.viewer.sessions.save import save_session
from napari_scfm.widgets.embedding.dock import EmbeddingDock
from napari_scfm.widgets.legend import MOST, LegendView

pytestmark = pytest.mark.gui
ONE_WINDOW = True
WAIT = 60_000
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def view(workbench, session):
    """The workbench's legend of the cell types."""
    session.colour_by = "type"
    return workbench.legend


@pytest.fixture
def canvas(viewer):
    """The native widget that the layers are drawn in."""
    natives = [
        widget
        for widget in QApplication.allWidgets()
        if isinstance(getattr(widget, "_vispy_canvas", None), SceneCanvas)
    ]
    return natives[-1]


def clear_of_others(session, wanted) -> int:
    """Return a cell near the middle of the tissue, one of those wanted."""
    xy = centroids(session.fov.table)
    far = np.linalg.norm(xy - xy.mean(axis=0), axis=1)
    return int(np.where(wanted, far, np.inf).argmin())


def click_cell(viewer, canvas, session, row: int) -> None:
    camera = viewer.scene.camera
    size = np.array([canvas.height(), canvas.width()])
    there = centroids(session.fov.table)[row][::-1] - np.asarray(camera.center)[-2:]
    y, x = there * camera.zoom + size / 2
    QTest.mouseClick(canvas, LEFT, pos=QPoint(round(x), round(y)))


def names_of(view) -> list[str]:
    return [name for name, _ in view.legend.categories]


def spot(view, name: str) -> QPoint:
    place = view.spots()[names_of(view).index(name)]
    return QPoint(round(place.x()) + 4, round(place.center().y()))


def click(view, name: str, key=Qt.KeyboardModifier.NoModifier) -> None:
    QTest.mouseClick(view, LEFT, key, spot(view, name))


def double_click(view, name: str) -> None:
    """What a hand does: its first click is one, too."""
    click(view, name)
    QTest.mouseDClick(view, LEFT, pos=spot(view, name))


def of_type(session, *names: str) -> np.ndarray:
    return session.fov.table.obs["cell_type"].astype(str).isin(names).to_numpy()


def drawn(session, layer) -> np.ndarray:
    """Return the (cells, 4) colours of a layer of the FOV on show."""
    return np.asarray(layer.colormap.colors)[session.fov.table.obs["label"]]


def test_a_click_leaves_the_outline_of_a_class_and_another_brings_it_back(
    view, session
):
    name, *_, other = names_of(view)
    layers = session.parts["painter"].layers
    before = drawn(session, layers.cells)
    click(view, name)
    mine = of_type(session, name)
    assert (drawn(session, layers.cells)[mine, 3] == 0).all()
    np.testing.assert_array_equal(drawn(session, layers.cells)[~mine], before[~mine])
    np.testing.assert_allclose(drawn(session, layers.outlines)[mine][0], FAINT_OUTLINE)
    assert drawn(session, layers.outlines)[~mine][0, 3] > FAINT_OUTLINE[3]
    assert view.legend.veil == "1 cell type hidden"
    click(view, other)
    assert view.legend.hidden == {name, other}
    click(view, name)
    click(view, other)
    np.testing.assert_array_equal(drawn(session, layers.cells), before)
    assert len(np.unique(drawn(session, layers.outlines), axis=0)) == 1
    assert not view.legend.veil


def test_a_double_click_shows_a_class_alone_and_the_next_one_all(view, session):
    name = names_of(view)[2]
    rows = np.flatnonzero(of_type(session, name))[:3]
    picking.pick(session, rows)
    double_click(view, name)
    assert view.legend.hidden == set(names_of(view)) - {name}
    np.testing.assert_array_equal(session.selection, rows)
    assert session.message.text == f"Only {name} is shown."
    double_click(view, name)
    assert not session.hidden_classes
    click(view, name, Qt.KeyboardModifier.AltModifier)
    assert view.legend.hidden == set(names_of(view)) - {name}
    line = view.spots()[-3]
    QTest.mouseClick(view, LEFT, pos=line.center().toPoint())
    assert not session.hidden_classes


def test_keys_do_what_clicks_do_and_a_tip_tells_the_counts(view, session):
    names = names_of(view)
    view.setFocus()
    QTest.keyClick(view, Qt.Key.Key_Home)
    QTest.keyClick(view, Qt.Key.Key_Right)
    QTest.keyClick(view, Qt.Key.Key_Space)
    assert session.hidden_classes == {names[1]}
    QTest.keyClick(view, Qt.Key.Key_End)
    QTest.keyClick(view, Qt.Key.Key_Return)
    assert view.legend.hidden == set(names) - {names[-1]}
    whole = (session.slide.table.obs["cell_type"] == names[0]).sum()
    said = view.told(0)
    assert f"{of_type(session, names[0]).sum():,} cells here, {whole:,} on the" in said
    assert "show it again" in said
    picking.pick(session, np.flatnonzero(of_type(session, names[-1])))
    assert f"{len(session.selection):,} of them selected" in view.told(len(names) - 1)


def test_hidden_cells_cannot_be_pointed_at_and_leave_the_selection(
    view, session, viewer, canvas
):
    name = names_of(view)[0]
    mine = of_type(session, name)
    picking.select_all(session)
    click(view, name)
    np.testing.assert_array_equal(session.selection, np.flatnonzero(~mine))
    picking.select_all(session)
    assert len(session.selection) == (~mine).sum()
    acts.run(viewer, "tool_click")
    click_cell(viewer, canvas, session, clear_of_others(session, mine))
    assert len(session.selection) == 0
    row = clear_of_others(session, ~mine)
    click_cell(viewer, canvas, session, row)
    assert list(session.selection) == [row]
    acts.run(viewer, "invert")
    assert len(session.selection) == (~mine).sum() - 1
    hidden.show_all(session)
    click_cell(viewer, canvas, session, clear_of_others(session, mine))
    assert mine[session.selection].all()


def test_hidden_classes_stay_while_a_gene_is_on_show_and_in_sessions(
    view, session, viewer, tmp_path
):
    name = names_of(view)[0]
    click(view, name)
    session.update({"gene": str(session.fov.table.var_names[0]), "colour_by": "gene"})
    cells = session.parts["painter"].layers.cells
    assert (drawn(session, cells)[of_type(session, name), 3] == 0).all()
    assert view.legend.veil == "1 cell type hidden"
    path = save_session(viewer, tmp_path / "work.scfm.json")
    hidden.show_all(session)
    open_session(viewer, path)
    assert session.hidden_classes == {name}
    assert view.legend.veil == "1 cell type hidden"


def test_types_keep_their_colours_on_every_field_of_view_and_in_figures(
    view, session, viewer
):
    before = view.legend.categories
    colours = dict(before)
    for name in session.slide.fovs:
        show_fov(viewer, name)
        assert view.legend.categories == before
        rgba = drawn(session, session.parts["painter"].layers.cells)
        types = session.fov.table.obs["cell_type"].astype(str).to_numpy()
        for one in set(types):
            assert np.allclose(rgba[types == one], colours[one], atol=1e-6)
    (panel,) = panels_of(session, "view")
    assert len(panel.legend) > 3
    for one, colour in panel.legend:
        np.testing.assert_allclose(colour, colours[one], atol=1e-6)


def test_figures_outline_hidden_classes_and_say_how_many(view, session):
    first, second = names_of(view)[:2]
    hidden.hide(session, [first, second], hidden.TYPE)
    (panel,) = panels_of(session, "view")
    mine = of_type(session, first, second)
    np.testing.assert_array_equal(panel.hollow, mine)
    assert (panel.rgba(session.n_cells)[mine, 3] == 0).all()
    assert not {first, second} & set(dict(panel.legend))
    assert "2 cell types hidden" in panel.note


def test_the_embedding_hides_the_same_and_takes_no_click_there(
    view, session, viewer, qtbot
):
    dock = EmbeddingDock(viewer)
    viewer.window.add_dock_widget(dock, name="Embedding", area="right")
    dock.controls.show_models("")
    dock._lay_on = lambda picture: None  # UMAP would cost a minute of compiling
    dock.draw()
    qtbot.waitUntil(lambda: dock.picture is not None, timeout=WAIT)
    qtbot.waitUntil(lambda: len(dock.scatter.drawn) > 0, timeout=WAIT)
    name = names_of(view)[0]
    double_click(view, name)
    crowd = dock.picture.crowd
    mine = (crowd.table.obs["cell_type"] == name).to_numpy()
    qtbot.waitUntil(lambda: dock.gestures.hidden is not None, timeout=WAIT)
    np.testing.assert_array_equal(dock.gestures.hidden, ~mine)
    dock.scatter.fit()
    native = dock.scatter.native
    corners = [QPoint(1, 1), QPoint(native.width() - 1, 1)]
    corners += [QPoint(native.width() - 1, native.height() - 1)]
    corners += [QPoint(1, native.height() - 1)]
    QTest.mousePress(native, LEFT, pos=corners[0])
    for corner in corners[1:]:
        QTest.mouseMove(native, corner)
        QTest.qWait(5)
    QTest.mouseRelease(native, LEFT, pos=corners[-1])
    np.testing.assert_array_equal(
        session.selection, np.flatnonzero(of_type(session, name))
    )
    dock.colour_by(hidden.FOV)
    qtbot.waitUntil(lambda: dock.legend.legend.of == hidden.FOV, timeout=WAIT)
    click(dock.legend, session.fov.name)
    here = crowd.places(session.fov) >= 0
    qtbot.waitUntil(lambda: np.array_equal(dock.gestures.hidden, here), timeout=WAIT)
    assert view.legend.veil == "1 field of view hidden"


def test_many_classes_fold_out_and_are_scrolled(qtbot):
    view = LegendView()
    qtbot.addWidget(view)
    view.resize(300, 100)
    names = [f"a rather long name of class {place}" for place in range(64)]
    entries = tuple((name, (1.0, 0.0, 0.0, 1.0)) for name in names)
    view.show_legend(Legend("Classes", categories=entries, of="clusters"))
    view.show()
    assert max(view.spots()) == MOST - 1
    fold = view.spots()[-2].center().toPoint()
    QTest.mouseClick(view, LEFT, pos=fold)
    folded_out = view.height()
    view.serve()
    view.setFocus()
    QTest.keyClick(view, Qt.Key.Key_End)
    assert max(view.spots()) == 63
    assert view.height() <= folded_out + 1
    asked = []
    view.asked.connect(lambda *what: asked.append(what))
    QTest.keyClick(view, Qt.Key.Key_Space)
    assert asked == [(names[-1], "toggle")]
