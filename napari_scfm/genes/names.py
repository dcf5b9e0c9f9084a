"""What a gene's name says: its species, its other names, its parts.

Decides nothing about models. Vendors join probes that cannot be told apart with a slash
("CCL3/L1/L3", "Aph1b/c"); the first member stands for them, and is told as a guess.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_scfm.genes.tables import (
    HUMAN,
    MOUSE,
    RENAMED,
    ensembl_id,
    species_of_id,
    species_table,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

_KNOWN_SHARE = 0.2


def guess_species(names: Iterable[str]) -> str:
    """Return "human", "mouse" or "unknown" for a list of gene names.

    Ensembl ids decide where there are any; otherwise the species that knows more of
    the symbols, if it knows at least a fifth of them.
    """
    items = [str(name) for name in names]
    votes = {HUMAN: 0, MOUSE: 0}
    for name in items:
        species = species_of_id(ensembl_id(name) or "")
        if species is not None:
            votes[species] += 1
    if not any(votes.values()):
        for species in votes:
            known = species_table(species).ids
            votes[species] = sum(name in known for name in items)
    best = max(votes, key=lambda species: votes[species])
    tie = votes[HUMAN] == votes[MOUSE]
    return "unknown" if tie or votes[best] < _KNOWN_SHARE * len(items) else best


def to_symbols(ids: Iterable[str]) -> list[str]:
    """Return the symbols of Ensembl ids; other names and unknown ids as they are."""
    result = []
    for name in ids:
        identifier = ensembl_id(str(name))
        species = species_of_id(identifier or "")
        symbol = None
        if identifier is not None and species is not None:
            symbol = species_table(species).symbols.get(identifier)
        result.append(symbol or str(name))
    return result


def to_ensembl(symbols: Iterable[str], species: str | None = None) -> list[str]:
    """Return the Ensembl ids of symbols; "" where there is none.

    Parameters
    ----------
    symbols
        Symbols; Ensembl ids are passed on without their version.
    species
        "human" or "mouse"; guessed from all names by default.
    """
    names = [str(name) for name in symbols]
    chosen = species or guess_species(names)
    table = species_table(MOUSE if chosen == MOUSE else HUMAN)
    result = []
    for name in names:
        known = table.ids.get(name) or table.ids.get(RENAMED.get(name, ""), ("",))
        result.append(ensembl_id(name) or known[0])
    return result


def first_member(name: str) -> str | None:
    """Return the first gene of a joined name: ``CCL3/L1/L3`` -> ``CCL3``."""
    first, slash, _ = name.partition("/")
    return first if slash and first else None
