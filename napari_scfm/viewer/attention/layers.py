"""Attention streams as layers: ribbons and arrowheads over the tissue.

They are drawn from the residual field, what is left of the model's attention after
geometry and the layout of cell types; the layers are titled "model attention". Decides:
regions that do not beat chance are grey; another look, zoom or theme changes the layers
in place, so that what a person set on them by hand stays; the cells and their outlines
step back as long as streams lie over them.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Surface, Vectors
from napari.utils.theme import get_theme

from napari_scfm.viewer.attention.drawing import (
    Drawn,
    drawn,
    is_raw,
    reach_of,
    width_at,
)
from napari_scfm.viewer.fov_layers import OPACITY, metadata, role_of

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_scfm.viewer.fov_layers import FovLayers
    from napari_scfm.viewer.session import Session, Stream

TITLE = "model attention"
CAVEAT = (
    "Model attention, from key cell to query cell; the residual after geometry and "
    "cell-type layout. It is not evidence of communication."
)
RAW = "raw: mostly geometry"
RAW_CAVEAT = (
    "Model attention as it is, from key cell to query cell: mostly the geometry of the "
    "tissue, which makes arrows point from or to its middle whatever the model does. "
    "It is not evidence of communication."
)
UNDER_STREAMS, UNDER_KINDS, OUTLINES_UNDER = 0.6, 0.45, 0.3
"""Opacity of the cells under streams, under streams in the colours of kinds, and of
the cells' outlines under both."""

LAYERS = "stream layers"
_PHASE, _ZOOM = "stream phase", "stream zoom"


def stream_layers(
    session: Session, stream: Stream, zoom: float = 1.0, *, light: bool = False
) -> list[Any]:
    """Return the layers of a stream: ribbons below, heads on top.

    Parameters
    ----------
    zoom
        Of the camera, pixels per um.
    light
        The canvas is light.
    """
    if not stream.lines:
        return []
    look = drawn(stream, width_at(zoom, reach_of(stream)), paper=light)
    ribbon = Surface(
        look.mesh,
        name=_title(stream),
        vertex_colors=look.colours,
        contrast_limits=(0, 1),
        shading="none",
        blending="translucent_no_depth",
        metadata=_about(session, stream),
        units=("um", "um"),
    )
    head = Vectors(
        look.vectors,
        name=f"{TITLE}: direction",
        vector_style="triangle",
        edge_width=look.broad,
        edge_color=look.inks,
        opacity=1.0,
        metadata=_about(session, stream),
        units=("um", "um"),
    )
    return [ribbon, head]


def _title(stream: Stream) -> str:
    # the layer list cuts long names in the middle: what matters most comes first
    raw = f"{RAW} ({TITLE}, {stream.model})"
    return raw if is_raw(stream) else f"{TITLE} ({stream.model})"


def _about(session: Session, stream: Stream) -> dict[str, Any]:
    return metadata(session.slide, session.fov, "stream") | {
        "description": RAW_CAVEAT if is_raw(stream) else CAVEAT,
        "model": stream.model,
        "orientation": "key -> query",
        "p_value": stream.field.p_value,
    }


def show_stream(viewer: Viewer, session: Session) -> None:
    """Draw the session's stream, in the layers that are there or in new ones."""
    stream, fov_layers = session.stream, session.parts["painter"].layers
    there = [x for x in session.parts.get(LAYERS, []) if x in viewer.layers]
    here = session.fov is not None and fov_layers.cells is not None
    if not here or stream is None or stream.fov != session.fov.name:
        _remove(viewer, session, there)
        _come_forward(fov_layers)
    elif len(there) == 2 and role_of(there[0])["fov"] == stream.fov:
        redraw(viewer, session)
        _step_back(fov_layers, stream, by_hand=True)
    else:
        _remove(viewer, session, there)
        _add(viewer, session, stream)
        if session.parts[LAYERS]:
            _step_back(fov_layers, stream)
        else:
            _come_forward(fov_layers)


def _come_forward(layers: FovLayers) -> None:
    for layer, opacity in ((layers.cells, OPACITY), (layers.outlines, 1.0)):
        if layer is not None:
            layer.opacity = opacity


