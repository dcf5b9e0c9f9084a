"""A clicked cell's partners on the tissue: all cells in colour, links to the first.

A link is a wedge from key to query. While they are drawn the streams step back, and
side by side, behind a curtain or after another colour was chosen they are not drawn.
"""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Surface

from napari_scfm.viewer import card
from napari_scfm.viewer.attention.layers import LAYERS as STREAMS
from napari_scfm.viewer.attention.partners import partners_of
from napari_scfm.viewer.cells import centroids
from napari_scfm.viewer.fov_layers import OPACITY, metadata
from napari_scfm.viewer.links import wedges, with_halo

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_scfm.viewer.attention.partner_look import PartnerScale, PartnerWay
    from napari_scfm.viewer.attention.partner_map import Partners
    from napari_scfm.viewer.session import Session

LAYER = "partner links"
"""Key of ``session.parts``: the layer of the links."""

BEHIND = 0.18
"""Opacity of streams behind links."""

_WIDEST, _THINNEST, _RIM, _GAP = 0.4, 0.14, 0.05, 0.4
"""Widths of a link, its rim, and the room it leaves at the cell that was clicked, in
distances between neighbouring cells."""

_DEPENDS = (
    "cell", "stream", "model", "mask", "partner_look", "side_by_side", "curtain",
)  # fmt: skip
_OTHER_COLOURS = ("colour_by", "gene", "shown", "clusters")


def install(viewer: Viewer, session: Session) -> None:
    """Draw the partners of the session's cell from now on; once per session."""
    if "on_partners" in session.parts:
        return
    card.follow(session)
    reference = weakref.ref(viewer)

    def refresh(*_: Any) -> None:
        session.partners = wanted(session)

    def on_partners(*_: Any) -> None:
        there = reference()
        if there is not None:
            show(there, session)

    def on_colours(*_: Any) -> None:
        if session.partners is not None:
            session.partner_look = replace(session.partner_look, way="off")

    session.parts["on_partners"] = refresh, on_partners, on_colours
    for name in _DEPENDS:
        getattr(session.events, name).connect(refresh)
    for name in _OTHER_COLOURS:
        getattr(session.events, name).connect(on_colours)
    session.events.partners.connect(on_partners)
    # new streams come in full strength
    session.events.stream.connect(on_partners)


def wanted(session: Session) -> Partners | None:
    """Return the partners that should be on show now."""
    row = session.cell
    if row is None or session.fov is None or row >= session.n_cells:
        return None
    if session.side_by_side or session.curtain is not None:
        return None
    return partners_of(session, row, session.partner_look)


def look_at(
    session: Session, way: PartnerWay, scale: PartnerScale | None = None
) -> None:
    """Show whom the cell attends to ("from"), who attends to it ("by"), or neither."""
    look = session.partner_look
    if way != "off":
        session.update({"side_by_side": False, "curtain": None})
    new = replace(look, way=way, scale=scale or look.scale)
    session.partner_look = new
    if new == look:
        session.partners = wanted(session)


def show(viewer: Viewer, session: Session) -> None:
    """Draw the links of the session's partners in place of those before."""
    made, layer = session.partners, session.parts.get(LAYER)
    _step_back(session, made is not None)
    if made is None or not made.top:
        session.parts.pop(LAYER, None)
        if layer in viewer.layers:
            viewer.layers.remove(layer)
        return
    about = metadata(session.slide, session.fov, "partners") | {
        "description": made.legend.note,
        "model": made.model,
        "orientation": "key -> query",
    }
    data, name = links_of(session, made), f"{made.title} ({made.model})"
    if layer in viewer.layers:
        layer.data, layer.name, layer.metadata = data, name, about
        return
    layer = Surface(
        data,
        name=name,
        colormap=with_halo(),
        contrast_limits=(0, 1),
        shading="none",
        blending="translucent_no_depth",
        metadata=about,
        units=("um", "um"),
    )
    active = viewer.layers.selection.active
    viewer.add_layer(layer)
    session.parts[LAYER] = layer
    session.parts["bind"]([layer])
    if active is not None and active in viewer.layers:
        viewer.layers.selection.active = active


def links_of(
    session: Session, made: Partners
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the triangles of the links, (y, x), for napari."""
    times = made.times[[cell.row for cell in made.top]]
    room = spacing(session)
    wide = room * (_THINNEST + (_WIDEST - _THINNEST) * times / times.max())
    vertices, faces, values = wedges(*ends_of(session, made), wide, _RIM * room)
    return vertices[:, ::-1], faces, values


def ends_of(session: Session, made: Partners) -> tuple[np.ndarray, np.ndarray]:
    """Return (k, 2) where the links start and where they end, from key to query."""
    xy, room = centroids(session.fov.table), spacing(session)
    there = xy[[cell.row for cell in made.top]]
    away = there - xy[made.row]
    far = np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-9)
    # the cell itself stays in sight
    here = xy[made.row] + away / far * np.minimum(_GAP * room, far / 2)
    return (there, here) if made.look.way == "from" else (here, there)


def spacing(session: Session) -> float:
    """Return the distance between neighbouring cells of the FOV, um."""
    xy = centroids(session.fov.table)
    area = float(np.prod(np.ptp(xy, axis=0)))
    return float(np.sqrt(max(area, 1.0) / max(len(xy), 1)))


def _step_back(session: Session, back: bool) -> None:
    """Let streams fade behind the links and the cells come forward, or undo it."""
    kept = session.parts.setdefault("stream opacity", {})
    streams = session.parts.get(STREAMS, [])
    layers = session.parts["painter"].layers
    under = [x for x in (layers.cells, layers.outlines) if x is not None]
    if back and streams:
        wanted = dict.fromkeys(streams, BEHIND)
        wanted |= dict(zip(under, (OPACITY, 1.0), strict=False))
        for layer, opacity in wanted.items():
            if layer.opacity != opacity:
                kept[layer], layer.opacity = layer.opacity, opacity
    elif not back:
        for layer, opacity in kept.items():
            if streams and layer in (*streams, *under):
                layer.opacity = opacity
        kept.clear()
