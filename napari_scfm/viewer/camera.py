"""Where the camera looks first: at the cells, not at an empty frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm import keys

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_scfm.slides.slide import FieldOfView

FULL = 0.6
"""Cells that fill this share of the frame's sides are shown with the whole frame."""


def region(fov: FieldOfView) -> tuple[np.ndarray, np.ndarray]:
    """Return the top-left and bottom-right corner (y, x) in um worth looking at."""
    frame = np.array(fov.shape) * fov.pixel_size
    whole = np.zeros(2), frame
    if keys.SPATIAL not in fov.table.obsm or fov.table.n_obs < 2:
        return whole
    yx = np.asarray(fov.table.obsm[keys.SPATIAL], dtype=float)[:, 1::-1]
    low, high = yx.min(axis=0), yx.max(axis=0)
    margin = 0.06 * (high - low).max() + 5
    low, high = np.maximum(low - margin, 0), np.minimum(high + margin, frame)
    return whole if ((high - low) / frame).min() > FULL else (low, high)


def fit(viewer: Viewer, fov: FieldOfView, tiles: tuple[int, int] = (1, 1)) -> None:
    """Look at a FOV's cells, on the whole canvas or in each of its rows and columns."""
    low, high = region(fov)
    viewer.scene.camera.center = tuple((low + high) / 2)
    viewer.scene.camera.zoom = 0.95 * _zoom(viewer, fov, tiles)


def shape_of_tiles(viewer: Viewer, fov: FieldOfView, count: int) -> tuple[int, int]:
    """Return whether tiles in a row or in a column show a FOV's cells larger."""
    return max((1, count), (count, 1), key=lambda shape: _zoom(viewer, fov, shape))


def _zoom(viewer: Viewer, fov: FieldOfView, tiles: tuple[int, int]) -> float:
    """Return pixels per um with which the cells just fit in a tile."""
    low, high = region(fov)
    room = np.array(viewer.canvas.size, dtype=float) / tiles
    return float((room / np.maximum(high - low, 1e-6)).min())
