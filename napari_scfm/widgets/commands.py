"""Commands of the manifest that are not widgets; they act on the viewer in front."""

from __future__ import annotations

from napari.viewer import Viewer  # noqa: TC002 - napari injects by annotation

from napari_scfm.viewer import acts
from napari_scfm.viewer.arrival import show_workbench


def compare_with_truth(viewer: Viewer) -> None:
    """Show or leave truth | prediction | error side by side."""
    acts.run(viewer, "side_by_side")


def blink(viewer: Viewer) -> None:
    """Swap truth and prediction in place."""
    acts.run(viewer, "blink")


def save_session(viewer: Viewer) -> None:
    """Save the session where it was saved before, or ask where."""
    show_workbench(viewer).sessions.save_again()


def open_session(viewer: Viewer) -> None:
    """Ask for a saved session and open it."""
    show_workbench(viewer).sessions.ask_open()
