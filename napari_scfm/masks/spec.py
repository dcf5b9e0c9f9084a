"""MaskSpec: what to hide, written down.

A spec is plain values with a stable JSON form. It names genes and cells, or says how
they are drawn (with a seed), so that the same spec on the same table hides the same
entries. Everything it names is hidden together (union).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from napari_scfm.masks.dropout import mask_dropout
from napari_scfm.masks.make import (
    from_entries,
    mask_cells,
    mask_entries,
    mask_genes,
    mask_random_cells,
    mask_random_genes,
    positions,
)
from napari_scfm.masks.mask import Mask
from napari_scfm.masks.strata import mask_strata

if TYPE_CHECKING:
    from anndata import AnnData

Share = Annotated[float, Field(ge=0, le=1)]


class RandomEntries(BaseModel):
    """Single entries drawn at random.

    Attributes
    ----------
    fraction
        Share of the eligible entries.
    eligible
        "all" or "expressed".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fraction: Share
    eligible: Literal["all", "expressed"] = "all"


class Dropout(BaseModel):
    """A share of each cell's non-zero counts; see :func:`mask_dropout`.

    Attributes
    ----------
    rule
        "exp" (low counts rather than high ones) or "uniform".
    fraction
        Share of a cell's non-zero counts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: Literal["exp", "uniform"] = "exp"
    fraction: Share = 0.1


class MaskSpec(BaseModel):
    """What to hide of a table; every field adds to it.

    Attributes
    ----------
    genes, cells
        Names that are hidden whole.
    gene_count
        Number of further genes drawn at random.
    cell_fraction
        Share of the cells drawn at random.
    per_stratum
        Genes drawn from each sparsity stratum.
    entries
        Single entries drawn at random.
    dropout
        Non-zero counts drawn in each cell (denoising).
    single
        Genes hidden in some cells only: gene -> names of those cells.
    seed
        Of everything that is drawn.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    genes: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    gene_count: Annotated[int, Field(ge=0)] = 0
    cell_fraction: Share = 0.0
    per_stratum: Annotated[int, Field(ge=0)] = 0
    entries: RandomEntries | None = None
    dropout: Dropout | None = None
    single: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    seed: int = 0

    @classmethod
    def from_mask(cls, mask: Mask) -> MaskSpec:
        """Return the spec that names exactly what a mask hides."""
        genes, cells = mask.whole_genes, mask.whole_cells
        if genes.all():
            cells = np.zeros_like(cells)
        entries = sparse.coo_array(mask.matrix)
        rest = ~cells[entries.row] & ~genes[entries.col]
        row, column = entries.row[rest], entries.col[rest]
        order = np.lexsort((row, column))
        names = mask.cells[row[order]].tolist()
        ends = np.cumsum(np.bincount(column, minlength=len(genes))).tolist()
        single = {
            str(gene): tuple(names[start:end])
            for gene, start, end in zip(mask.genes, [0, *ends], ends, strict=False)
            if end > start
        }
        return cls(
            genes=tuple(mask.genes[genes].tolist()),
            cells=tuple(mask.cells[cells].tolist()),
            single=single,
        )

    def resolve(self, table: AnnData) -> Mask:
        """Return the mask of a table.

        Raises
        ------
        MaskError
            If the table does not hold a name, or cannot give as many as are drawn.
        """
        mask = Mask.empty(table)
        if self.genes:
            mask = mask | mask_genes(table, self.genes)
        if self.cells:
            mask = mask | mask_cells(table, self.cells)
        if self.gene_count:
            mask = mask | mask_random_genes(table, self.gene_count, self.seed)
        if self.cell_fraction:
            mask = mask | mask_random_cells(table, self.cell_fraction, self.seed)
        if self.per_stratum:
            mask = mask | mask_strata(table, self.per_stratum, self.seed)
        if self.entries:
            drawn = self.entries
            mask = mask | mask_entries(table, drawn.fraction, self.seed, drawn.eligible)
        if self.dropout:
            lost = self.dropout
            mask = mask | mask_dropout(table, lost.rule, lost.fraction, self.seed)
        if self.single:
            mask = mask | self._single(table)
        return mask

    def _single(self, table: AnnData) -> Mask:
        columns = positions(table.var_names, list(self.single), "gene")
        names = list(self.single.values())
        cells = positions(
            table.obs_names, [c for group in names for c in group], "cell"
        )
        return from_entries(table, cells, np.repeat(columns, [len(g) for g in names]))
