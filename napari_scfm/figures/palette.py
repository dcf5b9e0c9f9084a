"""Palettes: the same colours on the canvas, in the legend and on paper.

Decides which colour maps there are (perceptually even ones, and one diverging map
for errors), and which colours categories get: Okabe and Ito's first, which
colour-blind readers tell apart, then colours picked one by one to lie far from all
before them, for normal and for red-green blind vision. A category keeps its colour
when more are added. Values that are missing are transparent.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from napari_scfm.errors import ScfmError, named

SEQUENTIAL = ("viridis", "cividis", "magma", "inferno", "plasma", "mako", "grey")
"""Maps for values from low to high, the default first."""

DIVERGING = ("error", "purple-green")
"""Maps for values around zero, the default first."""

COLORMAPS = SEQUENTIAL + DIVERGING
"""All names that :func:`lut` knows."""

OKABE_ITO = (
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#F0E442",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)
_ON_LIGHT = (4, 0, 2, 6, 1, 5)
_ON_DARK = (1, 0, 2, 6, 3, 5)
_STEPS = 256
_MOST = 256
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


def rgb(colours: tuple[str, ...]) -> np.ndarray:
    """Return (n, 3) colours from 0 to 1 of "#RRGGBB" strings."""
    parts = [[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in colours]
    return np.array(parts, dtype=np.float64).reshape(-1, 3)


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


def categorical(n: int) -> np.ndarray:
    """Return colours for n categories.

    The first seven are Okabe and Ito's (without black, which a dark canvas swallows;
    grey is for what is unknown); beyond 256 the colours repeat.

    Returns
    -------
    numpy.ndarray
        (n, 4) float32 RGBA from 0 to 1.
    """
    colours = _category_colours(_MOST if n > 64 else 64 if n > 7 else 7)
    rgba = np.ones((n, 4), dtype=np.float32)
    rgba[:, :3] = colours[np.arange(n) % len(colours)]
    return rgba


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


@lru_cache(maxsize=4)
def _category_colours(n: int) -> np.ndarray:
    """Pick colours far from all before them (after Glasbey et al. 2007, greedy)."""
    picked = rgb(OKABE_ITO)[:n]
    if n <= len(picked):
        return picked
    levels = np.linspace(0.08, 0.96, 20)
    pool = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 3)
    lab = cielab(pool)
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    pool = pool[(lab[:, 0] > 32) & (lab[:, 0] < 84) & (chroma > 20) & (chroma < 66)]
    seen = np.hstack([cielab(pool), 0.6 * cielab(_red_green_blind(pool))])
    taken = np.vstack([picked, np.full((1, 3), 0.6)])  # grey is taken, too
    first = np.hstack([cielab(taken), 0.6 * cielab(_red_green_blind(taken))])
    nearest = np.full(len(pool), np.inf)
    for place in first:
        nearest = np.minimum(nearest, np.sum((seen - place) ** 2, axis=1))
    chosen = []
    for _ in range(n - len(picked)):
        best = int(np.argmax(nearest))
        chosen.append(pool[best])
        nearest = np.minimum(nearest, np.sum((seen - seen[best]) ** 2, axis=1))
    return np.vstack([picked, chosen])


def _linear(colours: np.ndarray) -> np.ndarray:
    low = colours / 12.92
    return np.asarray(
        np.where(colours <= 0.04045, low, ((colours + 0.055) / 1.055) ** 2.4)
    )


def cielab(colours: np.ndarray) -> np.ndarray:
    """Return (n, 3) CIELAB (D65) of (n, 3) sRGB colours from 0 to 1."""
    to_xyz = np.array(
        [
            [0.4124, 0.3576, 0.1805],
            [0.2126, 0.7152, 0.0722],
            [0.0193, 0.1192, 0.9505],
        ]
    )
    xyz = _linear(colours) @ to_xyz.T / (0.9505, 1.0, 1.089)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = f.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def _red_green_blind(colours: np.ndarray) -> np.ndarray:
    """Return colours as a deuteranope sees them (Vienot, Brettel, Mollon 1999)."""
    matrix = np.array(
        [[0.2930, 0.7070, 0.0], [0.2930, 0.7070, 0.0], [-0.0223, 0.0223, 1.0]]
    )
    seen = np.clip(_linear(colours) @ matrix.T, 0, 1)
    low = seen * 12.92
    return np.asarray(
        np.where(seen <= 0.0031308, low, 1.055 * seen ** (1 / 2.4) - 0.055)
    )
