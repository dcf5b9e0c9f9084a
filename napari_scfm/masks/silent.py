"""Genes that a mask leaves without a single visible count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.errors import counted, named
from napari_scfm.masks.counts import cells_per_gene

if TYPE_CHECKING:
    from anndata import AnnData

    from napari_scfm.masks.mask import Mask


def silent_genes(table: AnnData, mask: Mask, *references: AnnData) -> list[str]:
    """Return genes with hidden and visible entries of which no visible one is a count.

    Nothing can be learnt of such a gene, though it is not hidden in every cell.

    Parameters
    ----------
    table
        The truth; only its visible entries are read.
    mask
        What is hidden of it.
    references
        Cells that show more genes: a gene that has a count there is not silent.
    """
    mask = mask.for_table(table)
    able = mask.touched & ~mask.whole_genes
    if not able.any():
        return []
    seen = np.bincount(mask.visible(table).indices, minlength=table.n_vars) > 0
    for reference in references:
        told = reference.var_names[cells_per_gene(reference) > 0]
        seen |= table.var_names.isin(told)
    return [str(name) for name in mask.genes[able & ~seen]]


def silent_notes(table: AnnData, mask: Mask, *references: AnnData) -> list[str]:
    """Return what the reader of a score must know of such genes."""
    genes = silent_genes(table, mask, *references)
    if not genes:
        return []
    held = counted(len(genes), "hidden gene has", "hidden genes have")
    return [
        f"{held} no count in any cell that stays visible ({named(genes)}): nothing can "
        f"be learnt of {'it' if len(genes) == 1 else 'them'}."
    ]
