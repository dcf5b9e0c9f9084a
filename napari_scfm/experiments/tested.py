"""What is known of the tested cells and genes beside the predictions.

The truth of every hidden entry, how common each gene is, how far each cell is from one
that shows anything. Read by the scores alone, never by a model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from napari_scfm import keys
from napari_scfm.analysis.entries import Entries
from napari_scfm.analysis.levels import CellRange
from napari_scfm.masks.strata import strata
from napari_scfm.models.bags import bags

if TYPE_CHECKING:
    from anndata import AnnData

    from napari_scfm.masks.mask import Mask

_BLOCK = 1 << 22
"""Entries of the table that are written out at once."""


def hidden_entries(table: AnnData, mask: Mask) -> Entries:
    """Return the entries that a mask hides of a table, with their truth.

    Parameters
    ----------
    table
        Raw counts, nothing hidden.
    mask
        In the table's order. Columns of the entries are positions among its genes.
    """
    rows, columns = (np.asarray(at, dtype=np.intp) for at in mask.entries)
    counts = sparse.csr_array(table.X)
    truth = np.empty(len(rows))
    step = max(1, _BLOCK // max(1, table.n_vars))
    for start in range(0, table.n_obs, step):
        part = slice(*np.searchsorted(rows, (start, start + step)))
        block = counts[start : start + step].toarray()
        truth[part] = block[rows[part] - start, columns[part]]
    ranges = CellRange.of(counts)
    return Entries(rows, columns, truth, table.shape, ranges)


def totals(table: AnnData) -> np.ndarray:
    """Return (cells,) all counts of each cell."""
    return np.asarray(sparse.csr_array(table.X).sum(axis=1, dtype=np.float64)).ravel()


def gene_facts(table: AnnData) -> dict[str, np.ndarray]:
    """Return what is known of each gene over all cells of the table.

    Returns
    -------
    ``sparsity``, share of zeros; ``stratum``, its group of the fixed-genes protocol
    ("" without counts); ``expression``, mean of log1p counts.
    """
    counts = sparse.csr_array(table.X, dtype=np.float64)
    cells = max(1, table.n_obs)
    genes = table.n_vars
    nonzero = np.bincount(counts.indices[counts.data > 0], minlength=genes)
    logs = np.log1p(np.maximum(counts.data, 0))
    total = np.bincount(counts.indices, weights=logs, minlength=genes)
    return {
        "sparsity": 1 - nonzero / cells,
        "stratum": strata(table).astype(object).fillna("").to_numpy(),
        "expression": total / cells,
    }


def cell_facts(table: AnnData, mask: Mask) -> dict[str, Any]:
    """Return what is known of each cell.

    Returns
    -------
    ``fov``, its field of view; ``distance``, in um to the nearest cell of the same
    field of view of which anything is visible: 0 for a cell that shows something
    itself, NaN without coordinates or where no cell shows anything.
    """
    names = table.obs[keys.FOV].astype(str) if keys.FOV in table.obs else None
    return {
        "fov": np.full(table.n_obs, "") if names is None else names.to_numpy(),
        "distance": _distance(table, mask.hidden_per_cell < mask.shape[1]),
    }


def _distance(table: AnnData, shows: np.ndarray) -> np.ndarray:
    found = np.full(table.n_obs, np.nan)
    if keys.SPATIAL not in table.obsm:
        return found
    from scipy.spatial import cKDTree

    places = np.asarray(table.obsm[keys.SPATIAL], dtype=np.float64)[:, :2]
    placed = np.asarray(np.isfinite(places).all(axis=1))
    for rows in bags(table):
        near, ask = rows[placed[rows] & shows[rows]], rows[placed[rows]]
        if len(near):
            found[ask] = cKDTree(places[near]).query(places[ask])[0]
    return found
