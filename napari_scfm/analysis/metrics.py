"""How good predictions of hidden entries are: per gene, per cell, and in one row.

Everything is on the scale log1p(counts), predictions clipped at 0, without
normalisation by library size. Decides what happens where a metric has no value:

* truth constant: Pearson is undefined, the gene is left out and counted;
* prediction constant while the truth varies: Pearson is 0, and counted;
* truth all zero: cosine is undefined; prediction all zero: cosine is 0;
* no prediction (NaN): the entry is left out and counted.

RMSE is taken per gene and then averaged over genes. (The released scoring code of
CellPLM averages running lists instead; its published RMSE cannot be compared.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.analysis.entries import Entries, clipped
from napari_scfm.analysis.levels import level_metrics
from napari_scfm.analysis.sums import Groups, Moments, Pairs, correlation, ratio

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

SCALE = "log1p counts"

AVERAGED = ("mse", "rmse", "mae", "pearson", "spearman", "cosine", "cosine_constant")
"""Metrics of a gene that the summary averages over genes."""

Columns = dict[str, "NDArray[Any]"]


@dataclass(frozen=True)
class Scores:
    """What a prediction scored.

    Attributes
    ----------
    summary
        One row, see :func:`summarise`.
    genes, cells
        Columns with one value per gene, or per cell, see :func:`group_metrics`; those
        of genes also hold ``spearman`` and what
        :func:`napari_scfm.analysis.levels.level_metrics` says.
    confusions
        (genes, 5, 5) entries of each true (rows) and predicted (columns) level.
    """

    summary: dict[str, Any]
    genes: Columns
    cells: Columns
    confusions: NDArray[np.int64]


def gene_metrics(
    truth: NDArray[Any], prediction: NDArray[Any], hidden: NDArray[np.bool_]
) -> Columns:
    """Return metrics of each gene over its hidden cells.

    Parameters
    ----------
    truth, prediction
        (cells, genes) counts; NaN = not predicted.
    hidden
        (cells, genes) entries to score.

    Returns
    -------
    Columns of length genes, see :func:`group_metrics`.
    """
    rows, columns = np.nonzero(hidden & ~np.isnan(prediction))
    found = group_metrics(
        truth[rows, columns], prediction[rows, columns], columns, truth.shape[1]
    )
    missing = hidden.sum(axis=0) - found["n_entries"]
    return found | {"n_unpredicted": missing}


def cell_metrics(
    truth: NDArray[Any], prediction: NDArray[Any], hidden: NDArray[np.bool_]
) -> Columns:
    """Return metrics of each cell over its hidden genes; see :func:`gene_metrics`."""
    return gene_metrics(truth.T, prediction.T, hidden.T)


def group_metrics(
    truth: ArrayLike, prediction: ArrayLike, group: NDArray[np.integer], n: int
) -> Columns:
    """Return metrics of groups of entries; one group gives pooled metrics.

    Parameters
    ----------
    truth, prediction
        (entries,) counts, none missing.
    group
        (entries,) which group an entry belongs to, 0..n-1.
    n
        Number of groups.

    Returns
    -------
    Columns of length n: ``n_entries``; ``mse``, ``rmse``, ``mae``, ``pearson``,
    ``cosine`` on log1p counts; ``cosine_constant``, the cosine that any constant
    prediction gets; ``mae_counts``; ``truth_mean``, ``prediction_mean``,
    ``error_mean`` (prediction - truth) on log1p counts; ``excluded``, why Pearson has
    no value ("" where it has); ``constant_prediction``, where Pearson is 0 for that
    reason.
    """
    counts, guess = clipped(truth), clipped(prediction)
    y = np.log1p(counts)
    pairs, groups = Pairs(y, np.log1p(guess), y * y), Groups(group, n)
    moments = Moments.of(y, pairs.yy, groups)
    return _columns(pairs, np.abs(guess - counts), groups, moments)


def _columns(pairs: Pairs, off: Floats, groups: Groups, truth: Moments) -> Columns:
    """Return the columns of groups, from logs and from errors of counts."""
    guess = Moments.of(pairs.x, pairs.xx, groups)
    product = groups.mean(pairs.xy)
    cosine = ratio(product, truth.square, guess.square)
    free = ratio(truth.mean, truth.square, np.ones(groups.n))
    nothing = np.logical_not(truth.square > 0)
    cosine[nothing] = free[nothing] = np.nan
    pearson, y_flat, x_flat = correlation(pairs, groups, truth, guess, product)
    mse = groups.mean(pairs.squared)
    excluded = np.where(y_flat, "constant truth", "").astype(object)
    excluded[groups.size == 0] = "no prediction"
    return {
        "n_entries": groups.size,
        "mse": mse,
        "rmse": np.sqrt(mse),
        "mae": groups.mean(pairs.absolute),
        "pearson": pearson,
        "cosine": cosine,
        "cosine_constant": free,
        "mae_counts": groups.mean(off),
        "truth_mean": truth.mean,
        "prediction_mean": guess.mean,
        "error_mean": guess.mean - truth.mean,
        "excluded": excluded,
        "constant_prediction": x_flat & ~y_flat,
    }


def score_entries(
    entries: Entries, prediction: NDArray[Any], hidden: Entries | None = None
) -> Scores:
    """Return everything that a prediction of hidden entries scored.

    Parameters
    ----------
    entries
        What to score.
    prediction
        (entries,) predicted counts; NaN = not predicted.
    hidden
        All that was hidden, where that is more than is scored, for counting what was
        left out.
    """
    hidden = hidden or entries
    seen, pairs, off = _paired(entries, prediction)
    genes = _gene_columns(seen, pairs, off)
    cells = _columns(pairs, off, seen.by_cell, seen.truth_by_cell)
    genes["n_unpredicted"] = hidden.by_gene.size - seen.by_gene.size
    cells["n_unpredicted"] = hidden.by_cell.size - seen.by_cell.size
    tables = seen.confusions(pairs.x)
    summary = _summary(genes, tables, off, seen, hidden)
    return Scores(summary, genes | level_metrics(tables), cells, tables)


def summarise_entries(
    entries: Entries, prediction: NDArray[Any], hidden: Entries | None = None
) -> dict[str, Any]:
    """Return the summary of :func:`score_entries` alone, in less time."""
    seen, pairs, off = _paired(entries, prediction)
    genes = _gene_columns(seen, pairs, off)
    return _summary(genes, seen.confusions(pairs.x), off, seen, hidden or entries)


def _gene_columns(seen: Entries, pairs: Pairs, off: Floats) -> Columns:
    genes = _columns(pairs, off, seen.by_gene, seen.truth_by_gene)
    return genes | {"spearman": seen.ranks.correlation(pairs.x)}


def _paired(
    entries: Entries, prediction: NDArray[Any]
) -> tuple[Entries, Pairs, Floats]:
    """Return the predicted entries, their logs, and their errors on counts."""
    there = ~np.isnan(prediction)
    seen = entries.kept(there)
    guess = clipped(prediction if seen is entries else prediction[there])
    off = guess - clipped(seen.truth)
    pairs = Pairs(seen.logs, np.log1p(guess), seen.squares)
    return seen, pairs, np.abs(off, out=off)


def _summary(
    genes: Columns,
    tables: NDArray[np.int64],
    off: Floats,
    seen: Entries,
    hidden: Entries,
) -> dict[str, Any]:
    """Return the row that :func:`summarise` describes."""
    levels = level_metrics(tables.sum(axis=0, keepdims=True))
    expressed = seen.truth > 0
    return {
        **_gene_means(genes),
        **{name: one[0].item() for name, one in levels.items()},
        "mae_counts": _share(float(off.sum()), len(off)),
        "mae_counts_expressed": _share(float(off @ expressed), int(expressed.sum())),
        "n_entries": len(seen),
        "n_entries_expressed": int(expressed.sum()),
        "n_entries_left_out": len(hidden) - len(seen),
        "n_entries_without_levels": len(seen) - int(tables.sum()),
        **_numbers(genes, hidden),
        "scale": SCALE,
    }


def _gene_means(genes: Columns) -> dict[str, Any]:
    """Return means over the genes for which a metric is defined, and their SD."""
    found: dict[str, Any] = {name: _mean(genes[name]) for name in AVERAGED}
    for name in AVERAGED[:-1]:
        defined = genes[name][~np.isnan(genes[name])]
        found[f"{name}_sd"] = float(defined.std()) if len(defined) else np.nan
    return found


def _numbers(genes: Columns, entries: Entries) -> dict[str, int]:
    """Return how many genes and cells were averaged, and how many left out."""
    hidden_genes, hidden_cells = entries.by_gene.size > 0, entries.by_cell.size > 0
    scored = hidden_genes & (genes["n_entries"] > 0)
    defined = ~np.isnan(genes["pearson"])
    empty = np.isnan(entries.ranges.low) & hidden_cells
    return {
        "n_genes": int(hidden_genes.sum()),
        "n_genes_scored": int(scored.sum()),
        "n_genes_unpredicted": int((hidden_genes & ~scored).sum()),
        "n_genes_defined": int(defined.sum()),
        "n_genes_excluded": int((hidden_genes & ~defined).sum()),
        "n_genes_constant": int((scored & ~defined).sum()),
        "n_genes_flat": int(genes["constant_prediction"].sum()),
        "n_genes_spearman": int((~np.isnan(genes["spearman"])).sum()),
        "n_genes_cosine": int((~np.isnan(genes["cosine"])).sum()),
        "n_genes_zero": int((scored & np.isnan(genes["cosine"])).sum()),
        "n_cells": int(hidden_cells.sum()),
        "n_cells_without_levels": int(empty.sum()),
    }


def summarise(
    truth: NDArray[Any],
    prediction: NDArray[Any],
    hidden: NDArray[np.bool_],
    counts: ArrayLike,
) -> dict[str, Any]:
    """Return one row of numbers for a prediction.

    Parameters
    ----------
    truth, prediction, hidden
        As for :func:`gene_metrics`.
    counts
        (cells, all genes) measured counts, from which the five levels of a cell
        are cut; only used here, never by a model.

    Returns
    -------
    ``mse``, ``rmse``, ``mae``, ``pearson``, ``cosine``
        Plain means over the genes for which they are defined, on log1p counts.
    ``spearman``
        The same of ranks; NaN above
        :data:`napari_scfm.analysis.ranks.LARGEST` entries.
    ``mse_sd``, ``rmse_sd``, ``mae_sd``, ``pearson_sd``, ``spearman_sd``, ``cosine_sd``
        Standard deviation over these genes.
    ``cosine_constant``
        What cosine gives any constant prediction, averaged like ``cosine``.
    ``mae_counts``, ``mae_counts_expressed``
        Mean error of counts over all entries, and over those with a count.
    ``mcc_all``, ``mcc_expressed``, ``accuracy``
        Of the five levels, over all entries, over those with a true level of 1 or
        more, and the share of all entries that are right.
        MCC is NaN where all true levels are the same.
    ``mcc_all_flat``, ``mcc_expressed_flat``
        Whether an MCC is 0 because all predicted levels are the same.
    ``n_entries``, ``n_entries_expressed``, ``n_entries_left_out``
        Scored entries, those of them with a count, and hidden entries that are not
        scored because nobody, or not everybody, predicts them.
    ``n_genes``, ``n_genes_scored``, ``n_genes_unpredicted``
        Genes with hidden entries; those of them that mse, rmse and mae average, and
        those left out because nothing of them is predicted.
    ``n_genes_defined``, ``n_genes_excluded``, ``n_genes_constant``
        Genes that Pearson averages; all left out; those of them left out because
        their truth is constant.
    ``n_genes_flat``
        Genes whose Pearson is 0 because the prediction is constant.
    ``n_genes_spearman``
        Genes that Spearman averages.
    ``n_genes_cosine``, ``n_genes_zero``
        Genes that cosine averages, and those left out because their truth is 0.
    ``n_cells``, ``n_cells_without_levels``, ``n_entries_without_levels``
        Cells with hidden entries; cells without counts, left out of MCC, and their
        entries.
    ``scale``
        Scale of mse, rmse, mae, pearson and cosine.
    """
    entries = Entries.of_matrices(truth, hidden, counts)
    return summarise_entries(entries, prediction[entries.rows, entries.columns])


def level_confusion(
    truth: NDArray[Any],
    prediction: NDArray[Any],
    hidden: NDArray[np.bool_],
    counts: ArrayLike,
) -> NDArray[np.int64]:
    """Return the (5, 5) confusion of the levels: rows true, columns predicted ones.

    Parameters are those of :func:`summarise`.
    """
    entries = Entries.of_matrices(truth, hidden, counts)
    guess = prediction[entries.rows, entries.columns]
    seen = entries.kept(~np.isnan(guess))
    tables = seen.confusions(np.log1p(clipped(guess[~np.isnan(guess)])))
    return np.asarray(tables.sum(axis=0))


def _share(total: float, number: int) -> float:
    return float(total / number) if number else float("nan")


def _mean(values: NDArray[Any]) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")
