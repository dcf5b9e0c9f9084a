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

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.analysis.levels import CellRange, confusion, mcc

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

SCALE = "log1p counts"

Columns = dict[str, "NDArray[Any]"]


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
    rows, columns = _entries(prediction, hidden)
    found = group_metrics(
        truth[rows, columns], prediction[rows, columns], columns, truth.shape[1]
    )
    missing = hidden.sum(axis=0) - found["n_entries"]
    return found | {"n_unpredicted": missing}


def cell_metrics(
    truth: NDArray[Any], prediction: NDArray[Any], hidden: NDArray[np.bool_]
) -> Columns:
    """Return metrics of each cell over its hidden genes; see :func:`gene_metrics`."""
    rows, columns = _entries(prediction, hidden)
    found = group_metrics(
        truth[rows, columns], prediction[rows, columns], rows, truth.shape[0]
    )
    missing = hidden.sum(axis=1) - found["n_entries"]
    return found | {"n_unpredicted": missing}


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
    Columns of length n: ``n_entries``; ``rmse``, ``mae``, ``pearson``, ``cosine`` on
    log1p counts; ``mae_counts``; ``truth_mean``, ``prediction_mean``, ``error_mean``
    (prediction - truth) on log1p counts; ``excluded``, why Pearson has no value
    ("" where it has); ``constant_prediction``, where Pearson is 0 for that reason.
    """
    counts, guess = _clipped(truth), _clipped(prediction)
    y, x = np.log1p(counts), np.log1p(guess)
    size = np.bincount(group, minlength=n)

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        total = np.bincount(group, weights=values, minlength=n)
        empty = np.full(n, np.nan)
        return np.asarray(np.divide(total, size, out=empty, where=size > 0))

    y_mean, x_mean = mean(y), mean(x)
    y_flat, x_flat = _constant(y, group, n), _constant(x, group, n)
    dy, dx = y - y_mean[group], x - x_mean[group]
    pearson = _ratio(mean(dy * dx), mean(dy * dy), mean(dx * dx))
    pearson[x_flat] = 0.0
    pearson[y_flat] = np.nan
    yy, xx = mean(y * y), mean(x * x)
    cosine = _ratio(mean(y * x), yy, xx)
    cosine[xx == 0] = 0.0
    cosine[~(yy > 0)] = np.nan
    excluded = np.where(y_flat, "constant truth", "")
    excluded[size == 0] = "no prediction"
    return {
        "n_entries": size,
        "rmse": np.sqrt(mean((x - y) ** 2)),
        "mae": mean(np.abs(x - y)),
        "pearson": pearson,
        "cosine": cosine,
        "mae_counts": mean(np.abs(guess - counts)),
        "truth_mean": y_mean,
        "prediction_mean": x_mean,
        "error_mean": x_mean - y_mean,
        "excluded": excluded.astype(object),
        "constant_prediction": x_flat & ~y_flat,
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
    ``rmse``, ``mae``, ``pearson``, ``cosine``
        Plain means over the genes for which they are defined, on log1p counts.
    ``pearson_sd``
        Standard deviation over these genes.
    ``mae_counts``
        Mean over genes, on counts.
    ``mcc_all``, ``mcc_expressed``, ``accuracy``
        Of the five levels, over all entries, over those with a true level of 1 or
        more, and the share of all entries that are right.
    ``n_entries``, ``n_genes``, ``n_cells``
        Scored entries, and genes and cells with hidden entries.
    ``n_genes_defined``, ``n_genes_excluded``, ``n_genes_flat``
        Genes that Pearson averages; genes left out (truth constant, or never
        predicted); genes whose Pearson is 0 because the prediction is constant.
    ``n_cells_without_levels``
        Cells without counts, left out of MCC.
    ``scale``
        Scale of rmse, mae, pearson and cosine.
    """
    genes = gene_metrics(truth, prediction, hidden)
    defined = ~np.isnan(genes["pearson"])
    return {
        "rmse": _mean(genes["rmse"]),
        "mae": _mean(genes["mae"]),
        "pearson": _mean(genes["pearson"]),
        "cosine": _mean(genes["cosine"]),
        **level_scores(truth, prediction, hidden, counts),
        "mae_counts": _mean(genes["mae_counts"]),
        "pearson_sd": float(np.std(genes["pearson"][defined]))
        if defined.any()
        else float("nan"),
        "n_entries": int(genes["n_entries"].sum()),
        "n_genes": int(hidden.any(axis=0).sum()),
        "n_genes_defined": int(defined.sum()),
        "n_genes_excluded": int((hidden.any(axis=0) & ~defined).sum()),
        "n_genes_flat": int(genes["constant_prediction"].sum()),
        "n_cells": int(hidden.any(axis=1).sum()),
        "scale": SCALE,
    }


def level_scores(
    truth: NDArray[Any],
    prediction: NDArray[Any],
    hidden: NDArray[np.bool_],
    counts: ArrayLike,
) -> dict[str, Any]:
    """Return MCC on the five levels; see :func:`summarise`."""
    table = level_confusion(truth, prediction, hidden, counts)
    empty = np.isnan(CellRange.of(counts).low) & hidden.any(axis=1)
    total = table.sum()
    return {
        "mcc_all": mcc(table),
        "mcc_expressed": mcc(np.vstack([np.zeros_like(table[:1]), table[1:]])),
        "accuracy": float(np.trace(table) / total) if total else float("nan"),
        "n_cells_without_levels": int(empty.sum()),
    }


def level_confusion(
    truth: NDArray[Any],
    prediction: NDArray[Any],
    hidden: NDArray[np.bool_],
    counts: ArrayLike,
) -> NDArray[np.int64]:
    """Return the (5, 5) confusion of the levels: rows true, columns predicted."""
    cells = CellRange.of(counts)
    rows, columns = _entries(prediction, hidden)
    keep = ~np.isnan(cells.low[rows])
    rows, columns = rows[keep], columns[keep]
    true = cells.levels(np.log1p(_clipped(truth[rows, columns])), rows)
    guess = cells.levels(np.log1p(_clipped(prediction[rows, columns])), rows)
    return confusion(true, guess)


def _entries(
    prediction: NDArray[Any], hidden: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    rows, columns = np.nonzero(hidden)
    keep = ~np.isnan(prediction[rows, columns])
    return rows[keep], columns[keep]


def _clipped(counts: ArrayLike) -> NDArray[np.float64]:
    return np.clip(np.asarray(counts, dtype=np.float64), 0, None)


def _constant(
    values: NDArray[np.float64], group: NDArray[np.integer], n: int
) -> NDArray[np.bool_]:
    """Return which groups hold one value only; empty groups do."""
    first = np.full(n, np.nan)
    first[group[::-1]] = values[::-1]
    varies = np.zeros(n, dtype=bool)
    varies[group[values != first[group]]] = True
    return ~varies


def _ratio(
    cross: NDArray[np.float64], one: NDArray[np.float64], other: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return cross / sqrt(one other) in -1..1, 0 where that is 0 / 0."""
    below = np.sqrt(one) * np.sqrt(other)
    out = np.divide(cross, below, out=np.zeros(len(cross)), where=below > 0)
    return np.asarray(np.clip(out, -1.0, 1.0))


def _mean(values: NDArray[np.float64]) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")
