"""How a slide's panel of genes meets a model's: which are shared, and which are not."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_scfm.errors import counted
from napari_scfm.genes.identity import match_genes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from napari_scfm.genes.identity import GeneMatch

_KINDS = {
    "matched": "genes of the table that the model knows",
    "orthologs": "of these through a one-to-one ortholog",
    "guessed": "of these by a newer symbol or the first of a joined probe",
    "ambiguous": "of these of several; the oldest Ensembl id was taken",
    "duplicates": "left out, as another column is the same gene",
    "unmatched": "not known to the model",
}
_WIDTH = 88


@dataclass(frozen=True)
class PanelReport:
    """How the genes of a table meet those of a model.

    Attributes
    ----------
    model
        Its name.
    genes
        The model's genes; empty for a model that takes any.
    match
        What was shared, and how.
    """

    model: str
    genes: tuple[str, ...]
    match: GeneMatch

    @property
    def pairs(self) -> dict[str, str]:
        """Gene of the table -> gene of the model."""
        rows = self.match.rows.tolist()
        names = [self.genes[row] for row in rows]
        return dict(zip(self.match.matched, names, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Return counts and all names, ready for JSON."""
        table, model = self.match.species
        kinds = {kind: list(getattr(self.match, kind)) for kind in _KINDS}
        return {
            "model": self.model,
            "model_genes": len(self.genes),
            "table_genes": self.match.n_table,
            "species": {"table": table, "model": model},
            "counts": {kind: len(names) for kind, names in kinds.items()},
            "names": kinds,
            "pairs": self.pairs,
        }

    def to_text(self) -> str:
        """Return counts, then all names except those of plain matches."""
        if not self.genes:
            genes = counted(self.match.n_table, "gene")
            return f"Model {self.model} takes any genes: all {genes} of the table."
        table, model = self.match.species
        said = "" if "unknown" in (table, model) else f" ({table} table, {model} model)"
        lines = [
            f"Model {self.model} knows {counted(len(self.genes), 'gene')}; the table "
            f"has {self.match.n_table}{said}."
        ]
        found = {kind: getattr(self.match, kind) for kind in _KINDS}
        lines += [
            f"{len(names):>8}  {kind:<11} {_KINDS[kind]}"
            for kind, names in found.items()
        ]
        pairs = self.pairs
        for kind, names in found.items():
            if kind == "matched" or not names:
                continue
            told = [f"{n} = {pairs[n]}" if n in pairs else n for n in names]
            lines += ["", f"{kind.capitalize()}:", *_wrapped(told)]
        return "\n".join(lines)


def panel_report(
    var: pd.DataFrame, model: str, model_genes: Sequence[str]
) -> PanelReport:
    """Return how the genes of a table meet those of a model.

    Symbols and Ensembl ids, human and mouse, meet each other as in
    :func:`napari_scfm.genes.identity.match_genes`.

    Parameters
    ----------
    var
        ``table.var``.
    model
        The model's name.
    model_genes
        Its genes; empty where it takes any.
    """
    genes = tuple(map(str, model_genes))
    own = [str(name) for name in var.index]
    return PanelReport(model, genes, match_genes(var, genes or own))


def _wrapped(names: Sequence[str]) -> list[str]:
    return textwrap.wrap(
        ", ".join(names),
        _WIDTH,
        initial_indent="  ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
