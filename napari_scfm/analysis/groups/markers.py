"""Marker genes: what sets each class of a grouping apart, through scanpy.

Decides that raw counts are brought to the median total of a cell and to log1p first,
as for PCA, and that a class of one cell has no markers. Where classes were made from
the same counts, p values answer a question that was asked of these very counts: they
rank genes, they do not test whether the class exists.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import sparse

from napari_scfm.errors import ScfmError
from napari_scfm.progress import report

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from napari_scfm.analysis.groups.grouping import Grouping
    from napari_scfm.progress import ProgressCallback

Method = Literal["wilcoxon", "t-test_overestim_var"]
METHODS: tuple[Method, ...] = ("wilcoxon", "t-test_overestim_var")
COLUMNS = (
    "group",
    "names",
    "scores",
    "logfoldchanges",
    "pvals_adj",
    "share_in",
    "share_out",
)
RANKED = "rank_genes_groups"
"""``uns``: where scanpy keeps what it found."""

_FROM_SCANPY = {"pct_nz_group": "share_in", "pct_nz_reference": "share_out"}


def marker_genes(
    table: AnnData,
    grouping: Grouping,
    *,
    n: int = 25,
    method: Method = "wilcoxon",
    store: bool = False,
    progress: ProgressCallback | None = None,
) -> pd.DataFrame:
    """Return the genes that are higher in each class than in all other cells.

    Parameters
    ----------
    table
        Cells x genes, raw counts, in the grouping's order.
    grouping
        Classes; cells in none are left out.
    n
        Genes per class.
    method
        Of scanpy's ``rank_genes_groups``: rank sum test, corrected for ties, or the
        faster t test that overestimates the variance.
    store
        Whether ``table.uns["rank_genes_groups"]`` gets the result, so that scanpy
        draws it.
    progress
        Told before and after the test.

    Returns
    -------
    DataFrame, the best gene of the first class first: ``group``, ``names``,
    ``scores``, ``logfoldchanges`` (log2), ``pvals_adj`` (Benjamini and Hochberg, per
    class), ``share_in`` and ``share_out`` (of cells with counts of the gene, in the
    class and outside).

    Raises
    ------
    ScfmError
        If fewer than two classes have two cells, or the table has other cells.
    """
    import scanpy as sc

    if method not in METHODS:
        raise ScfmError(
            f"There is no test {method!r} of marker genes.",
            f"Choose {' or '.join(METHODS)}.",
        )
    groups = _testable(table, grouping)
    report(progress, 0, 2, "log-normalised counts")
    some = _normalised(table, grouping, groups)
    report(progress, 1, 2, f"marker genes of {len(groups)} classes")
    with warnings.catch_warnings():
        # scanpy's own: fragmented frames, and zero variance of genes nobody has
        warnings.simplefilter("ignore")
        sc.tl.rank_genes_groups(
            some,
            "group",
            method=method,
            n_genes=n,
            tie_correct=method == "wilcoxon",
            pts=True,
            use_raw=False,
        )
        found: pd.DataFrame = sc.get.rank_genes_groups_df(some, None)
    if store:
        table.uns[RANKED] = some.uns[RANKED]
        table.uns[RANKED]["params"]["groupby"] = grouping.key
    report(progress, 2, 2, "marker genes")
    found = found.rename(columns=_FROM_SCANPY)
    found["group"] = found["group"].astype(str)
    return found[list(COLUMNS)]


def _testable(table: AnnData, grouping: Grouping) -> list[str]:
    """Return the classes with at least two cells."""
    if len(grouping.labels) != table.n_obs:
        raise ScfmError(
            f"{grouping.key} has {len(grouping.labels)} cells, the table has "
            f"{table.n_obs}.",
            "Give the table of the whole slide.",
        )
    sizes = zip(grouping.names, grouping.sizes, strict=True)
    found = [name for name, size in sizes if size > 1]
    if len(found) < 2:
        raise ScfmError(
            f"{grouping.key} has fewer than two classes of two cells; there is nothing "
            "to compare.",
            "Cluster at a higher resolution.",
        )
    return found


def _normalised(table: AnnData, grouping: Grouping, groups: list[str]) -> AnnData:
    """Return a table of log-normalised counts with the classes to be tested."""
    import pandas as pd
    from anndata import AnnData

    rows = grouping.rows(*groups)
    counts = sparse.csr_matrix(table.X[rows], dtype=np.float32)
    total = np.asarray(counts.sum(axis=1)).ravel()
    middle = float(np.median(total[total > 0])) if (total > 0).any() else 1.0
    counts = sparse.diags_array(middle / np.where(total > 0, total, 1.0)) @ counts
    values = sparse.csr_matrix(counts.astype(np.float32))
    values.data = np.log1p(np.maximum(values.data, 0))
    names = np.asarray(grouping.names, dtype=object)[grouping.labels[rows]]
    obs = pd.DataFrame(
        {"group": pd.Categorical(names, categories=groups)}, table.obs_names[rows]
    )
    out = AnnData(values, obs, pd.DataFrame(index=table.var_names))
    out.uns["log1p"] = {"base": None}
    return out
