"""Bags: the cells that a model reads together.

One bag per field of view, in the order in which they first appear; a table without
that column is one bag. A bag is never split.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm import keys

if TYPE_CHECKING:
    from anndata import AnnData


def bags(table: AnnData, column: str = keys.FOV) -> list[np.ndarray]:
    """Return the row positions of each bag, in table order.

    Parameters
    ----------
    table
        Cells x genes.
    column
        ``obs`` column that names the bag of a cell.

    Returns
    -------
    One integer array per bag; empty for a table without cells. Cells without a
    value in the column are a bag of their own.
    """
    if table.n_obs == 0:
        return []
    if column not in table.obs:
        return [np.arange(table.n_obs)]
    codes, _ = table.obs[column].astype(object).factorize(use_na_sentinel=False)
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes))[:-1]
    return [np.asarray(rows) for rows in np.split(order, ends)]
