"""Truth | prediction | error in napari's grid: linked cameras, one colour scale.

Six layers (a fill and its outlines per tile) are put below all others, so that
napari's grid with two layers per tile shows exactly three tiles, whatever else is
in the layer list. Leaving puts back what was visible before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels, Layer

from napari_scfm.figures.palette import colour_values
from napari_scfm.viewer.camera import fit
from napari_scfm.viewer.cells import label_ids
from napari_scfm.viewer.colouring import (
    UNKNOWN,
    fade,
    highlight,
    label_colormap,
    value_rgba,
)
from napari_scfm.viewer.fov_layers import (
    OPACITY,
    metadata,
    placement,
    refill,
    role_of,
)
from napari_scfm.viewer.look import (
    compared_gene,
    gene_limits,
    hover_base,
    predicted_rgba,
    refresh_hover,
    scaled,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.viewer import Viewer

    from napari_scfm.viewer.session import Session

TILES = ("truth", "prediction", "error")
ERROR_COLORMAP = "error"
NAME_PT = 8
"""Type size of a tile's name, which must fit on a third of the canvas."""


@dataclass(eq=False)
class Before:
    """What the viewer looked like before the tiles."""

    visible: dict[Layer, bool]
    grid: dict[str, Any]
    camera: dict[str, Any]


@dataclass(eq=False)
class Tiles:
    """The layers of the tiles; they stay, out of sight, when the grid is left.

    Attributes
    ----------
    layers
        Fill and outlines of truth, prediction and error, in this order.
    before
        None while the tiles are out of sight.
    """

    layers: list[Labels]
    before: Before | None = None

    @property
    def fills(self) -> list[Labels]:
        """The layers that are coloured."""
        return self.layers[::2]


def arrange(viewer: Viewer, session: Session) -> None:
    """Enter or leave the side-by-side view as the session asks."""
    wanted = session.side_by_side and compared_gene(session) is not None
    tiles = session.parts.get("tiles")
    shown = tiles is not None and tiles.before is not None
    if wanted and not shown:
        _enter(viewer, session)
    elif shown and not wanted:
        _leave(viewer, session, tiles)


def _enter(viewer: Viewer, session: Session) -> None:
    grid, camera = viewer.canvas.grid, viewer.scene.camera
    before = Before(
        {layer: layer.visible for layer in viewer.layers},
        {"enabled": grid.enabled, "stride": grid.stride, "shape": grid.shape},
        {"center": camera.center, "zoom": camera.zoom},
    )
    tiles = _tiles_of_fov(viewer, session)
    tiles.before = before
    recolour(viewer, session)
    _show_only(viewer, dict.fromkeys(tiles.layers, True))
    _grid(viewer, 2, (1, 3), True)
    viewer.layers.selection.active = tiles.fills[0]
    fit(viewer, session.fov, len(TILES))


def _grid(viewer: Viewer, stride: int, shape: tuple[int, int], on: bool) -> None:
    """Set napari's grid at one go: every change of it lays the canvas out again."""
    grid = viewer.canvas.grid
    if not on:
        grid.enabled = False
    with grid.events.stride.blocker(), grid.events.shape.blocker():
        grid.stride, grid.shape = stride, shape
    grid.enabled = on


def _show_only(viewer: Viewer, wanted: dict[Layer, bool]) -> None:
    """Show some layers and no others; those that are right already are left alone."""
    for layer in viewer.layers:
        visible = wanted.get(layer, False)
        if layer.visible != visible:
            layer.visible = visible


def _tiles_of_fov(viewer: Viewer, session: Session) -> Tiles:
    """Return the tiles with the labels of the FOV that is shown."""
    for _ in prepare(viewer, session):
        pass
    return session.parts["tiles"]


