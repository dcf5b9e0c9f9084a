"""The scatter: points of a crowd on the graphics card, in a canvas of its own.

Selecting draws the selected cells over a dimmed crowd and never uploads the crowd
again. Where OpenGL is done in software, a crowd that moves is thinned until it rests.
A canvas belongs to one window; in another one, such as that of a dock that floats, a
new one is made.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import qtpy
from qtpy.QtCore import QEvent, QObject, Qt, QTimer, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget
from vispy.gloo import gl
from vispy.scene import PanZoomCamera, SceneCanvas, visuals
from vispy.visuals.transforms import STTransform

from napari_scfm.viewer.embedding.colours import Paint
from napari_scfm.viewer.embedding.density import density
from napari_scfm.viewer.embedding.order import drawing_order
from napari_scfm.viewer.session import NO_CELLS, Legend
from napari_scfm.widgets.embedding.overlay import Overlay

if TYPE_CHECKING:
    from qtpy.QtGui import QHideEvent, QShowEvent

    from napari_scfm.figures.furniture import Theme

DIM = 0.2
"""Share of their own colour that points keep while others are selected."""

FEW = 20_000
"""Points that are drawn of a moving crowd where there is no graphics card."""

_SETTLED, _BIN = 150, 2.5
_MARGIN = 0.04
_SIZES = ((2.0, 3.0, 3.7, 4.3, 5.0, 5.7), (9.0, 7.0, 5.0, 3.8, 2.6, 2.0))
_SOFTWARE = ("llvmpipe", "softpipe", "swrast", "software", "basic render")


def size_of(cells: int) -> float:
    """Return the diameter in pixels of one of so many points."""
    return float(np.interp(np.log10(max(cells, 1)), *_SIZES))


class Scatter(QWidget):
    """Points with colours, some of them selected; or a raster of how many there are.

    Attributes
    ----------
    canvas, camera
        Of vispy.
    overlay
        What Qt draws over them.
    crowded
        Draw the density in place of points.

    ``remade`` is emitted after another canvas has taken the place of the one before.
    """

    remade = Signal()

    def __init__(self) -> None:
        super().__init__()
        # weakly: a window that was closed must not live on in its dock
        self._home: weakref.ref[QWidget] | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.xy = np.zeros((0, 2), dtype=np.float32)
        self._there = np.zeros(0, dtype=bool)
        self.marked = NO_CELLS
        self.crowded = False
        self._paint = Paint(None, Legend())
        self._order = NO_CELLS
        self._plain = (0.7, 0.7, 0.7)
        self._size, self._moves = 4.0, False
        self._software: bool | None = None
        self._make_canvas()
        self._make_timers()
        self.setMinimumSize(200, 160)

    def _make_canvas(self) -> None:
        self.canvas = SceneCanvas(app=qtpy.API_NAME.lower(), keys=None, size=(300, 300))
        self.view = self.canvas.central_widget.add_view()
        self.camera = self.view.camera = PanZoomCamera(aspect=1)
        self.camera.interactive = False
        scene = self.view.scene
        self._points = visuals.Markers(parent=scene)
        self._thin = visuals.Markers(parent=scene)
        self._chosen = visuals.Markers(parent=scene)
        self._raster = visuals.Image(
            np.zeros((2, 2, 4), np.float32), parent=scene, interpolation="nearest"
        )
        for layer in (self._points, self._thin, self._chosen, self._raster):
            layer.visible = False
            # the cell that is drawn last is the one on top
            layer.set_gl_state("translucent", depth_test=False)
        native = self.native
        native.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        native.setMouseTracking(True)
        self.overlay = Overlay(native)
        native.installEventFilter(self)
        self.layout().addWidget(native)

    def showEvent(self, event: QShowEvent) -> None:
        """Draw in a canvas of the window that the panel is in now."""
        super().showEvent(event)
        if self._home is not None and self.window() is not self._home():
            self._move_in()
        self._home = weakref.ref(self.window())
        self.native.show()
        self._upload()

    def _move_in(self) -> None:
        """Draw the same in a new canvas: a GL context belongs to one window.

        In another, vispy draws with what that window's context does not have.
        """
        old, rect, page = self.canvas, self.camera.rect, self.canvas.bgcolor
        self.native.removeEventFilter(self)
        self.layout().removeWidget(old.native)
        old.native.hide()
        old.close()
        old.native.deleteLater()
        ink, self._software = self.overlay.ink, None
        self._make_canvas()
        self.canvas.bgcolor, self.camera.rect = page, rect
        self.overlay.show_ink(ink)
        self.remade.emit()

    def hideEvent(self, event: QHideEvent) -> None:
        """Draw nothing on the way to another window."""
        super().hideEvent(event)
        self.native.hide()

    def _make_timers(self) -> None:
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_SETTLED)
        self._rest.timeout.connect(self.settle)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self.count)

    @property
    def native(self) -> QWidget:
        """The Qt widget that is drawn in."""
        return self.canvas.native

    @property
    def drawn(self) -> np.ndarray:
        """Rows in the order in which they are drawn; empty before colours came."""
        return self._order

    @property
    def scale(self) -> float:
        """Width of a pixel in the units of the points."""
        (left, right, _, _), width = self.box(), max(self.native.width(), 1)
        return (right - left) / width

    def box(self) -> tuple[float, float, float, float]:
        """Return (left, right, bottom, top) of what is in sight."""
        corners = [(0, self.native.height()), (self.native.width(), 0)]
        (left, bottom), (right, top) = self.from_pixels(np.array(corners, float))
        return float(left), float(right), float(bottom), float(top)

    def from_pixels(self, pixels: np.ndarray) -> np.ndarray:
        """Return the places (m, 2) of pixels (m, 2) of the canvas."""
        return self.camera.transform.imap(np.asarray(pixels, float))[:, :2]

    def to_pixels(self, xy: np.ndarray) -> np.ndarray:
        """Return the pixels (m, 2) of the canvas at places (m, 2)."""
        found = self.camera.transform.map(np.asarray(xy, float))
        return found[:, :2] / found[:, 3:]

    def show_points(self, xy: np.ndarray, fit: bool = True) -> None:
        """Show other points; they have no colours until :meth:`show_paint`.

        A row of NaN is a cell without a point.
        """
        self.xy, self.marked = np.asarray(xy, dtype=np.float32), NO_CELLS
        self._there = np.isfinite(self.xy).all(axis=1)
        self._paint, self._order = Paint(None, Legend()), NO_CELLS
        self._size = size_of(int(self._there.sum()))
        if fit:
            self.fit()

    def fit(self) -> None:
        """Bring all points into sight."""
        if self._there.any():
            xy = self.xy[self._there]
            low, high = xy.min(axis=0), xy.max(axis=0)
            room = np.maximum(_MARGIN * (high - low).max(), 1e-3)
            size = high - low + 2 * room
            self.camera.rect = (*map(float, low - room), *map(float, size))
            self.moved()

    def show_paint(self, paint: Paint, front: np.ndarray | None = None) -> None:
        """Give the points colours.

        Parameters
        ----------
        paint
            One colour per point.
        front
            (points,) whether a point is drawn over the others.
        """
        self._paint = paint
        self._order = drawing_order(paint, self.xy, front)
        self._upload()

    def show_theme(self, theme: Theme) -> None:
        """Draw on another page."""
        self.canvas.bgcolor = theme.page
        self.overlay.show_ink(theme.ink)
        page, ink = np.array(theme.page), _rgb(theme.ink)
        self._plain = tuple(0.55 * ink + 0.45 * page)
        self._upload()

    def show_crowded(self, crowded: bool) -> None:
        """Draw the density, or the points."""
        self.crowded = crowded
        self._upload()

    def mark(self, rows: np.ndarray) -> None:
        """Put some points forward and dim the others; none dims nothing."""
        rows = rows[self._there[rows]]
        some, had = len(rows) > 0, len(self.marked) > 0
        self.marked = rows
        if self.crowded:
            self._soon.start()
            return
        if some != had:
            self._send_crowd()
        self._send_chosen()
        self._hurry()

    def _send_crowd(self) -> None:
        """Send the crowd, dimmed while some of it is selected."""
        dim = len(self.marked) > 0
        self._set(self._points, self._order, self._size, dim)
        if len(self._order) > 2 * FEW:
            step = -(-len(self._order) // FEW)
            self._set(self._thin, self._order[::step], self._size + 1, dim)

    def _send_chosen(self) -> None:
        if len(self.marked):
            self._set(self._chosen, self.marked, self._size + 1.0)

    def moved(self) -> None:
        """Draw what is in sight now: less of a crowd until it rests."""
        if self.crowded:
            self._soon.start()
        self._hurry()

    def _hurry(self) -> None:
        """Draw at once what can be drawn at once, and the rest a little later."""
        self._moves = self.software and len(self.xy) > 2 * FEW and not self.crowded
        self._see()
        self._rest.start()

    @property
    def software(self) -> bool:
        """Whether the processor draws, for want of a graphics card."""
        if self._software is None:
            if not self.native.isVisible():
                return False
            self.canvas.set_current()
            name = str(gl.glGetParameter(gl.GL_RENDERER)).lower()
            self._software = any(word in name for word in _SOFTWARE)
        return self._software

    def settle(self) -> None:
        """Draw all of a crowd; points are larger the fewer are in sight."""
        self._moves = False
        if self.crowded or not len(self._order):
            self._see()
            return
        left, right, bottom, top = self.box()
        x, y = self.xy.T
        seen = (x >= left) & (x <= right) & (y >= bottom) & (y <= top)
        size = size_of(int(seen.sum()))
        if abs(size - self._size) > 0.3:
            self._size = size
            self._send_crowd()
            self._send_chosen()
        self._see()

    def _colours(self, rows: np.ndarray) -> np.ndarray:
        if self._paint.rgba is None:
            return np.tile(np.array([*self._plain, 1.0], "f4"), (len(rows), 1))
        return self._paint.rgba[rows]

    def _set(
        self, layer: Any, rows: np.ndarray, size: float, dim: bool = False
    ) -> None:
        colours = self._colours(rows)
        if dim:  # see-through points add up where they are many, mixed colours do not
            share = DIM * colours[:, 3:]
            page = np.asarray(self.canvas.bgcolor.rgb, dtype=np.float32)
            solid = np.ones_like(colours)
            solid[:, :3] = share * colours[:, :3] + (1 - share) * page
            colours = solid
        elif layer is self._chosen:
            colours = colours.copy()
            colours[:, 3] = np.maximum(colours[:, 3], 0.9)
        layer.set_data(self.xy[rows], size=size, edge_width=0, face_color=colours)

    def _upload(self) -> None:
        """Send places and colours to the graphics card."""
        if not len(self._order):
            for layer in (self._points, self._thin, self._chosen, self._raster):
                layer.visible = False
            self.canvas.update()
            return
        if self.crowded:
            self._soon.start()
        else:
            self._send_crowd()
            self._send_chosen()
        self._hurry()

    def _see(self) -> None:
        points = len(self._order) > 0 and not self.crowded
        self._points.visible = points and not self._moves
        self._thin.visible = points and self._moves
        self._chosen.visible = points and len(self.marked) > 0
        self._raster.visible = len(self._order) > 0 and self.crowded
        self.canvas.update()

    def count(self) -> None:
        """Count the crowd in what is in sight, where its density is drawn."""
        if not self.crowded or not len(self._order):
            return
        left, right, bottom, top = box = self.box()
        wide, high = self.native.width(), self.native.height()
        shape = (max(round(high / _BIN), 2), max(round(wide / _BIN), 2))
        weak = None
        if len(self.marked):
            weak = np.ones(len(self.xy), dtype=bool)
            weak[self.marked] = False
        pixels = density(self.xy, self._paint, box, shape, self._plain, weak)
        self._raster.set_data(pixels)
        scale = ((right - left) / shape[1], (top - bottom) / shape[0])
        self._raster.transform = STTransform(scale, (left, bottom))
        self.canvas.update()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keep the overlay as large as the canvas."""
        if watched is self.native and event.type() == QEvent.Type.Resize:
            self.overlay.resize(event.size())
            self.moved()
        return super().eventFilter(watched, event)


def _rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
