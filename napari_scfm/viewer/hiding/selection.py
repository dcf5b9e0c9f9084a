"""Selecting cells on the canvas: click, box, lasso, brush, disc and stripe.

The gestures live in the viewer's mouse callbacks and do nothing while the tool is
"pan". Selecting never hides anything. Shift adds to the selection, Alt takes away.
Cells of classes that the legend hides cannot be pointed at.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from napari.layers import Vectors

from napari_scfm.errors import ScfmError
from napari_scfm.viewer.cells import centroids, rows_of_labels
from napari_scfm.viewer.hidden import in_sight
from napari_scfm.viewer.hiding.picking import how_of, pick, pick_by
from napari_scfm.viewer.hiding.radius_tools import (
    cells_near,
    follow_cursor,
    outline,
    rule_of_stroke,
)
from napari_scfm.viewer.layout import one_layout
from napari_scfm.viewer.session import NO_CELLS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari.viewer import Viewer

    from napari_scfm.viewer.hiding.picking import How
    from napari_scfm.viewer.session import Session

_ALT_GESTURES = ("drag_to_zoom", "double_click_to_zoom")
RUBBER = "selection outline"


def cells_in_polygon(xy: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Return the rows whose centre lies in a polygon.

    Parameters
    ----------
    xy
        (n, 2) centres (x, y) in um.
    polygon
        (m, 2) corners (x, y) in um; fewer than 3 hold no cell.
    """
    if len(polygon) < 3:
        return NO_CELLS
    shape = shapely.make_valid(shapely.Polygon(polygon))
    shapely.prepare(shape)
    return np.flatnonzero(shapely.contains_xy(shape, xy[:, 0], xy[:, 1]))


def cells_in_box(xy: np.ndarray, start: Sequence[float], end: Sequence[float]) -> Any:
    """Return the rows whose centre lies between two corners (x, y) in um."""
    low, high = np.minimum(start, end), np.maximum(start, end)
    return np.flatnonzero(((xy >= low) & (xy <= high)).all(axis=1))


def install(viewer: Viewer, session: Session) -> None:
    """Add the gestures to a viewer; once per session."""
    if "gesture" in session.parts:
        return
    gesture = gesture_for(session)
    session.parts["gesture"] = gesture
    viewer.mouse_drag_callbacks.append(gesture)
    reference = weakref.ref(viewer)
    parked: dict[str, list[Any]] = {}

    def on_tool(tool: str) -> None:
        there = reference()
        if there is not None:
            _park(there, parked, tool != "pan")

    session.parts["on_tool"] = on_tool
    session.events.tool.connect(on_tool)
    follow_cursor(viewer, session)


def _park(viewer: Viewer, parked: dict[str, list[Any]], away: bool) -> None:
    """Take napari's own Alt-drag and double-click zoom away while a tool is on."""
    for name in ("mouse_drag_callbacks", "mouse_double_click_callbacks"):
        callbacks = getattr(viewer, name)
        if away and name not in parked:
            parked[name] = [c for c in callbacks if c.__name__ in _ALT_GESTURES]
            for callback in parked[name]:
                callbacks.remove(callback)
        elif not away and name in parked:
            callbacks.extend(parked.pop(name))


def gesture_for(session: Session) -> Callable[[Viewer, Any], Iterator[None]]:
    """Return the mouse callback of a session."""

    def select_cells(viewer: Viewer, event: Any) -> Iterator[None]:
        tool = session.tool
        if tool == "pan" or session.fov is None or event.button != 1:
            return
        if event.handled:  # by the curtain
            return
        track = [np.asarray(event.position)[-2:]]
        how = how_of(event.modifiers)
        start = np.asarray(event.pos)
        event.handled = True
        _brushed(session, tool, track, how)
        yield
        far = False
        while event.type == "mouse_move":
            track.append(np.asarray(event.position)[-2:])
            far = far or np.abs(np.asarray(event.pos) - start).max() > 3
            _brushed(session, tool, track[-2:], "add" if how == "replace" else how)
            if far and tool not in ("click", "brush"):
                _draw(viewer, session, outline(track, tool, session.radius))
            event.handled = True
            yield
        _draw(viewer, session, np.zeros((0, 2)))
        event.handled = True
        if tool != "brush":
            _attempt(session, _take, session, tool, track, far, how)

    return select_cells


def _attempt(session: Session, act: Callable[..., None], *arguments: Any) -> None:
    """Call an act; an error is shown as its sentence."""
    try:
        act(*arguments)
    except ScfmError as error:
        session.fail(error)


def _brushed(session: Session, tool: str, track: list[np.ndarray], how: How) -> None:
    """Select what the brush has just passed over, if the tool is the brush."""
    if tool == "brush":
        _attempt(session, _brush, session, track, how)


def _brush(session: Session, track: list[np.ndarray], how: How) -> None:
    xy = centroids(session.fov.table)
    hit = cells_near(xy, np.array(track)[:, ::-1], session.radius)
    hit = np.union1d(hit, cell_at(session, track[-1]))
    if how == "replace" or len(hit):
        pick(session, in_sight(session, hit), how)


def _take(
    session: Session, tool: str, track: list[np.ndarray], far: bool, how: How
) -> None:
    """Select what a click or a drag of a tool meant, of the cells that are shown."""
    points = np.array(track)[:, ::-1]
    rule = rule_of_stroke(session, tool, points, far)
    if rule is not None:
        pick_by(session, rule, how, shown=True)
        return
    if not far or tool == "click":
        hit = cell_at(session, track[0])
    elif tool == "box":
        hit = cells_in_box(centroids(session.fov.table), points[0], points[-1])
    else:
        hit = cells_in_polygon(centroids(session.fov.table), points)
    pick(session, in_sight(session, hit), how)


def cell_at(session: Session, position: np.ndarray) -> np.ndarray:
    """Return the row of the cell at a world position (y, x) in um, if any."""
    labels = session.parts["painter"].layers.cells
    value = labels.get_value(tuple(position), world=True)
    return rows_of_labels(session.fov, np.atleast_1d(value or 0))


def _draw(viewer: Viewer, session: Session, corners: np.ndarray) -> None:
    """Show the rubber band; nothing in the grid, where it would take a tile.

    It stays, out of sight, for the next gesture: a new layer takes long to make.
    """
    band = session.parts.get("rubber")
    if band is not None and band not in viewer.layers:
        del session.parts["rubber"]
        band = None
    if len(corners) < 2 or viewer.canvas.grid.enabled:
        if band is not None and band.visible:
            band.visible = False
        return
    data = np.stack([corners, np.roll(corners, -1, axis=0) - corners], axis=1)
    if band is None:
        band = _add_band(viewer, session, data)
    else:
        band.data = data
    band.edge_width = 2 / viewer.scene.camera.zoom
    if not band.visible:
        band.visible = True


def ahead(viewer: Viewer, session: Session) -> None:
    """Make the rubber band out of sight, for the first gesture."""
    if session.parts.get("rubber") not in viewer.layers:
        corner = np.zeros((1, 2, 2))
        _add_band(viewer, session, corner, visible=False)


def _add_band(
    viewer: Viewer, session: Session, data: np.ndarray, visible: bool = True
) -> Vectors:
    active = viewer.layers.selection.active
    band = Vectors(
        data, name=RUBBER, edge_color="white", visible=visible,
        vector_style="line", units=("um", "um"),
    )  # fmt: skip
    with one_layout(viewer):
        viewer.add_layer(band)
    session.parts["rubber"] = band
    viewer.layers.selection.active = active
    return band
