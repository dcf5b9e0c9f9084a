"""Which of a table's genes a model knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anndata import AnnData

    from napari_scfm.models.base import CellModel


def known_genes(model: CellModel, table: AnnData) -> tuple[list[str], list[str]]:
    """Return the table's genes that a model knows, and those it does not."""
    from napari_scfm.genes.identity import match_genes

    match = match_genes(table.var, model.info.genes)
    return list(table.var_names[match.columns]), list(match.unmatched)
