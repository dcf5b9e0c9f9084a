"""Target genes of ``impute``: which they are, and who measures them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.errors import SpecError, named
from napari_scfm.genes.identity import resolve
from napari_scfm.masks.strata import STRATA, strata

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_scfm.models.cellplm.reading import TableReading


def target_rows(
    genes: Sequence[str],
    reading: TableReading,
    reference: TableReading | None,
    *,
    per_stratum: int,
    seed: int,
) -> np.ndarray:
    """Return the positions of the target genes in the model's list, rising.

    Parameters
    ----------
    genes
        Names as in either table or as the model names them; empty = drawn from the
        table's sparsity strata.
    reading, reference
        The table, and the reference or None.
    per_stratum
        How many are drawn from each stratum, at most half of it.
    seed
        Of the draw.

    Raises
    ------
    SpecError
        If the model does not know a gene, nobody measures it, or no other gene of
        the table is left to guess from.
    """
    source = reading if reference is None else reference
    if not genes:
        rows = _drawn(reading, source, per_stratum, seed)
    else:
        rows = _named(genes, reading, reference)
    if not np.setdiff1d(reading.rows, rows).size:
        raise SpecError(
            "All genes of the table are target genes, so none is left to guess from.",
            "Name fewer target genes.",
        )
    return rows


def _named(
    genes: Sequence[str], reading: TableReading, reference: TableReading | None
) -> np.ndarray:
    genes = list(dict.fromkeys(str(gene) for gene in genes))
    rows = np.asarray(resolve(genes, reading.config.gene_list), dtype=np.int64)
    for read in (reference, reading):
        if read is None:
            continue
        columns = read.table.var_names[np.asarray(read.match.columns)]
        own = dict(zip(columns.astype(str), read.rows, strict=True))
        rows = np.array([own.get(g, row) for g, row in zip(genes, rows, strict=True)])
    unknown = [gene for gene, row in zip(genes, rows, strict=True) if row < 0]
    if unknown:
        raise SpecError(
            f"The model does not know the target genes {named(unknown)}.",
            "Leave them out, or train a new model on data in which they are measured.",
        )
    source, place = (
        (reading, "table") if reference is None else (reference, "reference")
    )
    missing = np.isin(rows, source.rows, invert=True)
    if missing.any():
        absent = named(np.array(genes)[missing])
        raise SpecError(
            f"The {place} does not measure the target genes {absent}.",
            "Give a reference of single cells in which they are measured.",
        )
    return np.unique(rows)


def _drawn(
    reading: TableReading, source: TableReading, per_stratum: int, seed: int
) -> np.ndarray:
    """Draw genes that the table and the source measure, stratum by stratum."""
    rng = np.random.default_rng(seed)
    group = strata(reading.table).to_numpy()[np.asarray(reading.match.columns)]
    usable = np.isin(reading.rows, source.rows)
    chosen: list[int] = []
    for name in STRATA:
        pool = reading.rows[usable & (group == name)]
        number = min(per_stratum, len(pool) // 2)
        chosen += rng.choice(pool, number, replace=False).tolist()
    if not chosen:
        raise SpecError(
            "No target genes can be drawn: too few genes with counts are measured "
            "in the table and in the reference.",
            "Name them with genes.",
        )
    return np.unique(np.array(chosen, dtype=np.int64))
