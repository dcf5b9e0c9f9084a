"""Painter: keeps one viewer's cell layers in step with its session.

It repaints only what changed, and marks the cells that are hidden from the model
with a ring. It holds the viewer weakly.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

from napari_scfm.figures.palette import lut
from napari_scfm.viewer import compare, hidden
from napari_scfm.viewer.ahead import Ahead
from napari_scfm.viewer.cells import by_column, label_ids
from napari_scfm.viewer.colouring import (
    highlight,
    label_colormap,
    outline_rgba,
    ring_rgba,
)
from napari_scfm.viewer.compared import on_fov
from napari_scfm.viewer.fov_layers import (
    FovLayers,
    metadata,
    placement,
    refill,
    role_of,
)
from napari_scfm.viewer.grouping import follow
from napari_scfm.viewer.hiding.masking import hidden_share_of_cells
from napari_scfm.viewer.layout import one_layout
from napari_scfm.viewer.look import hover_base, look, refresh_hover

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.viewer import Viewer

    from napari_scfm.viewer.session import Legend, Session

_COLOURS = (
    "colour_by",
    "gene",
    "log",
    "limits",
    "colormap",
    "comparison",
    "shown",
    "clusters",
    "side_by_side",
    "curtain",
    "fade_uncertain",
    "partners",
    "hidden_classes",
    "hidden_of",
)


_PLAIN = str | bool | float | tuple | frozenset | None


class Painter:
    """Paints the cells of one viewer.

    Attributes
    ----------
    layers
        The layers of the FOV that is shown.
    legend
        What the colours mean, or None before the first FOV.
    """

    def __init__(self, viewer: Viewer, session: Session) -> None:
        self._viewer = weakref.ref(viewer)
        self._session = session
        self._painted: tuple[Any, ...] = ()
        self._hovered: tuple[Any, ...] = ()
        self._rgba: np.ndarray | None = None
        self._unseen: np.ndarray | None = None
        self._ring: Labels | None = None
        self._edges: Ahead | None = None
        self._bordered: Ahead | None = None
        self.layers = FovLayers()
        self.legend: Legend | None = None
        lut(session.colormap)  # its first use costs a second, better now than later
        for name in (*_COLOURS, "selection"):
            getattr(session.events, name).connect(self.paint)
        for name in ("grouping", "hidden_classes"):
            getattr(session.events, name).connect(self._follow_classes)
        session.events.mask.connect(self.mark_hidden)
        session.events.side_by_side.connect(self._arrange)
        session.events.comparison.connect(self._arrange)
        session.events.gene.connect(self._arrange)

    def release(self) -> None:
        """Paint nothing until the layers of the next FOV are there."""
        self.layers = FovLayers()

    def show(self, layers: FovLayers) -> None:
        """Take over the layers of a FOV and paint them."""
        if self._unseen is not None:  # the layer still has the colours of other cells
            self._unseen = np.zeros(0, dtype=bool)
        self.layers = layers
        self._painted = self._hovered = ()
        self._rgba = None
        if layers.cells is not None:
            layers.cells.features = hover_base(self._session)
            by_column(self._session.fov.table)  # the first gene must not wait for it
            pixels = np.asarray(layers.cells.data)
            edges = np.asarray(layers.outlines.data)
            self._edges = Ahead(lambda: thick_boundaries(pixels))
            self._bordered = Ahead(lambda: np.where(edges, 0, pixels))
        self._follow()
        self.paint()
        self.mark_hidden()

    def _follow(self) -> None:
        """Put a result of several FOVs on show on the one that came."""
        session = self._session
        made = session.comparison
        other = None if made is None else on_fov(made, session.fov)
        if other is not None:
            session.comparison = other
        follow(session)

    def _follow_classes(self) -> None:
        hidden.follow(self._session)

    def paint(self) -> None:
        """Recolour the cells, unless they look like that already."""
        session, cells = self._session, self.layers.cells
        if cells is None or session.fov is None:
            return
        colours = tuple(id_of(getattr(session, name)) for name in _COLOURS)
        state = (session.fov.name, *colours, id(session.selection))
        if state == self._painted:
            return
        seen = look(session)
        rgba = seen.rgba
        if not seen.marked:
            rgba = highlight(rgba, session.selection)
        if not np.array_equal(rgba, self._rgba):
            cells.colormap = label_colormap(rgba, label_ids(session.fov))
            self._rgba = rgba
        self._outline(seen.hidden)
        self._hover(cells)
        viewer = self._viewer()
        if viewer is not None:
            compare.recolour(viewer, session)
        self._painted, self.legend = state, seen.legend
        session.painted.emit(seen.legend)

    def _outline(self, unseen: np.ndarray) -> None:
        """Draw the outlines of hidden classes fainter than the others."""
        outlines, fov = self.layers.outlines, self._session.fov
        if outlines is None or (not unseen.any() and self._unseen is None):
            return
        if self._unseen is None or not np.array_equal(unseen, self._unseen):
            ids = label_ids(fov)
            outlines.colormap = label_colormap(outline_rgba(unseen), ids)
            self._unseen = unseen.copy()

    def _hover(self, cells: Labels) -> None:
        session = self._session
        state = (session.fov.name, session.gene, id(session.comparison))
        state += (id(session.clusters), id(session.partners))
        if state != self._hovered:
            refresh_hover(cells, session)
            self._hovered = state

    def _arrange(self) -> None:
        viewer = self._viewer()
        if viewer is not None and self.layers.cells is not None:
            compare.arrange(viewer, self._session)

    def mark_hidden(self) -> None:
        """Put a ring around the cells of which something is hidden.

        A full ring where every gene is hidden, a paler one the fewer entries are. Genes
        that are hidden in every cell ring none: they tell no cell from another.
        """
        session, viewer, cells = self._session, self._viewer(), self.layers.cells
        if viewer is None or session.fov is None or cells not in viewer.layers:
            return
        share = hidden_share_of_cells(session.mask, session.n_cells)
        if not share.any():
            if self._ring in viewer.layers and self._ring.visible:
                self._ring.visible = False
            return
        ring = self._ring_of_fov(viewer, cells)
        ring.colormap = label_colormap(ring_rgba(share), label_ids(session.fov))
        if ring.visible != cells.visible:
            ring.visible = cells.visible

    def bordered(self) -> np.ndarray:
        """Return the labels of the FOV on show without their boundary pixels."""
        return self._bordered.get()

    def ahead(self) -> Iterator[None]:
        """Make the ring out of sight, for the first cells that are hidden.

        Yields while its pixels are still being counted.
        """
        edges = self._edges
        while edges is not None and not (edges.ready and self._bordered.ready):
            yield
        viewer, cells = self._viewer(), self.layers.cells
        if viewer is not None and edges is self._edges and cells in viewer.layers:
            self._ring_of_fov(viewer, cells)

    def _ring_of_fov(self, viewer: Viewer, cells: Labels) -> Labels:
        """Return the ring layer with the boundaries of the FOV that is shown."""
        session = self._session
        name = f"hidden from the model {session.fov.name}"
        given = {
            "name": name,
            "metadata": metadata(session.slide, session.fov, "hidden", name),
            **placement(session.fov),
        }
        if self._ring not in viewer.layers:
            active = viewer.layers.selection.active
            self._ring = Labels(self._edges.get(), visible=False, **given)
            with one_layout(viewer):
                viewer.layers.insert(viewer.layers.index(cells) + 1, self._ring)
            self._ring.editable = False
            viewer.layers.selection.active = active
            session.parts["bind"]([self._ring])
        elif role_of(self._ring)["fov"] != session.fov.name or (
            role_of(self._ring)["slide"] is not session.slide
        ):
            refill(self._ring, self._edges.get(), given)
        above = viewer.layers.index(cells) + 1
        if viewer.layers.index(self._ring) < above:  # the cells are new ones
            viewer.layers.move(viewer.layers.index(self._ring), above)
        return self._ring


def id_of(value: Any) -> Any:
    """Return a value if it is plain, else its identity."""
    return value if isinstance(value, _PLAIN) else id(value)


def thick_boundaries(labels: np.ndarray, width: int = 3) -> np.ndarray:
    """Return labels with only the pixels within ``width`` of a boundary kept."""
    inner = np.ones(labels.shape, dtype=bool)
    for step in range(1, width + 1):
        inner[step:] &= labels[step:] == labels[:-step]
        inner[:-step] &= labels[:-step] == labels[step:]
        inner[:, step:] &= labels[:, step:] == labels[:, :-step]
        inner[:, :-step] &= labels[:, :-step] == labels[:, step:]
    return np.where(inner, 0, labels).astype(labels.dtype)
