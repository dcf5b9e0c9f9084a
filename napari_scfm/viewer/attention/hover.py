"""What a stream says under the mouse: strength, chance, sender, which way it runs.

Decides: it is said in napari's tooltip, so that the status bar keeps speaking of the
cell; a stream is meant when the mouse is within a few pixels of it; and p is that of
the region, family-wise, because single cells and lines are never tested.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from napari_scfm.viewer.attention.drawing import is_raw
from napari_scfm.viewer.attention.layers import LAYERS, on_show

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_scfm.viewer.session import Session, Stream

REACH = 8.0
"""Pixels between the mouse and a stream that is meant."""

_WAYS = (
    "right", "lower right", "bottom", "lower left",
    "left", "upper left", "top", "upper right",
)  # fmt: skip


_CANDIDATES = 8


class Found(NamedTuple):
    """A point of a stream: number of its line, and of the point on it."""

    line: int
    point: int


class Near:
    """Finds the stream under a position.

    Attributes
    ----------
    stream
        Whose lines are searched.
    """

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        counts = [len(line) for line in stream.lines]
        self._line = np.repeat(np.arange(len(counts)), counts)
        self._first = np.cumsum([0, *counts])
        self._points = np.concatenate(stream.lines) if counts else np.zeros((0, 2))
        self._tree = cKDTree(self._points) if counts else None

    def at(self, xy: np.ndarray, reach: float) -> Found | None:
        """Return the nearest point of the nearest line within a distance, um."""
        if self._tree is None:
            return None
        count = min(_CANDIDATES, len(self._points))
        _, close = self._tree.query(xy, k=np.arange(1, count + 1))
        away = [self._away(int(point), xy) for point in close]
        best = int(np.argmin(away))
        if away[best] > reach:
            return None
        point = int(close[best])
        line = int(self._line[point])
        return Found(line, point - int(self._first[line]))

    def _away(self, point: int, xy: np.ndarray) -> float:
        """Return the distance to the stretches of line on both sides of a point."""
        line = self._line[point]
        first, last = self._first[line], self._first[line + 1] - 1
        ends = self._points[max(point - 1, first) : min(point + 1, last) + 1]
        start, step = ends[:-1], np.diff(ends, axis=0)
        along = np.sum((xy - start) * step, axis=1) / np.maximum(
            np.sum(step**2, axis=1), 1e-12
        )
        feet = start + np.clip(along, 0, 1)[:, None] * step
        return float(np.linalg.norm(xy - feet, axis=1).min())


def said(stream: Stream, found: Found) -> str:
    """Return what is known of a stream at one of its points, a line for each."""
    line, point = stream.lines[found.line], found.point
    sent = stream.field.direction == "sent"
    strength = float(stream.strength[found.line][point])
    way = _way(line, point)
    lines = [
        f"Model attention {'sent' if sent else 'received'}, "
        "from key (sender) to query (receiver)",
        f"Strength {strength:.0%} of the strongest, to the {way}",
        _chance(stream, line[point]),
        _sender(stream, found, sent=sent),
    ]
    return "\n".join(text for text in lines if text)


def _way(line: np.ndarray, point: int) -> str:
    step = line[min(point + 1, len(line) - 1)] - line[max(point - 1, 0)]
    eighth = round(float(np.arctan2(step[1], step[0])) / (np.pi / 4))
    return _WAYS[eighth % len(_WAYS)]


def _chance(stream: Stream, xy: np.ndarray) -> str:
    field = stream.field
    if is_raw(stream):
        return "Raw: mostly geometry, not tested"
    grid_p = np.asarray(field.grid_p)
    if not grid_p.size:
        beats = "beats" if field.significant else "does not beat"
        return f"The field {beats} chance: p = {field.p_value:.2g}"
    column, row = (
        int(np.argmin(np.abs(axis - value)))
        for axis, value in zip((field.grid_x, field.grid_y), xy, strict=True)
    )
    value = float(grid_p[row, column])
    if not np.isfinite(value):
        return "Region not tested"
    beats = "beats" if field.beats_chance[row, column] else "does not beat"
    return f"Region {beats} chance: p = {value:.2g}, family-wise"


def _sender(stream: Stream, found: Found, *, sent: bool) -> str:
    if not stream.sender or not stream.kinds:
        return ""
    kind = int(stream.sender[found.line][found.point])
    if kind < 0:
        return "No kind of sender beyond its share"
    name = stream.kinds[kind]
    return f"Senders beyond their share{' here' if sent else ''}: {name}"


def install(viewer: Viewer, session: Session) -> None:
    """Let streams speak under the mouse; once per session."""
    if "on_hover" in session.parts:
        return
    speaker = _Speaker(viewer, session)
    session.parts["on_hover"] = speaker
    viewer.mouse_move_callbacks.append(speaker.on_move)
    viewer.tooltip.events.text.connect(speaker.keep)


class _Speaker:
    """Puts the words of the stream under the mouse into the viewer's tooltip.

    napari writes the tooltip of the active layer after every move of the mouse, so
    the words are put back as long as the mouse is on the stream.
    """

    def __init__(self, viewer: Viewer, session: Session) -> None:
        self._viewer, self._session = weakref.ref(viewer), session
        self._near: Near | None = None
        self._words = ""
        self._shown_before = False

    def on_move(self, viewer: Viewer, event: Any) -> None:
        """Say what is under the mouse, or nothing any more."""
        words = self._at(viewer, event.position)
        if words and not self._words:
            self._shown_before = viewer.tooltip.visible
        if words or self._words:
            self._words = words
            viewer.tooltip.visible = bool(words) or self._shown_before
            viewer.tooltip.text = words

    def keep(self, *_: object) -> None:
        """Put the words back that napari has overwritten."""
        viewer = self._viewer()
        if viewer is not None and self._words and viewer.tooltip.text != self._words:
            viewer.tooltip.text = self._words

    def _at(self, viewer: Viewer, position: Any) -> str:
        session = self._session
        if not on_show(viewer, session):
            return ""
        ribbon = session.parts[LAYERS][0]
        if not ribbon.visible:
            return ""
        stream = session.stream
        if self._near is None or self._near.stream is not stream:
            self._near = Near(stream)
        xy = np.asarray(ribbon.world_to_data(position))[-2:][::-1]
        found = self._near.at(xy, REACH / viewer.scene.camera.zoom)
        return "" if found is None else said(stream, found)
