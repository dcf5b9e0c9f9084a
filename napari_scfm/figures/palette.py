"""Palettes: the same colours on the canvas, in the legend and on paper.

Decides which colour maps there are: perceptually even ones, and one diverging map
for errors. Colours of categories are those of :mod:`napari_scfm.analysis.groups`.
Values that are missing are transparent.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from napari_scfm.analysis.groups.colours import OKABE_ITO, categorical, cielab, rgb
from napari_scfm.errors import ScfmError, named

__all__ = [
    "COLORMAPS",
    "DIVERGING",
    "OKABE_ITO",
    "SEQUENTIAL",
    "categorical",
    "cielab",
    "colour_values",
    "error_limits",
    "lut",
    "rgb",
    "series",
]

SEQUENTIAL = ("viridis", "cividis", "magma", "inferno", "plasma", "mako", "grey")
"""Maps for values from low to high, the default first."""

DIVERGING = ("error", "purple-green")
"""Maps for values around zero, the default first."""

COLORMAPS = SEQUENTIAL + DIVERGING
"""All names that :func:`lut` knows."""

_ON_LIGHT = (4, 0, 2, 6, 1, 5)
_ON_DARK = (1, 0, 2, 6, 3, 5)
_STEPS = 256
# anchors of a dark-blue to mint map, low values readable on white and on black
_MAKO = ("#1B0F24", "#3A2C59", "#3E5089", "#38769C", "#3BA0A8", "#66CBAC", "#DEF5E5")
_ERROR = ("#08386B", "#2E7EBC", "#94C4DF", "#F4F4F4", "#F7AE8B", "#D6503F", "#7A0B22")
_FROM_MATPLOTLIB = {"grey": "gray", "purple-green": "PRGn"}


@lru_cache(maxsize=32)
def lut(name: str) -> np.ndarray:
    """Return a colour map as a table.

    Parameters
    ----------
    name
        One of :data:`COLORMAPS`, or any colour map of matplotlib; an ending "_r"
        turns it round.

    Returns
    -------
    numpy.ndarray
        (256, 4) float32 RGBA from 0 to 1, read-only.

    Raises
    ------
    ScfmError
        If there is no such colour map.
    """
    turned = name.endswith("_r")
    table = _table(name.removesuffix("_r"))
    table = np.ascontiguousarray(table[::-1] if turned else table, dtype=np.float32)
    table.setflags(write=False)
    return table


def _table(name: str) -> np.ndarray:
    if name == "mako":
        return _between(_MAKO)
    if name == "error":
        return _between(_ERROR)
    import matplotlib

    known = _FROM_MATPLOTLIB.get(name, name)
    if known not in matplotlib.colormaps:
        raise ScfmError(
            f"There is no colour map {name!r}.",
            f"Choose one of {named(COLORMAPS, 12)}.",
        )
    return np.asarray(matplotlib.colormaps[known](np.linspace(0, 1, _STEPS)))


def _between(anchors: tuple[str, ...]) -> np.ndarray:
    colours = rgb(anchors)
    at = np.linspace(0, 1, len(colours))
    steps = np.linspace(0, 1, _STEPS)
    table = np.ones((_STEPS, 4))
    for channel in range(3):
        table[:, channel] = np.interp(steps, at, colours[:, channel])
    return table


def colour_values(
    values: np.ndarray, lo: float, hi: float, colormap: str = "viridis"
) -> np.ndarray:
    """Return the colours of values.

    Parameters
    ----------
    values
        (n,) numbers; what is not finite becomes transparent.
    lo, hi
        Values of the first and the last colour; values outside are clipped. Equal
        limits give every value the first colour.
    colormap
        See :func:`lut`.

    Returns
    -------
    numpy.ndarray
        (n, 4) float32 RGBA from 0 to 1.
    """
    values = np.asarray(values, dtype=np.float64)
    missing = ~np.isfinite(values)
    span = hi - lo
    scaled = np.where(missing, 0.0, values - lo) * (_STEPS / span if span > 0 else 0.0)
    index = np.clip(scaled, 0, _STEPS - 1).astype(np.intp)
    rgba = lut(colormap)[index]
    rgba[missing] = 0
    return rgba


def error_limits(errors: np.ndarray, percentile: float = 99.0) -> tuple[float, float]:
    """Return symmetric limits for errors, (-m, m), m > 0."""
    finite = np.abs(np.asarray(errors, dtype=np.float64))
    finite = finite[np.isfinite(finite)]
    top = float(np.percentile(finite, percentile)) if finite.size else 0.0
    top = top or float(finite.max(initial=0.0)) or 1.0
    return -top, top


def series(n: int, dark: bool = False) -> np.ndarray:
    """Return colours for n lines or kinds of points, such as models.

    Okabe and Ito's, in an order that reads on the page: no yellow on white, no dark
    blue on black. From the seventh on they are :func:`categorical`'s.

    Returns
    -------
    numpy.ndarray
        (n, 4) float32 RGBA from 0 to 1.
    """
    order = _ON_DARK if dark else _ON_LIGHT
    rgba = np.ones((n, 4), dtype=np.float32)
    first = rgb(tuple(OKABE_ITO[i] for i in order))[:n]
    rgba[: len(first), :3] = first
    rgba[len(first) :] = categorical(n + 2)[len(first) + 2 :]
    return rgba
