"""A stream as triangles with colours: what its two layers show.

Ribbons lie on a rim that sets them off from any cells; heads lie on both. Their shape
and colours are those of an exported figure. Decides: about the same width on the
screen at every zoom, a little more when closer; the raw field in dashes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_scfm.analysis.streams.ribbons import (
    Heads,
    dashes,
    head_vectors,
    heads_along,
    ribbons,
)
from napari_scfm.figures.stream_colours import (
    rim_colours,
    stream_colours,
    stream_widths,
)

if TYPE_CHECKING:
    from napari_scfm.viewer.session import Stream

_SCREEN = 900.0
"""Pixels that a whole field of view has on a common screen."""
_WIDTH, _GROWS, _THINNEST, _WIDEST = 5.5, 0.4, 3.5, 14.0
"""Pixels of a ribbon on a whole field of view; how it grows with the zoom."""
_RIM = 0.35
_HEAD, _BROAD = 2.8, 2.3
_DASH, _DASHED = 5.0, 0.75
_HEADS_ACROSS = 7
_ALPHA, _RIM_ALPHA = (0.95, 0.7), (0.75, 0.35)
"""Of what beats chance, and of what does not."""


class Drawn(NamedTuple):
    """What the two layers of a stream show.

    Attributes
    ----------
    mesh
        Vertices (v, 2) as (y, x), faces (f, 3) and values (v,) of the ribbons.
    colours
        (v, 4).
    vectors
        (k, 2, 2) start and step (y, x) of the heads.
    inks
        (k, 4) colours of the heads.
    broad
        Width of a head's base, um.
    """

    mesh: tuple[np.ndarray, np.ndarray, np.ndarray]
    colours: np.ndarray
    vectors: np.ndarray
    inks: np.ndarray
    broad: float


def is_raw(stream: Stream) -> bool:
    """Return whether a stream shows the attention as it is."""
    return bool(stream.look.raw)


def beats_of(stream: Stream) -> list[np.ndarray]:
    """Return whether each point beats chance; the field's word in older sessions."""
    if len(stream.beats) == len(stream.lines):
        return stream.beats
    return [np.full(len(line), stream.field.significant) for line in stream.lines]


def box_of(stream: Stream) -> np.ndarray:
    """Return (2, 2) the corners (x, y) of what a stream can cover, um."""
    field = stream.field
    if len(field.grid_x):
        axes = field.grid_x, field.grid_y
        return np.stack([[axis[0], axis[-1]] for axis in axes], axis=1)
    points = np.concatenate(stream.lines) if stream.lines else np.zeros((1, 2))
    return np.stack([points.min(axis=0), points.max(axis=0)])


def reach_of(stream: Stream) -> float:
    """Return the longer side of what a stream can cover, um."""
    return float(np.ptp(box_of(stream), axis=0).max()) or 1.0


def width_at(zoom: float, reach: float) -> float:
    """Return the width of ribbons in um that looks right at a zoom in pixels per um."""
    closer = zoom * reach / _SCREEN
    pixels = np.clip(_WIDTH * closer**_GROWS, _THINNEST, _WIDEST)
    return float(pixels / zoom)


