"""What a mask spec hides of one table.

Faults of all parts of a spec are told together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.errors import MaskError
from napari_scfm.masks.dropout import mask_dropout
from napari_scfm.masks.groups import (
    cells_by_obs,
    cells_of_each_bag,
    cells_of_fovs,
    genes_by_pattern,
    genes_of_strata,
)
from napari_scfm.masks.make import (
    expressed_genes,
    from_entries,
    mask_block,
    mask_cells,
    mask_entries,
    mask_genes,
    mask_random_cells,
    mask_random_genes,
    positions,
)
from napari_scfm.masks.mask import Mask
from napari_scfm.masks.places import cells_in_disc, cells_in_stripe
from napari_scfm.masks.strata import mask_strata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anndata import AnnData

    from napari_scfm.masks.parts import Block
    from napari_scfm.masks.spec import MaskSpec


def resolved(spec: MaskSpec, table: AnnData) -> Mask:
    """Return the mask of a table; see :meth:`MaskSpec.resolve`."""
    mask = Mask.empty(table)
    faults: list[MaskError] = []
    for part in _parts(spec, table):
        try:
            mask = mask | part()
        except MaskError as fault:
            faults.append(fault)
    for less in spec.minus:
        try:
            mask = mask - resolved(less, table)
        except MaskError as fault:
            faults.append(fault)
    if len(faults) > 1:
        problems = [said for fault in faults for said in _told(fault)]
        raise MaskError(
            f"{len(faults)} parts of this mask do not fit the table.",
            "Put each of them right.",
            problems,
        )
    if faults:
        raise faults[0]
    return mask


def _told(fault: MaskError) -> tuple[str, ...]:
    return fault.problems if len(fault.problems) > 1 else (fault.message,)


def _parts(spec: MaskSpec, table: AnnData) -> Iterator[Callable[[], Mask]]:
    """Yield what makes the mask of each part that a spec has."""
    yield from _by_gene(spec, table)
    yield from _by_cell(spec, table)
    seed = spec.seed
    if spec.entries:
        drawn = spec.entries
        yield lambda: mask_entries(table, drawn.fraction, seed, drawn.eligible)
    if spec.dropout:
        lost = spec.dropout
        yield lambda: mask_dropout(table, lost.rule, lost.fraction, seed, lost.part)
    if spec.single:
        yield lambda: _single(spec, table)
    for block in spec.blocks:
        yield lambda block=block: _block(block, table)  # type: ignore[misc]
    for more in spec.also:
        yield lambda more=more: resolved(more, table)  # type: ignore[misc]


def _by_gene(spec: MaskSpec, table: AnnData) -> Iterator[Callable[[], Mask]]:
    seed = spec.seed
    if spec.genes:
        yield lambda: mask_genes(table, spec.genes)
    if spec.gene_count:
        yield lambda: mask_random_genes(table, spec.gene_count, seed)
    if spec.gene_fraction:
        yield lambda: _share_of_genes(spec.gene_fraction, seed, table)
    if spec.per_stratum:
        yield lambda: mask_strata(table, spec.per_stratum, seed)
    if spec.strata:
        yield lambda: mask_genes(table, genes_of_strata(table, spec.strata))
    if spec.patterns:
        yield lambda: mask_genes(table, genes_by_pattern(table, spec.patterns))


def _by_cell(spec: MaskSpec, table: AnnData) -> Iterator[Callable[[], Mask]]:
    if spec.cells:
        yield lambda: mask_cells(table, spec.cells)
    if spec.cell_fraction:
        yield lambda: mask_random_cells(table, spec.cell_fraction, spec.seed)
    if spec.obs:
        yield lambda: mask_cells(table, cells_by_obs(table, spec.obs))
    if spec.fovs:
        yield lambda: mask_cells(table, cells_of_fovs(table, spec.fovs))
    if spec.every_nth:
        yield lambda: mask_cells(table, np.arange(0, table.n_obs, spec.every_nth))
    for disc in spec.discs:
        yield lambda disc=disc: mask_cells(  # type: ignore[misc]
            table, cells_in_disc(table, disc)
        )
    for stripe in spec.stripes:
        yield lambda stripe=stripe: mask_cells(  # type: ignore[misc]
            table, cells_in_stripe(table, stripe)
        )
    if spec.of_each_bag:
        yield lambda: mask_cells(
            table, cells_of_each_bag(table, spec.of_each_bag, spec.seed)
        )


def _share_of_genes(fraction: float, seed: int, table: AnnData) -> Mask:
    """Return the mask of a share of the genes with counts, at least one."""
    pool = len(expressed_genes(table))
    return mask_random_genes(table, max(1, round(fraction * pool)), seed)


def _single(spec: MaskSpec, table: AnnData) -> Mask:
    columns = positions(table.var_names, list(spec.single), "gene")
    names = list(spec.single.values())
    cells = positions(table.obs_names, [c for group in names for c in group], "cell")
    return from_entries(table, cells, np.repeat(columns, [len(g) for g in names]))


def _block(block: Block, table: AnnData) -> Mask:
    rng = np.random.default_rng(block.seed)
    genes: np.ndarray
    if block.genes:
        genes = positions(table.var_names, block.genes, "gene")
    else:
        genes = _drawn(rng, expressed_genes(table), block.gene_count, "genes")
    if block.cells:
        cells = positions(table.obs_names, block.cells, "cell")
    else:
        cells = _drawn(rng, np.arange(table.n_obs), block.cell_count, "cells")
    return mask_block(table, cells, genes)


def _drawn(
    rng: np.random.Generator, pool: np.ndarray, number: int, kind: str
) -> np.ndarray:
    if number > len(pool):
        with_counts = " with any count" if kind == "genes" else ""
        raise MaskError(
            f"A block of {number} {kind} cannot be drawn: the table has {len(pool)} "
            f"{kind}{with_counts}.",
            f"Ask for {len(pool)} or fewer.",
        )
    return np.sort(rng.choice(pool, number, replace=False))
