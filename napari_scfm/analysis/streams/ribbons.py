"""Streamlines as tapered ribbons with arrowheads: triangles for any canvas.

Decides the looks that the window and the paper share: a ribbon swells from where a
line begins to its head, runs out thin after it, and is thicker where the field is
strong; the head is past the middle, so that heads do not crowd at a sink, and long
lines have one for each stretch. All lines are worked on at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

TAIL, END = 0.3, 0.35
HEAD_PLACE = 0.6
_WEAK = 0.45
_BASE = 0.4


class Mesh(NamedTuple):
    """Triangles.

    Attributes
    ----------
    vertices
        (v, 2) points (x, y); two per point of the lines, in their order.
    faces
        (f, 3) vertex numbers.
    values
        (v,) one value per vertex.
    """

    vertices: np.ndarray
    faces: np.ndarray
    values: np.ndarray


class Heads(NamedTuple):
    """Arrowheads.

    Attributes
    ----------
    triangles
        (k, 3, 2) tip, then the two corners of the base.
    point
        (k,) the point that each lies on, counted over all lines.
    """

    triangles: np.ndarray
    point: np.ndarray


class _Whole(NamedTuple):
    """All points of all lines in a row.

    Attributes
    ----------
    points
        (p, 2).
    first, last
        (lines,) numbers of the first and last point of each line.
    along
        (p,) arc length from the line's own beginning.
    total
        (lines,) lengths.
    line
        (p,) number of the line of each point.
    """

    points: np.ndarray
    first: np.ndarray
    last: np.ndarray
    along: np.ndarray
    total: np.ndarray
    line: np.ndarray


def _whole(lines: Sequence[np.ndarray]) -> _Whole:
    points = np.concatenate(lines)
    counts = np.array([len(line) for line in lines])
    last = np.cumsum(counts) - 1
    first = last - counts + 1
    line = np.repeat(np.arange(len(lines)), counts)
    steps = np.zeros(len(points))
    steps[1:] = np.linalg.norm(np.diff(points, axis=0), axis=1)
    steps[first] = 0
    along = np.cumsum(steps)
    along -= along[first][line]
    return _Whole(points, first, last, along, along[last], line)


def ribbons(
    lines: Sequence[np.ndarray],
    width_um: float,
    strength: Sequence[np.ndarray] | None = None,
    *,
    scale: np.ndarray | None = None,
    rim: float = 0.0,
) -> Mesh:
    """Return tapered strips along lines.

    Parameters
    ----------
    lines
        (m, 2) points (x, y), m >= 2, in the direction of the flow.
    width_um
        Full width of a strip at its head, where the field is strongest.
    strength
        (m,) per line, e.g. from
        :func:`~napari_scfm.analysis.streams.streamlines.strengths`: makes the strips
        narrower where it is weak, and is the mesh's value, from 0 to 1. Without it the
        value runs from 0 where a line begins to 1 at its end.
    scale
        (points,) factor of the width at each point of all lines.
    rim
        Added on both sides, um: for a halo below the ribbons.
    """
    if not len(lines):
        return Mesh(np.zeros((0, 2)), np.zeros((0, 3), dtype=np.intp), np.zeros(0))
    whole = _whole(lines)
    edges, values = _edges(whole, width_um, strength, scale, rim)
    first = 2 * np.delete(np.arange(len(whole.points)), whole.last)
    faces = np.stack([first, first + 1, first + 2, first + 1, first + 3, first + 2], 1)
    return Mesh(edges.reshape(-1, 2), faces.reshape(-1, 3), np.repeat(values, 2))


def ribbon_polygons(
    lines: Sequence[np.ndarray],
    width_um: float,
    strength: Sequence[np.ndarray] | None = None,
    *,
    scale: np.ndarray | None = None,
) -> list[np.ndarray]:
    """Return the same strips as closed outlines, (p, 2) each, for vector files."""
    if not len(lines):
        return []
    whole = _whole(lines)
    edges, _ = _edges(whole, width_um, strength, scale, 0.0)
    return [
        np.concatenate([edges[a : b + 1, 0], edges[a : b + 1, 1][::-1]])
        for a, b in zip(whole.first, whole.last, strict=True)
    ]


def ribbon_pieces(
    lines: Sequence[np.ndarray],
    width_um: float,
    strength: Sequence[np.ndarray] | None,
    parts: np.ndarray,
    *,
    scale: np.ndarray | None = None,
) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the strips in pieces of one colour each, for vector files.

    Parameters
    ----------
    lines, width_um, strength, scale
        As for :func:`ribbons`.
    parts
        (points,) any numbers; a piece ends where the number changes.

    Returns
    -------
    outlines
        (p, 2) closed outlines; one reaches into the next, so that no seam is seen.
    point
        (pieces,) a point of each piece, counted over all lines.
    """
    if not len(lines):
        return [], np.zeros(0, dtype=np.intp)
    whole = _whole(lines)
    edges, _ = _edges(whole, width_um, strength, scale, 0.0)
    begins = np.ones(len(parts), dtype=bool)
    begins[1:] = parts[1:] != parts[:-1]
    begins[whole.first] = True
    begins[whole.last] &= whole.first == whole.last
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(parts) - 1)
    last = np.minimum(last, whole.last[whole.line[first]])
    outlines = [
        np.concatenate([edges[a : b + 1, 0], edges[a : b + 1, 1][::-1]])
        for a, b in zip(first, last, strict=True)
    ]
    return outlines, first


