"""Streamlines of a field as plain arrays, drawn by nobody yet.

A streamline follows directions only: how strong the field is along it, and whether
the region beats chance, is read there and carried along, because a line looks equally
sure everywhere. Decides: lines are evenly spaced in both directions whatever the shape
of the field; strength is a share of what only one node of the grid in twenty exceeds,
so that it does not change with the lines that happen to be drawn; cut-off and colour
never follow the field again.
"""

from __future__ import annotations

import inspect
import weakref
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_scfm.analysis.streams.flow_lines import flow_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_scfm.analysis.attention.attention_field import AttentionField

Colour = Literal["strength", "sender"]

_SHORTEST = 2.0
_FULL = 95
_KEPT = 4
_MORE = 1 + 1e-6
"""Excess from which on a kind sends more than its share; less is rounding."""


@dataclass(frozen=True)
class StreamLook:
    """How the streams of a field are drawn; the field stays what it is.

    Attributes
    ----------
    density
        Closeness of the lines: 1 for about 30 across the longer side.
    smoothing_um
        Width of the smoothing, um; None for the field's own.
    cutoff
        0..1, quantile of the strength on the tissue below which nothing is drawn.
    colour
        "strength", or "sender" for the kind of cells that sends most beyond its share.
    raw
        Draw the attention as it is, geometry and layout included: mostly geometry.
    """

    density: float = 1.0
    smoothing_um: float | None = None
    cutoff: float = 0.0
    colour: Colour = "strength"
    raw: bool = False


@dataclass(frozen=True, eq=False)
class Lines:
    """Streamlines and what is known along them.

    Attributes
    ----------
    lines
        (m, 2) points (x, y) in um, m >= 2, along the flow.
    strength
        (m,) per line, 0..1.
    beats
        (m,) bool per line: the region beats chance. Never of the raw field, which is
        not what is tested.
    sender
        (m,) int per line: the sender kind, -1 for none.
    top
        What strength 1 stands for, in the unit of the field.
    """

    lines: list[np.ndarray] = field(default_factory=list)
    strength: list[np.ndarray] = field(default_factory=list)
    beats: list[np.ndarray] = field(default_factory=list)
    sender: list[np.ndarray] = field(default_factory=list)
    top: float = 0.0


def streamlines(field: AttentionField, density: float = 1.0) -> list[np.ndarray]:
    """Return the streamlines of a field's smooth residual.

    Parameters
    ----------
    field
        From :func:`napari_scfm.analysis.attention.attention_field.attention_field`.
    density
        1 for about 30 lines across the longer side.

    Returns
    -------
    list of numpy.ndarray
        (m, 2) points (x, y) in um, m >= 2, in the direction of the flow; none where
        the field is empty. Of a field by COMMOT's method they are matplotlib's, as
        COMMOT's are.
    """
    return _followed(field, density, raw=False)


def draw_streams(
    field: AttentionField, look: StreamLook, kinds: np.ndarray | None = None
) -> Lines:
    """Return the streams of a field as they are to be looked at.

    Parameters
    ----------
    field
        From :func:`napari_scfm.analysis.attention.attention_field.attention_field`.
    look
        How they are drawn.
    kinds
        (n, count) excess of attention per sender kind, from
        :func:`napari_scfm.analysis.attention.senders.sender_excess`; without it no line
        has a sender.
    """
    if look.smoothing_um not in (None, field.smoothing_um):
        field = field.resmoothed(look.smoothing_um)
    u, v = _shown(field, look.raw)
    speed = np.hypot(u, v)
    known = speed[np.isfinite(speed)]
    lines = _followed(field, look.density, look.raw)
    if not lines:
        return Lines()
    top = float(np.percentile(known, _FULL)) or float(known.max()) or 1.0
    along = _read(field, np.nan_to_num(speed), lines)
    least = float(np.quantile(known, look.cutoff)) if look.cutoff > 0 else 0.0
    lines, along = _cut(lines, along, least, _SHORTEST * field.spacing)
    beats = np.zeros(speed.shape) if look.raw else field.beats_chance
    senders = _senders(field, kinds)
    return Lines(
        lines,
        [np.clip(one / top, 0, 1) for one in along],
        [one.astype(bool) for one in _nearest(field, beats, lines)],
        [one.astype(np.intp) for one in _nearest(field, senders, lines)],
        top,
    )


def _shown(field: AttentionField, raw: bool) -> tuple[np.ndarray, np.ndarray]:
    return field.on_grid("vectors" if raw else "residual")


_KNOWN: list[tuple[weakref.ref[Any], float, bool, list[np.ndarray]]] = []
"""Lines of the latest fields, so that only a new field or density is followed."""


def _followed(field: AttentionField, density: float, raw: bool) -> list[np.ndarray]:
    for whose, at, kind, lines in list(_KNOWN):
        if whose() is field and (at, kind) == (density, raw):
            return lines
    u, v = _shown(field, raw)
    if field.method == "commot":
        ny, nx = u.shape
        share = (density * nx / max(nx, ny, 1), density * ny / max(nx, ny, 1))
        lines = trace(field.grid_x, field.grid_y, u, v, share)
        lines = [_without_repeats(line) for line in lines]
    else:
        lines = flow_lines(field.grid_x, field.grid_y, u, v, density)
    shortest = _SHORTEST * field.spacing
    lines = [line for line in lines if _length(line) >= shortest]
    _KNOWN.append((weakref.ref(field), density, raw, lines))
    del _KNOWN[:-_KEPT]
    return lines


