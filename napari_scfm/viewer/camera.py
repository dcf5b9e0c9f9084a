"""Where the camera looks first: at the cells, not at an empty frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm import keys

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_scfm.slides.slide import FieldOfView

FULL = 0.6
"""What fills this share of the sides of a region is shown with the whole of it."""


ROUND = 0.15
"""How much of the tissue around chosen cells is shown with them, of their extent."""


def region(
    fov: FieldOfView, cells: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the top-left and bottom-right corner (y, x) in um worth looking at.

    Parameters
    ----------
    cells
        Rows of the cells that matter, shown with the tissue around them.
    """
    frame = np.array(fov.shape) * fov.pixel_size
    whole = np.zeros(2), frame
    if keys.SPATIAL not in fov.table.obsm or fov.table.n_obs < 2:
        return whole
    yx = np.asarray(fov.table.obsm[keys.SPATIAL], dtype=float)[:, 1::-1]
    seen = _around(yx, 0.06, 5, whole)
    if cells is None or not len(cells):
        return seen
    return _around(yx[cells], ROUND, 15, seen)


def _around(
    yx: np.ndarray, share: float, um: float, within: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners around points, or those of ``within`` if little is gained."""
    low, high = yx.min(axis=0), yx.max(axis=0)
    margin = share * (high - low).max() + um
    low, high = (
        np.maximum(low - margin, within[0]),
        np.minimum(high + margin, within[1]),
    )
    filled = ((high - low) / np.maximum(within[1] - within[0], 1e-6)).min()
    return within if filled > FULL else (low, high)


def fit(
    viewer: Viewer,
    fov: FieldOfView,
    tiles: tuple[int, int] = (1, 1),
    cells: np.ndarray | None = None,
) -> None:
    """Look at a FOV's cells, on the whole canvas or in each of its rows and columns."""
    low, high = region(fov, cells)
    viewer.scene.camera.center = tuple((low + high) / 2)
    viewer.scene.camera.zoom = 0.95 * _zoom(viewer, (low, high), tiles)


def shape_of_tiles(
    viewer: Viewer, fov: FieldOfView, count: int, cells: np.ndarray | None = None
) -> tuple[int, int]:
    """Return whether tiles in a row or in a column show a FOV's cells larger."""
    seen = region(fov, cells)
    return max((1, count), (count, 1), key=lambda shape: _zoom(viewer, seen, shape))


def _zoom(
    viewer: Viewer, seen: tuple[np.ndarray, np.ndarray], tiles: tuple[int, int]
) -> float:
    """Return pixels per um with which a region just fits in a tile."""
    room = np.array(viewer.canvas.size, dtype=float) / tiles
    return float((room / np.maximum(seen[1] - seen[0], 1e-6)).min())
