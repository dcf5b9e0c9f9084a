"""Streams on a panel: tapered ribbons with heads, as vectors.

Decides: the colours are those of the window, in its dark theme on dark panels and in
its light one on paper; every ribbon lies on a halo of the page, so that it reads on
any cell colours. Strength is drawn in few steps, so that a ribbon is a few shapes and
not hundreds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.analysis.streams.ribbons import (
    dashes,
    heads_along,
    ribbon_pieces,
    ribbon_polygons,
)
from napari_scfm.figures.layout import width_mm
from napari_scfm.figures.palette import categorical, rgb
from napari_scfm.figures.stream_colours import stream_colours, stream_widths

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from napari_scfm.figures.panel import Streams

_DARK, _LIGHT = "#16161D", "#FFFFFF"
_STEPS = 8
_WIDTH_MM, _HEAD_MM, _EVERY_MM = 0.62, 1.75, 13.0
_DASH_MM = 2.6


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

    streams = clipped(streams, axes.get_xlim(), axes.get_ylim())
    if not streams.lines:
        return
    halo = _DARK if dark else _LIGHT
    whole, shapes, colours = _shapes(streams, width_um / width_mm(axes), dark=dark)
    axes.add_collection(
        PolyCollection(
            whole, facecolors=halo, edgecolors=halo, linewidths=0.9, alpha=0.75,
            joinstyle="round", zorder=4,
        )
    )  # fmt: skip
    axes.add_collection(
        PolyCollection(
            shapes, facecolors=colours, edgecolors=colours, linewidths=0.15, zorder=5
        )
    )


def stream_palette(streams: Streams) -> np.ndarray:
    """Return (k, 3 or 4) colours of the sender kinds."""
    count = max(len(streams.kinds), 1)
    return categorical(count) if streams.palette is None else streams.palette


def _shapes(
    streams: Streams, per_mm: float, *, dark: bool
) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Return outlines of ribbons and heads, whole and in pieces with their colours."""
    lines, strength = streams.lines, streams.strength
    steps = [np.ones(len(line)) for line in lines]
    if strength is not None:
        steps = [np.round(one * _STEPS) / _STEPS for one in strength]
    colours = _colours(streams, steps, dark=dark)
    scale = stream_widths(streams.sure())
    width, length = _WIDTH_MM * per_mm, _HEAD_MM * per_mm
    heads = heads_along(lines, length, _EVERY_MM * per_mm, scale=np.sqrt(scale))
    inks = colours[heads.point]
    if streams.colour == "raw":
        pieces, number = dashes(lines, _DASH_MM * per_mm)
        flat = np.concatenate(number)
        whole = cut = ribbon_polygons(pieces, 0.7 * width)
        of_cut = colours[flat[np.cumsum([0, *map(len, number[:-1])])]]
    else:
        whole = ribbon_polygons(lines, width, strength, scale=scale)
        _, parts = np.unique(colours, axis=0, return_inverse=True)
        cut, point = ribbon_pieces(lines, width, strength, parts.ravel(), scale=scale)
        of_cut = colours[point]
    tips = list(heads.triangles)
    return whole + tips, cut + tips, np.concatenate([of_cut, inks])


def _colours(streams: Streams, steps: list[np.ndarray], *, dark: bool) -> np.ndarray:
    """Return (points, 3) colours."""
    colours = stream_colours(
        steps,
        streams.sure(),
        streams.sender if streams.colour == "sender" else (),
        stream_palette(streams),
        raw=streams.colour == "raw",
        paper=not dark,
    )
    if streams.colour == "ink":
        colours[np.concatenate(streams.sure())] = rgb((_LIGHT if dark else _DARK,))
    return colours


def clipped(
    streams: Streams, x: tuple[float, float], y: tuple[float, float]
) -> Streams:
    """Return streams whose lines are only the stretches inside a box.

    Not every program that opens an SVG honours its clip paths.
    """
    low, high = (min(x), min(y)), (max(x), max(y))
    runs: list[tuple[int, np.ndarray]] = []
    for number, line in enumerate(streams.lines):
        inside = np.all((line >= low) & (line <= high), axis=1)
        breaks = np.flatnonzero(np.diff(inside)) + 1
        for run in np.split(np.arange(len(line)), breaks):
            if len(run) > 1 and inside[run[0]]:
                runs.append((number, run))

    def parts(values: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
        return tuple(values[number][run] for number, run in runs) if values else ()

    return replace(
        streams,
        lines=parts(streams.lines),
        strength=None if streams.strength is None else parts(streams.strength),
        beats=parts(streams.beats),
        sender=parts(streams.sender),
    )
