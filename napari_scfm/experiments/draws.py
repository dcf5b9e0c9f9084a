"""Which genes a random experiment hides.

Decides that genes are drawn among those with counts that the model knows, because it
cannot guess the others, unless that would leave it with too little to see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_scfm.genes.identity import match_genes
from napari_scfm.masks.make import mask_random_genes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

LEFT_TO_SEE = 2
"""A model must know this many times the genes that are hidden."""


def draw_genes(
    table: AnnData,
    number: int,
    seed: int = 0,
    known: Sequence[str] = (),
    model: str = "the model",
) -> tuple[str, ...]:
    """Return genes to hide, drawn among those with counts.

    Parameters
    ----------
    table
        (cells, genes) counts.
    number
        How many genes.
    seed
        Of the draw.
    known
        Genes that the model knows; empty for a model that takes any. Where it knows
        fewer than twice ``number`` of the table's, all genes are drawn from: else it
        would be left with nothing to see.
    model
        Its name, for errors.

    Raises
    ------
    ModelError
        If no gene of the table is known to the model.
    MaskError
        If there are too few genes with counts.
    """
    if known:
        match = match_genes(table.var, known)
        match.require(model)
        if len(match.columns) >= LEFT_TO_SEE * number:
            table = table[:, match.columns]
    return tuple(mask_random_genes(table, number, seed).hidden_genes)
