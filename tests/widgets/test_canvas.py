"""Real mouse and key events on the canvas, and slides that napari itself opens."""

from __future__ import annotations

import napari
import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from vispy.scene import SceneCanvas

from napari_scfm.viewer import acts
from napari_scfm.viewer.session import session_of

pytestmark = pytest.mark.gui


@pytest.fixture
def canvas(viewer):
    """Return the native widget that the layers are drawn in."""
    from qtpy.QtWidgets import QApplication

    natives = [
        widget
        for widget in QApplication.allWidgets()
        if isinstance(getattr(widget, "_vispy_canvas", None), SceneCanvas)
    ]
    return natives[-1]


def pixel_of(viewer, canvas, yx) -> QPoint:
    """Return where a world position (y, x) in um is on the canvas."""
    camera = viewer.scene.camera
    center = np.asarray(camera.center)[-2:]
    size = np.array([canvas.height(), canvas.width()])
    y, x = (np.asarray(yx) - center) * camera.zoom + size / 2
    return QPoint(round(x), round(y))


def drag(canvas, *points, modifier=Qt.KeyboardModifier.NoModifier):
    left = Qt.MouseButton.LeftButton
    QTest.mousePress(canvas, left, modifier, points[0])
    for point in points[1:]:
        QTest.mouseMove(canvas, point)
        QTest.qWait(20)
    QTest.mouseRelease(canvas, left, modifier, points[-1])
    QTest.qWait(20)


def test_click_box_and_lasso_select_what_lies_under_them(session, viewer, canvas):
    xy = session.fov.table.obsm["spatial"]
    labels = viewer.layers["cells F004"]
    middle = int(np.argmin(np.linalg.norm(xy - xy.mean(axis=0), axis=1)))
    value = labels.get_value(tuple(xy[middle][::-1]), world=True)
    QTest.mouseClick(
        canvas,
        Qt.MouseButton.LeftButton,
        pos=pixel_of(viewer, canvas, xy[middle][::-1]),
    )
    assert len(session.selection) == 0, "nothing is selected while the tool is pan"
    acts.run(viewer, "tool_click")
    QTest.mouseClick(
        canvas,
        Qt.MouseButton.LeftButton,
        pos=pixel_of(viewer, canvas, xy[middle][::-1]),
    )
    assert list(session.selection) == [value - 1]
    acts.run(viewer, "tool_box")
    before = tuple(viewer.scene.camera.center)
    low, high = np.array([40.0, 40.0]), np.array([120.0, 100.0])
    corners = [pixel_of(viewer, canvas, corner) for corner in (low, [80, 80], high)]
    drag(canvas, *corners)
    inside = ((xy[:, ::-1] >= low) & (xy[:, ::-1] <= high)).all(axis=1)
    assert abs(len(session.selection) - inside.sum()) <= 3
    assert inside[session.selection].mean() > 0.95
    assert tuple(viewer.scene.camera.center) == before, "dragging a box must not pan"
    boxed = len(session.selection)
    acts.run(viewer, "tool_lasso")
    corner = [pixel_of(viewer, canvas, p) for p in ([150, 150], [150, 190], [190, 170])]
    drag(canvas, *corner, modifier=Qt.KeyboardModifier.ShiftModifier)
    assert len(session.selection) > boxed
    acts.run(viewer, "clear")
    assert len(session.selection) == 0
    assert session.tool == "pan"
    shown = [layer.name for layer in viewer.layers if layer.visible]
    assert "selection outline" not in shown


