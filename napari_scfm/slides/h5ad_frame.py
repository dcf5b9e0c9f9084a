"""Where the cells of a table lie, and which of them belong together.

Decides, and reports: coordinates come from ``obsm["spatial"]`` or a pair of ``obs``
columns; their unit from ``uns["spatial_units"]``; y runs down unless ``uns`` says
up; FOVs come from the first ``obs`` column that names fields of view or sections.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_scfm import keys
from napari_scfm.errors import SlideError, named
from napari_scfm.slides.checks import coordinate_problems
from napari_scfm.slides.raster import nearest_distances

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from napari_scfm.slides.h5ad_file import H5adFile
    from napari_scfm.slides.report import ReadReport

_OBSM = (keys.SPATIAL, "X_spatial", "spatial_um", "spatial_px")
_OBS = (
    ("x_centroid", "y_centroid"),
    ("center_x", "center_y"),
    ("CenterX_global_px", "CenterY_global_px"),
    ("x", "y"),
)
_FOV_COLUMNS = (
    keys.FOV,
    "FOV",
    "fov_name",
    "section",
    "section_id",
    "slice",
    "slice_id",
    "batch",
    "library_id",
    "sample",
    "sample_id",
)
WHOLE = "all"
CELL_PX = 12.0
MAX_PX = 8192


class Bags(NamedTuple):
    """Which cells belong to which FOV.

    Attributes
    ----------
    rows
        FOV -> positions in the table, in its order.
    names
        (n,) FOV of each cell.
    labels
        (n,) 1..n of each cell in its FOV.
    """

    rows: Mapping[str, np.ndarray]
    names: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Grid:
    """Pixels for a FOV that has none.

    Attributes
    ----------
    pixel_size
        um.
    shape
        (rows, columns).
    origin
        (x, y) of the top-left pixel, um.
    """

    pixel_size: float
    shape: tuple[int, int]
    origin: tuple[float, float]


def place(
    file: H5adFile,
    obs: pd.DataFrame,
    uns: Mapping[str, Any],
    pixel_size: float | None,
    report: ReadReport,
) -> np.ndarray:
    """Return the coordinates of all cells in um, y down, (cells, 2).

    Raises
    ------
    SlideError
        If there are none, or they are no numbers.
    """
    xy, source = _coordinates(file, obs)
    if problems := coordinate_problems(xy, [str(n) for n in obs.index]):
        raise SlideError(
            f"{file.path} cannot be used: {problems[0]}.",
            "Correct the coordinates, or leave these cells out.",
            problems,
        )
    if np.asarray(xy).shape[1] > 2:
        report.add("skipped", f"The third coordinate in {source}.")
    um = np.array(np.asarray(xy)[:, :2], dtype=float)
    um *= _unit(uns, source, pixel_size, report)
    if _y_up(uns, report):
        um[:, 1] = -um[:, 1]
    return um


def _coordinates(file: H5adFile, obs: pd.DataFrame) -> tuple[Any, str]:
    there = file.names("obsm")
    for name in _OBSM:
        if name in there:
            return file.element(f"obsm/{name}"), f"obsm[{name!r}]"
    for x, y in _OBS:
        if x in obs and y in obs:
            return obs[[x, y]].to_numpy(dtype=float), f"obs[{x!r}] and obs[{y!r}]"
    raise SlideError(
        f"{file.path} has no coordinates: neither obsm['spatial'] nor columns such as "
        "x_centroid and y_centroid in obs.",
        "It can serve as a reference table; a slide needs the position of its cells.",
    )


def _unit(
    uns: Mapping[str, Any], source: str, pixel_size: float | None, report: ReadReport
) -> float:
    """Return um per unit of the coordinates."""
    written = str(uns.get("spatial_units", uns.get("spatial_unit", ""))).strip()
    unit = written.lower().replace("µ", "u").replace("μ", "u")
    if unit.startswith(("um", "micron", "micromet")) or (not unit and keys.UNS in uns):
        return 1.0
    if unit.startswith("mm") or unit.startswith("millimet"):
        report.add("found", f"Coordinates in mm ({source}).")
        return 1000.0
    in_px = unit.startswith(("px", "pixel")) or "_px" in source
    known = uns.get("pixel_size_um", uns.get("pixel_size"))
    if in_px:
        size = pixel_size or (None if known is None else float(known))
        if size is None:
            report.add(
                "guessed",
                f"Coordinates in px ({source}) are shown as if 1 px were 1 um: "
                "uns['pixel_size_um'] does not say the pixel size.",
            )
            return 1.0
        report.add("found", f"Coordinates in px of {size:g} um ({source}).")
        return size
    if pixel_size is not None:
        report.add("found", f"Coordinates in px of {pixel_size:g} um, as given.")
        return pixel_size
    why = f"is {written!r}" if written else "is not there"
    report.add(
        "guessed",
        f"Coordinates ({source}) are taken for um: uns['spatial_units'] {why}.",
    )
    return 1.0


def _y_up(uns: Mapping[str, Any], report: ReadReport) -> bool:
    axis = str(uns.get("spatial_y", uns.get("y_axis", ""))).lower()
    if keys.UNS in uns or axis in {"down", "up"}:
        return axis == "up"
    note = str(uns.get("note", "")).lower()
    if "y points up" in note or "y up" in note or "y runs up" in note:
        report.add("found", "y points up, as uns['note'] says: it is turned.")
        return True
    report.add("guessed", "y runs down: nothing in uns says it.")
    return False


def find_bags(obs: pd.DataFrame, um: np.ndarray, report: ReadReport) -> Bags:
    """Find the fields of view (or sections) that a table's cells belong to.

    Numbers become names as in CosMx slides: 2 -> ``F002``. Where the same FOV number
    occurs in several sections, both make the name.
    """
    column = next((c for c in _FOV_COLUMNS if c in obs and obs[c].notna().any()), None)
    if column is None:
        report.add("guessed", "All cells are one FOV: no column of obs names any.")
        return _bags(np.full(len(obs), WHOLE, dtype=object))
    names = _names(obs[column], numbers=column in _FOV_COLUMNS[:3])
    section = next(
        (
            c
            for c in _FOV_COLUMNS[3:]
            if c != column and c in obs and _splits(obs, column, c)
        ),
        None,
    )
    if section is not None:
        names = np.array(
            [
                f"{s} {n}"
                for s, n in zip(_names(obs[section], numbers=False), names, strict=True)
            ],
            dtype=object,
        )
    source = column if section is None else f"{section} and {column}"
    bags = _bags(names)
    kind = "found" if column == keys.FOV else "guessed"
    report.add(kind, f"FOVs from obs[{source!r}]: {named(bags.rows, 6)}.")
    _tell_overlap(bags, um, report)
    return bags


def _names(values: pd.Series, *, numbers: bool) -> np.ndarray:
    """Return names as text; numbers of FOVs become ``F002``."""
    text = values.astype(object).where(values.notna(), "no FOV").astype(str)
    text = text.str.replace(r"^(\d+)\.0$", r"\1", regex=True)
    known = text[values.notna().to_numpy()]
    if numbers and len(known) and known.str.isdigit().all():
        text = text.map(lambda v: f"F{int(v):03d}" if v.isdigit() else v)
    return text.to_numpy(dtype=object)


def _splits(obs: pd.DataFrame, column: str, section: str) -> bool:
    """Tell whether a FOV's name occurs in several sections."""
    pairs = obs[[column, section]].drop_duplicates()
    return bool(pairs[column].duplicated().any())


