"""Which pixel value is which row of the table, and where cells lie.

Label ids come from ``obs["label"]`` (0 = the cell has no label) and are 1..n in
table order where that column is missing.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from napari_scfm import keys
from napari_scfm.errors import SlideError

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from napari_scfm.slides.slide import FieldOfView

_LAST: list[tuple[Any, Any]] = [(lambda: None, None)]

MAX_LABEL = 65_534
"""Most cells that one lookup table of a uint16 label image can colour."""


def label_ids(fov: FieldOfView) -> np.ndarray:
    """Return (n,) label ids in table order, 0 for cells without a label.

    Without a segmentation the discs that are drawn instead are 1..n.
    """
    table = fov.table
    if fov.labels is not None and keys.LABEL in table.obs:
        return np.asarray(table.obs[keys.LABEL], dtype=np.int64)
    return np.arange(1, table.n_obs + 1)


def rows_of_labels(fov: FieldOfView, labels: np.ndarray) -> np.ndarray:
    """Return the rows of label ids; ids that are no cell are left out."""
    ids = label_ids(fov)
    lookup = np.full(max(int(ids.max(initial=0)), 0) + 1, -1)
    lookup[ids] = np.arange(len(ids))
    lookup[0] = -1
    labels = np.asarray(labels, dtype=np.int64)
    labels = labels[(labels > 0) & (labels < len(lookup))]
    rows = lookup[labels]
    return rows[rows >= 0]


def centroids(table: AnnData) -> np.ndarray:
    """Return (n, 2) positions (x, y) in um from the FOV's top-left pixel."""
    if keys.SPATIAL not in table.obsm:
        raise SlideError(
            'The table has no coordinates in obsm["spatial"].',
            "Selecting by box or lasso needs them; select by click.",
        )
    return np.asarray(table.obsm[keys.SPATIAL], dtype=np.float64)[:, :2]


def check_paintable(table: AnnData, name: str) -> None:
    """Refuse a FOV with more cells than one lookup table holds.

    Raises
    ------
    SlideError
        If the FOV has more than 65 534 cells.
    """
    if table.n_obs > MAX_LABEL:
        raise SlideError(
            f"Field of view {name} has {table.n_obs} cells; the viewer paints up to "
            f"{MAX_LABEL} at a time.",
            'Split the table into tiles in obs["fov"].',
        )


def cell_names(table: AnnData) -> np.ndarray:
    """Return the vendor's cell names, or the table's row names."""
    if keys.CELL_ID in table.obs:
        return np.asarray(table.obs[keys.CELL_ID].astype(str))
    return np.asarray(table.obs_names.astype(str))


def cell_types(table: AnnData) -> pd.Categorical | None:
    """Return the annotated cell types, or None where there are none."""
    if keys.CELL_TYPE not in table.obs:
        return None
    types: Any = table.obs[keys.CELL_TYPE].astype(str).astype("category")
    return types.array


def counts_of(table: AnnData, gene: str) -> np.ndarray:
    """Return (n,) float32 counts of a gene."""
    columns = by_column(table)
    place = int(table.var_names.get_loc(gene))
    span = slice(columns.indptr[place], columns.indptr[place + 1])
    counts = np.zeros(table.n_obs, dtype=np.float32)
    counts[columns.indices[span]] = columns.data[span]
    return counts


def by_column(table: AnnData) -> sparse.csc_array:
    """Return a table's counts by column, kept for the table that was asked last.

    Rows of counts are 50 times slower to cut a gene from, which is felt when somebody
    walks through genes on a FOV of 20 000 cells.
    """
    kept, columns = _LAST[0]
    if kept() is not table:
        columns = sparse.csc_array(table.X)
        columns.sum_duplicates()
        _LAST[0] = (weakref.ref(table), columns)
    return columns


def totals(table: AnnData) -> np.ndarray:
    """Return (n,) float32 total counts."""
    return np.asarray(table.X.sum(axis=1)).ravel().astype(np.float32)
