"""The metadata file of a CosMx slide: which cells there are, and where.

Decides: cells are told apart by (fov, cell_ID); the row ``cell_ID`` 0, all that
lies outside cells, is no cell. Refuses a file without local centroids, and cells
that are listed twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.errors import SlideError, counted, named
from napari_scfm.slides.csvfile import CsvFile, column

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from napari_scfm.slides.report import ReadReport

_IDS = ("cell_ID", "cellID", "cell_id")
_XY = (
    ("CenterX_local_px", "CenterY_local_px"),
    ("CenterX_global_px", "CenterY_global_px"),
)


@dataclass(frozen=True)
class Cells:
    """The cells of a slide, in the order of the metadata file.

    Attributes
    ----------
    fov, id
        (n,) FOV number and ``cell_ID``.
    name
        (n,) the vendor's name of the cell, unique over the slide.
    local, world
        (n, 2) centroids in px: in the FOV, and on the slide (None where the
        file has no global ones).
    obs
        The file's other columns.
    """

    fov: np.ndarray
    id: np.ndarray
    name: np.ndarray
    local: np.ndarray
    world: np.ndarray | None
    obs: pd.DataFrame

    def take(self, rows: np.ndarray) -> Cells:
        """Return some of the cells."""
        world = None if self.world is None else self.world[rows]
        return Cells(
            self.fov[rows],
            self.id[rows],
            self.name[rows],
            self.local[rows],
            world,
            self.obs.iloc[rows],
        )


def id_column(columns: list[str]) -> str | None:
    """Return the column with the integer ``cell_ID``.

    AtoMx files carry ``cell_id`` (a string, ``c_1_2_34``) beside ``cell_ID``.
    """
    exact = [name for name in _IDS if name in columns]
    if exact:
        return exact[0]
    at = column(columns, *_IDS)
    return None if at is None else columns[at]


def read_cells(path: Path, report: ReadReport) -> Cells:
    """Read the metadata file.

    Parameters
    ----------
    path
        ``<slide>_metadata_file.csv``, plain or gzip.
    report
        Gets how many rows were left out.

    Raises
    ------
    SlideError
        If columns are missing, ids are no whole numbers, centroids are missing,
        or a cell is listed twice.
    """
    file = CsvFile(path)
    fov_name = file.header[file.require("fov")]
    id_name = id_column(file.header) or file.header[file.require("cell_ID")]
    frame = file.frame()
    fov, cell = _whole(frame, fov_name, path), _whole(frame, id_name, path)
    local = _pair(frame, _XY[0])
    if local is None:
        raise SlideError(
            f"{path} has no columns {_XY[0][0]} and {_XY[0][1]}.",
            "Cells need their positions: export the metadata with local centroids.",
        )
    name = _names(frame, fov, cell, id_name)
    known = {fov_name, id_name, "cell_id", "cell", "cell_ID"}
    obs = frame[[c for c in frame.columns if c not in known]]
    cells = Cells(fov, cell, name, local, _pair(frame, _XY[1]), obs)
    background = cells.id == 0
    if background.any():
        report.add("skipped", f"{background.sum()} rows of cell_ID 0 in {path.name}.")
    cells = cells.take(np.flatnonzero(~background))
    _refuse_bad(cells, path)
    return cells


def _whole(frame: pd.DataFrame, name: str, path: Path) -> np.ndarray:
    import pandas as pd

    values = pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=float)
    bad = np.flatnonzero(~np.isfinite(values) | (values != np.round(values)))
    if len(bad):
        raise SlideError(
            f"{path} holds {frame[name].iloc[bad[0]]!r} in column {name!r}, "
            f"row {bad[0] + 2}, where a whole number is expected.",
            "Correct the file, or export it again.",
        )
    return values.astype(np.int64)


def _pair(frame: pd.DataFrame, names: tuple[str, str]) -> np.ndarray | None:
    if any(n not in frame.columns for n in names):
        return None
    return frame[list(names)].to_numpy(dtype=float)


def _names(
    frame: pd.DataFrame, fov: np.ndarray, cell: np.ndarray, id_name: str
) -> np.ndarray:
    """Return the vendor's names where they are unique, else ``<fov>_<cell_ID>``."""
    for name in ("cell_id", "cell"):
        if name in frame.columns and name != id_name:
            values = frame[name].astype(str)
            if values.is_unique:
                return values.to_numpy(dtype=object)
    pairs = [f"{f}_{c}" for f, c in zip(fov, cell, strict=True)]
    return np.array(pairs, dtype=object)


def _refuse_bad(cells: Cells, path: Path) -> None:
    missing = np.flatnonzero(~np.isfinite(cells.local).all(axis=1))
    if len(missing):
        raise SlideError(
            f"{path} has no local centroid for {counted(len(missing), 'cell')}: "
            f"{named(cells.name[missing])}.",
            "Correct the file, or export it again.",
        )
    pairs = np.stack([cells.fov, cells.id], axis=1)
    _, first, times = np.unique(pairs, axis=0, return_index=True, return_counts=True)
    if (times > 1).any():
        twice = [f"FOV {f} cell {c}" for f, c in pairs[first[times > 1]]]
        raise SlideError(
            f"{path} lists {counted(len(twice), 'cell')} more than once: "
            f"{named(twice)}.",
            "A cell may stand in the file once: remove the copies.",
        )
