"""Ligands and receptors as the panel of a table holds them.

A molecule is a gene or a complex, its subunits joined by "_"; a complex is as abundant
as its scarcest subunit. Names are looked for as given, then by the other names of the
same gene: symbol or Ensembl id, newer symbol, one-to-one ortholog of mouse or human.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_scfm import keys
from napari_scfm.errors import ScfmError, counted, named
from napari_scfm.genes.identity import resolve
from napari_scfm.genes.names import first_member

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from anndata import AnnData

JOINS = "_"
"""Between the subunits of a complex, as in LIANA, CellPhoneDB and squidpy."""


def held_molecules(table: AnnData, names: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Return the columns of each molecule that the panel holds whole.

    Parameters
    ----------
    table
        Its genes.
    names
        Genes, or complexes such as ``ITGA4_ITGB1``; together they tell the species.

    Returns
    -------
    Name -> positions of its subunits; molecules of which a subunit is missing are
    left out.
    """
    asked = list(dict.fromkeys(str(name).strip() for name in names))
    own = {str(name) for name in table.var_names}
    parts = {name: (name,) if name in own else _subunits(name) for name in asked}
    genes = sorted({gene for some in parts.values() for gene in some})
    column = dict(zip(genes, _columns(table, genes).tolist(), strict=True))
    found = {name: tuple(column[one] for one in some) for name, some in parts.items()}
    return {name: at for name, at in found.items() if at and min(at) >= 0}


def molecules(table: AnnData, names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Return the columns of each molecule.

    Raises
    ------
    ScfmError
        If the panel does not hold some: all are named, with names that are close.
    """
    found = held_molecules(table, names)
    missing = [name for name in names if name.strip() not in found]
    if missing:
        some = [str(name) for name in table.var_names]
        close = difflib.get_close_matches(missing[0], some, n=3)
        raise ScfmError(
            f"The panel of {counted(table.n_vars, 'gene')} does not hold "
            f"{named(missing, 20)}.",
            f"Did you mean {' or '.join(close)}?" if close else "Check the names.",
            [f"{name} is not in the panel" for name in missing],
        )
    return {name: found[name.strip()] for name in names}


def _subunits(name: str) -> tuple[str, ...]:
    return tuple(part for part in name.split(JOINS) if part)


def _columns(table: AnnData, genes: Sequence[str]) -> np.ndarray:
    """Return the column of each gene, -1 where no name of a column is its own."""
    own = [str(name) for name in table.var_names]
    lists = [own]
    for column in (keys.SYMBOL, keys.ENSEMBL):
        if column in table.var:
            lists.append(table.var[column].astype(str).tolist())
    lists.append([first_member(name) or name for name in own])
    found = np.full(len(genes), -1, dtype=np.intp)
    for some in lists:
        open_ones = found < 0
        if open_ones.any():
            found[open_ones] = resolve(genes, some)[open_ones]
    return found


class Levels:
    """How much of a molecule each cell holds.

    Values are ``log1p(count / depth * median depth)``: a cell of which more was
    counted does not hold more of everything. 0 for a cell without counts.

    Parameters
    ----------
    table
        Raw counts.
    """

    def __init__(self, table: AnnData) -> None:
        self._counts = sparse.csc_array(table.X, dtype=np.float64)
        depth = np.asarray(self._counts.sum(axis=1)).ravel()
        usual = float(np.median(depth[depth > 0])) if (depth > 0).any() else 1.0
        self._factor = np.divide(
            usual, depth, out=np.zeros_like(depth), where=depth > 0
        )

    def of(self, columns: Sequence[int]) -> np.ndarray:
        """Return (n,) level of a molecule: the least of its subunits."""
        counts = self._counts[:, list(columns)].toarray()
        return np.asarray(np.log1p(counts * self._factor[:, None]).min(axis=1))