def drawn(
    stream: Stream, width: float, phase: float = 0.0, *, paper: bool = False
) -> Drawn:
    """Return the ribbons and heads of a stream.

    Parameters
    ----------
    width
        Of the ribbons where they are widest, um.
    phase
        0..1, how far the heads have moved on.
    paper
        The canvas is light.
    """
    if not stream.lines:
        return _nothing(width)
    lines, strength = stream.lines, stream.strength
    colours, scale = colours_of(stream, paper=paper), stream_widths(beats_of(stream))
    heads = moving_heads(stream, width, phase)
    inks = _with_alpha(colours[heads.point], 1.0)
    if is_raw(stream):
        lines, number = dashes(lines, _DASH * width)
        flat = np.concatenate(number)
        colours, scale = colours[flat], np.full(len(flat), _DASHED)
        strength = [np.ones(len(one)) for one in number]
    below = ribbons(lines, width, strength, scale=scale, rim=_RIM * width)
    above = ribbons(lines, width, strength, scale=scale)
    rims = _rims(heads, _RIM * width)
    sure = scale > 0 if is_raw(stream) else np.concatenate(beats_of(stream))
    corners = _corners(stream, _HEAD * width)
    meshes = [(below.vertices, below.faces), (above.vertices, above.faces), corners]
    meshes.append(rims)
    starts = np.cumsum([0, *(len(points) for points, _ in meshes)])
    vertices = np.concatenate([points for points, _ in meshes])[:, ::-1]
    faces = [mesh[1] + n for mesh, n in zip(meshes, starts, strict=False)]
    others = np.zeros(len(corners[0]) + len(rims[0]))
    values = np.concatenate([below.values, above.values, others])
    return Drawn(
        (vertices, np.concatenate(faces), values),
        _painted(colours, sure, inks, paper=paper),
        head_vectors(heads.triangles)[..., ::-1],
        inks,
        _BROAD * width,
    )


def moving_heads(stream: Stream, width: float, phase: float = 0.0) -> Heads:
    """Return the arrowheads of a stream at a moment of their journey."""
    every = reach_of(stream) / _HEADS_ACROSS
    scale = np.sqrt(stream_widths(beats_of(stream)))
    return heads_along(stream.lines, _HEAD * width, every, phase, scale)


def _nothing(width: float) -> Drawn:
    """Return one triangle without area, because a mesh must have some."""
    mesh = np.zeros((3, 2)), np.array([[0, 1, 2]]), np.zeros(3)
    return Drawn(mesh, np.zeros((3, 4)), np.zeros((0, 2, 2)), np.zeros((0, 4)), width)


def colours_of(stream: Stream, *, paper: bool = False) -> np.ndarray:
    """Return (points, 3) colours of a stream, as its look asks for."""
    return stream_colours(
        stream.strength,
        beats_of(stream),
        stream.sender if stream.look.colour == "sender" else (),
        stream.palette,
        raw=is_raw(stream),
        paper=paper,
    )


def _corners(stream: Stream, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a triangle without area that spans all that a stream may cover.

    It keeps the layer's extent the same, whatever is drawn: with another extent napari
    would slice all layers anew, the cells among them.
    """
    low, high = box_of(stream)
    low, high = low - margin, high + margin
    return np.stack([low, high, low]), np.array([[0, 1, 2]])


def _rims(heads: Heads, rim: float) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices and faces of heads that are wider by a rim on all sides."""
    middle = heads.triangles.mean(axis=1, keepdims=True)
    out = heads.triangles - middle
    far = np.linalg.norm(out, axis=2, keepdims=True)
    # the sides of a head are nearer to its middle than its corners
    wider = middle + out * (1 + 2.2 * rim / np.maximum(far, 1e-9))
    count = len(wider)
    return wider.reshape(-1, 2), np.arange(3 * count).reshape(-1, 3)


def _painted(
    colours: np.ndarray, sure: np.ndarray, inks: np.ndarray, *, paper: bool
) -> np.ndarray:
    """Return the colours of the vertices: of rims, ribbons, and rims of heads."""
    rim, ink = (np.where(sure, *alpha)[:, None] for alpha in (_RIM_ALPHA, _ALPHA))
    below = np.concatenate([rim_colours(colours, paper=paper), rim], axis=1)
    ribbon = np.concatenate([colours, ink], axis=1)
    above = _with_alpha(rim_colours(inks[:, :3], paper=paper), _RIM_ALPHA[0])
    parts = (
        below.repeat(2, 0),
        ribbon.repeat(2, 0),
        np.zeros((3, 4)),
        above.repeat(3, 0),
    )
    return np.concatenate(parts)


def _with_alpha(colours: np.ndarray, alpha: float) -> np.ndarray:
    return np.concatenate([colours, np.full((len(colours), 1), alpha)], axis=1)
