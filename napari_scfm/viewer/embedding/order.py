"""Which point lies over which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_scfm.viewer.embedding.colours import Paint


def drawing_order(
    paint: Paint, xy: np.ndarray, front: np.ndarray | None = None
) -> np.ndarray:
    """Return the points in the order of drawing, the last one on top.

    High values lie over low ones; categories lie mixed, so that none hides another;
    what is unknown lies below both, and what is hidden below all. Cells without a
    place, NaN in (cells, 2) ``xy``, are not drawn.
    """
    if paint.values is not None:
        key = np.asarray(paint.values, dtype=np.float32)
        low, high = paint.legend.limits or (0.0, 1.0)
        if low < 0:  # errors: large ones, of either sign
            key, low, high = np.abs(key), 0.0, max(-low, high)
        key = np.clip((key - low) / max(high - low, 1e-12), 0, 1)
        key = np.where(np.isfinite(key), key, -1)
    else:
        key = np.random.default_rng(0).random(len(xy), dtype=np.float32)
        if paint.codes is not None:
            key[paint.codes < 0] -= 1
    if front is not None:
        key = key + 4 * front
    if paint.hidden is not None:
        key = key - 16 * paint.hidden
    order = np.argsort(key, kind="stable")
    return order[np.isfinite(xy[order]).all(axis=1)]
