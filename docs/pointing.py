"""What a hand does, for scripts that make pictures: mouse, buttons, photos."""

from __future__ import annotations

import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QApplication,
    QFileDialog,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QWidget,
)
from vispy.scene import SceneCanvas

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari.viewer import Viewer
    from PIL import Image

    from napari_scfm.widgets.workbench import Workbench

LEFT = Qt.MouseButton.LeftButton


def canvas() -> QWidget:
    """Return the newest widget that napari draws layers in."""
    return [
        widget
        for widget in QApplication.allWidgets()
        if isinstance(getattr(widget, "_vispy_canvas", None), SceneCanvas)
    ][-1]


def pixel(viewer: Viewer, where: Sequence[float]) -> QPoint:
    """Return where a position (x, y) in um is on the canvas."""
    size = np.array([canvas().width(), canvas().height()])
    center = np.asarray(viewer.scene.camera.center)[-2:][::-1]
    x, y = (np.asarray(where) - center) * viewer.scene.camera.zoom + size / 2
    return QPoint(round(x), round(y))


def drag(viewer: Viewer, corners: Sequence[Sequence[float]]) -> None:
    """Drag the left button along positions (x, y) in um."""
    stroke(canvas(), [pixel(viewer, corner) for corner in corners])


def stroke(widget: QWidget, points: Sequence[QPoint]) -> None:
    """Drag the left button along places of a widget."""
    QTest.mousePress(widget, LEFT, pos=points[0])
    for point in points[1:]:
        QTest.mouseMove(widget, point)
        QTest.qWait(20)
    QTest.mouseRelease(widget, LEFT, pos=points[-1])
    rest(0.2)


def press(widget: QWidget, text: str = "") -> None:
    """Click a button, or the one of a widget whose text begins so."""
    if text:
        widget = next(
            button
            for button in widget.findChildren(QPushButton)
            if button.text().startswith(text) and button.isVisible()
        )
    QTest.mouseClick(widget, LEFT)
    rest(0.1)


@contextmanager
def choosing(path: Path) -> Iterator[None]:
    """Answer every question for a file or a folder with a path."""
    with (
        mock.patch.object(QFileDialog, "getSaveFileName", return_value=(str(path), "")),
        mock.patch.object(QFileDialog, "getOpenFileName", return_value=(str(path), "")),
        mock.patch.object(QFileDialog, "getExistingDirectory", return_value=str(path)),
    ):
        yield


def click(
    widget: QWidget,
    where: QPoint,
    held: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
) -> None:
    """Click a place of a widget, with a key held down."""
    QTest.mouseClick(widget, LEFT, held, where)
    rest(0.2)


def twice(widget: QWidget, where: QPoint) -> None:
    """Double-click a place of a widget."""
    QTest.mouseClick(widget, LEFT, pos=where)
    QTest.mouseDClick(widget, LEFT, pos=where)
    rest(0.2)


def write_into(widget: QWidget, text: str) -> None:
    """Write over what an editor inside a widget holds, and press Return."""
    editor = next(line for line in widget.findChildren(QLineEdit) if line.isVisible())
    editor.selectAll()
    QTest.keyClicks(editor, text)
    QTest.keyClick(editor, Qt.Key.Key_Return)
    rest(0.2)


def scroll(bench: Workbench, widget: QWidget, margin: int = 200) -> None:
    """Bring a widget of the workbench into sight, with so many pixels around it."""
    bench.findChild(QScrollArea).ensureWidgetVisible(widget, 0, margin)
    rest(0.3)


def key(letter: str) -> None:
    """Press a key with the mouse over the canvas."""
    canvas().setFocus()
    QTest.keyClick(canvas(), letter)
    rest(0.2)


def rest(seconds: float) -> None:
    """Let the window live for a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.005)


def finish(bench: Workbench) -> None:
    """Let the window live until the job under way has ended; say an error."""
    while bench.jobs.running or bench.context.session.busy:
        rest(0.02)
    rest(1)
    message = bench.context.session.message
    if message.level == "error":
        raise RuntimeError(message.text)


def said(bench: Workbench) -> None:
    """Wait for the job and print what the workbench says."""
    finish(bench)
    print(bench.context.session.message.text)


def only(bench: Workbench, *steps: QWidget) -> None:
    """Open some steps of the workbench and close the others."""
    for step in bench.steps:
        step.expand(animate=False) if step in steps else step.collapse(animate=False)
    rest(0.2)


def photo(viewer: Viewer, path: Path) -> Path:
    """Save a picture of the whole window, in few colours: a document is read online."""
    rest(0.5)
    taken = viewer.screenshot(canvas_only=False, flash=False)
    _in_few_colours(np.asarray(taken)[..., :3]).save(path, optimize=True)
    print(path)
    return path


def reopened(viewer: Viewer, bench: Workbench, path: Path) -> None:
    """Save the session, open it in another window, compare the two canvases.

    Parameters
    ----------
    viewer, bench
        The window, which is closed.
    path
        Of the other window's picture.
    """
    from napari_scfm.widgets.app import start, workbench_of

    file = Path(tempfile.mkdtemp()) / "walk.scfm.json"
    with choosing(file):
        press(bench.sessions.save)
    while bench.sessions.path is None:
        rest(0.05)
    rest(2)
    before = viewer.screenshot(canvas_only=True, flash=False)
    size, theme = viewer.window.geometry()[2:], viewer.theme
    viewer.close()
    other = start()
    other.theme = theme
    other.window.resize(*size)
    bench = workbench_of(other)
    with choosing(file):
        press(bench.sessions.open)
    finish(bench)
    photo(other, path)
    after = other.screenshot(canvas_only=True, flash=False)
    same = (before == after).all(axis=-1).mean() if before.shape == after.shape else 0
    print(
        f"Reopened in another window: {same:.2%} of the canvas's pixels are the same."
    )


def _in_few_colours(pixels: np.ndarray) -> Image.Image:
    """Keep the 256 colours that most pixels have, so that a legend keeps its own."""
    from PIL import Image
    from scipy.spatial import cKDTree

    flat = pixels.reshape(-1, 3)
    known, place, count = np.unique(
        flat, axis=0, return_inverse=True, return_counts=True
    )
    kept = known[np.argsort(-count, kind="stable")[:256]]
    nearest = cKDTree(kept).query(known)[1].astype(np.uint8)
    made = Image.fromarray(nearest[place.ravel()].reshape(pixels.shape[:2]), "P")
    made.putpalette(kept.ravel().tolist())
    return made
