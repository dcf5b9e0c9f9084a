"""Attention streams as layers: ribbons and arrowheads over the tissue.

They are drawn from the residual field, what is left of the model's attention after
geometry and the layout of cell types; the layers are titled "model attention". Their
shape and colours are those of an exported figure, on a dark rim so that they read on
any cells. Decides: regions that do not beat chance are grey; ribbons keep about the
same width on the screen at every zoom; another look changes the layers in place, so
that what a person set on them by hand stays.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from napari.layers import Surface, Vectors

from napari_scfm.analysis.ribbons import (
    Heads,
    dashes,
    head_vectors,
    heads_along,
    ribbons,
)
from napari_scfm.figures.stream_colours import (
    rim_colours,
    stream_colours,
    stream_widths,
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
    "tissue, which makes arrows point inwards whatever the model does. It is not "
    "evidence of communication."
)
UNDER_STREAMS, OUTLINES_UNDER = 0.65, 0.3
"""Opacity of the cells and of their outlines while streams lie over them."""

LAYERS, HEADS = "stream layers", "stream heads"

_SCREEN = 900.0
"""Pixels that a whole field of view has on a common screen."""
_WIDTH, _GROWS, _THINNEST, _WIDEST = 5.5, 0.4, 3.5, 14.0
"""Pixels of a ribbon on a whole field of view; how it grows with the zoom."""
_RIM = 0.35
_HEAD, _BROAD = 2.8, 2.3
_DASH = 5.0
_HEADS_ACROSS = 7
_ALPHA, _RIM_ALPHA = 0.95, 0.6


class Drawn(NamedTuple):
    """What the two layers of a stream show.

    Attributes
    ----------
    mesh
        Vertices (v, 2) as (y, x), faces (f, 3) and values (v,) of the ribbons.
    colours
        (v, 4).
    vectors
        (k, 2, 2) start and step (y, x) of the heads.
    inks
        (k, 4) colours of the heads.
    broad
        Width of a head's base, um.
    """

    mesh: tuple[np.ndarray, np.ndarray, np.ndarray]
    colours: np.ndarray
    vectors: np.ndarray
    inks: np.ndarray
    broad: float


def is_raw(stream: Stream) -> bool:
    """Return whether a stream shows the attention as it is."""
    return bool(getattr(stream.look, "raw", False))


def reach_of(stream: Stream) -> float:
    """Return the longer side of what a stream covers, um."""
    if not stream.lines:
        return 1.0
    return float(np.ptp(np.concatenate(stream.lines), axis=0).max()) or 1.0


def width_at(zoom: float, reach: float) -> float:
    """Return the width of ribbons in um that looks right at a zoom in pixels per um."""
    closer = zoom * reach / _SCREEN
    pixels = np.clip(_WIDTH * closer**_GROWS, _THINNEST, _WIDEST)
    return float(pixels / zoom)


def drawn(stream: Stream, width: float, phase: float = 0.0) -> Drawn:
    """Return the ribbons and heads of a stream.

    Parameters
    ----------
    width
        Of the ribbons where they are widest, um.
    phase
        0..1, how far the heads have moved on.
    """
    if not stream.lines:
        return _nothing(width)
    lines, strength = stream.lines, stream.strength
    colours, scale = colours_of(stream), stream_widths(strength, stream.beats)
    every = reach_of(stream) / _HEADS_ACROSS
    heads = heads_along(lines, _HEAD * width, every, phase, np.sqrt(scale))
    inks = colours[heads.point]
    if is_raw(stream):
        lines, number = dashes(lines, _DASH * width)
        flat = np.concatenate(number)
        colours, strength = colours[flat], [np.ones(len(one)) for one in number]
        scale = np.full(len(flat), 0.75)
    below = ribbons(lines, width, strength, scale=scale, rim=_RIM * width)
    above = ribbons(lines, width, strength, scale=scale)
    rims = _rims(heads, _RIM * width)
    meshes = [below, above, rims]
    starts = np.cumsum([0, *(len(m[0]) for m in meshes)])
    vertices = np.concatenate([m[0] for m in meshes])[:, ::-1]
    faces = np.concatenate([m[1] + n for m, n in zip(meshes, starts, strict=False)])
    values = np.concatenate([below.values, above.values, np.zeros(len(rims[0]))])
    return Drawn(
        (vertices, faces, values),
        _coloured(np.repeat(colours, 2, axis=0), np.repeat(inks, 3, axis=0)),
        head_vectors(heads.triangles)[..., ::-1],
        _with_alpha(inks, 1.0),
        _BROAD * width,
    )


def _nothing(width: float) -> Drawn:
    """Return one triangle without area, because a mesh must have some."""
    mesh = np.zeros((3, 2)), np.array([[0, 1, 2]]), np.zeros(3)
    return Drawn(mesh, np.zeros((3, 4)), np.zeros((0, 2, 2)), np.zeros((0, 4)), width)


def colours_of(stream: Stream) -> np.ndarray:
    """Return (points, 3) colours of a stream, as its look asks for."""
    by_sender = getattr(stream.look, "colour", "strength") == "sender"
    return stream_colours(
        stream.strength,
        stream.beats,
        stream.sender if by_sender else (),
        stream.palette,
        raw=is_raw(stream),
    )


def _rims(heads: Heads, rim: float) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices and faces of heads that are wider by a rim on all sides."""
    middle = heads.triangles.mean(axis=1, keepdims=True)
    out = heads.triangles - middle
    far = np.linalg.norm(out, axis=2, keepdims=True)
    # the sides of a head are nearer to its middle than its corners
    wider = middle + out * (1 + 2.2 * rim / np.maximum(far, 1e-9))
    count = len(wider)
    return wider.reshape(-1, 2), np.arange(3 * count).reshape(-1, 3)


