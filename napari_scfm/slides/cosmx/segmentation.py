"""Labels of a CosMx FOV: from its label image, else from its polygons.

Decides: the label image defines the cells' pixels; where there is none, polygons
are painted; where a label image lacks a cell, the cell keeps its row and has no
pixels. Refuses a label image whose size is not that of its FOV.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.errors import SlideError, named
from napari_scfm.slides.cosmx.frame import hit_rate, to_pixels
from napari_scfm.slides.cosmx.images import read_pixels
from napari_scfm.slides.raster import paint, relabel, values_in

if TYPE_CHECKING:
    from pathlib import Path

    from napari_scfm.slides.cosmx.cells import Cells
    from napari_scfm.slides.csvfile import CsvFile, Run
    from napari_scfm.slides.report import ReadReport

LOW_HIT_RATE = 0.8
_TOLERANCE = 2.0


def fov_shape(
    fov: str,
    label: tuple[Path, tuple[int, int]] | None,
    pictures: list[tuple[Path, tuple[int, int]]],
    usual: tuple[int, int],
    local: np.ndarray,
) -> tuple[int, int]:
    """Return the size of a FOV, and refuse a label image of another size.

    Parameters
    ----------
    fov
        Its name.
    label, pictures
        Label image, where there is one, and the other images, with their sizes.
    usual
        The size of most images of the slide.
    local
        (n, 2) local centroids in px.
    """
    sizes = [size for _, size in pictures]
    if label is None:
        return (sizes or [usual])[0]
    path, size = label
    reach = local.max(axis=0, initial=0) - _TOLERANCE
    if (reach > (size[1], size[0])).any():
        x, y = np.ceil(reach).astype(int)
        expected = f"cells up to x = {x} and y = {y} px"
    elif size not in (usual, *sizes):
        expected = f"{usual[1]} x {usual[0]} px in its pictures and the other FOVs"
    else:
        return size
    raise SlideError(
        f"{path} is {size[1]} x {size[0]} px, where FOV {fov} has {expected}.",
        "Export the label image again at full size.",
    )


def read_labels(
    path: Path, cells: Cells, down: bool, fov: str, report: ReadReport
) -> np.ndarray:
    """Read a label image and number it 1..n in the order of ``cells``.

    Parameters
    ----------
    path
        CellLabels TIFF, value = cell_ID.
    cells
        The cells of this FOV, in table order.
    down
        Whether local y runs down.
    fov
        Name of the FOV, for the report.
    report
        Gets cells without label, labels without cell, and a low hit rate.
    """
    pixels = _label_pixels(path)
    rate = hit_rate(pixels, to_pixels(cells.local, pixels.shape, down), cells.id)
    if rate < LOW_HIT_RATE:
        report.add(
            "guessed",
            f"FOV {fov}: only {rate:.1%} of the centroids lie in their own label; "
            "labels and table may not belong together.",
        )
    strays = np.setdiff1d(values_in(pixels), np.append(cells.id, 0))
    if len(strays):
        report.add(
            "skipped",
            f"FOV {fov}: {len(strays)} labels have no cell in the table and are shown "
            f"as background (cell_ID {named(strays)}).",
        )
    return relabel(pixels, cells.id)


def _label_pixels(path: Path) -> np.ndarray:
    """Read a label image as unsigned integers; some tools store them as floats."""
    pixels = read_pixels(path)
    if pixels.ndim != 2 or pixels.dtype.kind not in "uif":
        raise SlideError(
            f"{path} is no label image: {pixels.dtype} of shape {pixels.shape}.",
            "A label image holds one whole number a pixel.",
        )
    if pixels.dtype.kind == "u":
        return pixels
    whole: np.ndarray = np.maximum(np.rint(pixels), 0).astype(np.uint32)
    return whole


def read_polygons(
    file: CsvFile,
    fov_number: int,
    cells: Cells,
    frame: tuple[tuple[int, int], bool],
    fov: str,
    report: ReadReport,
) -> np.ndarray | None:
    """Paint the polygons of a FOV, 1..n in the order of ``cells``.

    Returns None where the file has no polygon for this FOV.
    """
    key = file.require("fov")
    runs = file.index(key).get(str(fov_number).encode())
    if not runs:
        report.add("skipped", f"FOV {fov}: {file.path.name} has no polygon for it.")
        return None
    shape, down = frame
    rings = _rings(file, runs, shape, down)
    labels, contested = paint([rings.get(int(i)) for i in cells.id], shape)
    if contested:
        report.add(
            "found",
            f"FOV {fov}: polygons overlap in {contested} px, given to the later cell.",
        )
    strays = sorted(set(rings) - set(cells.id.tolist()) - {0})
    if strays:
        report.add(
            "skipped",
            f"FOV {fov}: {len(strays)} polygons have no cell in the table "
            f"(cellID {named(strays)}).",
        )
    return labels


def _rings(
    file: CsvFile, runs: list[Run], shape: tuple[int, int], down: bool
) -> dict[int, list[np.ndarray]]:
    """Return cell_ID -> its rings as (column, row)."""
    at = [
        file.require("cellID", "cell_ID", "cell_id"),
        file.require("x_local_px"),
        file.require("y_local_px"),
    ]
    ids, xy = _vertices(file.block(runs), at, file.path)
    xy = to_pixels(xy, shape, down)
    edges = np.flatnonzero(np.diff(ids)) + 1
    rings: dict[int, list[np.ndarray]] = {}
    for start, stop in pairwise(np.concatenate([[0], edges, [len(ids)]])):
        rings.setdefault(int(ids[start]), []).append(xy[start:stop])
    return rings


def _vertices(block: bytes, at: list[int], path: Path) -> tuple[np.ndarray, np.ndarray]:
    import io

    import pandas as pd

    try:
        table = pd.read_csv(io.BytesIO(block), header=None, usecols=at)
        ids = table[at[0]].to_numpy(dtype=np.int64)
        xy = table[at[1:]].to_numpy(dtype=float)
        if not np.isfinite(xy).all():
            raise ValueError("a coordinate is missing")
    except ValueError as error:
        raise SlideError(
            f"{path} holds a vertex that is no number: {error}.",
            "Correct the file, or export it again.",
        ) from error
    return ids, xy
