"""Opening a slide in a viewer and moving between its fields of view.

The new layers are added before the old ones go, so the camera stays where it is.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from napari.layers import Layer

from napari_scfm.errors import counted
from napari_scfm.viewer import curtain
from napari_scfm.viewer.acts import bind_keys
from napari_scfm.viewer.attention import hover
from napari_scfm.viewer.attention.layers import show_stream
from napari_scfm.viewer.camera import fit
from napari_scfm.viewer.cells import cell_types
from napari_scfm.viewer.fov_layers import (
    ROLE,
    FovLayers,
    fov_layer_data,
    refill,
    role_of,
)
from napari_scfm.viewer.hiding import selection
from napari_scfm.viewer.painter import Painter
from napari_scfm.viewer.session import NO_CELLS, bare, session_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.viewer import Viewer

    from napari_scfm.slides.slide import Slide
    from napari_scfm.viewer.session import Session

OF_ONE_FOV = (
    "channel", "cells", "outlines", "stream", "influence", "partners", "ligand",
)  # fmt: skip
"""Roles of layers that go when another FOV's layers come."""


def open_slide(viewer: Viewer, slide: Slide, fov: str | None = None) -> Session:
    """Show a slide's FOV in a viewer, in place of the slide before.

    Parameters
    ----------
    fov
        Name of the FOV; default: the first one with cells.

    Raises
    ------
    SlideError
        If the FOV is unknown or cannot be read; the viewer keeps what it shows.
    """
    session = session_of(viewer)
    name = fov or first_fov(slide)
    session.side_by_side = False
    layers = _put(bare(viewer), slide, name)
    adopt(viewer, slide, name, layers)
    return session


def first_fov(slide: Slide) -> str:
    """Return the first FOV that holds cells, or simply the first."""
    filled = [name for name, cells in slide.fov_cells.items() if cells > 0]
    return (filled or slide.fovs)[0]


def show_fov(viewer: Viewer, name: str) -> None:
    """Show another FOV of the slide that is open."""
    session = session_of(viewer)
    if session.fov is None or session.fov.name != name:
        open_slide(viewer, session.slide, name)


def _put(viewer: Viewer, slide: Slide, name: str) -> list[Layer]:
    """Return the layers of a FOV: those of the FOV before where they fit, or new."""
    data = fov_layer_data(slide, slide.fov(name))
    painter = session_of(viewer).parts.get("painter")
    old = [] if painter is None else painter.layers.all()
    roles = [(given["metadata"][ROLE]["role"], kind) for _, given, kind in data]
    fitting = [(role_of(layer)["role"], kind_of(layer)) for layer in old] == roles
    if not fitting or any(layer not in viewer.layers for layer in old):
        return [viewer.add_layer(Layer.create(*entry)) for entry in data]
    painter.release()
    for layer, (pixels, given, _) in zip(old, data, strict=True):
        refill(layer, pixels, given)
    return old


def kind_of(layer: Layer) -> str:
    """Return a layer's type as layer data names it."""
    return type(layer).__name__.lower()


def adopt(viewer: Viewer, slide: Slide, name: str, layers: Sequence[Layer]) -> None:
    """Make layers of a FOV, already in the viewer, the ones that are painted."""
    viewer, session = bare(viewer), session_of(viewer)
    _prepare(viewer, session)
    session.side_by_side = False
    new_slide = session.slide is not slide
    session.update({"selection": NO_CELLS, "stream": None, "shown": "truth"})
    if new_slide:  # another slide may have fields of view of the same names
        session.histories.clear()
        session.update({"comparison": None, "clusters": None, "grouping": None})
        session.update({"hidden_classes": frozenset(), "hidden_of": ""})
        session.picture_look = None
    new = _sorted_by_role(layers)
    for layer in list(viewer.layers):
        if role_of(layer).get("role") in OF_ONE_FOV and layer not in layers:
            viewer.layers.remove(layer)
    for layer in new.all():
        layer.editable = False
        layer.name = role_of(layer)["name"]
    bind_keys(viewer, new.all())
    painter = session.parts["painter"]
    painter.release()
    _take(session, slide, name)
    painter.show(new)
    viewer.layers.selection.active = new.cells
    if new_slide:
        fit(viewer, session.fov)
    viewer.title = f"{slide.name} · {name}"
    bar = viewer.canvas.overlays.scale_bar
    bar.visible = True
    genes = counted(session.fov.table.n_vars, "gene")
    session.say(f"{name}: {counted(session.n_cells, 'cell')}, {genes}.")


def _prepare(viewer: Viewer, session: Session) -> None:
    """Put painter, gestures and key binding in place, once per viewer."""
    if "painter" in session.parts:
        return
    reference = weakref.ref(viewer)

    def bind(layers: Sequence[Layer]) -> None:
        there = reference()
        if there is not None:
            bind_keys(there, layers)

    def on_stream() -> None:
        there = reference()
        if there is not None:
            show_stream(there, session)

    session.parts["bind"] = bind
    session.parts["on_stream"] = on_stream
    session.parts["painter"] = Painter(viewer, session)
    session.events.stream.connect(on_stream)
    selection.install(viewer, session)
    curtain.install(viewer, session)
    hover.install(viewer, session)


def _take(session: Session, slide: Slide, name: str) -> None:
    """Point the session at a FOV; keep the gene if the FOV measures it."""
    fov = slide.fov(name)
    same_slide = session.slide is slide
    history = session.histories.get(name)
    mask, recipe = (None, None) if history is None else (history.mask, history.spec)
    # what listens to the mask reads the recipe too, so that comes first
    values = {"slide": slide, "fov": fov, "limits": None, "recipe": recipe}
    values["mask"] = mask
    if session.gene not in fov.table.var_names:
        values["gene"] = ""
    if not same_slide:
        values |= {"comparison": None, "clusters": None, "grouping": None}
    if not same_slide or session.colour_by == "nothing":
        values["colour_by"] = _first_colours(session, fov.table, values)
    session.update(values)


def _first_colours(session: Session, table: object, values: dict) -> str:
    if session.gene and "gene" not in values:
        return "gene"
    return "type" if cell_types(table) is not None else "nothing"


def _sorted_by_role(layers: Sequence[Layer]) -> FovLayers:
    found = FovLayers()
    for layer in layers:
        role = role_of(layer).get("role")
        if role == "channel":
            found.images.append(layer)
        elif role == "cells":
            found.cells = layer
        elif role == "outlines":
            found.outlines = layer
    return found
