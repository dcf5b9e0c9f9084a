"""Links between cells as wedges: wide where something leaves, pointed where it goes.

Each link lies on a dark, wider copy of itself, so that it reads on any cell colours.
"""

from __future__ import annotations

import numpy as np
from napari.utils.colormaps import Colormap

INK = (1.0, 0.97, 0.88, 0.95)
_HALO = (0.0, 0.0, 0.0, 0.6)


def wedges(
    starts: np.ndarray, ends: np.ndarray, wide: np.ndarray, rim: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return links as triangles.

    Parameters
    ----------
    starts, ends
        (n, 2) points (x, y), um.
    wide
        (n,) width of each link where it starts, um.
    rim
        How far the dark copy stands out, um.

    Returns
    -------
    vertices
        (6 n, 2) points (x, y).
    faces
        (2 n, 3) vertex numbers, the dark copies first.
    values
        (6 n,) 0 in the dark copies, 1 in the links.
    """
    along = ends - starts
    far = np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    unit, side = along / far, along[:, ::-1] / far * (-1, 1)
    points, numbers = [], []
    for more, value in ((rim, 0.0), (0.0, 1.0)):
        base = starts - unit * more
        half = side * (np.asarray(wide)[:, None] / 2 + more)
        tip = ends + unit * more
        points.append(np.stack([base + half, base - half, tip], axis=1).reshape(-1, 2))
        numbers.append(np.full(3 * len(starts), value))
    corners = np.concatenate(points)
    return corners, np.arange(len(corners)).reshape(-1, 3), np.concatenate(numbers)


def with_halo(ink: tuple[float, ...] = INK) -> Colormap:
    """Return the colour of the links, and the dark one of their halo."""
    return Colormap(np.array([_HALO, ink]), controls=(0, 1), name="links")
