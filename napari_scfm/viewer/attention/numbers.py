"""The numbers behind a cell's partners, and behind a ligand and receptor, as CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_scfm import keys
from napari_scfm.experiments.files import atomic_path
from napari_scfm.viewer.card import distances
from napari_scfm.viewer.cells import cell_names, cell_types

if TYPE_CHECKING:
    from pathlib import Path

    from napari_scfm.viewer.session import Session


def partner_numbers(session: Session) -> pd.DataFrame:
    """Return both ways and both scales of the cell on show, one row per cell.

    Columns: model, of_cell, cell, type, x_um, y_um, distance_um, attends_to,
    attends_to_usual, attended_by, attended_by_usual; numbers are multiples of an even
    share, or of the key's usual share, and empty where cells are no partners.
    """
    made, table = session.partners, session.fov.table
    out = pd.DataFrame({"model": made.model, "of_cell": made.cell, **_cells(table)})
    out["distance_um"] = distances(table, made.row)
    for name, way in (("attends_to", "from"), ("attended_by", "by")):
        out[name] = made.shares.times(made.row, way, "even")
        out[f"{name}_usual"] = made.shares.times(made.row, way, "usual")
    return out


def ligand_numbers(session: Session) -> pd.DataFrame:
    """Return what each cell receives and sends of the pair on show.

    Columns: model, ligand, receptor, cell, type, x_um, y_um, received, sent.
    """
    made, table = session.ligand, session.fov.table
    pair = {"ligand": made.result.ligand, "receptor": made.result.receptor}
    out = pd.DataFrame({"model": made.model, **pair, **_cells(table)})
    out["received"], out["sent"] = made.result.received, made.result.sent
    return out


def _cells(table: Any) -> dict[str, Any]:
    types = cell_types(table)
    xy = np.full((table.n_obs, 2), np.nan)
    if keys.SPATIAL in table.obsm:
        xy = np.asarray(table.obsm[keys.SPATIAL], dtype=np.float64)[:, :2]
    return {
        "cell": cell_names(table),
        "type": "" if types is None else np.asarray(types),
        "x_um": xy[:, 0],
        "y_um": xy[:, 1],
    }


def write_numbers(numbers: pd.DataFrame, path: Path) -> Path:
    """Write a table as CSV; the file appears only when it is complete."""
    with atomic_path(path) as temporary:
        numbers.to_csv(temporary, index=False)
    return path
