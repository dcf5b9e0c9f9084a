"""Fields of view of a MERSCOPE region.

Decides: the vendor's ``fov`` column cuts the region where it names several FOVs.
Where it is empty (after re-segmentation with vpt) or names one FOV that is too
large to show at once, the region is cut in a regular grid of tiles of about 200 um,
all of the same size, so that no slivers are left at the edges; a cell belongs to
the tile of its centre.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_scfm.slides.merscope.cells import Cells
    from napari_scfm.slides.report import ReadReport

TILE_UM = 200.0
MAX_PIXELS = 8192


def cut(cells: Cells, pixel_size: float, report: ReadReport) -> dict[str, np.ndarray]:
    """Return name of each FOV -> positions of its cells, in table order.

    Parameters
    ----------
    cells
        The region.
    pixel_size
        um, to tell what is too large to show.
    report
        Gets how the region was cut, where the files do not say it.
    """
    if not len(cells.id):
        return {}
    values = sorted(set(cells.fov.tolist()), key=_natural)
    extent = np.ptp(cells.centre, axis=0)
    if len(values) > 1:
        rows = {v: np.flatnonzero(cells.fov == v) for v in values}
        return {fov_name(v): r for v, r in rows.items()}
    if values[0] and max(extent) / pixel_size <= MAX_PIXELS:
        return {fov_name(values[0]): np.arange(len(cells.id))}
    tiles, counts, size = grid(cells.centre)
    why = (
        f"all cells are in FOV {values[0]}, too large to show"
        if values[0]
        else "the fov column is empty"
    )
    report.add(
        "guessed",
        f"{len(tiles)} FOVs: {why}, so the region is cut in {counts[1]} x {counts[0]} "
        f"tiles of {size[0]:.0f} x {size[1]:.0f} um.",
    )
    return tiles


def grid(
    centre: np.ndarray, tile: float = TILE_UM
) -> tuple[dict[str, np.ndarray], tuple[int, int], tuple[float, float]]:
    """Cut points in equal tiles of about ``tile`` um.

    Returns
    -------
    tiles
        ``r<row>c<column>`` -> positions of the points; empty tiles are left out.
    counts
        Number of (rows, columns).
    size
        (width, height) of a tile in um.
    """
    start, extent = centre.min(axis=0), np.ptp(centre, axis=0)
    columns, rows = np.maximum(np.rint(extent / tile), 1).astype(int)
    size = np.maximum(extent / (columns, rows), 1e-9)
    at = np.minimum((centre - start) // size, (columns - 1, rows - 1)).astype(int)
    tiles = {}
    for r in range(rows):
        for c in range(columns):
            inside = np.flatnonzero((at[:, 1] == r) & (at[:, 0] == c))
            if len(inside):
                tiles[f"r{r}c{c}"] = inside
    return tiles, (int(rows), int(columns)), (float(size[0]), float(size[1]))


def fov_name(value: str) -> str:
    """Return the name of a FOV: ``12`` is ``F012``, other names stay."""
    if value.isdigit():
        return f"F{int(value):03d}"
    return value or "no_fov"


def _natural(value: str) -> tuple[int, str]:
    return (int(value), "") if value.isdigit() else (2**62, value)
