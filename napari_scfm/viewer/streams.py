"""Attention streams as layers: ribbons and arrowheads over the tissue.

They are drawn from the residual field only, what is left of the model's attention
after geometry and the layout of cell types; the layers are titled "model attention".
Their shape is that of :mod:`~napari_scfm.analysis.ribbons`, as in an exported figure;
they are grey where the field as a whole does not beat chance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Surface, Vectors
from napari.utils.colormaps import Colormap

from napari_scfm.analysis.ribbons import arrow_heads, head_vectors, ribbons
from napari_scfm.viewer.fov_layers import OPACITY, metadata

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.viewer import Viewer

    from napari_scfm.viewer.session import Session, Stream

TITLE = "model attention"
CAVEAT = (
    "Model attention, from key cell to query cell; the residual after geometry and "
    "cell-type layout. It is not evidence of communication."
)
UNDER_STREAMS = 0.8
"""Opacity of the cells while streams lie over them."""

_COLOUR, _GREY = (1.0, 0.96, 0.82), (0.62, 0.62, 0.62)


def with_halo(
    lines: Sequence[np.ndarray],
    width: float,
    strength: Sequence[np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ribbons on top of a dark, wider copy of themselves, for napari.

    Parameters
    ----------
    lines, strength
        As for :func:`~napari_scfm.analysis.ribbons.ribbons`.
    width
        Full width of a strip where it is widest, um.

    Returns
    -------
    vertices
        (v, 2) points (y, x).
    faces
        (f, 3) vertex numbers.
    values
        (v,) 0 in the halo; 0.5 to 1 in the ribbons, more where they are stronger.
    """
    below = ribbons(lines, width * 1.8, strength)
    above = ribbons(lines, width, strength)
    return (
        np.concatenate([below.vertices, above.vertices])[:, ::-1],
        np.concatenate([below.faces, above.faces + len(below.vertices)]),
        np.concatenate([np.zeros(len(below.values)), 0.5 + above.values / 2]),
    )


def _haloed(colour: tuple[float, float, float]) -> Colormap:
    """Return a colormap for ribbons with a halo: dark, then fading in."""
    colours = [(0, 0, 0, 0.45), (0, 0, 0, 0.45), (*colour, 0.35), (*colour, 1.0)]
    return Colormap(np.array(colours), controls=(0, 0.49, 0.5, 1), name="attention")


def stream_layers(session: Session, stream: Stream) -> list[Any]:
    """Return the layers of a stream: ribbons below, heads on top."""
    lines = stream.lines
    if not lines:
        return []
    points = np.concatenate(lines)
    reach = float(np.ptp(points, axis=0).max()) or 1.0
    about = metadata(session.slide, session.fov, "stream") | {
        "description": CAVEAT,
        "model": stream.model,
        "orientation": "key -> query",
        "p_value": stream.field.p_value,
    }
    colour = _COLOUR if stream.field.significant else _GREY
    vertices, faces, values = with_halo(lines, reach / 180, stream.strength)
    ribbon = Surface(
        (vertices, faces, values),
        name=f"{TITLE} ({stream.model})",
        colormap=_haloed(colour),
        contrast_limits=(0, 1),
        shading="none",
        blending="translucent_no_depth",
        metadata=about,
        units=("um", "um"),
    )
    head = Vectors(
        head_vectors(arrow_heads(lines, reach / 40))[..., ::-1],
        name=f"{TITLE}: direction",
        vector_style="triangle",
        edge_width=reach / 50,
        edge_color=np.array(colour),
        opacity=0.95,
        metadata=about,
        units=("um", "um"),
    )
    return [ribbon, head]


def show_stream(viewer: Viewer, session: Session) -> None:
    """Draw the session's stream in place of the one before."""
    for layer in session.parts.pop("stream layers", []):
        if layer in viewer.layers:
            viewer.layers.remove(layer)
    stream, cells = session.stream, session.parts["painter"].layers.cells
    if session.fov is None or cells is None:
        return
    if stream is None or stream.fov != session.fov.name:
        cells.opacity = OPACITY
        return
    active = viewer.layers.selection.active
    layers = stream_layers(session, stream)
    for layer in layers:
        viewer.add_layer(layer)
    session.parts["stream layers"] = layers
    cells.opacity = UNDER_STREAMS if layers else OPACITY
    session.parts["bind"](layers)
    if active is not None and active in viewer.layers:
        viewer.layers.selection.active = active
