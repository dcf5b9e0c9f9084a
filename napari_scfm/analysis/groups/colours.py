"""Colours of categories: the same for clusters, types, lines and points.

Decides which colours categories get: Okabe and Ito's first, which colour-blind readers
tell apart, then colours picked one by one to lie far from all before them, for normal
and for red-green blind vision. A category keeps its colour when more are added.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

OKABE_ITO = (
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#F0E442",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)
_MOST = 256


def rgb(colours: tuple[str, ...]) -> np.ndarray:
    """Return (n, 3) colours from 0 to 1 of "#RRGGBB" strings."""
    parts = [[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in colours]
    return np.array(parts, dtype=np.float64).reshape(-1, 3)


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


def unused(taken: np.ndarray, n: int) -> np.ndarray:
    """Return n colours that differ from those taken.

    Parameters
    ----------
    taken
        (k, 3) or (k, 4) colours from 0 to 1.
    n
        How many are wanted.

    Returns
    -------
    numpy.ndarray
        (n, 4) float32 RGBA: the first of :func:`categorical` that are free; once all
        256 are taken, they begin again.
    """
    known = {_bytes(colour) for colour in taken}
    every = categorical(min(len(taken) + n, _MOST))
    free = [colour for colour in every if _bytes(colour) not in known]
    again = categorical(n)
    return np.array([*free, *again][:n], dtype=np.float32).reshape(n, 4)


def _bytes(colour: np.ndarray) -> tuple[int, ...]:
    return tuple(np.rint(np.asarray(colour[:3]) * 255).astype(int).tolist())


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
