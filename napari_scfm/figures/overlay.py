"""Streams on a panel: tapered ribbons with heads, as vectors.

Decides: dark ribbons with a light halo, so that they read on any cell colours; grey
ones where the field does not beat chance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.analysis.ribbons import arrow_heads, ribbon_polygons
from napari_scfm.figures.layout import width_mm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from napari_scfm.figures.panel import Streams

_INK = "#16161D"
_FAINT = "#8A8A8A"
_HALO = "#FFFFFF"


def draw_streams(
    axes: Axes, streams: Streams, width_um: float, *, dark: bool = False
) -> None:
    """Draw streams on axes with data coordinates in um.

    Parameters
    ----------
    axes
        y down.
    streams
        What to draw.
    width_um
        Width of the panel, for the size of ribbons and heads.
    dark
        The panel is dark: light ribbons with a dark halo.
    """
    from matplotlib.collections import PolyCollection

    lines, strength = clipped(streams, axes.get_xlim(), axes.get_ylim())
    if not lines:
        return
    ink, halo = (_HALO, _INK) if dark else (_INK, _HALO)
    if streams.faint:
        ink = _FAINT
    per_mm = width_um / width_mm(axes)
    shapes = ribbon_polygons(lines, 0.5 * per_mm, strength)
    shapes += list(arrow_heads(lines, 1.7 * per_mm))
    axes.add_collection(
        PolyCollection(
            shapes, facecolors=halo, edgecolors=halo, linewidths=0.9, alpha=0.75,
            joinstyle="round", zorder=4,
        )
    )  # fmt: skip
    axes.add_collection(
        PolyCollection(
            shapes, facecolors=ink, edgecolors=ink, linewidths=0.15, zorder=5
        )
    )


def clipped(
    streams: Streams, x: tuple[float, float], y: tuple[float, float]
) -> tuple[list[np.ndarray], list[np.ndarray] | None]:
    """Return the stretches of lines inside a box, and the strengths along them.

    Not every program that opens an SVG honours its clip paths.
    """
    low, high = (min(x), min(y)), (max(x), max(y))
    lines: list[np.ndarray] = []
    strengths: list[np.ndarray] = []
    for number, line in enumerate(streams.lines):
        inside = np.all((line >= low) & (line <= high), axis=1)
        breaks = np.flatnonzero(np.diff(inside)) + 1
        for run in np.split(np.arange(len(line)), breaks):
            if len(run) > 1 and inside[run[0]]:
                lines.append(line[run])
                if streams.strength:
                    strengths.append(streams.strength[number][run])
    return lines, strengths if streams.strength else None
