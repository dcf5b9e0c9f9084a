"""Scores by sparsity: the four groups of the fixed-genes protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.analysis.levels import level_metrics
from napari_scfm.masks.strata import STRATA

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from napari_scfm.analysis.metrics import Columns

_METRICS = ("mse", "rmse", "mae", "pearson", "cosine")


def stratum_scores(
    stratum: NDArray[Any], genes: Columns, confusions: NDArray[np.int64]
) -> pd.DataFrame:
    """Return scores of each sparsity stratum, the least sparse first.

    Parameters
    ----------
    stratum
        (genes,) name of each gene's stratum; "" = none.
    genes
        Metrics of each gene, see :func:`napari_scfm.analysis.metrics.group_metrics`.
    confusions
        (genes, 5, 5) levels of each gene.

    Returns
    -------
    One row per stratum that has a gene: ``stratum``; means of ``mse``, ``rmse``,
    ``mae``, ``pearson`` and ``cosine`` over its genes, and ``pearson_sd``;
    ``mcc_all``, ``mcc_expressed`` and ``accuracy`` of all its entries together;
    ``n_genes``, ``n_genes_defined`` (that Pearson averages) and ``n_entries``.
    """
    import pandas as pd

    rows = []
    for name in (*STRATA, ""):
        inside = stratum == name
        if not inside.any():
            continue
        levels = level_metrics(confusions[inside].sum(axis=0, keepdims=True))
        pearson = genes["pearson"][inside]
        defined = pearson[~np.isnan(pearson)]
        rows.append(
            {
                "stratum": name or "no counts",
                **{metric: _mean(genes[metric][inside]) for metric in _METRICS},
                "pearson_sd": float(defined.std()) if len(defined) else np.nan,
                **{metric: one[0].item() for metric, one in levels.items()},
                "n_genes": int(inside.sum()),
                "n_genes_defined": len(defined),
                "n_entries": int(genes["n_entries"][inside].sum()),
            }
        )
    return pd.DataFrame(rows)


def _mean(values: NDArray[Any]) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")
