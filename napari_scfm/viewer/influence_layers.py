"""Which cells mattered, drawn on the tissue: neighbours in colour, links to the cell.

A link is a wedge that points from a neighbour to the cell, the wider the more the
guess moved without that neighbour. The colours are those of :func:`legend_of`.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels, Surface

from napari_scfm.figures.palette import colour_values
from napari_scfm.viewer import links
from napari_scfm.viewer.cells import centroids, label_ids
from napari_scfm.viewer.colouring import label_colormap
from napari_scfm.viewer.fov_layers import metadata
from napari_scfm.viewer.session import Legend

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_scfm.experiments.influenced import Influence
    from napari_scfm.viewer.session import Session

COLORMAP = "plasma"
TITLE = "which cells mattered"
UNIT = "change of the guess, log1p counts"

_MARGIN = 40.0
"""Room around the neighbours' centres, um, so that no cell is cut off."""

_WIDEST, _THINNEST = 0.45, 0.12
"""Widths of a link at its neighbour, in distances between neighbouring cells."""


def changes(made: Influence) -> np.ndarray:
    """Return (n,) how much the guess moved without each neighbour."""
    return np.nan_to_num(made.change(made.near.single))


def limits_of(made: Influence) -> tuple[float, float]:
    """Return the values of the first and the last colour."""
    return 0.0, max(float(changes(made).max(initial=0.0)), 1e-6)


def legend_of(made: Influence) -> Legend:
    """Return what the colours mean."""
    return Legend(UNIT.capitalize(), limits_of(made), COLORMAP)


def install(viewer: Viewer, session: Session) -> None:
    """Draw ``session.influence`` whenever it changes; once per session."""
    if "on_influence" in session.parts:
        return
    reference = weakref.ref(viewer)

    def on_influence(*_: Any) -> None:
        there = reference()
        if there is not None:
            show(there, session)

    session.parts["on_influence"] = on_influence
    session.events.influence.connect(on_influence)


def show(viewer: Viewer, session: Session) -> None:
    """Draw the session's influence in place of the one before."""
    for layer in session.parts.pop("influence layers", []):
        if layer in viewer.layers:
            viewer.layers.remove(layer)
    made, fov = session.influence, session.fov
    if made is None or fov is None or "painter" not in session.parts:
        return
    active = viewer.layers.selection.active
    cells, lines = layers = [_cells(session, made), _links(session, made)]
    # under the outlines, which tell neighbours of one colour apart
    outlines = session.parts["painter"].layers.outlines
    under = outlines in viewer.layers
    viewer.layers.insert(
        viewer.layers.index(outlines) if under else len(viewer.layers), cells
    )
    viewer.add_layer(lines)
    cells.editable = False
    session.parts["influence layers"] = layers
    session.parts["bind"](layers)
    if active is not None and active in viewer.layers:
        viewer.layers.selection.active = active


def _about(session: Session, made: Influence) -> dict[str, Any]:
    return metadata(session.slide, session.fov, "influence") | {
        "description": made.sentence,
        "model": made.model,
        "provenance": made.provenance,
    }


def _name(session: Session, made: Influence) -> str:
    return f"{TITLE} for {made.cell} (predicted by {made.model})"


def _cells(session: Session, made: Influence) -> Labels:
    """Return a layer of the neighbours alone, no larger than they need."""
    fov, rows = session.fov, made.near.rows
    pixels = np.asarray(session.parts["painter"].layers.cells.data)
    yx = centroids(fov.table)[rows, ::-1]
    low = np.floor((yx.min(axis=0) - _MARGIN) / fov.pixel_size).astype(int)
    high = np.ceil((yx.max(axis=0) + _MARGIN) / fov.pixel_size).astype(int)
    low, high = np.maximum(low, 0), np.minimum(high, pixels.shape)
    window = pixels[low[0] : high[0], low[1] : high[1]]
    ids = label_ids(fov)
    keep = np.zeros(max(int(ids.max(initial=0)), int(window.max(initial=0))) + 1, bool)
    keep[ids[rows]] = True
    keep[0] = False
    rgba = np.zeros((len(ids), 4), dtype=np.float32)
    rgba[rows] = colour_values(changes(made), *limits_of(made), COLORMAP)
    return Labels(
        np.where(keep[window], window, 0).astype(pixels.dtype),
        name=_name(session, made),
        colormap=label_colormap(rgba, ids),
        opacity=0.95,
        metadata=_about(session, made),
        scale=(fov.pixel_size,) * 2,
        translate=low * fov.pixel_size,
        units=("um", "um"),
    )


def _links(session: Session, made: Influence) -> Surface:
    xy = centroids(session.fov.table)
    vertices, faces, values = wedges(
        xy[made.near.rows], xy[made.row], changes(made) / limits_of(made)[1]
    )
    return Surface(
        (vertices[:, ::-1], faces, values),
        name=f"{TITLE}: links",
        colormap=links.with_halo(),
        contrast_limits=(0, 1),
        shading="none",
        blending="translucent_no_depth",
        metadata=_about(session, made),
        units=("um", "um"),
    )


def wedges(
    starts: np.ndarray, end: np.ndarray, strength: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return links that point at a cell, on top of dark, wider copies of themselves.

    Parameters
    ----------
    starts
        (n, 2) centres (x, y) of the neighbours, um.
    end
        (2,) centre of the cell.
    strength
        (n,) 0..1, the width of the links.

    Returns
    -------
    vertices
        (6 n, 2) points (x, y).
    faces
        (2 n, 3) vertex numbers, the dark copies first.
    values
        (6 n,) 0 in the dark copies, 1 in the links.
    """
    far = np.linalg.norm(end - starts, axis=1)
    room = float(np.min(far)) if len(far) else 1.0
    wide = room * (_THINNEST + (_WIDEST - _THINNEST) * strength)
    return links.wedges(starts, np.broadcast_to(end, starts.shape), wide, 0.05 * room)
