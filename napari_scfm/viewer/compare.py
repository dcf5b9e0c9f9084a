"""Truth | prediction | error in napari's grid: linked cameras, one colour scale.

Three layers, fills that leave the cells' borders open, stand at every other place from
the bottom of the layer list, so that napari's grid with two layers per tile shows
exactly three tiles, whatever else is in the list. (With one layer per tile napari takes
down what it draws over layers out of sight, which is slow to put up again.) Leaving
puts back what was visible before.

The layers are made and coloured ahead, out of sight, a piece at a time while the
window waits (:func:`prepare`); the switch itself is one layout of the canvas.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels, Layer

from napari_scfm.figures.palette import colour_values
from napari_scfm.viewer.camera import fit, shape_of_tiles
from napari_scfm.viewer.cells import label_ids
from napari_scfm.viewer.colouring import (
    GHOST,
    UNKNOWN,
    fade,
    highlight,
    label_colormap,
    value_rgba,
    veiled,
)
from napari_scfm.viewer.fov_layers import (
    OPACITY,
    metadata,
    placement,
    refill,
    role_of,
)
from napari_scfm.viewer.hidden import hidden_here
from napari_scfm.viewer.layout import later, one_layout
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

    from napari_scfm.viewer.session import Comparison, Session

TILES = ("truth", "prediction", "error")
ERROR_COLORMAP = "error"
_CAPTIONS = {
    "truth": "truth",
    "prediction": "prediction by {model}",
    "error": "error (prediction − truth)",
}
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
        Truth, prediction and error, in this order.
    before
        None while the tiles are out of sight.
    painted
        What each fill was last painted with.
    """

    layers: list[Labels]
    before: Before | None = None
    painted: dict[Labels, tuple[Any, ...]] = field(default_factory=dict)


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
    made, column = compared_gene(session)
    guessed = np.flatnonzero(made.hidden[:, column])
    shape = shape_of_tiles(viewer, session.fov, len(TILES), guessed)
    with one_layout(viewer):
        _put_in_place(viewer, tiles)
        _show_only(viewer, dict.fromkeys(tiles.layers, True))
        _grid(viewer, 2, shape, True)
        fit(viewer, session.fov, shape, guessed)
    _activate(viewer, session, tiles.layers[0])


def _activate(viewer: Viewer, session: Session, layer: Layer) -> None:
    """Let a layer take keys and say what is under the mouse; a turn later is enough."""

    def now() -> None:
        # whatever happened in the meantime
        if layer in viewer.layers and layer.visible:
            viewer.layers.selection.active = layer

    later(session, now)


def _grid(viewer: Viewer, stride: int, shape: tuple[int, int], on: bool) -> None:
    """Set napari's grid."""
    grid = viewer.canvas.grid
    grid.stride, grid.shape, grid.enabled = stride, shape, on


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
    """Make and paint the tiles, out of sight, a piece between two yields.

    A layer costs napari a twentieth of a second. Made one by one while a model works,
    they are there when its prediction arrives.
    """
    tiles = session.parts.get("tiles")
    if tiles is None or any(layer not in viewer.layers for layer in tiles.layers):
        for layer in [] if tiles is None else tiles.layers:
            if layer in viewer.layers:
                viewer.layers.remove(layer)
        tiles = session.parts["tiles"] = Tiles([])
    for place in range(len(TILES)):
        closed = session.parts["painter"].layers.cells is None
        if closed or session.parts.get("tiles") is not tiles:
            return
        if place == len(tiles.layers):
            yield from _add(viewer, session, tiles, place)
        layer = tiles.layers[place]
        if layer.name_overlay.font_size != NAME_PT:
            layer.name_overlay.font_size = NAME_PT
            layer.name_overlay.visible = True
            yield
        if _follow(session, layer, TILES[place]):
            yield
    if len(tiles.layers) == len(TILES):
        yield from _paint(session, tiles)


def _follow(session: Session, layer: Labels, what: str) -> bool:
    """Give a tile's layer the cells of the FOV on show; return whether it had to."""
    painter = session.parts["painter"]
    home, kept = role_of(painter.layers.cells), role_of(layer)
    moved = kept["fov"] != home["fov"] or kept["slide"] is not home["slide"]
    if moved:
        refill(layer, painter.bordered(), _given(session, what))
    if moved or "cell" not in layer.features:
        layer.features = hover_base(session)
        moved = True
    return moved