def test_brush_disc_and_stripe_select_by_radius(session, viewer, canvas):
    xy = session.fov.table.obsm["spatial"]
    acts.run(viewer, "tool_brush")
    session.radius = 20
    assert viewer.cursor.style == "circle"
    assert viewer.cursor.size == 40
    points = [pixel_of(viewer, canvas, p) for p in ([60, 60], [60, 90], [60, 120])]
    drag(canvas, *points)
    near = np.abs(xy[:, 1] - 60) < 20
    near &= (xy[:, 0] > 60) & (xy[:, 0] < 120)
    assert near[session.selection].mean() > 0.5
    assert set(np.flatnonzero(near)) <= set(session.selection)
    canvas.setFocus()
    QTest.keyClick(canvas, Qt.Key.Key_BracketRight)
    assert session.radius == 30
    QTest.keyClick(canvas, Qt.Key.Key_D)
    middle = np.array([100.0, 100.0])
    QTest.mouseClick(
        canvas, Qt.MouseButton.LeftButton, pos=pixel_of(viewer, canvas, middle)
    )
    away = np.hypot(*(xy - middle[::-1]).T)
    assert set(np.flatnonzero(away < 29)) <= set(session.selection)
    assert (away[session.selection] < 31).all()
    QTest.keyClick(canvas, Qt.Key.Key_H)
    (disc,) = session.recipe.discs
    assert (disc.radius, disc.fov) == (30, "F004")
    acts.run(viewer, "tool_stripe")
    drag(
        canvas, *[pixel_of(viewer, canvas, p) for p in ([20, 50], [20, 90], [20, 150])]
    )
    inside = np.abs(xy[session.selection, 1] - 20)
    assert len(inside)
    assert (inside < 31).all()
    QTest.keyClick(canvas, Qt.Key.Key_Escape)
    assert viewer.cursor.style == "standard"


def test_keys_on_the_canvas_reach_us(session, viewer, canvas):
    canvas.setFocus()
    QTest.keyClick(canvas, Qt.Key.Key_PageUp)
    assert session.fov.name == "F003"
    QTest.keyClick(canvas, Qt.Key.Key_J)
    assert session.gene == session.fov.table.var_names[0]
    session.selection = np.array([0, 1])
    QTest.keyClick(canvas, Qt.Key.Key_H)
    assert len(session.mask.hidden_cells) == 2
    QTest.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert session.mask.hidden_cells == []
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    QTest.keyClick(canvas, Qt.Key.Key_Z, both)
    assert len(session.mask.hidden_cells) == 2


def test_an_empty_workbench_says_what_to_do(workbench):
    assert "Drop a CosMx or MERSCOPE folder" in workbench.slide.about.text()
    assert "No model is loaded" in workbench.model.card.text()
    assert not workbench.slide.fovs.isVisible()
    assert len(workbench.steps) == 9
    for step in workbench.steps:
        step.expand(animate=False)
        assert step.content().minimumSizeHint().width() <= 290, step.title
    QTest.qWait(50)
    assert "Open a slide first" in workbench.train.status.text()
    assert not workbench.train.form.isVisible()
    QTest.mouseClick(workbench.train.train, Qt.MouseButton.LeftButton)
    assert "No slide is open" in workbench.message.text()


def test_what_the_first_mask_needs_is_there_before(workbench, session, viewer, qtbot):
    qtbot.waitUntil(lambda: "selection outline" in viewer.layers, timeout=60_000)
    ring = viewer.layers["hidden from the model F004"]
    assert not ring.visible
    assert viewer.layers.selection.active.name == "cells F004"
    before = len(viewer.layers)
    session.selection = np.arange(5)
    acts.run(viewer, "hide_selected")
    assert ring.visible
    assert len(viewer.layers) == before


def test_a_dropped_folder_opens_with_the_workbench(viewer, sample):
    added = viewer.open(sample, plugin="napari-scfm")
    session = session_of(viewer)
    assert session.fov.name == "F001"
    assert [layer.name for layer in added] == [layer.name for layer in viewer.layers]
    assert any("Workbench" in name for name in viewer.window.dock_widgets)
    viewer.open(sample, plugin="napari-scfm")
    shown = [layer for layer in viewer.layers if layer.visible]
    assert len(shown) == len(added), "the second slide takes the first's place"


@pytest.mark.parametrize("name", ["cosmx", "merscope"])
def test_open_sample(viewer, name):
    viewer.open_sample("napari-scfm", name)
    session = session_of(viewer)
    assert session.slide.format == name
    assert session.n_cells > 0


def test_commands_are_known_to_napari(viewer):
    from napari.plugins import _npe2

    names = [name for name, _ in _npe2.widget_iterator()]
    assert any("napari-scfm" in str(entry) for entry in _npe2.widget_iterator()), names


def test_reading_without_a_viewer_returns_plain_layers(sample, tmp_path):
    from napari_scfm._reader import get_reader

    assert napari.current_viewer() is None
    read = get_reader(str(sample))
    kinds = {entry[2] for entry in read(str(sample))}
    assert kinds == {"image", "labels"}
    (tmp_path / "picture.png").write_bytes(b"")
    assert get_reader(str(tmp_path)) is None
    assert get_reader(str(tmp_path / "picture.png")) is None
    assert get_reader([str(sample), str(sample)]) is None
