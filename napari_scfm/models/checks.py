"""What no network can read of a table, refused in the same words by every family."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm import keys
from napari_scfm.errors import ModelError, named

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from scipy import sparse


def check_counts(counts: sparse.csr_array, genes: pd.Index) -> None:
    """Refuse negative and missing counts.

    Parameters
    ----------
    counts
        (cells, genes) visible counts.
    genes
        (genes,) names of the columns.

    Raises
    ------
    ModelError
        Naming the genes.
    """
    bad = ~(counts.data >= 0)
    if bad.any():
        names = genes[np.unique(counts.indices[bad])]
        raise ModelError(
            f"The table holds {bad.sum()} negative or missing counts, in "
            f"{named(names)}.",
            "Models read raw counts.",
        )


def check_places(xy: np.ndarray, cells: pd.Index) -> None:
    """Refuse places that are not finite.

    Parameters
    ----------
    xy
        (cells, 2).
    cells
        (cells,) names.

    Raises
    ------
    ModelError
        Naming the cells.
    """
    finite = np.isfinite(xy).all(axis=1)
    if not finite.all():
        raise ModelError(
            f"Cells without a position: {named(cells[~finite])}.",
            "Give every cell an x and y in obsm['spatial'], or drop them.",
        )


def check_neighbourhood(size: int, table: AnnData) -> None:
    """Refuse a neighbourhood of no cells, and one in a table without coordinates.

    Raises
    ------
    ModelError
        In both cases.
    """
    if size < 1:
        raise ModelError(
            f"A neighbourhood of {size} cells is none.", "Give a number such as 50."
        )
    if keys.SPATIAL not in table.obsm:
        raise ModelError(
            "Hidden cells cannot be predicted from their neighbourhood: the table has "
            "no coordinates in obsm['spatial'].",
            "Add them, or leave the neighbourhood out.",
        )
