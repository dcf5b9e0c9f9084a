"""Which columns of a reference are which genes of a slide.

By symbol, Ensembl id or newer symbol, as everywhere; last without regard to upper and
lower case, and a joined probe of the slide by its first member. Never by ortholog: what
another species expresses is no measurement of this one, so a reference of another
species is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.errors import SpecError, counted, named
from napari_scfm.genes.identity import match_genes
from napari_scfm.genes.names import first_member

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import pandas as pd


def columns_of_genes(
    path: Path, var: pd.DataFrame, genes: Sequence[str]
) -> tuple[np.ndarray, list[str]]:
    """Return the column of each gene of a slide, and what to say of uncertain ones.

    Parameters
    ----------
    path
        The reference, for messages.
    var
        Its variables.
    genes
        Of the slide.

    Returns
    -------
    (genes,) int columns, -1 where the reference lacks a gene; sentences.

    Raises
    ------
    SpecError
        If the reference is of another species, or shares no gene with the slide.
    """
    match = match_genes(var, genes)
    theirs, mine = match.species
    if "unknown" not in match.species and theirs != mine:
        raise SpecError(
            f"The reference {path} measures {theirs} genes ({_some(var.index)}), and "
            f"the slide {mine} genes ({_some(genes)}).",
            f"Give single cells of {mine} tissue, with {mine} symbols or Ensembl ids.",
        )
    columns = np.full(len(genes), -1, dtype=np.intp)
    sure = ~np.isin(var.index[match.columns].astype(str), match.orthologs)
    columns[match.rows[sure]] = match.columns[sure]
    names = [str(name) for name in var.index]
    folded = _fill(columns, names, [str(gene) for gene in genes])
    members = _fill(columns, names, [first_member(str(gene)) or "" for gene in genes])
    if (columns < 0).all():
        raise SpecError(
            f"The reference {path} shares no gene with the slide: it names "
            f"{_some(var.index)}, the slide {_some(genes)}.",
            "Give single cells of the slide's species, with gene symbols or Ensembl "
            "ids as variable names.",
        )
    notes = []
    for some, how in (
        (match.guessed, "by a newer symbol or the first of a joined probe"),
        (members, "for joined probes of the slide, of which they are the first member"),
        (folded, "without regard to upper and lower case"),
        (match.duplicates, "for a gene that another column is too, and left out"),
    ):
        if some:
            many = counted(len(some), "column was", "columns were")
            notes.append(f"In {path.name} {many} taken {how}: {named(some)}.")
    return columns, notes


def _fill(columns: np.ndarray, names: list[str], wanted: list[str]) -> list[str]:
    """Fill open genes by free columns whose names differ in case only; return these.

    A name that several free columns have is nobody's.
    """
    free: dict[str, list[int]] = {}
    for column in sorted(set(range(len(names))) - set(columns.tolist())):
        free.setdefault(names[column].casefold(), []).append(column)
    found = []
    for row in np.flatnonzero(columns < 0).tolist():
        at = free.pop(wanted[row].casefold(), []) if wanted[row] else []
        if len(at) == 1:
            columns[row] = at[0]
            found.append(names[at[0]])
    return found


def _some(names: Iterable[object]) -> str:
    return named(names, 3)
