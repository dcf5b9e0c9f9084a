"""Starting napari with a slide and the workbench: ``view`` and ``demo``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import napari

from napari_scfm.viewer.arrival import show_workbench
from napari_scfm.viewer.open import open_slide

if TYPE_CHECKING:
    from pathlib import Path

    from napari.viewer import Viewer

    from napari_scfm.widgets.workbench import Workbench

SIZE = (1680, 1050)


def start(path: str | Path | None = None, fov: str | None = None) -> Viewer:
    """Return a viewer with the workbench docked and, if given, a slide open.

    Raises
    ------
    ScfmError
        If the slide cannot be read; no window is left behind.
    """
    slide = None
    if path is not None:
        from napari_scfm.slides.read import read_slide

        slide = read_slide(path)
        if fov is not None:
            slide.fov(fov)
    viewer = napari.Viewer(title="napari-scfm")
    try:
        viewer.window.resize(*SIZE)
        show_workbench(viewer)
        if slide is not None:
            open_slide(viewer, slide, fov)
    except Exception:
        viewer.close()
        raise
    return viewer


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
        A slide; None opens an empty workbench.
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
