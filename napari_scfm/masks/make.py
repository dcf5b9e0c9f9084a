"""Masks of genes, of cells and of single entries of a table.

Names are checked together: whoever mistypes three genes is told of all three.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_scfm.errors import MaskError, named
from napari_scfm.masks import bits
from napari_scfm.masks.counts import cells_per_gene, expressed
from napari_scfm.masks.draw import random_flags, random_words
from napari_scfm.masks.mask import Mask

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd
    from anndata import AnnData
    from scipy import sparse

Eligible = Literal["all", "expressed"]

_GUESSES = 20
"""Unknown names for which a likely one is looked up; it takes time in a long list."""


def mask_genes(table: AnnData, genes: str | Iterable[str]) -> Mask:
    """Hide genes in every cell.

    Parameters
    ----------
    table
        Cells x genes.
    genes
        One name or several, as in ``table.var_names``.

    Raises
    ------
    MaskError
        If the table does not hold a gene; all of them are named.
    """
    columns = positions(table.var_names, _listed(genes), "gene")
    return mask_block(table, np.arange(table.n_obs), columns)


def mask_cells(table: AnnData, cells: Iterable[str] | np.ndarray) -> Mask:
    """Hide every gene of some cells.

    Parameters
    ----------
    table
        Cells x genes.
    cells
        Names as in ``table.obs_names``, or integer positions, or a boolean per cell.

    Raises
    ------
    MaskError
        If the table does not hold a cell; all of them are named.
    """
    return mask_block(table, _cell_rows(table, cells), np.arange(table.n_vars))


def mask_entries(
    table: AnnData, fraction: float, seed: int = 0, eligible: Eligible = "all"
) -> Mask:
    """Hide single entries, drawn independently of each other without replacement.

    Parameters
    ----------
    table
        Cells x genes.
    fraction
        Share of the eligible entries, 0..1; the number is rounded.
    seed
        Of the draw.
    eligible
        "all" entries, or the "expressed" ones (count above 0).

    Raises
    ------
    MaskError
        If the fraction is outside 0..1 or ``eligible`` is neither word.
    """
    check_share(fraction)
    if eligible not in ("all", "expressed"):
        raise MaskError(
            f"Entries cannot be chosen among {eligible!r}.",
            'Use eligible="all" or eligible="expressed".',
        )
    rng = np.random.default_rng(seed)
    if eligible == "all":
        number = round(fraction * table.n_obs * table.n_vars)
        words = random_words(table.shape, number, rng)
        return Mask.packed(words, table.obs_names, table.var_names)
    counts = expressed(table)
    return from_flags(
        table, counts, random_flags(counts.nnz, round(fraction * counts.nnz), rng)
    )


def expressed_genes(table: AnnData) -> np.ndarray:
    """Return the positions of the genes with any count."""
    return np.flatnonzero(cells_per_gene(table))


def mask_random_genes(table: AnnData, number: int, seed: int = 0) -> Mask:
    """Hide a number of genes in every cell, drawn among those with any count.

    Raises
    ------
    MaskError
        If fewer genes than that have a count.
    """
    pool = expressed_genes(table)
    if not 0 < number <= len(pool):
        raise MaskError(
            f"{number} genes cannot be drawn: {len(pool)} of {table.n_vars} genes "
            "have any count here.",
            f"Ask for 1 to {len(pool)} genes." if len(pool) else "Choose another FOV.",
        )
    drawn = np.random.default_rng(seed).choice(pool, number, replace=False)
    return mask_block(table, np.arange(table.n_obs), np.sort(drawn))


def mask_random_cells(table: AnnData, fraction: float, seed: int = 0) -> Mask:
    """Hide a random share of the cells, at least one where there are any.

    Raises
    ------
    MaskError
        If the fraction is outside 0..1.
    """
    check_share(fraction)
    number = min(table.n_obs, max(1, round(fraction * table.n_obs)))
    drawn = np.random.default_rng(seed).choice(table.n_obs, number, replace=False)
    return mask_block(table, np.sort(drawn), np.arange(table.n_vars))


def mask_block(table: AnnData, rows: np.ndarray, columns: np.ndarray) -> Mask:
    """Return the mask that hides some genes (columns) in some cells (rows)."""
    chosen = np.zeros((1, table.n_vars), dtype=bool)
    chosen[0, columns] = True
    words = bits.zeros(table.shape)
    words[rows] = bits.pack(chosen)
    return Mask.packed(words, table.obs_names, table.var_names)


def from_entries(table: AnnData, rows: np.ndarray, columns: np.ndarray) -> Mask:
    """Return the mask that hides the entries (rows[i], columns[i])."""
    words = bits.from_entries(rows, columns, table.shape)
    return Mask.packed(words, table.obs_names, table.var_names)


def from_flags(table: AnnData, counts: sparse.csr_array, flags: np.ndarray) -> Mask:
    """Return the mask that hides the flagged ones of a table's stored entries."""
    drawn = np.flatnonzero(flags)
    size = np.diff(np.searchsorted(drawn, counts.indptr))
    rows = np.repeat(np.arange(table.n_obs), size)
    return from_entries(table, rows, counts.indices[drawn])


def positions(index: pd.Index, names: Sequence[str], kind: str) -> np.ndarray:
    """Return where names stand in an index.

    Raises
    ------
    MaskError
        If some are missing: all are named, the first with what it might mean.
    """
    import pandas as pd

    if not index.is_unique:
        twice = index[index.duplicated()].unique()
        raise MaskError(
            f"{len(twice)} {kind} names occur more than once: {named(twice)}.",
            "Make the names unique, for example with table.var_names_make_unique().",
        )
    place = np.asarray(index.get_indexer(pd.Index(names)), dtype=np.int64)
    if (place < 0).any():
        missing = [str(names[at]) for at in np.flatnonzero(place < 0).tolist()]
        problems = [_unknown(name, index, kind) for name in missing[:_GUESSES]]
        close = difflib.get_close_matches(missing[0], list(index), n=3)
        hint = f"Did you mean {' or '.join(close)}?" if close else "Check the names."
        raise MaskError(
            f"The table has no {kind} {named(missing, 20)} "
            f"(it holds {len(index)} {kind}s).",
            hint,
            problems,
        )
    return place


def _unknown(name: str, index: pd.Index, kind: str) -> str:
    close = difflib.get_close_matches(name, list(index), n=2)
    guess = f", but {' and '.join(close)}" if close else ""
    return f"no {kind} {name}{guess}"


def check_share(fraction: float) -> None:
    """Refuse a share outside 0..1."""
    if not 0 <= fraction <= 1:
        raise MaskError(
            f"A share of {fraction} cannot be hidden.", "Give a number from 0 to 1."
        )


def _listed(names: str | Iterable[str]) -> list[str]:
    return [names] if isinstance(names, str) else [str(name) for name in names]


def _cell_rows(table: AnnData, cells: Iterable[str] | np.ndarray) -> np.ndarray:
    if isinstance(cells, str):
        return positions(table.obs_names, [cells], "cell")
    given = cells if isinstance(cells, np.ndarray) else np.asarray(list(cells))
    if given.dtype == bool and given.shape == (table.n_obs,):
        return np.flatnonzero(given)
    if np.issubdtype(given.dtype, np.integer):
        outside = given[(given < 0) | (given >= table.n_obs)]
        if len(outside):
            raise MaskError(
                f"The table has no cell at position {named(outside)}.",
                f"It holds {table.n_obs} cells, counted from 0.",
            )
        return given
    return positions(table.obs_names, list(map(str, given)), "cell")
