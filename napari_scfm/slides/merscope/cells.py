"""The tables of a MERSCOPE region: cell metadata and counts.

Decides: cells are told apart by the vendor's id, which stays a string (it has up
to 38 digits, more than any number type holds); metadata and counts may be in
different order and are joined on it. Refuses a file without centres, and cells
that are listed twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.errors import SlideError, counted, named
from napari_scfm.slides.checks import duplicates
from napari_scfm.slides.csvfile import CsvFile

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

_BOUNDS = ("min_x", "min_y", "max_x", "max_y")


@dataclass(frozen=True)
class Cells:
    """Cells in the order of the metadata file.

    Attributes
    ----------
    id
        (n,) the vendor's id, strings.
    centre
        (n, 2) x, y in um.
    bounds
        (n, 4) min x, min y, max x, max y in um.
    fov
        (n,) the vendor's FOV as a string, "" where the file has none.
    obs
        The file's other columns.
    """

    id: np.ndarray
    centre: np.ndarray
    bounds: np.ndarray
    fov: np.ndarray
    obs: pd.DataFrame

    def take(self, rows: np.ndarray) -> Cells:
        """Return some of the cells."""
        return Cells(
            self.id[rows],
            self.centre[rows],
            self.bounds[rows],
            self.fov[rows],
            self.obs.iloc[rows],
        )


def read_cells(path: Path) -> Cells:
    """Read the metadata file.

    Raises
    ------
    SlideError
        If centres are missing, or a cell is listed twice.
    """
    file = CsvFile(path)
    for name in ("center_x", "center_y"):
        file.require(name)
    id_name = "EntityID" if "EntityID" in file.header else file.header[0]
    # pandas calls a column without a name "Unnamed: 0"
    shown = id_name or "Unnamed: 0"
    frame = file.frame(text=(id_name, shown, "fov"))
    ids = frame[shown].astype(str).to_numpy(dtype=object)
    if twice := duplicates(ids.tolist()):
        raise SlideError(
            f"{path} lists {counted(len(twice), 'cell')} more than once: "
            f"{named(twice)}.",
            "A cell may stand in the file once: remove the copies.",
        )
    centre = frame[["center_x", "center_y"]].to_numpy(dtype=float)
    missing = np.flatnonzero(~np.isfinite(centre).all(axis=1))
    if len(missing):
        raise SlideError(
            f"{path} has no centre for {counted(len(missing), 'cell')}: "
            f"{named(ids[missing])}.",
            "Correct the file, or export it again.",
        )
    obs = frame[[c for c in frame.columns if c not in {shown, "fov"}]]
    return Cells(ids, centre, _bounds(frame, centre), _fovs(frame), obs)


def _bounds(frame: pd.DataFrame, centre: np.ndarray) -> np.ndarray:
    """Return the vendor's bounds, widened to the centre where they are missing."""
    if any(name not in frame.columns for name in _BOUNDS):
        return np.hstack([centre - 5.0, centre + 5.0])
    bounds = frame[list(_BOUNDS)].to_numpy(dtype=float)
    return np.hstack([np.fmin(bounds[:, :2], centre), np.fmax(bounds[:, 2:], centre)])


def _fovs(frame: pd.DataFrame) -> np.ndarray:
    if "fov" not in frame.columns:
        return np.full(len(frame), "", dtype=object)
    text = frame["fov"].fillna("").astype(str).str.strip()
    return text.str.replace(r"\.0+$", "", regex=True).to_numpy(dtype=object)