def _bags(names: np.ndarray) -> Bags:
    rows = {}
    labels = np.zeros(len(names), dtype=np.int64)
    for name in dict.fromkeys(names.tolist() or [WHOLE]):
        rows[str(name)] = np.flatnonzero(names == name)
        labels[rows[str(name)]] = np.arange(1, len(rows[str(name)]) + 1)
    ordered = dict(sorted(rows.items()))
    return Bags(ordered, names, labels)


def _tell_overlap(bags: Bags, um: np.ndarray, report: ReadReport) -> None:
    boxes = [
        (um[rows].min(axis=0), um[rows].max(axis=0))
        for rows in bags.rows.values()
        if len(rows)
    ]
    overlaps = 0
    for i, (low, high) in enumerate(boxes):
        for other_low, other_high in boxes[i + 1 :]:
            shared = np.minimum(high, other_high) - np.maximum(low, other_low)
            smaller = np.minimum(high - low, other_high - other_low)
            overlaps += bool((shared > 0.25 * smaller).all())
    if overlaps:
        report.add(
            "found",
            f"{overlaps} pairs of FOVs lie over each other in the slide's frame (such "
            "as sections): each is shown and read by itself.",
        )


def drawing_grid(um: np.ndarray) -> Grid:
    """Choose pixels for cells that have none.

    A cell is about a dozen pixels wide, a FOV at most 8192 pixels.

    Parameters
    ----------
    um
        (n, 2) coordinates.
    """
    if not len(um):
        return Grid(1.0, (64, 64), (0.0, 0.0))
    spacing = nearest_distances(um)
    spacing = spacing[np.isfinite(spacing) & (spacing > 0)]
    step = float(np.median(spacing)) if len(spacing) else 10.0
    low, high = um.min(axis=0) - step, um.max(axis=0) + step
    extent = high - low
    size = max(step / CELL_PX, float(extent.max()) / MAX_PX)
    columns, rows = np.ceil(extent / size).astype(int) + 1
    return Grid(size, (int(rows), int(columns)), (float(low[0]), float(low[1])))
