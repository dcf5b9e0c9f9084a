"""Gestures on the scatter: click, lasso, box, pan, zoom, and who is under the mouse.

A click selects the cell under it whatever the tool; the wheel zooms around the mouse,
and the middle button moves the picture. Shift adds to the selection, Alt takes away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from qtpy.QtCore import QEvent, QObject, Qt, Signal

from napari_scfm.viewer.hiding.picking import how_of
from napari_scfm.viewer.hiding.selection import cells_in_polygon
from napari_scfm.viewer.session import NO_CELLS

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

    from napari_scfm.widgets.embedding.scatter import Scatter

Tool = Literal["lasso", "box", "pan"]

REACH = 8
"""Pixels within which a cell is under the mouse."""

_STILL = 3
_STEP = 1.0015
_KEYS = {
    Qt.Key.Key_W: "lasso",
    Qt.Key.Key_Q: "box",
    Qt.Key.Key_P: "pan",
    Qt.Key.Key_F: "fit",
    Qt.Key.Key_Escape: "clear",
    Qt.Key.Key_A: "select_all",
    Qt.Key.Key_I: "invert",
    Qt.Key.Key_PageDown: "next_fov",
    Qt.Key.Key_PageUp: "previous_fov",
}


class Gestures(QObject):
    """Turns what a hand does on a scatter into rows.

    ``picked`` carries rows and "replace", "add" or "subtract"; ``hovered`` the row
    under the mouse, -1 for none; ``pressed`` the name of what a key asks for. The
    ``tree`` finds a point and ``rows`` has the row of each. What is ``hidden``, (rows,)
    bool or None, cannot be pointed at.
    """

    picked = Signal(object, str)
    hovered = Signal(int)
    pressed = Signal(str)

    def __init__(self, scatter: Scatter) -> None:
        super().__init__(scatter)
        self.tool: Tool = "lasso"
        self.tree: cKDTree | None = None
        self.rows = NO_CELLS
        self.hidden: np.ndarray | None = None
        self._scatter = scatter
        self._track: list[np.ndarray] = []
        self._button = 0
        self._under = -1
        scatter.remade.connect(self.listen)
        self.listen()

    def listen(self) -> None:
        """Take what is done on the canvas of the scatter."""
        self._button = 0
        events = self._scatter.canvas.events
        events.mouse_press.connect(self._on_press)
        events.mouse_move.connect(self._on_move)
        events.mouse_release.connect(self._on_release)
        events.mouse_wheel.connect(self._on_wheel)
        events.mouse_double_click.connect(self._on_double)
        self._scatter.native.installEventFilter(self)

    @property
    def under(self) -> int:
        """Row of the cell under the mouse, -1 for none."""
        return self._under

    def _on_press(self, event: Any) -> None:
        if self._button or event.button not in (1, 2, 3):
            return
        self._button = event.button
        self._track = [np.asarray(event.pos, dtype=float)[:2]]

    def _on_move(self, event: Any) -> None:
        at = np.asarray(event.pos, dtype=float)[:2]
        if not self._button:
            self._hover(at)
            return
        last = self._track[-1]
        self._track.append(at)
        if self._pans():
            self._pan(last, at)
        elif self._far():
            self._scatter.overlay.show_track(self._corners())

    def _on_release(self, event: Any) -> None:
        if event.button != self._button:
            return
        self._track.append(np.asarray(event.pos, dtype=float)[:2])
        far, pans, button = self._far(), self._pans(), self._button
        corners, start, self._button = self._corners(), self._track[0], 0
        self._scatter.overlay.show_track(np.zeros((0, 2)))
        how = how_of(event.modifiers)
        if not far and button == 1:
            row = self.at(start)
            rows = np.array([row] if row >= 0 else [], dtype=np.int64)
            self.picked.emit(rows, how)
        elif far and not pans:
            self.picked.emit(self.inside(corners), how)

    def _pans(self) -> bool:
        return self._button != 1 or self.tool == "pan"

    def _far(self) -> bool:
        track = np.array(self._track)
        return bool(np.abs(track - track[0]).max() > _STILL)

    def _corners(self) -> np.ndarray:
        """Return (m, 2) pixels of the outline that was drawn."""
        track = np.array(self._track)
        if self.tool != "box":
            return track
        (left, top), (right, bottom) = track[0], track[-1]
        return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])

    def inside(self, corners: np.ndarray) -> np.ndarray:
        """Return the rows inside an outline of pixels."""
        scatter = self._scatter
        outline = scatter.from_pixels(corners)
        (left, low), (right, high) = outline.min(axis=0), outline.max(axis=0)
        x, y = scatter.xy.T  # a column at a time: five times faster than both at once
        near = np.flatnonzero((x >= left) & (x <= right) & (y >= low) & (y <= high))
        if self.hidden is not None:
            near = near[~self.hidden[near]]
        if self.tool == "box":
            return near
        return near[cells_in_polygon(scatter.xy[near], outline)]

    def at(self, pixel: np.ndarray) -> int:
        """Return the row of the cell at a pixel, -1 for none."""
        if self.tree is None or not self.tree.n:
            return -1
        scatter = self._scatter
        place = scatter.from_pixels(pixel[None])[0]
        reach = REACH * scatter.scale
        if self.hidden is None:
            far, point = self.tree.query(place, distance_upper_bound=reach)
            return int(self.rows[point]) if np.isfinite(far) else -1
        near = np.array(self.tree.query_ball_point(place, reach), dtype=np.int64)
        rows = self.rows[near]
        rows = rows[~self.hidden[rows]]
        if not len(rows):
            return -1
        return int(rows[np.abs(scatter.xy[rows] - place).sum(axis=1).argmin()])

    def _hover(self, pixel: np.ndarray | None) -> None:
        row = -1 if pixel is None else self.at(pixel)
        if row == self._under:
            return
        self._under, scatter = row, self._scatter
        ring = None
        if row >= 0:
            ring = tuple(scatter.to_pixels(scatter.xy[row][None])[0])
        scatter.overlay.show_ring(ring)
        self.hovered.emit(row)

    def _pan(self, last: np.ndarray, at: np.ndarray) -> None:
        start, end = self._scatter.from_pixels(np.array([last, at]))
        self._scatter.camera.pan(*(start - end))
        self._look_again()

    def _on_wheel(self, event: Any) -> None:
        at = self._scatter.from_pixels(np.asarray(event.pos, float)[None, :2])[0]
        self._scatter.camera.zoom(_STEP ** (-120 * float(event.delta[1])), at)
        self._look_again()

    def _on_double(self, event: Any) -> None:
        if self.at(np.asarray(event.pos, dtype=float)[:2]) < 0:
            self._scatter.fit()
            self._look_again()

    def _look_again(self) -> None:
        self._hover(None)
        self._scatter.moved()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take keys, and notice that the mouse has left."""
        if event.type() == QEvent.Type.Leave:
            self._hover(None)
        pressed = event.type() == QEvent.Type.KeyPress and event.key() in _KEYS
        if pressed and event.modifiers() == Qt.KeyboardModifier.NoModifier:
            self.pressed.emit(_KEYS[event.key()])
            return True
        return super().eventFilter(watched, event)