def _coloured(colours: np.ndarray, heads: np.ndarray) -> np.ndarray:
    """Return the colours of rims, ribbons, and rims of heads."""
    below, above = (_with_alpha(rim_colours(c), _RIM_ALPHA) for c in (colours, heads))
    return np.concatenate([below, _with_alpha(colours, _ALPHA), above])


def _with_alpha(colours: np.ndarray, alpha: float) -> np.ndarray:
    return np.concatenate([colours, np.full((len(colours), 1), alpha)], axis=1)


def stream_layers(session: Session, stream: Stream, zoom: float = 1.0) -> list[Any]:
    """Return the layers of a stream: ribbons below, heads on top.

    Parameters
    ----------
    zoom
        Of the camera, pixels per um.
    """
    if not stream.lines:
        return []
    look = drawn(stream, width_at(zoom, reach_of(stream)))
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
    return f"{TITLE} ({stream.model})" + (f", {RAW}" if is_raw(stream) else "")


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
        _dim(fov_layers, dim=False)
        return
    if len(there) == 2 and role_of(there[0])["fov"] == stream.fov:
        redraw(viewer, session)
        return
    _remove(viewer, session, there)
    _add(viewer, session, stream)
    _dim(fov_layers, dim=bool(session.parts[LAYERS]))


def _dim(layers: FovLayers, *, dim: bool) -> None:
    """Make the cells and their outlines step back under streams, or come forward."""
    if layers.cells is not None:
        layers.cells.opacity = UNDER_STREAMS if dim else OPACITY
    if layers.outlines is not None:
        layers.outlines.opacity = OUTLINES_UNDER if dim else 1.0


def _remove(viewer: Viewer, session: Session, layers: list[Any]) -> None:
    session.parts.pop(LAYERS, None)
    for layer in layers:
        viewer.layers.remove(layer)


def _add(viewer: Viewer, session: Session, stream: Stream) -> None:
    active = viewer.layers.selection.active
    layers = stream_layers(session, stream, viewer.scene.camera.zoom)
    for layer in layers:
        viewer.add_layer(layer)
    session.parts[LAYERS] = layers
    session.parts["bind"](layers)
    if active is not None and active in viewer.layers:
        viewer.layers.selection.active = active
    _follow_zoom(viewer, session)


def redraw(viewer: Viewer, session: Session, phase: float = 0.0) -> None:
    """Bring the layers of the session's stream up to date, in place."""
    stream = session.stream
    ribbon, head = session.parts[LAYERS]
    look = drawn(stream, width_at(viewer.scene.camera.zoom, reach_of(stream)), phase)
    with ribbon.events.blocker_all():  # colours and vertices must fit when drawn
        ribbon.vertex_colors = None
        ribbon.data = look.mesh
    ribbon.vertex_colors = look.colours
    put_heads(head, look)
    if ribbon.name != _title(stream):
        ribbon.name = _title(stream)
    for layer in (ribbon, head):
        layer.metadata = _about(session, stream)


def put_heads(head: Vectors, look: Drawn) -> None:
    """Show other arrowheads in a layer."""
    head.data = look.vectors
    if len(look.vectors):
        head.edge_width = look.broad
        head.edge_color = look.inks


def _follow_zoom(viewer: Viewer, session: Session) -> None:
    """Keep the ribbons' width on the screen while a person zooms; once per session."""
    if "stream zoom" in session.parts:
        return
    reference = weakref.ref(viewer)

    def on_zoom(*_: Any) -> None:
        there = reference()
        if there is None or session.stream is None:
            return
        now = _steps(there.scene.camera.zoom)
        if now != session.parts["stream zoom"] and _on_show(there, session):
            session.parts["stream zoom"] = now
            redraw(there, session)

    session.parts["stream zoom"] = _steps(viewer.scene.camera.zoom)
    session.parts["on stream zoom"] = on_zoom
    viewer.scene.camera.events.zoom.connect(on_zoom)


def _on_show(viewer: Viewer, session: Session) -> bool:
    layers = session.parts.get(LAYERS, [])
    return len(layers) == 2 and all(layer in viewer.layers for layer in layers)


def _steps(zoom: float) -> int:
    """Return a zoom in steps of a quarter of a doubling."""
    return round(4 * float(np.log2(max(zoom, 1e-6))))