def _edges(
    whole: _Whole,
    width: float,
    strength: Sequence[np.ndarray] | None,
    scale: np.ndarray | None,
    rim: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the two edges of every strip, (p, 2, 2), and the value of each point."""
    place = whole.along / np.maximum(whole.total, 1e-300)[whole.line]
    half = np.interp(place, (0, HEAD_PLACE, 1), (TAIL, 1, END)) * width / 2
    values = place
    if strength is not None:
        values = np.concatenate(strength)
        top = float(values.max(initial=0.0))
        if top > 0:
            values = np.clip(values / top, 0, 1)
            half = half * (_WEAK + (1 - _WEAK) * np.sqrt(values))
        else:
            values = place
    if scale is not None:
        half = half * scale
    normal = _directions(whole)[:, ::-1] * (-1.0, 1.0) * (half + rim)[:, None]
    return np.stack([whole.points + normal, whole.points - normal], axis=1), values


def _directions(whole: _Whole) -> np.ndarray:
    """Return (p, 2) unit tangents, from the neighbours along the line."""
    number = np.arange(len(whole.points))
    before = np.maximum(number - 1, whole.first[whole.line])
    after = np.minimum(number + 1, whole.last[whole.line])
    along = whole.points[after] - whole.points[before]
    length = np.linalg.norm(along, axis=1, keepdims=True)
    return np.asarray(along / np.maximum(length, np.finfo(float).tiny))


def arrow_heads(lines: Sequence[np.ndarray], length_um: float) -> np.ndarray:
    """Return an arrowhead per line.

    Parameters
    ----------
    lines
        (m, 2) points (x, y), m >= 2.
    length_um
        Length of a head; its base is 0.8 of that wide.

    Returns
    -------
    numpy.ndarray
        (k, 3, 2) triangles: tip, then the two corners of the base. Lines shorter
        than a head have none.
    """
    return heads_along(lines, length_um).triangles


def heads_along(
    lines: Sequence[np.ndarray],
    length_um: float,
    every: float = np.inf,
    phase: float = 0.0,
    scale: np.ndarray | None = None,
) -> Heads:
    """Return arrowheads along lines, where they are at a moment of their journey.

    Parameters
    ----------
    lines
        (m, 2) points (x, y), m >= 2.
    length_um
        Length of a head; its base is 0.8 of that wide.
    every
        Length of line that has one head, um; a shorter line has one, too.
    phase
        0..1, how far the heads have come on the way to the place of the next one.
    scale
        (points,) factor of the size at each point of all lines.
    """
    nothing = Heads(np.zeros((0, 3, 2)), np.zeros(0, dtype=np.intp))
    if not len(lines):
        return nothing
    whole = _whole(lines)
    count = np.maximum(np.floor(whole.total / every + 0.25), 1).astype(np.intp)
    count[whole.total < length_um] = 0
    line = np.repeat(np.arange(len(count)), count)
    turn = np.arange(len(line)) - np.repeat(np.cumsum(count) - count, count)
    total = whole.total[line]
    middle = (turn + (HEAD_PLACE + phase) % 1) / count[line] * total
    ranks = _ranks(whole, line, middle)
    length = length_um * (np.ones(len(line)) if scale is None else scale[ranks])
    tip_at = np.minimum(middle + length / 2, total)
    tip, base = (_points_at(whole, line, at) for at in (tip_at, tip_at - length))
    chord = tip - base
    size = np.linalg.norm(chord, axis=1)
    kept = size > 0
    if not kept.any():
        return nothing
    forward = chord[kept] / size[kept, None] * length[kept, None]
    side = _BASE * forward[:, ::-1] * (-1.0, 1.0)
    base = base[kept]
    triangles = np.stack([base + forward, base + side, base - side], axis=1)
    return Heads(triangles, ranks[kept])


def _shifted(whole: _Whole) -> tuple[np.ndarray, np.ndarray]:
    """Return arc lengths that rise over all lines, and where each line begins."""
    starts = np.cumsum(whole.total + 1) - whole.total - 1
    return whole.along + starts[whole.line], starts


def _ranks(whole: _Whole, line: np.ndarray, at: np.ndarray) -> np.ndarray:
    along, starts = _shifted(whole)
    found = np.searchsorted(along, starts[line] + at)
    return np.asarray(np.clip(found, whole.first[line], whole.last[line]))


def _points_at(whole: _Whole, line: np.ndarray, at: np.ndarray) -> np.ndarray:
    along, starts = _shifted(whole)
    place = starts[line] + np.maximum(at, 0)
    x, y = (np.interp(place, along, whole.points[:, axis]) for axis in (0, 1))
    return np.stack([x, y], axis=1)


def head_vectors(heads: np.ndarray) -> np.ndarray:
    """Return (k, 2, 2) start and step (x, y) of arrowheads, for vector layers."""
    base = heads[:, 1:].mean(axis=1)
    return np.stack([base, heads[:, 0] - base], axis=1)


def dashes(
    lines: Sequence[np.ndarray], length_um: float, share: float = 0.6
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return lines in pieces, for what must look different from a stream.

    Parameters
    ----------
    lines
        (m, 2) points (x, y), m >= 2.
    length_um
        From the beginning of a dash to that of the next.
    share
        What part of that is dash.

    Returns
    -------
    pieces
        (2 or more, 2) points each.
    points
        The numbers of the points of each piece, counted over all lines.
    """
    pieces: list[np.ndarray] = []
    numbers: list[np.ndarray] = []
    start = 0
    for line in lines:
        steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
        along = np.concatenate([[0.0], np.cumsum(steps)])
        for begin in np.arange(0, along[-1], length_um):
            ends = begin, min(begin + share * length_um, along[-1])
            inner = along[(along > ends[0]) & (along < ends[1])]
            at = np.concatenate([ends[:1], inner, ends[1:]])
            xy = [np.interp(at, along, line[:, axis]) for axis in (0, 1)]
            pieces.append(np.stack(xy, axis=1))
            near = np.searchsorted(along, at)
            numbers.append(start + np.clip(near, 0, len(line) - 1))
        start += len(line)
    return pieces, numbers
