"""What scanpy and squidpy found of a table: kept when it is read, gone when it is old.

They keep it in ``uns`` under names of their own, some after the column of kinds that
was asked about. It holds for all cells of the file: of some of them, or once the
kinds are others, it is no longer true.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

RANKED: Final = "rank_genes_groups"
"""Marker genes, of the column that ``params`` names."""

OF_KINDS: Final = ("nhood_enrichment", "co_occurrence", "ligrec")
"""Ends of names that begin with the column of kinds."""

_OTHERS = (RANKED, "moranI", "neighbors", "spatial_neighbors", "umap", "pca")


def results_of(uns: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries that say what was found of all cells."""
    ends = tuple(f"_{end}" for end in (*OF_KINDS, "moranI"))
    return {
        name: value
        for name, value in uns.items()
        if name in _OTHERS or name.endswith(ends)
    }


def forget_kinds(uns: MutableMapping[str, Any], column: str) -> None:
    """Take away what was found of the kinds in a column, which are now others."""
    for end in OF_KINDS:
        uns.pop(f"{column}_{end}", None)
    ranked = uns.get(RANKED, {})
    if str(ranked.get("params", {}).get("groupby")) == column:
        del uns[RANKED]
