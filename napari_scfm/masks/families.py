"""Gene families of a panel, to be hidden together: keratins, collagens, HLA ...

A family is found from the names alone: genes that share their first letters up to a
number or a hyphen (KRT8, KRT18; HLA-A, HLA-DRA). That is how symbols are made, not a
claim about biology.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

FEWEST = 3
"""Fewer genes make no family."""

_STEM = re.compile(r"([A-Za-z]{2,})([-.](?=\w)|(?=\d))")
"""R writes HLA.A for HLA-A."""
_KNOWN = {"IG": re.compile(r"IG[HKL]", re.IGNORECASE)}
"""Families that are no stem: immunoglobulin chains, but not IGF1."""
_ENSEMBL = re.compile(r"ENS[A-Z]*G\d{6,}", re.IGNORECASE)


def families(names: Iterable[str], fewest: int = FEWEST) -> dict[str, list[str]]:
    """Return the families among gene names.

    Parameters
    ----------
    names
        Gene names of a table.
    fewest
        Genes that make a family.

    Returns
    -------
    Stem, such as ``KRT`` or ``HLA-``, -> its genes in the order given; the largest
    family first, and by name where they are of one size.
    """
    found: dict[str, list[str]] = {}
    spelled: dict[str, str] = {}
    for name in dict.fromkeys(map(str, names)):
        for stem in _stems(name):
            key = spelled.setdefault(stem.casefold(), stem)
            found.setdefault(key, []).append(name)
    kept = {stem: genes for stem, genes in found.items() if len(genes) >= fewest}
    return dict(sorted(kept.items(), key=lambda item: (-len(item[1]), item[0])))


def _stems(name: str) -> list[str]:
    if _ENSEMBL.match(name):
        return []
    stems = [stem for stem, fits in _KNOWN.items() if fits.match(name)]
    stem = _STEM.match(name)
    return [*stems, stem.group()] if stem else stems
