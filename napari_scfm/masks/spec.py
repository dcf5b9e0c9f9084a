"""MaskSpec: what to hide, written down.

A spec is plain values with a stable JSON form. It names genes and cells, or says how
they are drawn (with a seed), so that the same spec on the same table hides the same
entries. What its own fields say is hidden together (union), with what the specs in
``also`` hide, without what the specs in ``minus`` hide::

    hidden = (own | also[0] | also[1] ...) - minus[0] - minus[1] ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_scfm.errors import MaskError
from napari_scfm.masks import combine
from napari_scfm.masks.parts import (
    Block,
    Disc,
    Dropout,
    Number,
    RandomEntries,
    Share,
    Stripe,
)
from napari_scfm.masks.resolve import resolved
from napari_scfm.masks.strata import StratumName

if TYPE_CHECKING:
    from anndata import AnnData

    from napari_scfm.masks.mask import Mask


class MaskSpec(BaseModel):
    """What to hide of a table; every field adds to it, save ``minus``.

    The fields stand in JSON in the order given here.

    Attributes
    ----------
    genes, cells
        Names that are hidden whole.
    gene_count
        Number of further genes drawn at random, among those with any count.
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
        Of everything that is drawn; blocks have their own.
    patterns
        Genes whose name matches: ``KRT*``, ``HLA-?``; letter case does not matter.
    gene_fraction
        Share of the genes with any count, drawn at random.
    strata
        All genes of these sparsity strata: "low", "moderate", "high", "very high".
    obs
        Cells by a column of ``table.obs``: column -> values.
    fovs
        All cells of these fields of view.
    every_nth
        Every n-th cell in the table's order, the first included; 0 for none.
    discs, stripes
        Cells by where they lie.
    blocks
        Some genes in some cells.
    of_each_bag
        This many cells drawn of each field of view (bag of cells).
    also
        Specs that hide more.
    minus
        Specs of what stays visible after all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    genes: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    gene_count: Number = 0
    cell_fraction: Share = 0.0
    per_stratum: Number = 0
    entries: RandomEntries | None = None
    dropout: Dropout | None = None
    single: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    seed: int = 0
    patterns: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    gene_fraction: Share = 0.0
    strata: tuple[StratumName, ...] = ()
    obs: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    fovs: tuple[str, ...] = ()
    every_nth: Number = 0
    discs: tuple[Disc, ...] = ()
    stripes: tuple[Stripe, ...] = ()
    blocks: tuple[Block, ...] = ()
    of_each_bag: Number = 0
    also: tuple[MaskSpec, ...] = ()
    minus: tuple[MaskSpec, ...] = ()

    @classmethod
    def from_mask(cls, mask: Mask) -> MaskSpec:
        """Return the spec that names exactly what a mask hides."""
        genes, cells = mask.whole_genes, mask.whole_cells
        if genes.all():
            cells = np.zeros_like(cells)
        row, column = mask.scattered.entries
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

    @classmethod
    def from_json(cls, text: str | bytes) -> MaskSpec:
        """Return the spec that :meth:`to_json` wrote.

        Raises
        ------
        MaskError
            If it is none; every wrong field is named.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            problems = [
                f"{'.'.join(map(str, item['loc'])) or 'text'}: {item['msg']}"
                for item in error.errors()
            ]
            raise MaskError(
                f"This is no mask ({problems[0]}).",
                'Write JSON such as {"genes": ["EPCAM"], "cell_fraction": 0.1}.',
                problems,
            ) from error

    def to_json(self) -> str:
        """Return compact JSON on one line, without what is left at its default."""
        return self.model_dump_json(exclude_defaults=True)

    def resolve(self, table: AnnData) -> Mask:
        """Return the mask of a table.

        Raises
        ------
        MaskError
            If the table does not hold a name, or cannot give as many as are drawn; of
            several such faults all are named.
        """
        return resolved(self, table)

    @property
    def is_empty(self) -> bool:
        """Whether the spec hides nothing of any table."""
        return combine.is_empty(self)

    def __or__(self, other: MaskSpec) -> MaskSpec:
        """Hide what either hides."""
        return combine.union(self, other)

    def __sub__(self, other: MaskSpec) -> MaskSpec:
        """Hide what this spec hides and the other does not."""
        return combine.difference(self, other)