def _given(session: Session, what: str) -> dict[str, Any]:
    about = metadata(session.slide, session.fov, f"tile {what}", what)
    return {"name": what, "metadata": about, **placement(session.fov)}


def _add(viewer: Viewer, session: Session, tiles: Tiles, place: int) -> Iterator[None]:
    active = viewer.layers.selection.active
    pixels, given = session.parts["painter"].bordered(), _given(session, TILES[place])
    layer = Labels(pixels, visible=False, opacity=OPACITY, **given)
    tiles.layers.append(layer)
    with one_layout(viewer):
        viewer.layers.insert(2 * place, layer)
        layer.editable = False
        session.parts["bind"]([layer])
        viewer.layers.selection.active = active
        yield
    yield


def _put_in_place(viewer: Viewer, tiles: Tiles) -> None:
    """Let each tile's layer stand where napari's grid gives it a tile of its own."""
    for place, layer in enumerate(tiles.layers):
        if viewer.layers.index(layer) != 2 * place:
            viewer.layers.move(viewer.layers.index(layer), 2 * place)


def _leave(viewer: Viewer, session: Session, tiles: Tiles) -> None:
    before, tiles.before = tiles.before, None
    own = dict.fromkeys(tiles.layers, False)
    wanted = {layer: before.visible.get(layer, True) for layer in viewer.layers}
    grid = before.grid
    with one_layout(viewer):
        _grid(viewer, grid["stride"], grid["shape"], grid["enabled"])
        _show_only(viewer, wanted | own)
        viewer.scene.camera.center = before.camera["center"]
        viewer.scene.camera.zoom = before.camera["zoom"]
    cells = session.parts["painter"].layers.cells
    if cells in viewer.layers:
        _activate(viewer, session, cells)


def recolour(viewer: Viewer, session: Session) -> None:
    """Paint the tiles with the gene that is shown, if they are seen."""
    tiles = session.parts.get("tiles")
    if tiles is not None and tiles.before is not None:
        for _ in _paint(session, tiles):
            pass


def _paint(session: Session, tiles: Tiles) -> Iterator[None]:
    """Paint the tiles that look otherwise, one between two yields."""
    for fill, what in zip(tiles.layers, TILES, strict=True):
        compared = compared_gene(session)
        if compared is None:
            return
        state = _state(session)
        if _alike(tiles.painted.get(fill, ()), state):
            continue
        made, column = compared
        rgba = veiled(_rgba(session, made, column, what), hidden_here(session), GHOST)
        ids = label_ids(session.fov)
        fill.colormap = label_colormap(highlight(rgba, session.selection), ids)
        refresh_hover(fill, session)
        fill.name = f"{session.gene}: {_CAPTIONS[what].format(model=made.model)}"
        fill.name_overlay.visible = True
        tiles.painted[fill] = state
        yield


def _state(session: Session) -> tuple[Any, ...]:
    """Return what the colours of the tiles depend on."""
    look = (session.gene, session.log, session.limits, session.colormap)
    made = (session.comparison, session.clusters, session.fov, session.selection)
    classes = (session.hidden_classes, session.hidden_of)
    return (*look, session.fade_uncertain, *made, *classes)


def _alike(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Return whether plain values are equal and all else is the same object."""
    plain = (str, bool, tuple)
    pairs = zip(one, other, strict=False)
    alike = (a is b or (isinstance(a, plain) and a == b) for a, b in pairs)
    return len(one) == len(other) and all(alike)


def _rgba(session: Session, made: Comparison, column: int, what: str) -> np.ndarray:
    """Return the colours of one tile in table order."""
    limits = gene_limits(session)
    if what == "error":
        return error_rgba(session, limits)
    if what == "prediction":
        return predicted_rgba(session, made, column, limits)
    truth = value_rgba(scaled(session, made.truth[:, column]), limits, session.colormap)
    return fade(truth, np.flatnonzero(~made.hidden[:, column]))


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
