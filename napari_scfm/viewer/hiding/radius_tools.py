"""Brush, disc and stripe: tools with a radius in um, and the circle at the cursor.

The circle is napari's own cursor, which its viewer lets anybody set; it is only as
large as the canvas allows.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import numpy as np
import shapely

from napari_scfm.masks.parts import Disc, Stripe
from napari_scfm.masks.spec import MaskSpec
from napari_scfm.viewer.session import NO_CELLS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.viewer import Viewer

    from napari_scfm.viewer.session import Session

RADIUS_TOOLS = ("brush", "disc", "stripe")
RADII = (5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 300, 500)
"""What the bracket keys step through, um."""


def cells_near(xy: np.ndarray, track: np.ndarray, radius: float) -> np.ndarray:
    """Return the rows whose centre lies within a radius of a stroke.

    Parameters
    ----------
    xy
        (n, 2) centres (x, y) in um.
    track
        (m, 2) points (x, y) in um that the cursor passed.
    radius
        In um.
    """
    if len(track) == 0:
        return NO_CELLS
    line = shapely.LineString(track) if len(track) > 1 else shapely.Point(track[0])
    low, high = track.min(axis=0) - radius, track.max(axis=0) + radius
    near = np.flatnonzero(((xy >= low) & (xy <= high)).all(axis=1))
    shapely.prepare(line)
    return near[shapely.dwithin(line, shapely.points(xy[near]), radius)]


def rule_of_stroke(
    session: Session, tool: str, track: np.ndarray, far: bool
) -> MaskSpec | None:
    """Return the rule of a disc or a stripe that was drawn; None for the brush.

    Parameters
    ----------
    track
        (m, 2) points (x, y) in um; the first is the disc's centre.
    far
        Whether the mouse was dragged: a click makes a disc of the radius that is set.
    """
    (x0, y0), (x1, y1) = np.round(track[0], 2), np.round(track[-1], 2)
    fov = session.fov.name
    if tool == "disc":
        radius = float(np.hypot(x1 - x0, y1 - y0)) if far else session.radius
        disc = Disc(x=float(x0), y=float(y0), radius=round(radius, 2), fov=fov)
        return MaskSpec(discs=(disc,))
    if tool == "stripe" and far:
        stripe = Stripe(
            x0=float(x0), y0=float(y0), x1=float(x1), y1=float(y1),
            width=2 * session.radius, fov=fov,
        )  # fmt: skip
        return MaskSpec(stripes=(stripe,))
    return None


def circle(center: np.ndarray, radius: float, corners: int = 48) -> np.ndarray:
    """Return the corners (y, x) of a circle, to draw it."""
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return center + radius * np.stack([np.sin(turn), np.cos(turn)], axis=1)


def band(start: np.ndarray, end: np.ndarray, width: float) -> np.ndarray:
    """Return the corners (y, x) of a stripe, to draw it."""
    along = end - start
    across = np.array([-along[1], along[0]]) / max(np.hypot(*along), 1e-9) * width / 2
    return np.array([start + across, end + across, end - across, start - across])


def outline(track: Sequence[np.ndarray], tool: str, radius: float) -> np.ndarray:
    """Return the corners (y, x) of what has been drawn so far, closed."""
    first, last = track[0], track[-1]
    if tool == "disc":
        return circle(first, float(np.hypot(*(last - first))))
    if tool == "stripe":
        return band(first, last, 2 * radius)
    if tool == "box":
        (top, left), (bottom, right) = first, last
        return np.array([(top, left), (top, right), (bottom, right), (bottom, left)])
    return np.array(track)


def step_radius(session: Session, step: int) -> None:
    """Take the next smaller or larger radius."""
    steps = np.array(RADII, dtype=float)
    if step > 0:
        rest = steps[steps > session.radius + 1e-6]
        session.radius = float(rest[0] if len(rest) else session.radius)
    else:
        rest = steps[steps < session.radius - 1e-6]
        session.radius = float(rest[-1] if len(rest) else session.radius)
    session.say(f"Radius {session.radius:g} um.")


def follow_cursor(viewer: Viewer, session: Session) -> None:
    """Show the radius as a circle at the cursor while such a tool is on."""
    reference = weakref.ref(viewer)

    def draw() -> None:
        there = reference()
        if there is not None:
            dress_cursor(there, session)

    session.parts["cursor"] = draw
    session.events.tool.connect(draw)
    session.events.radius.connect(draw)
    viewer.layers.selection.events.active.connect(draw)


def dress_cursor(viewer: Viewer, session: Session) -> None:
    """Give the viewer's cursor the shape of the tool."""
    cursor = viewer.cursor
    if session.tool in ("brush", "disc"):
        cursor.scaled = True
        cursor.size = 2 * session.radius
        cursor.style = "circle"
    elif session.tool == "pan":
        if cursor.style in ("circle", "cross"):
            cursor.style = "standard"
    else:
        cursor.style = "cross"
