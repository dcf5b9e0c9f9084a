"""What a CosMx slide's files say about its frame, and the sentences that tell it.

The rules are in :mod:`napari_scfm.slides.cosmx.frame`; here the evidence for them
is collected: the positions file, areas, sizes of images, and one label image.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.errors import counted
from napari_scfm.slides.cosmx import frame as frames
from napari_scfm.slides.cosmx.images import image_shape, read_pixels
from napari_scfm.slides.csvfile import CsvFile, column

if TYPE_CHECKING:
    from pathlib import Path

    from napari_scfm.slides.cosmx.cells import Cells
    from napari_scfm.slides.cosmx.files import CosmxFiles
    from napari_scfm.slides.report import ReadReport

_SAMPLE = 6


def infer_frame(
    files: CosmxFiles,
    cells: Cells,
    report: ReadReport,
    pixel_size: float | None = None,
) -> frames.Frame:
    """Infer pixel size, axes and origins, and report how.

    Parameters
    ----------
    files, cells
        The slide.
    report
        Gets a sentence for each guess.
    pixel_size
        In um, when the user knows it better.
    """
    positions, ratio = read_positions(files.positions)
    shape = _shape(files, cells, report)
    size = _pixel_size(cells, shape, ratio, pixel_size, report)
    x_sign, y_sign, voters = frames.axis_signs(cells)
    down = _direction(files, cells, y_sign, voters, report)
    # global y counts up or down along with local y (or against it): see frame.py
    signs = (x_sign, y_sign if down else -y_sign)
    if x_sign < 0:
        report.add("guessed", "Global x runs against local x: the slide is mirrored.")
    placed = frames.origins(
        cells, positions, pixel_size=size, shape=shape, down=down, signs=signs
    )
    return frames.Frame(size, shape, down, signs, placed)


def read_positions(
    path: Path | None,
) -> tuple[dict[int, tuple[float, float]], float | None]:
    """Read the positions file.

    Returns
    -------
    positions
        FOV number -> global px of its corner; empty for files in mm only.
    ratio
        um per px, where the file has both px and mm.
    """
    if path is None:
        return {}, None
    file = CsvFile(path)
    table = file.frame()
    names = list(table.columns)
    fov = table[names[file.require("fov")]].to_numpy()
    px = [column(names, f"{axis}_global_px") for axis in "xy"]
    if None in px:
        return {}, None
    at = table.iloc[:, [p for p in px if p is not None]].to_numpy(dtype=float)
    positions = {
        int(f): (float(x), float(y)) for f, (x, y) in zip(fov, at, strict=True)
    }
    mm = [column(names, f"{axis}_global_mm") for axis in "xy"]
    if None in mm:
        return positions, None
    millimetres = table.iloc[:, [m for m in mm if m is not None]].to_numpy(dtype=float)
    return positions, _ratio(at, millimetres * 1000)


def _ratio(px: np.ndarray, um: np.ndarray) -> float | None:
    """Return um per px from the spread of positions, or from their values."""
    spread = np.ptp(px, axis=0)
    axis = int(np.argmax(spread))
    if spread[axis] > 0:
        ratio = float(np.ptp(um[:, axis]) / spread[axis])
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            single = um[0] / px[0]
        if not np.isfinite(single).all() or abs(single[0] / single[1] - 1) > 0.01:
            return None
        ratio = float(single.mean())
    return ratio if 0.02 < ratio < 2 else None


def _shape(files: CosmxFiles, cells: Cells, report: ReadReport) -> tuple[int, int]:
    sizes: Counter[tuple[int, int]] = Counter()
    for images in (files.labels, files.composite, files.morphology):
        for fov in sorted(images)[:_SAMPLE]:
            sizes[image_shape(images[fov])] += 1
    if sizes:
        return sizes.most_common(1)[0][0]
    shape = frames.guess_shape(cells)
    report.add(
        "guessed",
        f"A FOV is {shape[1]} x {shape[0]} px wide and high: no image says it, the "
        "centroids fit in it.",
    )
    return shape


def _pixel_size(
    cells: Cells,
    shape: tuple[int, int],
    ratio: float | None,
    given: float | None,
    report: ReadReport,
) -> float:
    if given is not None:
        report.add("found", f"Pixel size {given:g} um, as given by the user.")
        return given
    if ratio is not None:
        report.add("found", f"Pixel size {ratio:.5g} um, from px and mm of the FOVs.")
        return ratio
    if {"Area", "Area.um2"} <= set(cells.obs.columns) and len(cells.id):
        with np.errstate(divide="ignore", invalid="ignore"):
            areas = cells.obs["Area.um2"].to_numpy(float) / cells.obs["Area"].to_numpy(
                float
            )
        size = float(np.sqrt(np.nanmedian(areas)))
        if 0.02 < size < 2:
            report.add("found", f"Pixel size {size:.5g} um, from the cells' areas.")
            return size
    known = frames.pixel_size_of(shape)
    size = frames.PRODUCTION_PX if known is None else known
    why = (
        f"FOVs of {shape[1]} x {shape[0]} px are its format"
        if known
        else "nothing in the files says it"
    )
    which = "beta" if size == frames.BETA_PX else "production"
    report.add("guessed", f"Pixel size {size:.5g} um of the {which} instrument: {why}.")
    return size


def _direction(
    files: CosmxFiles, cells: Cells, y_sign: int, voters: int, report: ReadReport
) -> bool:
    """Return whether local y runs down, by labels or by convention."""
    best = _by_labels(files, cells)
    if best is not None:
        down, rates, fov = best
        report.add(
            "guessed",
            f"Local y runs {'down' if down else 'up'}: {max(rates):.1%} of the "
            f"centroids of FOV F{fov:03d} lie in their own label, {min(rates):.1%} the "
            "other way round.",
        )
        return down
    down = y_sign < 0
    if voters:
        way = "falls" if down else "grows"
        why = f"global y {way} with local y in {counted(voters, 'FOV')}"
    else:
        why = "the legacy convention; too few cells to tell"
    report.add(
        "guessed",
        f"Local y runs {'down' if down else 'up'}: {why}, no label image tells.",
    )
    return down


def _by_labels(
    files: CosmxFiles, cells: Cells
) -> tuple[bool, tuple[float, float], int] | None:
    """Try both directions on the FOVs with most cells, until one is clear."""
    fovs, counts = np.unique(cells.fov, return_counts=True)
    for fov in fovs[np.argsort(-counts, kind="stable")].tolist()[:3]:
        if fov not in files.labels:
            continue
        rows = cells.fov == fov
        labels = read_pixels(files.labels[fov])
        if labels.ndim != 2:
            continue
        up, down = (
            frames.hit_rate(
                labels,
                frames.to_pixels(cells.local[rows], labels.shape, direction),
                cells.id[rows],
            )
            for direction in (False, True)
        )
        if max(up, down) >= 0.3 and max(up, down) > 2 * min(up, down):
            return down > up, (up, down), int(fov)
    return None
