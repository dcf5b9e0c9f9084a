"""Streamlines as tapered ribbons with arrowheads: triangles for any canvas.

Decides the looks that the window and the paper share: a ribbon swells from where a
line begins to its head, runs out thin after it, and is thicker where the field is
strong; one head per line, past its middle, so that heads do not crowd at a sink.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

TAIL, END = 0.15, 0.3
HEAD_PLACE = 0.6


class Mesh(NamedTuple):
    """Triangles.

    Attributes
    ----------
    vertices
        (v, 2) points (x, y).
    faces
        (f, 3) vertex numbers.
    values
        (v,) one value per vertex.
    """

    vertices: np.ndarray
    faces: np.ndarray
    values: np.ndarray


def ribbons(
    lines: Sequence[np.ndarray],
    width_um: float,
    strength: Sequence[np.ndarray] | None = None,
) -> Mesh:
    """Return tapered strips along lines.

    Parameters
    ----------
    lines
        (m, 2) points (x, y), m >= 2, in the direction of the flow.
    width_um
        Full width of a strip at its head, where the field is strongest.
    strength
        (m,) per line, e.g. from :func:`~napari_scfm.analysis.streamlines.strengths`:
        makes the strips narrower where it is weak, and is the mesh's value, from 0
        to 1. Without it the value runs from 0 where a line begins to 1 at its end.
    """
    vertices, faces, values, start = [], [], [], 0
    for outline, place, value in _outlines(lines, width_um, strength):
        count = len(place)
        vertices.append(outline.reshape(-1, 2))
        values.append(np.repeat(value, 2))
        first = start + 2 * np.arange(count - 1)
        faces.append(np.stack([first, first + 1, first + 2], axis=1))
        faces.append(np.stack([first + 1, first + 3, first + 2], axis=1))
        start += 2 * count
    if not vertices:
        return Mesh(np.zeros((0, 2)), np.zeros((0, 3), dtype=np.intp), np.zeros(0))
    return Mesh(*(np.concatenate(part) for part in (vertices, faces, values)))


def ribbon_polygons(
    lines: Sequence[np.ndarray],
    width_um: float,
    strength: Sequence[np.ndarray] | None = None,
) -> list[np.ndarray]:
    """Return the same strips as closed outlines, (p, 2) each, for vector files."""
    return [
        np.concatenate([outline[:, 0], outline[::-1, 1]])
        for outline, _, _ in _outlines(lines, width_um, strength)
    ]


def _outlines(
    lines: Sequence[np.ndarray], width: float, strength: Sequence[np.ndarray] | None
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return for each line its two edges (m, 2, 2), place along it and value."""
    top = max((float(np.max(s)) for s in strength or () if len(s)), default=0.0)
    out = []
    for number, line in enumerate(lines):
        place = _places(line)
        value = place
        half = np.interp(place, (0, HEAD_PLACE, 1), (TAIL, 1, END)) * width / 2
        if strength is not None and top > 0:
            value = np.clip(np.asarray(strength[number]) / top, 0, 1)
            half = half * (0.35 + 0.65 * np.sqrt(value))
        normal = _directions(line)[:, ::-1] * (-1.0, 1.0) * half[:, None]
        out.append((np.stack([line + normal, line - normal], axis=1), place, value))
    return out


def _places(line: np.ndarray) -> np.ndarray:
    """Return (m,) arc length along a line, from 0 to 1."""
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    return np.asarray(along / along[-1] if along[-1] > 0 else along)


def _directions(line: np.ndarray) -> np.ndarray:
    """Return (m, 2) unit tangents."""
    along = np.gradient(line, axis=0)
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
    heads = []
    for line in lines:
        place = _places(line)
        total = float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())
        if total < length_um:
            continue
        tip_at = min(HEAD_PLACE + 0.5 * length_um / total, 1.0)
        ends = (tip_at - length_um / total, tip_at)
        base, tip = (
            np.array([np.interp(at, place, line[:, axis]) for axis in (0, 1)])
            for at in ends
        )
        chord = tip - base
        size = float(np.linalg.norm(chord))
        if size == 0:
            continue
        forward = chord / size * length_um
        side = 0.4 * np.array([-forward[1], forward[0]])
        heads.append([base + forward, base + side, base - side])
    return np.array(heads, dtype=np.float64).reshape(-1, 3, 2)


def head_vectors(heads: np.ndarray) -> np.ndarray:
    """Return (k, 2, 2) start and step (x, y) of arrowheads, for vector layers."""
    base = heads[:, 1:].mean(axis=1)
    return np.stack([base, heads[:, 0] - base], axis=1)
