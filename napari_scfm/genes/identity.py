"""Which columns of a table are which genes of a model.

A gene is looked for by the names the table gives it (``var`` columns before variable
names), then through the symbol or Ensembl id it also has, then by a newer symbol, then
by the first member of a joined probe, and last by its one-to-one ortholog in the other
species. A surer way always wins a model's gene over a less sure one; among equals the
first column wins and the rest are listed as duplicates.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_scfm import keys
from napari_scfm.errors import ModelError, named
from napari_scfm.genes.names import (
    first_member,
    guess_species,
    to_ensembl,
    to_symbols,
)
from napari_scfm.genes.tables import (
    HUMAN,
    MOUSE,
    RENAMED,
    ensembl_id,
    species_of_id,
    species_table,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pandas as pd

__all__ = [
    "GeneMatch",
    "guess_species",
    "match_genes",
    "resolve",
    "to_ensembl",
    "to_symbols",
]

_ID_COLUMNS: Final = (
    keys.ENSEMBL,
    "ensembl",
    "ensembl_gene_id",
    "gene_ids",
    "gene_id",
    "feature_id",
)
_SYMBOL_COLUMNS: Final = (
    keys.SYMBOL,
    "gene_symbol",
    "gene_symbols",
    "gene_name",
    "gene_names",
    "feature_name",
)

NAME: Final = "name"
OTHER_NAME: Final = "symbol or Ensembl id"
RENAMING: Final = "newer symbol"
MEMBER: Final = "first member of a joined probe"
ORTHOLOG: Final = "one-to-one ortholog"
_WAYS: Final = (NAME, OTHER_NAME, RENAMING, MEMBER, ORTHOLOG)


@dataclass
class GeneMatch:
    """Genes that a table and a model share.

    Attributes
    ----------
    columns
        (k,) int positions of the shared genes in the table, rising.
    rows
        (k,) int positions of the same genes in the model's list.
    matched, unmatched
        Table genes with and without a place in the model.
    duplicates
        Table genes left out because another column has their place.
    ambiguous
        Table genes whose symbol stands for several of the model's genes; the oldest
        Ensembl id was taken.
    guessed
        Table genes matched by a newer symbol or the first member of a joined probe.
    orthologs
        Table genes matched through a one-to-one ortholog.
    missing
        The model's genes that the table does not have.
    species
        Species of the table and of the model.
    twins
        Column -> row of the duplicates that are surely the same gene as the column
        that has their place: both met it by their own name, symbol or Ensembl id.
    """

    columns: np.ndarray
    rows: np.ndarray
    matched: list[str] = field(default_factory=list)
    unmatched: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    ambiguous: list[str] = field(default_factory=list)
    guessed: list[str] = field(default_factory=list)
    orthologs: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    species: tuple[str, str] = ("unknown", "unknown")
    twins: dict[int, int] = field(default_factory=dict)

    @property
    def n_table(self) -> int:
        """Number of genes in the table."""
        return len(self.matched) + len(self.unmatched) + len(self.duplicates)

    def report(self) -> list[str]:
        """Return sentences for the user: what was matched, and how."""
        total = len(self.matched) + len(self.missing)
        lines = [
            f"{len(self.matched)} of {self.n_table} genes of the table are among the "
            f"model's {total}."
        ]
        for genes, text in (
            (self.unmatched, "not known to the model"),
            (self.duplicates, "left out, as another column is the same gene"),
            (self.ambiguous, "ambiguous; the oldest Ensembl id was taken"),
            (
                self.guessed,
                "guessed, by newer symbol or first of a joined probe",
            ),
            (self.orthologs, "matched by one-to-one ortholog"),
        ):
            if genes:
                lines.append(f"{len(genes)} {text}: {named(genes)}.")
        return lines

    def require(self, model_name: str) -> None:
        """Refuse a model that shares no gene with the table.

        Raises
        ------
        ModelError
            Naming genes of both.
        """
        if len(self.rows):
            return
        table_genes = self.unmatched or ["none"]
        raise ModelError(
            f"Model {model_name} knows genes like {named(self.missing[:3])}, and none "
            f"of the table's {self.n_table} genes, like {named(table_genes[:3])}.",
            "Give the table gene symbols or Ensembl ids as variable names, or choose "
            "another model.",
        )


def match_genes(var: pd.DataFrame, model_genes: Sequence[str]) -> GeneMatch:
    """Match the genes of a table to those of a model.

    Parameters
    ----------
    var
        ``table.var``: variable names, and where present columns with Ensembl ids or
        symbols, which are tried first.
    model_genes
        The model's list: Ensembl ids or symbols.
    """
    names = [str(name) for name in var.index]
    finder = _Finder(model_genes, names)
    aliases = _aliases(var)
    found = finder.find_all(names, aliases)
    owner: dict[int, int] = {}
    order = sorted(found, key=lambda column: (_WAYS.index(found[column][1]), column))
    for column in order:
        owner.setdefault(found[column][0], column)
    columns = sorted(owner.values())
    way = {way: [names[c] for c in columns if found[c][1] == way] for way in _WAYS}
    taken = {found[column][0] for column in columns}
    return GeneMatch(
        np.array(columns, dtype=np.intp),
        np.array([found[column][0] for column in columns], dtype=np.intp),
        matched=[names[column] for column in columns],
        unmatched=[name for c, name in enumerate(names) if c not in found],
        duplicates=[names[c] for c in sorted(set(found) - set(columns))],
        ambiguous=[names[c] for c in columns if c in finder.ambiguous],
        guessed=way[RENAMING] + way[MEMBER],
        orthologs=way[ORTHOLOG],
        missing=[str(g) for row, g in enumerate(model_genes) if row not in taken],
        species=(finder.table_species, finder.species),
        twins=_twins(found, owner),
    )


def _twins(found: dict[int, tuple[int, str]], owner: dict[int, int]) -> dict[int, int]:
    sure = (NAME, OTHER_NAME)
    return {
        column: row
        for column, (row, way) in sorted(found.items())
        if owner[row] != column and way in sure and found[owner[row]][1] in sure
    }


def resolve(names: Iterable[str], model_genes: Sequence[str]) -> np.ndarray:
    """Return the position of each name in a model's list, -1 where it is unknown.

    Unlike in `match_genes` two names of one gene both get its position.
    """
    asked = [str(name) for name in names]
    found = _Finder(model_genes, asked).find_all(asked, [()] * len(asked))
    return np.array([found.get(at, (-1, ""))[0] for at in range(len(asked))], np.intp)


def _aliases(var: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return for each row of ``var`` what its id and symbol columns say."""
    present = {str(column).lower(): column for column in var.columns}
    result: list[list[str]] = [[] for _ in range(len(var))]
    for name in (*_ID_COLUMNS, *_SYMBOL_COLUMNS):
        if name not in present:
            continue
        for said, value in zip(result, var[present[name]].astype(str), strict=True):
            if value and value != "nan" and value not in said:
                said.append(value)
    return [tuple(said) for said in result]


