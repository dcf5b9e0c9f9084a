"""Windows of MERSCOPE mosaics, without reading the whole of them.

Decides: um become mosaic px through ``micron_to_mosaic_pixel_transform.csv`` (else
``manifest.json``, else 0.108 um a pixel, and says so); only the tiles or strips
that a window touches are decoded, since a mosaic has up to 10^5 px a side; what
lies outside the mosaic is black.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.errors import SlideError

if TYPE_CHECKING:
    from pathlib import Path

    from napari_scfm.slides.merscope.files import RegionFiles
    from napari_scfm.slides.report import ReadReport

NATIVE_PX = 0.108


@dataclass(frozen=True)
class Transform:
    """um to mosaic px.

    Attributes
    ----------
    matrix
        (3, 3): (column, row, 1) = matrix . (x um, y um, 1).
    """

    matrix: np.ndarray

    @property
    def pixel_size(self) -> float:
        """Edge of a pixel in um: geometric mean of both axes."""
        return float(1.0 / np.sqrt(abs(np.linalg.det(self.matrix[:2, :2]))))

    def pixels(self, um: np.ndarray) -> np.ndarray:
        """Turn (n, 2) um into (column, row) of the mosaic."""
        pixels: np.ndarray = np.asarray(um) @ self.matrix[:2, :2].T
        pixels += self.matrix[:2, 2]
        return pixels

    def um(self, pixels: np.ndarray) -> np.ndarray:
        """Turn (n, 2) mosaic (column, row) into um."""
        back = np.linalg.inv(self.matrix[:2, :2])
        um: np.ndarray = (np.asarray(pixels) - self.matrix[:2, 2]) @ back.T
        return um


def read_transform(files: RegionFiles, report: ReadReport) -> Transform:
    """Read how um become mosaic px.

    Raises
    ------
    SlideError
        If the file holds no 3 x 3 matrix that can be inverted.
    """
    if files.transform is not None:
        try:
            matrix = np.loadtxt(
                files.transform.read_text().replace(",", " ").split("\n")
            )
        except ValueError:
            matrix = np.empty(0)
        if matrix.shape != (3, 3) or abs(np.linalg.det(matrix[:2, :2])) < 1e-12:
            raise SlideError(
                f"{files.transform} holds no 3 x 3 matrix from um to mosaic px.",
                "Copy the file again from the instrument's output.",
            )
        transform = Transform(matrix)
        report.add(
            "found",
            f"Pixel size {transform.pixel_size:.5g} um, from {files.transform.name}.",
        )
        return transform
    manifest = _from_manifest(files.manifest)
    if manifest is not None:
        report.add(
            "guessed",
            f"Pixel size {manifest.pixel_size:.5g} um, from manifest.json: there is no "
            "micron_to_mosaic_pixel_transform.csv.",
        )
        return manifest
    report.add(
        "guessed",
        f"Pixel size {NATIVE_PX} um, the instrument's: there is no "
        "micron_to_mosaic_pixel_transform.csv.",
    )
    return Transform(np.diag([1 / NATIVE_PX, 1 / NATIVE_PX, 1.0]))


def _from_manifest(path: Path | None) -> Transform | None:
    if path is None:
        return None
    try:
        manifest: dict[str, Any] = json.loads(path.read_text())
        x0, y0, x1, y1 = (float(v) for v in manifest["bbox_microns"])
        across = float(manifest["mosaic_width_pixels"]) / (x1 - x0)
        down = float(manifest["mosaic_height_pixels"]) / (y1 - y0)
    except (ValueError, KeyError, TypeError, ZeroDivisionError):
        return None
    return Transform(
        np.array([[across, 0, -x0 * across], [0, down, -y0 * down], [0, 0, 1]])
    )


def read_window(
    path: Path, corner: tuple[int, int], shape: tuple[int, int]
) -> np.ndarray:
    """Read a window of a TIFF.

    Parameters
    ----------
    path
        Plain, tiled or pyramidal TIFF; the first page is read.
    corner
        (row, column) of the top-left pixel; may lie outside.
    shape
        (rows, columns).

    Returns
    -------
    numpy.ndarray
        (rows, columns) in the file's type; 0 outside the mosaic.

    Raises
    ------
    SlideError
        If the file is no TIFF, or is cut off.
    """
    import tifffile

    try:
        with tifffile.TiffFile(path) as tif:
            return _read_page(tif, corner, shape)
    except (OSError, ValueError, IndexError, RuntimeError) as error:
        raise SlideError(
            f"{path} cannot be read as a mosaic: {error}.",
            "The file looks damaged: copy it again.",
        ) from error


def _read_page(tif: Any, corner: tuple[int, int], shape: tuple[int, int]) -> np.ndarray:
    page = tif.pages[0]
    window = np.zeros(shape, dtype=page.dtype)
    top, left = max(corner[0], 0), max(corner[1], 0)
    bottom = min(corner[0] + shape[0], int(page.imagelength))
    right = min(corner[1] + shape[1], int(page.imagewidth))
    if bottom > top and right > left:
        rows = slice(top - corner[0], bottom - corner[0])
        columns = slice(left - corner[1], right - corner[1])
        window[rows, columns] = _read_part(tif, page, (top, bottom), (left, right))
    return window


def _read_part(
    tif: Any, page: Any, rows: tuple[int, int], columns: tuple[int, int]
) -> np.ndarray:
    """Decode the segments (tiles or strips) that a window inside a page touches."""
    if page.is_memmappable:
        import tifffile

        whole = tifffile.memmap(tif.filehandle.path, page=0, mode="r")
        return np.array(whole[rows[0] : rows[1], columns[0] : columns[1]])
    height = page.tilelength if page.is_tiled else page.rowsperstrip
    width = page.tilewidth if page.is_tiled else page.imagewidth
    across = -(-page.imagewidth // width)
    part = np.zeros((rows[1] - rows[0], columns[1] - columns[0]), dtype=page.dtype)
    tables = page.jpegtables
    for r in range(rows[0] // height, (rows[1] - 1) // height + 1):
        for c in range(columns[0] // width, (columns[1] - 1) // width + 1):
            index = r * across + c
            tif.filehandle.seek(page.dataoffsets[index])
            data = tif.filehandle.read(page.databytecounts[index])
            segment = page.decode(data, index, jpegtables=tables)[0]
            if segment is None:
                continue
            _place(
                part,
                np.squeeze(segment),
                (r * height, c * width),
                (rows[0], columns[0]),
            )
    return part


def _place(
    part: np.ndarray,
    segment: np.ndarray,
    at: tuple[int, int],
    corner: tuple[int, int],
) -> None:
    """Copy what a decoded segment and a window share."""
    segment = segment.reshape(-1, segment.shape[-1]) if segment.ndim != 2 else segment
    target, source = [], []
    for axis in (0, 1):
        offset = at[axis] - corner[axis]
        start = max(offset, 0)
        stop = min(offset + segment.shape[axis], part.shape[axis])
        target.append(slice(start, stop))
        source.append(slice(start - offset, stop - offset))
    part[target[0], target[1]] = segment[source[0], source[1]]
