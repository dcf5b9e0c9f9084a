"""What the numbers of neighbourhoods say, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.errors import counted, named
from napari_scfm.experiments.files import atomic_path
from napari_scfm.widgets.neighbourhoods.tables import signed, small

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from napari_scfm.analysis.neighbourhoods import CoOccurrence, Enrichment

ABOUT = "Which kinds of cells lie beside which, and which genes vary over the tissue."
NO_KINDS = "The table names no kinds of cells."
CHANCE = (
    "Chance: the names of the kinds shuffled over the cells of each field of view, "
    "{shuffles} times. Small squares: chance does that too (q > 0.05). Rows are cells, "
    "columns their neighbours; click a square to select them."
)
DISTANCES = (
    "How common a kind (row) is within the distance of another (column), over how "
    "common it is around any cell of its field of view. There is no test behind it."
)
MORAN = (
    "Moran's I: 1 where neighbours are alike, 0 where they are as different as any. "
    "p is one-sided, of a normal distribution; among thousands of cells nearly every "
    "gene is sure, so compare I."
)
SMOOTH = "Predictions are smoother than counts: a larger I is not a better prediction."


def found(made: Enrichment, where: str) -> str:
    """Return how many pairs of kinds chance does not explain."""
    known = np.isfinite(made.zscore)
    sure = int((made.q_value[known] <= 0.05).sum())
    pairs = counted(int(known.sum()), "pair")
    return (
        f"{sure} of {pairs} of kinds in {where} lie beside one another more or less "
        "often than by chance. Click a square to see where."
    )


def measured(made: CoOccurrence, where: str) -> str:
    """Return what was measured."""
    fovs = counted(made.fovs, "field of view", "fields of view")
    mean = f", mean of {fovs}" if made.fovs > 1 else ""
    kinds = counted(len(made.names), "kind")
    return f"{kinds} of {where} at distances up to {made.radii[-1]:.0f} um{mean}."


def near(made: CoOccurrence, at: int, kind: str, around: str) -> str:
    """Return how common a kind is around another."""
    score = made.values[made.names.index(kind), made.names.index(around), at]
    within = f"within {made.radii[at]:.0f} um of {around}"
    if not np.isfinite(score):
        return f"{kind} {within}: no such two cells in one field of view."
    return f"{kind} is {score:.3g} × as common {within} as around any cell."


def ranked(rows: pd.DataFrame, where: str) -> str:
    """Return what stands under the table of genes."""
    tested = rows["q_value"].notna()
    sure = int((rows.loc[tested, "q_value"] <= 0.05).sum())
    text = f"{sure} of {counted(int(tested.sum()), 'gene')} of {where} keep q <= 0.05."
    smooth = f" {SMOOTH}" if "I_predicted" in rows else ""
    return f"{text} {MORAN}{smooth} Click a gene to paint it."


def first_genes(rows: pd.DataFrame, where: str) -> str:
    """Return which genes vary most."""
    return f"Most spatial in {where}: {', '.join(rows['gene'].head(5))}."


def with_gene_tips(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the ranked genes with a sentence for each."""
    tips = []
    for gene in rows.to_dict("records"):
        text = f"{gene['gene']}: I {signed(gene['I'])}, p {_p(gene['p_value'])}, "
        text += f"found in {gene['cells']:.0%} of the cells"
        if "I_predicted" in gene:
            text += f"; as predicted I {signed(gene['I_predicted'])}"
        tips.append(f"{text}. Click: paint it.")
    return rows.assign(tip=tips)


def with_pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the tested pairs with names as the table shows them."""
    rows = rows.dropna(subset="p_value").reset_index(drop=True)
    pair = rows["ligand"] + " → " + rows["receptor"]
    tips = [
        f"{one}: ligand in {sender}, receptor in {receiver}; mean {mean:.2f}, "
        f"p {_p(p)}, q {_p(q)}; more than in cells of any kind, wherever they lie."
        for one, sender, receiver, mean, p, q in zip(
            pair,
            rows["sender"],
            rows["receiver"],
            rows["mean"],
            rows["p_value"],
            rows["q_value"],
            strict=True,
        )
    ]
    return rows.assign(pair=pair, tip=tips)


def write_frames(frames: Mapping[str, pd.DataFrame | None], folder: Path) -> list[str]:
    """Write the tables that there are; return the names of their files."""
    written = []
    for name, frame in frames.items():
        if frame is None:
            continue
        plain = frame.drop(columns=["tip", "pair"], errors="ignore")
        with atomic_path(folder / f"{name}.csv") as temporary:
            plain.to_csv(temporary, index=False)
        written.append(f"{name}.csv")
    return written or [named(frames)]


def _p(value: float) -> str:
    text = small(value)
    return text if text.startswith("<") else f"= {text}"
