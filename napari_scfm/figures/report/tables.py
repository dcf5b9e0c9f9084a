"""The tables of a report in words: columns, what a number averages, the gain.

The summary puts every baseline beside the model. The gain of a gene is against the
baseline that is best over all genes, one for the whole table: the best of each gene
would be a choice made with the truth in hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.errors import counted
from napari_scfm.figures.report.style import number

if TYPE_CHECKING:
    import pandas as pd

    from napari_scfm.figures.report.data import ReportData


@dataclass(frozen=True)
class Measure:
    """A number that models are compared by.

    Attributes
    ----------
    short, label
        For a narrow table, and for an axis.
    higher
        Whether more is better.
    undefined
        Which items have no value.
    """

    short: str
    label: str
    higher: bool
    undefined: str


_NEVER = "that not every model can predict"
MEASURES = {
    "pearson": Measure(
        "Pearson", "Pearson correlation, log1p counts", True, "whose truth is constant"
    ),
    "rmse": Measure("RMSE", "RMSE, log1p counts", False, _NEVER),
    "mae": Measure("MAE", "mean absolute error, log1p counts", False, _NEVER),
    "cosine": Measure(
        "Cosine", "cosine similarity, log1p counts", True, "whose truth is all zero"
    ),
}
"""Measures that every gene has."""

LEVELS = {"mcc_all": "MCC all", "mcc_expressed": "MCC expr."}
COLUMNS = {key: one.short for key, one in MEASURES.items()} | LEVELS
"""Columns of the summary and their heads."""


def summary_table(data: ReportData) -> pd.DataFrame:
    """Return the summary: model, then :data:`COLUMNS`; NaN where not defined."""
    import pandas as pd

    found = pd.DataFrame({"model": list(data.models)})
    known = data.summary.set_index("model") if len(data.summary) else data.summary
    for column in COLUMNS:
        there = column in known
        values = known[column].reindex(data.models).to_numpy(float) if there else np.nan
        found[column] = values
    return found


def explain(data: ReportData, model: str, column: str) -> str:
    """Return what a number of the summary averages, and what it leaves out."""
    row = _row(data.summary, model)
    if column in LEVELS:
        return _explain_levels(data, row, model, column)
    table = data.of_model("per_gene", model)
    if table.empty or column not in table:
        return ""
    defined = int(table[column].notna().sum())
    entries = counted_entries(row)
    said = [f"{MEASURES[column].label}: mean over {counted(defined, 'gene')}{entries}."]
    lost = len(table) - defined
    if lost:
        blind = int((table["n_entries"] == 0).sum()) if "n_entries" in table else 0
        parts = [f"{lost - blind} {MEASURES[column].undefined}"] if lost > blind else []
        parts += [f"{blind} {_NEVER}"] if blind else []
        said.append(f"Left out: {counted(lost, 'gene')} ({', '.join(parts)}).")
    flat = int(row.get("n_genes_flat", 0) or 0)
    if column == "pearson" and flat:
        said.append(f"{counted(flat, 'gene')} predicted as one constant: 0 each.")
    if f"{column}_sd" in row:
        said.append(f"SD over genes {number(float(row[f'{column}_sd']))}.")
    if column == "cosine" and "cosine_constant" in row:
        plain = number(float(row["cosine_constant"]))
        said.append(f"One constant for all cells of a gene reaches {plain}.")
    return " ".join(said)


def counted_entries(row: dict[str, Any]) -> str:
    """Return how many entries stand behind a row."""
    return f", {int(row['n_entries']):,} entries" if "n_entries" in row else ""


def _explain_levels(
    data: ReportData, row: dict[str, Any], model: str, column: str
) -> str:
    confusion = data.of_model("confusion", model)
    entries = int(row.get("n_entries", 0) or 0)
    if not confusion.empty:
        counts = confusion
        if column == "mcc_expressed":
            counts = confusion[confusion["true"] > 0]
        entries = int(counts["n"].sum())
    which = "all entries" if column == "mcc_all" else "entries with a true count"
    size = f" ({entries:,})" if column == "mcc_all" or not confusion.empty else ""
    lost = int(row.get("n_cells_without_levels", 0) or 0)
    less = f" Left out: {counted(lost, 'cell')} without any count." if lost else ""
    if row.get(f"{column}_flat"):
        less += " All predictions are of one level, so it is 0."
    return (
        f"Matthews correlation of the five levels of expression over {which}{size}."
        f"{less}"
    )


def _row(frame: pd.DataFrame, model: str) -> dict[str, Any]:
    found = frame[frame["model"] == model] if "model" in frame else frame[:0]
    return {} if found.empty else {str(k): v for k, v in found.iloc[0].items()}


def best_baseline(data: ReportData, measure: str, model: str = "") -> str:
    """Return the baseline, other than a model, with the best mean over genes.

    "" without baselines.
    """
    if data.summary.empty or measure not in data.summary:
        return ""
    known = data.summary.set_index("model")[measure]
    others = [name for name in data.baselines if name != model]
    scores = known.reindex(others).dropna()
    if scores.empty:
        return ""
    return str(scores.idxmax() if MEASURES[measure].higher else scores.idxmin())


def gene_table(data: ReportData, model: str, measure: str = "pearson") -> pd.DataFrame:
    """Return a row per gene of what a model reaches, and its gain.

    Returns
    -------
    Columns gene, value, baseline (the value of :func:`best_baseline`), gain (positive
    where the model is better), sparsity and expression where known, n_entries,
    excluded (why there is no Pearson).
    """
    import pandas as pd

    own = data.of_model("per_gene", model)
    if own.empty:
        return pd.DataFrame({"gene": [], "value": [], "baseline": [], "gain": []})
    rival = best_baseline(data, measure, model)
    found = own[["gene"]].assign(value=own[measure].astype(float), baseline=np.nan)
    if rival:
        other = data.of_model("per_gene", rival).set_index("gene")[measure]
        found["baseline"] = other.reindex(found["gene"]).to_numpy(dtype=float)
    sign = 1 if MEASURES[measure].higher else -1
    found["gain"] = sign * (found["value"] - found["baseline"])
    for column in ("sparsity", "expression", "n_entries", "excluded"):
        if column in own:
            found[column] = own[column]
    return found
