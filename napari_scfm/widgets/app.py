"""Starting napari with a slide and the workbench: ``view`` and ``demo``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import napari
import napari.qt

from napari_scfm.viewer.arrival import show_workbench
from napari_scfm.viewer.open import open_slide, show_fov
from napari_scfm.viewer.sessions.restore import can_open, read_scene
from napari_scfm.widgets.sessions.dialogs import ask_rest, ask_slide

if TYPE_CHECKING:
    from pathlib import Path

    from napari.viewer import Viewer

    from napari_scfm.viewer.sessions.scene import Scene
    from napari_scfm.widgets.workbench import Workbench

SIZE = (1680, 1050)


def start(path: str | Path | None = None, fov: str | None = None) -> Viewer:
    """Return a viewer with the workbench docked and, if given, a slide open.

    Raises
    ------
    ScfmError
        If the slide, session or result cannot be read; no window is left behind.
    Cancelled
        If the slide of a session is nowhere and the person gives up.
    """
    slide = scene = None
    if path is not None and can_open(path):
        scene = _asking(path)
    elif path is not None:
        from napari_scfm.slides.read import read_slide

        slide = read_slide(path)
        if fov is not None:
            slide.fov(fov)
    viewer = napari.Viewer(title="napari-scfm")
    try:
        viewer.window.resize(*SIZE)
        bench = show_workbench(viewer)
        if slide is not None:
            open_slide(viewer, slide, fov)
        if scene is not None:
            bench.sessions.take_over(path, scene)
            show_fov(viewer, fov or scene.fov)
    except Exception:
        viewer.close()
        raise
    return viewer


def _asking(path: str | Path) -> Scene:
    """Return what a session or a result shows; ask on the screen where need be."""
    app = napari.qt.get_qapp()
    scene = read_scene(path, partial(ask_slide, None), partial(ask_rest, None))
    del app  # kept until the questions were asked
    return scene


def workbench_of(viewer: Viewer) -> Workbench:
    """Return the workbench of a viewer; docked if it is not yet."""
    return show_workbench(viewer)


def view(
    path: str | Path | None = None, fov: str | None = None, *, block: bool = True
) -> Viewer:
    """Open napari with a slide and the workbench.

    Parameters
    ----------
    path
        A slide, a saved session or a saved result; None opens an empty workbench.
    fov
        Field of view to show first.
    block
        Stay until the window is closed.
    """
    viewer = start(path, fov)
    if block:
        napari.run()
    return viewer


def demo(out: str | Path, *, close: bool = False) -> list[Path]:
    """Run the whole path on the sample slide; return the files that were written.

    Parameters
    ----------
    out
        Folder for the window's picture, the figures and ``summary.csv``.
    close
        Close the window at the end instead of leaving it to the user.
    """
    from napari_scfm.widgets.demo import run_demo

    viewer, written = run_demo(out)
    if close:
        viewer.close()
    else:
        napari.run()
    return written
