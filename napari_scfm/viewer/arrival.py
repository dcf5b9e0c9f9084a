"""Layers that napari itself adds: dropped on the window, or opened as a sample.

A reader may only return layer data. So the viewer in front is asked to tell when the
last of those layers has arrived; then they become its session and the workbench is
docked. Without a viewer the layers are just layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import napari

from napari_scfm.viewer.fov_layers import LayerData, fov_layer_data, role_of
from napari_scfm.viewer.open import adopt, first_fov
from napari_scfm.viewer.session import bare, session_of

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_scfm.slides.slide import Slide

PLUGIN, WORKBENCH = "napari-scfm", "Workbench"


def layers_to_come(slide: Slide) -> list[LayerData]:
    """Return the layer data of a slide's first FOV; adopt the layers on arrival."""
    name = first_fov(slide)
    data = fov_layer_data(slide, slide.fov(name))
    viewer = napari.current_viewer()
    if viewer is not None:
        _await(bare(viewer), slide, name, len(data))
    return data


def _await(viewer: Viewer, slide: Slide, name: str, expected: int) -> None:
    arrived: list[Any] = []

    def on_inserted(event: Any) -> None:
        if role_of(event.value).get("slide") is not slide:
            return
        arrived.append(event.value)
        if len(arrived) == expected:
            viewer.layers.events.inserted.disconnect(on_inserted)
            session = session_of(viewer)
            if session.slide is not slide:
                session.histories.clear()
            adopt(viewer, slide, name, arrived)
            show_workbench(viewer)

    viewer.layers.events.inserted.connect(on_inserted)


def show_workbench(viewer: Viewer) -> Any:
    """Dock the workbench, once; return it, or None where there is no window."""
    window = getattr(viewer, "window", None)
    if window is None:
        return None
    _, widget = window.add_plugin_dock_widget(PLUGIN, WORKBENCH)
    return widget
