"""Streamlines of a field as plain arrays, drawn by nobody yet.

matplotlib integrates them on a figure that is never shown (no pyplot, no window, so
this is safe beside Qt and in a worker thread) and the polylines are taken from it.
Decides: lines are evenly spaced in both directions whatever the shape of the field,
and lines shorter than two cells are dropped. A streamline follows directions only:
how strong the field is along it is read with :func:`strengths`.
"""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_scfm.analysis.attention_field import AttentionField

_SHORTEST = 2.0


def streamlines(field: AttentionField, density: float = 1.0) -> list[np.ndarray]:
    """Return the streamlines of a field's smooth residual.

    Parameters
    ----------
    field
        From :func:`napari_scfm.analysis.attention_field.attention_field`.
    density
        1 for about 30 lines across the longer side.

    Returns
    -------
    list of numpy.ndarray
        (m, 2) points (x, y) in um, m >= 2, in the direction of the flow; none where
        the field is empty.
    """
    ny, nx = field.grid_u.shape
    longer = max(nx, ny, 1)
    lines = trace(
        field.grid_x,
        field.grid_y,
        field.grid_u,
        field.grid_v,
        (density * nx / longer, density * ny / longer),
    )
    shortest = _SHORTEST * field.spacing
    lines = [_without_repeats(line) for line in lines]
    return [line for line in lines if len(line) > 1 and _length(line) >= shortest]


def _without_repeats(line: np.ndarray) -> np.ndarray:
    """Drop points that repeat the one before, such as the seed of a line."""
    moves = np.any(np.diff(line, axis=0) != 0, axis=1)
    return np.asarray(line[np.concatenate([[True], moves])])


def _length(line: np.ndarray) -> float:
    return float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())


def trace(
    x: np.ndarray,
    y: np.ndarray,
    u: np.ndarray,
    v: np.ndarray,
    density: float | tuple[float, float] = 1.0,
) -> list[np.ndarray]:
    """Return matplotlib's streamlines of a field on a regular grid.

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


def strengths(field: AttentionField, lines: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return (m,) lengths of the smooth residual along each line, in its unit."""
    from scipy.ndimage import map_coordinates

    if not lines or min(field.grid_u.shape) < 2:
        return [np.zeros(len(line)) for line in lines]
    speed = np.hypot(field.grid_u, field.grid_v)
    speed = np.where(np.isfinite(speed), speed, 0.0)
    steps = [np.ptp(axis) / (len(axis) - 1) for axis in (field.grid_x, field.grid_y)]
    corner = (field.grid_x[0], field.grid_y[0])
    out = []
    for line in lines:
        column, row = ((line - corner) / steps).T
        out.append(map_coordinates(speed, [row, column], order=1, mode="nearest"))
    return out
