"""Commands of the manifest that are not widgets; they act on the viewer in front."""

from __future__ import annotations

from napari.viewer import Viewer  # noqa: TC002 - napari injects by annotation

from napari_scfm.viewer import acts


def compare_with_truth(viewer: Viewer) -> None:
    """Show or leave truth | prediction | error side by side."""
    acts.run(viewer, "side_by_side")


def blink(viewer: Viewer) -> None:
    """Swap truth and prediction in place."""
    acts.run(viewer, "blink")
