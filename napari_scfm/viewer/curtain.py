"""Curtain: truth left of a line, prediction right of it, on the ordinary canvas.

Which cells take which colour is decided in :mod:`.look`; here is the line itself, a
locked layer with the two words and a grip, and the gesture that drags it. The mouse
belongs to the curtain within a few pixels of the line only.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes

from napari_scfm.viewer.fov_layers import metadata
from napari_scfm.viewer.look import curtain_at, curtained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari.viewer import Viewer

    from napari_scfm.viewer.session import Session

REACH = 7
"""Pixels beside the line in which the mouse takes hold of it."""

_WORDS = ("", "truth", "predicted", "‹ ›")
_KINDS = ("line", "rectangle", "rectangle", "ellipse")
_PLATE = (0.0, 0.0, 0.0, 0.75)
_SIZE, _LETTER, _TALL, _GAP, _GRIP = 10, 9.5, 24, 5, 13
_EVENTS = ("curtain", "comparison", "gene", "colour_by", "side_by_side", "fov")


def in_view(viewer: Viewer, session: Session) -> float:
    """Return the share of the FOV's width that lies in the middle of the canvas.

    Where the line can be seen as it is, it stays.
    """
    wide = session.fov.shape[1] * session.fov.pixel_size
    centre = float(viewer.scene.camera.center[-1])
    half = viewer.canvas.size[1] / viewer.scene.camera.zoom / 2
    if abs(session.curtain * wide - centre) < 0.9 * half:
        return session.curtain
    return float(np.clip(centre / wide, 0, 1))


def install(viewer: Viewer, session: Session) -> None:
    """Let the line follow the session, and the mouse move it; once per session."""
    if "curtain" in session.parts:
        return
    reference = weakref.ref(viewer)

    def follow(*_: Any) -> None:
        there = reference()
        if there is not None and "painter" in session.parts:
            draw(there, session)

    def hung(*_: Any) -> None:
        there = reference()
        if there is not None and session.parts["curtain"] is None:
            welcome(there, session)

    def gone(event: Any) -> None:
        if event.value is session.parts["curtain"]:
            session.parts["curtain"] = None
            session.curtain = None

    session.parts["curtain"] = None
    session.parts["on_curtain"] = follow, hung
    session.events.curtain.connect(hung)
    for name in _EVENTS:
        getattr(session.events, name).connect(follow)
    viewer.scene.camera.events.connect(follow)
    viewer.layers.events.removed.connect(gone)
    # before the selection tools, which leave alone what is handled
    viewer.mouse_drag_callbacks.insert(0, gesture_for(session))


def welcome(viewer: Viewer, session: Session) -> None:
    """Bring a curtain that was just hung into view, and say what it is."""
    made = curtained(session)
    if made is None:
        return
    session.curtain = in_view(viewer, session)
    session.say(
        f"{session.gene}: truth left of the line, predicted by {made[0].model} right "
        "of it. Drag the line."
    )


def gesture_for(session: Session) -> Callable[[Viewer, Any], Iterator[None]]:
    """Return the mouse callback that drags the curtain."""

    def drag_curtain(viewer: Viewer, event: Any) -> Iterator[None]:
        if event.button != 1 or session.parts["curtain"] is None:
            return
        apart = (event.position[-1] - curtain_at(session)) * viewer.scene.camera.zoom
        if abs(apart) > REACH:
            return
        event.handled = True
        yield
        wide = session.fov.shape[1] * session.fov.pixel_size
        while event.type == "mouse_move":
            session.curtain = float(np.clip(event.position[-1] / wide, 0, 1))
            event.handled = True
            yield
        event.handled = True

    return drag_curtain


def draw(viewer: Viewer, session: Session) -> None:
    """Put the line where the session says, or take it away."""
    layer, made = session.parts["curtain"], curtained(session)
    if made is None:
        if layer is not None:
            session.parts["curtain"] = None
            viewer.layers.remove(layer)
        return
    zoom = viewer.scene.camera.zoom
    parts = outline(viewer, session)
    name = f"truth | predicted by {made[0].model}"
    if layer is None:
        session.parts["curtain"] = _add(viewer, session, parts, name)
        return
    at = (0.0, curtain_at(session))
    if not np.array_equal(layer.translate[-2:], at):
        layer.translate = at  # half the time of other data
    # the layer keeps single precision
    same = (np.allclose(a, b) for a, b in zip(layer.data, parts, strict=True))
    if not all(same):
        layer.data = list(zip(parts, _KINDS, strict=True))
        layer.edge_width = [2 / zoom] * len(parts)
    if layer.name != name:
        layer.name = name


def outline(viewer: Viewer, session: Session) -> list[np.ndarray]:
    """Return the corners (y, x) of the line, the plates of its words, and its grip.

    In um, x from the line. The words stand at the upper end of the line, or of what is
    seen of it; the grip in the middle.
    """
    pixel = 1 / viewer.scene.camera.zoom
    tall = session.fov.shape[0] * session.fov.pixel_size
    middle = float(viewer.scene.camera.center[-2])
    reach = viewer.canvas.size[0] * pixel / 2
    top, bottom = max(0.0, middle - reach), min(tall, middle + reach)
    edge = top + 8 * pixel
    grip = (top + bottom) / 2 + _GRIP * pixel * np.array([[-1, -1], [1, 1]])[:, 0]
    parts = [np.array([[0.0, 0.0], [tall, 0.0]])]
    for word, side in zip(_WORDS[1:3], (-1, 1), strict=True):
        near = side * _GAP * pixel
        away = near + side * (_LETTER * len(word) + 10) * pixel
        parts.append(_box(edge, edge + _TALL * pixel, near, away))
    parts.append(_box(*grip, -_GRIP * pixel, _GRIP * pixel))
    return parts


def _box(top: float, bottom: float, left: float, right: float) -> np.ndarray:
    return np.array([[top, left], [top, right], [bottom, right], [bottom, left]])


def _add(
    viewer: Viewer, session: Session, parts: list[np.ndarray], name: str
) -> Shapes:
    active = viewer.layers.selection.active
    layer = Shapes(
        parts,
        shape_type=list(_KINDS),
        edge_color=["white", "transparent", "transparent", "white"],
        face_color=["white", _PLATE, _PLATE, _PLATE],
        edge_width=2 / viewer.scene.camera.zoom,
        opacity=1.0,
        features={"word": list(_WORDS)},
        text={"string": "{word}", "color": "white", "size": _SIZE},
        name=name,
        metadata=metadata(session.slide, session.fov, "curtain"),
        translate=(0.0, curtain_at(session)),
        units=("um", "um"),
    )
    viewer.add_layer(layer)
    layer.editable = False
    session.parts["bind"]([layer])
    if active is not None and active in viewer.layers:
        viewer.layers.selection.active = active
    return layer