def prepare(viewer: Viewer, session: Session) -> Iterator[None]:
    """Make the tiles, out of sight, one layer between two yields.

    A layer costs napari a tenth of a second. Made one by one while a model works, they
    are there when its prediction arrives.
    """
    tiles = session.parts.get("tiles")
    if tiles is None or list(viewer.layers[: len(tiles.layers)]) != tiles.layers:
        for layer in [] if tiles is None else tiles.layers:
            if layer in viewer.layers:
                viewer.layers.remove(layer)
        tiles = session.parts["tiles"] = Tiles([])
    for place in range(2 * len(TILES)):
        closed = session.parts["painter"].layers.cells is None
        if closed or session.parts.get("tiles") is not tiles:
            return
        if place == len(tiles.layers):
            _add(viewer, session, tiles, place)
            yield
            if not place % 2:
                said = tiles.layers[place].name_overlay
                said.font_size, said.visible = NAME_PT, True
                yield
        _follow(session, tiles.layers[place], place)


def _follow(session: Session, layer: Labels, place: int) -> None:
    """Give a tile's layer the labels of the FOV that is shown."""
    painted = session.parts["painter"].layers
    home = role_of(painted.cells)
    source = painted.outlines if place % 2 else painted.cells
    kept = role_of(layer)
    if kept["fov"] != home["fov"] or kept["slide"] is not home["slide"]:
        refill(layer, source.data, _given(session, place))
    layer.opacity = source.opacity if place % 2 else OPACITY
    if place % 2:
        layer.colormap = source.colormap
    else:
        layer.features = hover_base(session)


def _given(session: Session, place: int) -> dict[str, Any]:
    name = TILES[place // 2] + (" outlines" if place % 2 else "")
    about = metadata(session.slide, session.fov, f"tile {name}", name)
    return {"name": name, "metadata": about, **placement(session.fov)}


def _add(viewer: Viewer, session: Session, tiles: Tiles, place: int) -> None:
    painted = session.parts["painter"].layers
    source = painted.outlines if place % 2 else painted.cells
    active = viewer.layers.selection.active
    layer = Labels(source.data, visible=False, **_given(session, place))
    tiles.layers.append(layer)
    viewer.layers.insert(place, layer)
    layer.editable = False
    session.parts["bind"]([layer])
    viewer.layers.selection.active = active


def _leave(viewer: Viewer, session: Session, tiles: Tiles) -> None:
    before, tiles.before = tiles.before, None
    grid = before.grid
    _grid(viewer, grid["stride"], grid["shape"], grid["enabled"])
    own = dict.fromkeys(tiles.layers, False)
    wanted = {layer: before.visible.get(layer, True) for layer in viewer.layers}
    _show_only(viewer, wanted | own)
    viewer.scene.camera.center = before.camera["center"]
    viewer.scene.camera.zoom = before.camera["zoom"]
    cells = session.parts["painter"].layers.cells
    if cells in viewer.layers:
        viewer.layers.selection.active = cells


def recolour(viewer: Viewer, session: Session) -> None:
    """Paint the tiles with the gene that is shown."""
    tiles = session.parts.get("tiles")
    if tiles is None or tiles.before is None or compared_gene(session) is None:
        return
    made, column = compared_gene(session)
    limits = gene_limits(session)
    ids = label_ids(session.fov)
    truth = value_rgba(scaled(session, made.truth[:, column]), limits, session.colormap)
    visible = np.flatnonzero(~made.hidden[:, column])
    colours = (
        fade(truth, visible),
        predicted_rgba(session, made, column, limits),
        error_rgba(session, limits),
    )
    names = (
        f"{session.gene}: truth",
        f"{session.gene}: prediction by {made.model}",
        f"{session.gene}: error (prediction − truth)",
    )
    for fill, rgba, name in zip(tiles.fills, colours, names, strict=True):
        fill.colormap = label_colormap(highlight(rgba, session.selection), ids)
        refresh_hover(fill, session)
        fill.name = name
        fill.name_overlay.visible = True


def error_rgba(session: Session, limits: tuple[float, float]) -> np.ndarray:
    """Return colours of prediction - truth, symmetric about 0; visible cells faint."""
    made, column = compared_gene(session)
    truth = scaled(session, made.truth[:, column])
    error = scaled(session, made.prediction[:, column]) - truth
    reach = error_reach(limits)
    rgba = np.array(colour_values(error, -reach, reach, ERROR_COLORMAP))
    rgba[np.isnan(error)] = UNKNOWN
    return rgba.astype(np.float32)


def error_reach(limits: tuple[float, float]) -> float:
    """Return the largest error that the error colours tell apart."""
    return max(limits[1] - limits[0], 1e-6)