def _step_back(layers: FovLayers, stream: Stream, *, by_hand: bool = False) -> None:
    """Let the cells fade under streams, unless somebody has set how much they do."""
    kinds = stream.look.colour == "sender" and not is_raw(stream)
    cells = UNDER_KINDS if kinds else UNDER_STREAMS
    for layer, opacity in ((layers.cells, cells), (layers.outlines, OUTLINES_UNDER)):
        ours = (UNDER_STREAMS, UNDER_KINDS, OUTLINES_UNDER)
        if layer is not None and (not by_hand or layer.opacity in ours):
            layer.opacity = opacity


def _remove(viewer: Viewer, session: Session, layers: list[Any]) -> None:
    session.parts.pop(LAYERS, None)
    for layer in layers:
        viewer.layers.remove(layer)


def _add(viewer: Viewer, session: Session, stream: Stream) -> None:
    active = viewer.layers.selection.active
    zoom = viewer.scene.camera.zoom
    layers = stream_layers(session, stream, zoom, light=is_light(viewer))
    for layer in layers:
        viewer.add_layer(layer)
    session.parts[LAYERS] = layers
    session.parts["bind"](layers)
    if active is not None and active in viewer.layers:
        viewer.layers.selection.active = active
    _follow(viewer, session)


def redraw(viewer: Viewer, session: Session, phase: float | None = None) -> None:
    """Bring the layers of the session's stream up to date, in place.

    Parameters
    ----------
    phase
        0..1, how far the heads have moved on; None for as far as they are.
    """
    if not on_show(viewer, session):
        return
    phase = session.parts.get(_PHASE, 0.0) if phase is None else phase
    session.parts[_PHASE] = phase
    stream = session.stream
    ribbon, head = session.parts[LAYERS]
    width = width_at(viewer.scene.camera.zoom, reach_of(stream))
    look = drawn(stream, width, phase, paper=is_light(viewer))
    with ribbon.events.blocker_all():  # colours and vertices must fit when drawn
        ribbon.vertex_colors = None
        ribbon.data = look.mesh
    ribbon.vertex_colors = look.colours
    _put_heads(head, look)
    if ribbon.name != _title(stream):
        ribbon.name = _title(stream)
    for layer in (ribbon, head):
        layer.metadata = _about(session, stream)


def _put_heads(head: Vectors, look: Drawn) -> None:
    head.data = look.vectors
    if len(look.vectors):
        if head.edge_width != look.broad:
            head.edge_width = look.broad
        head.edge_color = look.inks


def on_show(viewer: Viewer, session: Session) -> bool:
    """Return whether the session's stream has its layers in the viewer."""
    layers = session.parts.get(LAYERS, [])
    there = len(layers) == 2 and all(layer in viewer.layers for layer in layers)
    return there and session.stream is not None


def is_light(viewer: Viewer) -> bool:
    """Return whether the canvas of a viewer is light."""
    red, green, blue = get_theme(viewer.theme).canvas.as_rgb_tuple()[:3]
    return bool(0.299 * red + 0.587 * green + 0.114 * blue > 127)


def _follow(viewer: Viewer, session: Session) -> None:
    """Fit the streams to the camera's zoom and the theme; once per session."""
    if "on stream view" in session.parts:
        return
    reference = weakref.ref(viewer)

    def on_zoom(*_: Any) -> None:
        there = reference()
        now = 0 if there is None else _steps(there.scene.camera.zoom)
        if there is not None and now != session.parts.get(_ZOOM):
            session.parts[_ZOOM] = now
            redraw(there, session)

    def on_theme(*_: Any) -> None:
        there = reference()
        if there is not None:
            redraw(there, session)

    session.parts[_ZOOM] = _steps(viewer.scene.camera.zoom)
    session.parts["on stream view"] = on_zoom, on_theme
    viewer.scene.camera.events.zoom.connect(on_zoom)
    viewer.events.theme.connect(on_theme)


def _steps(zoom: float) -> int:
    """Return a zoom in steps of a quarter of a doubling."""
    return round(4 * float(np.log2(max(zoom, 1e-6))))