class _Finder:
    """Looks up names in one model's list.

    Parameters
    ----------
    model_genes
        The model's genes.
    names
        All names that will be asked for: they tell the species.
    """

    def __init__(self, model_genes: Sequence[str], names: Sequence[str]) -> None:
        self._rows: dict[str, int] = {}
        for row, gene in enumerate(model_genes):
            self._rows.setdefault(ensembl_id(str(gene)) or str(gene), row)
        self._genes = model_genes
        self._names = names
        self._other: dict[str, list[int]] | None = None
        self.species = self.table_species = "unknown"
        self.ambiguous: set[int] = set()

    def find_all(
        self, names: Sequence[str], aliases: Sequence[tuple[str, ...]]
    ) -> dict[int, tuple[int, str]]:
        """Return position of the name -> (row, way), for the names that are found."""
        found: dict[int, tuple[int, str]] = {}
        open_ones = []
        for at, name in enumerate(names):
            known = _plain((*aliases[at], name))
            rows = [self._rows[one] for one in known if one in self._rows]
            if rows:
                found[at] = (rows[0], NAME)
            else:
                open_ones.append(at)
        if open_ones and self._rows:
            self._prepare(aliases)
            for at in open_ones:
                hit = self._search(at, [*_plain((*aliases[at], names[at]))])
                if hit is not None:
                    found[at] = hit
        return found

    def _prepare(self, aliases: Sequence[tuple[str, ...]]) -> None:
        """Guess the species; index the model's genes by their other name."""
        self.species = guess_species(self._genes)
        said = [known[0] if known else "" for known in aliases]
        self.table_species = guess_species([s for s in said if s] or self._names)
        if self.table_species == "unknown":
            self.table_species = guess_species(self._names)
        self._other = {}
        if self.species == "unknown":
            return
        table = species_table(self.species)
        for gene, row in self._rows.items():
            symbol = table.symbols.get(gene)
            others = (symbol,) if symbol else table.ids.get(gene, ())
            for other in others:
                self._other.setdefault(other, []).append(row)

    def _search(self, at: int, names: list[str]) -> tuple[int, str] | None:
        members = [m for m in map(first_member, names) if m]
        for way, some in (
            (OTHER_NAME, names),
            (RENAMING, [RENAMED[name] for name in names if name in RENAMED]),
            (MEMBER, [*members, *(RENAMED[m] for m in members if m in RENAMED)]),
            (ORTHOLOG, self._orthologs([*names, *members])),
        ):
            for name in some:
                rows = [self._rows[name]] if name in self._rows else self._also(name)
                if rows:
                    if len(rows) > 1:
                        self.ambiguous.add(at)
                    return min(rows, key=lambda row: str(self._genes[row])), way
        return None

    def _also(self, name: str) -> list[int]:
        return (self._other or {}).get(name, [])

    def _orthologs(self, names: Sequence[str]) -> Iterator[str]:
        """Yield ids of the model's species for names of the table's."""
        pair = (self.table_species, self.species)
        if pair not in ((MOUSE, HUMAN), (HUMAN, MOUSE)):
            return
        own = species_table(self.table_species)
        for name in names:
            current = RENAMED.get(name, name)
            ids = (name,) if species_of_id(name) else own.ids.get(current, ())
            for identifier in ids:
                if identifier in own.orthologs:
                    yield own.orthologs[identifier]


def _plain(names: Sequence[str]) -> Iterator[str]:
    """Yield names with Ensembl versions taken off."""
    for name in names:
        yield ensembl_id(name) or name
