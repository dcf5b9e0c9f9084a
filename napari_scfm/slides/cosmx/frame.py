"""Where the pixels of a CosMx slide lie: pixel size, axes, origins of the FOVs.

Decides, because the files do not say it (and reports how):

* the pixel size, from px beside mm in the positions file, from ``Area.um2``, or
  from the size of a FOV: 4256 x 4256 px are 0.12028 um (production instrument),
  5472 x 3648 px are 0.18 um (beta instrument, the public NSCLC release);
* whether local y runs up or down. Legacy exports have local and global y both
  up; AtoMx exports have local y down and global y up. So the sign of the
  regression of global on local y gives a first guess, and where a label image
  exists the direction wins in which more centroids fall in their own label;
* the origin of each FOV on the slide, from its centroids (the positions file is
  known to disagree with them at times).

The slide's frame is in um, x right and y down as in the label images, so that a
FOV is shifted against it and never turned; its origin is the top-left of all FOVs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_scfm.slides.cosmx.cells import Cells

PRODUCTION_PX = 0.120280945
BETA_PX = 0.18
PRODUCTION_SHAPE = (4256, 4256)
BETA_SHAPE = (3648, 5472)
MIN_CELLS = 3


@dataclass(frozen=True)
class Frame:
    """How px of the vendor become um of ours.

    Attributes
    ----------
    pixel_size
        um.
    shape
        (rows, columns) of a FOV.
    down
        True: row = local y; False: row = height - local y.
    signs
        Slide x and y are these signs times the vendor's global x and y.
    origins
        FOV number -> (x, y) in um of its top-left pixel on the slide.
    """

    pixel_size: float
    shape: tuple[int, int]
    down: bool
    signs: tuple[int, int]
    origins: Mapping[int, tuple[float, float]]

    def pixels(self, local: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """Turn local px (n, 2) into (column, row) of a FOV of that shape."""
        return to_pixels(local, shape, self.down)


def to_pixels(local: np.ndarray, shape: tuple[int, int], down: bool) -> np.ndarray:
    """Turn local px (n, 2) into (column, row)."""
    xy = np.array(local, dtype=float)
    if not down:
        xy[:, 1] = shape[0] - xy[:, 1]
    return xy


def hit_rate(labels: np.ndarray, pixels: np.ndarray, ids: np.ndarray) -> float:
    """Return the share of centroids that lie in a pixel with their own id.

    Parameters
    ----------
    labels
        (rows, columns).
    pixels
        (n, 2) as (column, row).
    ids
        (n,) value of each cell in ``labels``.
    """
    if not len(ids):
        return float("nan")
    columns, rows = np.rint(pixels).astype(np.int64).T
    inside = (rows >= 0) & (rows < labels.shape[0])
    inside &= (columns >= 0) & (columns < labels.shape[1])
    own = labels[rows[inside], columns[inside]] == ids[inside]
    return float(own.sum() / len(ids))


def axis_signs(cells: Cells) -> tuple[int, int, int]:
    """Return the signs of global against local x and y, and how many FOVs voted.

    Each FOV with at least three cells that are spread out gives a vote.
    """
    votes = np.zeros(2)
    voters = 0
    if cells.world is not None:
        for fov in np.unique(cells.fov):
            rows = np.flatnonzero(cells.fov == fov)
            if len(rows) < MIN_CELLS:
                continue
            local = cells.local[rows] - cells.local[rows].mean(axis=0)
            world = cells.world[rows] - cells.world[rows].mean(axis=0)
            votes += np.sign((local * world).sum(axis=0))
            voters += 1
    x, y = (-1 if v < 0 else 1 for v in votes)
    return x, y, voters


def guess_shape(cells: Cells) -> tuple[int, int]:
    """Return the smallest FOV of a known instrument that holds all centroids."""
    x, y = cells.local.max(axis=0) if len(cells.id) else (0.0, 0.0)
    for rows, columns in (PRODUCTION_SHAPE, BETA_SHAPE):
        if x <= columns + 4 and y <= rows + 4:
            return rows, columns
    return int(np.ceil(y)) + 1, int(np.ceil(x)) + 1


def pixel_size_of(shape: tuple[int, int]) -> float | None:
    """Return the pixel size of the instrument with such FOVs, or None."""
    for (rows, columns), size in (
        (PRODUCTION_SHAPE, PRODUCTION_PX),
        (BETA_SHAPE, BETA_PX),
    ):
        if abs(shape[0] - rows) <= 16 and abs(shape[1] - columns) <= 16:
            return size
    return None


def origins(
    cells: Cells,
    positions: Mapping[int, tuple[float, float]],
    *,
    pixel_size: float,
    shape: tuple[int, int],
    down: bool,
    signs: tuple[int, int],
) -> dict[int, tuple[float, float]]:
    """Return where the top-left pixel of each FOV lies on the slide, in um.

    From the centroids where a FOV has cells; the other FOVs of the positions
    file follow with the offset that the file has on average. Without global
    coordinates the FOVs stand side by side.
    """
    sign = np.array(signs, dtype=float)
    corner = np.array([0.0, 0.0 if down else shape[0]])
    from_file = {f: sign * np.array(p) - corner for f, p in positions.items()}
    from_cells: dict[int, np.ndarray] = {}
    if cells.world is not None:
        for fov in np.unique(cells.fov):
            rows = cells.fov == fov
            local = to_pixels(cells.local[rows], shape, down)
            from_cells[int(fov)] = np.median(sign * cells.world[rows] - local, axis=0)
    both = [from_cells[f] - from_file[f] for f in from_cells if f in from_file]
    shift = np.median(both, axis=0) if both else np.zeros(2)
    placed = {f: p + shift for f, p in from_file.items()} | from_cells
    for number, fov in enumerate(
        sorted(set(np.unique(cells.fov).tolist()) - set(placed))
    ):
        placed[int(fov)] = np.array([number * shape[1], 0.0])
    start = np.min(list(placed.values()), axis=0) if placed else np.zeros(2)
    um = {f: (p - start) * pixel_size for f, p in placed.items()}
    return {f: (float(x), float(y)) for f, (x, y) in um.items()}