def _without_repeats(line: np.ndarray) -> np.ndarray:
    """Drop points that repeat the one before, such as the seed of a line."""
    moves = np.any(np.diff(line, axis=0) != 0, axis=1)
    return np.asarray(line[np.concatenate([[True], moves])])


def _length(line: np.ndarray) -> float:
    return float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())


def _cut(
    lines: list[np.ndarray], along: list[np.ndarray], least: float, shortest: float
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the stretches of lines that are strong enough, if they are long enough."""
    if least <= 0:
        return lines, along
    kept, strong = [], []
    for line, speed in zip(lines, along, strict=True):
        edges = np.diff(np.concatenate([[0], speed >= least, [0]]).astype(np.int8))
        runs = zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True)
        for first, end in runs:
            if end - first > 1 and _length(line[first:end]) >= shortest:
                kept.append(line[first:end])
                strong.append(speed[first:end])
    return kept, strong


def _senders(field: AttentionField, kinds: np.ndarray | None) -> np.ndarray:
    """Return (ny, nx) the kind whose excess is largest around each node, else -1."""
    out = np.full(field.grid_u.shape, -1)
    if kinds is None or not kinds.size:
        return out
    smooth = field.grid.smooth(np.nan_to_num(kinds, nan=1.0))
    best = smooth.argmax(axis=1)
    out[field.grid.tissue] = np.where(smooth.max(axis=1) > _MORE, best, -1)
    return out


def _places(
    field: AttentionField, lines: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return column and row of all points in steps of the grid, and where lines end."""
    points = np.concatenate(lines)
    steps = [np.ptp(axis) / (len(axis) - 1) for axis in (field.grid_x, field.grid_y)]
    column, row = ((points - (field.grid_x[0], field.grid_y[0])) / steps).T
    return column, row, np.cumsum([len(line) for line in lines])[:-1]


def _read(
    field: AttentionField, values: np.ndarray, lines: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Return (m,) values of the grid along lines, between the nodes."""
    from scipy.ndimage import map_coordinates

    column, row, ends = _places(field, lines)
    along = map_coordinates(values, [row, column], order=1, mode="nearest")
    return np.split(along, ends)


def _nearest(
    field: AttentionField, values: np.ndarray, lines: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Return (m,) values of the nearest nodes along lines."""
    if not lines:
        return []
    column, row, ends = _places(field, lines)
    ny, nx = values.shape
    near = (
        np.clip(np.rint(row), 0, ny - 1).astype(np.intp),
        np.clip(np.rint(column), 0, nx - 1).astype(np.intp),
    )
    return np.split(values[near], ends)


def strengths(field: AttentionField, lines: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return (m,) lengths of the smooth residual along each line, in its unit."""
    if not lines or min(field.grid_u.shape) < 2:
        return [np.zeros(len(line)) for line in lines]
    speed = np.hypot(field.grid_u, field.grid_v)
    return _read(field, np.nan_to_num(speed), lines)


def trace(
    x: np.ndarray,
    y: np.ndarray,
    u: np.ndarray,
    v: np.ndarray,
    density: float | tuple[float, float] = 1.0,
) -> list[np.ndarray]:
    """Return the streamlines of a field as matplotlib, and so COMMOT, draws them.

    Parameters
    ----------
    x, y
        (nx,), (ny,) evenly spaced positions of the nodes.
    u, v
        (ny, nx) field; NaN where no line may run.
    density
        Closeness of the lines, for both axes or for x and y.

    Returns
    -------
    list of numpy.ndarray
        (m, 2) points, m >= 2, from upstream to downstream.
    """
    from matplotlib.figure import Figure

    known = np.isfinite(u) & np.isfinite(v)
    if min(u.shape) < 2 or not np.any(np.hypot(u[known], v[known]) > 0):
        return []
    axes = Figure().add_subplot()
    without: dict[str, Any] = {"num_arrows": 0} if _arrows_can_be_left_out() else {}
    v = np.where(known, v, np.nan)
    drawn = axes.streamplot(x, y, u, v, density=density, **without)
    return _stitched(drawn.lines.get_segments())


@lru_cache(maxsize=1)
def _arrows_can_be_left_out() -> bool:
    from matplotlib.axes import Axes

    return "num_arrows" in inspect.signature(Axes.streamplot).parameters


def _stitched(segments: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Join pieces that continue each other; old matplotlib cuts lines in pairs."""
    lines: list[list[np.ndarray]] = []
    end: np.ndarray | None = None
    for segment in segments:
        points = np.asarray(segment, dtype=np.float64)
        if len(points) < 2:
            continue
        if end is not None and np.array_equal(points[0], end):
            lines[-1].append(points[1:])
        else:
            lines.append([points])
        end = points[-1]
    return [np.concatenate(pieces) for pieces in lines]
