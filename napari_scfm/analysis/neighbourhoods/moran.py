"""Moran's I: which genes vary over the tissue, as measured and as predicted.

squidpy's I (Moran 1950) on row-normalised spatial neighbours. Values are log1p of
counts at equal depth, less their mean in the FOV, so that FOVs that differ as a whole
do not make a gene look spatial. Measured and predicted counts are divided by the same
depth, that of the measured counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_scfm.analysis.neighbourhoods.adjust import adjusted
from napari_scfm.analysis.neighbourhoods.graph import (
    SpatialGraph,
    bare_table,
    spatial_graph,
)
from napari_scfm.analysis.neighbourhoods.quiet import quiet_squidpy
from napari_scfm.errors import ScfmError, named
from napari_scfm.progress import report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd
    from anndata import AnnData

    from napari_scfm.progress import ProgressCallback

_BLOCK = 100
"""Genes that are made dense at a time."""

_KEPT = {"I": "I", "p_value": "pval_norm", "variance": "var_norm"}


def moran(
    table: AnnData,
    genes: Sequence[str] | None = None,
    layer: str | None = None,
    *,
    graph: SpatialGraph | None = None,
    permutations: int = 0,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> pd.DataFrame:
    """Rank genes by Moran's I, as measured and as a model says, side by side.

    Parameters
    ----------
    table
        Raw counts and positions in um.
    genes
        Default: all measured genes, and all others that ``layer`` holds.
    layer
        Predicted counts: a key of ``layers`` (measured genes) or ``obsm`` (a data frame
        of genes that were not measured), or of both.
    graph
        Of the same cells; default: the 6 nearest cells.
    permutations, seed
        Shuffles of the cells for ``p_permuted``; 0 for none.
    progress
        Told after every 100 genes.

    Returns
    -------
    DataFrame, the largest I first, index: gene. Columns: I, variance (of I under
    normality), p_value (one-sided, under normality), q_value (Benjamini and Hochberg
    1995), cells (share of cells with a count), p_permuted where asked for; with a layer
    the same with the suffix ``_predicted``. NaN for a gene that is the same in all
    cells, or that was not measured or not predicted.

    Raises
    ------
    ScfmError
        If there is no such layer, no such gene, or no two cells are neighbours.
    """
    import pandas as pd

    graph = spatial_graph(table, progress=progress) if graph is None else graph
    if not graph.n_edges:
        raise ScfmError(f"No two cells are neighbours: {graph.about}.", "Ask for more.")
    sources: dict[str, _Values] = {"": _Measured(table)}
    if layer is not None:
        sources["_predicted"] = _predicted(table, layer)
    asked = list(dict.fromkeys(genes or [g for one in sources.values() for g in one]))
    unknown = [g for g in asked if not any(g in one for one in sources.values())]
    if unknown:
        raise ScfmError(
            f"The table holds no {named(unknown, 20)}.", "Check the names of genes."
        )
    held = {end: [g for g in asked if g in one] for end, one in sources.items()}
    steps = _Steps(sum(map(len, held.values())), progress)
    made = pd.DataFrame(index=pd.Index(asked, name="gene"))
    for end, source in sources.items():
        part = _scored(source, held[end], graph, (permutations, seed), steps)
        made = made.join(part.add_suffix(end))
    first = made["I"].fillna(made.get("I_predicted", made["I"]))
    return made.loc[first.sort_values(ascending=False, kind="stable").index]


def store_moran(table: AnnData, made: pd.DataFrame, layer: str | None = None) -> None:
    """Write it where ``squidpy.gr.spatial_autocorr`` does: ``uns["moranI"]``.

    Parameters
    ----------
    table
        Gets the frames.
    made
        From :func:`moran`.
    layer
        Predictions are written to ``uns["<layer>_moranI"]``.
    """
    ends = {"": "moranI"} if layer is None else {"": "moranI", "_predicted": layer}
    for end, key in ends.items():
        part = made[[f"{name}{end}" for name in (*_KEPT, "q_value")]]
        part.columns = [*_KEPT.values(), "pval_norm_fdr_bh"]
        kept = part.dropna(subset="I").sort_values("I", ascending=False)
        table.uns[key if not end else f"{key}_moranI"] = kept


class _Steps:
    """Counts genes for a progress callback."""

    def __init__(self, total: int, progress: ProgressCallback | None) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def add(self, number: int) -> None:
        self._done += number
        report(self._progress, self._done, self._total, "Scoring genes")


class _Values:
    """Genes of one source, as dense blocks of counts at equal depth."""

    def __init__(
        self, table: AnnData, places: dict[str, int], cut: Callable[..., np.ndarray]
    ) -> None:
        depth = np.asarray(table.X.sum(axis=1), dtype=np.float64).ravel()
        usual = float(np.median(depth[depth > 0])) if (depth > 0).any() else 1.0
        self._factor = np.divide(
            usual, depth, out=np.zeros_like(depth), where=depth > 0
        )
        self._places, self._cut = places, cut

    def __contains__(self, gene: str) -> bool:
        return gene in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def block(self, genes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return (n, genes) log1p values, and the share of cells above 0."""
        counts = np.asarray(self._cut([self._places[gene] for gene in genes]))
        share = (counts > 0).mean(axis=0)
        return np.log1p(np.clip(counts, 0, None) * self._factor[:, None]), share


class _Measured(_Values):
    def __init__(self, table: AnnData) -> None:
        counts = sparse.csc_array(table.X, dtype=np.float64)
        places = {str(gene): at for at, gene in enumerate(table.var_names)}
        super().__init__(table, places, lambda at: counts[:, at].toarray())


def _predicted(table: AnnData, layer: str) -> _Values:
    """Return what a layer and the frame of the same key hold."""
    import pandas as pd

    blocks: list[pd.DataFrame] = []
    if layer in table.layers:
        values = table.layers[layer]
        values = values.toarray() if sparse.issparse(values) else np.asarray(values)
        blocks.append(pd.DataFrame(values, columns=table.var_names))
    if layer in table.obsm and isinstance(table.obsm[layer], pd.DataFrame):
        blocks.append(table.obsm[layer].reset_index(drop=True))
    if not blocks:
        raise ScfmError(
            f"The table holds no predicted counts {layer!r}.",
            f"It holds {named([*table.layers, *table.obsm], 12)}; write some with "
            "`napari-scfm impute`.",
        )
    whole = pd.concat(blocks, axis=1).dropna(axis=1, how="any")
    values = whole.to_numpy(np.float64)
    places = {str(gene): at for at, gene in enumerate(whole.columns)}
    return _Values(table, places, lambda at: values[:, at])


def _scored(
    source: _Values,
    genes: list[str],
    graph: SpatialGraph,
    draws: tuple[int, int],
    steps: _Steps,
) -> pd.DataFrame:
    import pandas as pd

    names = ["I", "variance", "p_value", "cells", *(["p_permuted"] * (draws[0] > 0))]
    made = pd.DataFrame(np.nan, index=pd.Index(genes, name="gene"), columns=names)
    for start in range(0, len(genes), _BLOCK):
        some = genes[start : start + _BLOCK]
        values, share = source.block(some)
        values = _centred(values, graph.homes)
        made.loc[some, "cells"] = share
        varies = np.flatnonzero(np.ptp(values, axis=0) > 0)
        if len(varies):
            found = _squidpy(values[:, varies], graph, draws)
            made.loc[[some[at] for at in varies], found.columns] = found.to_numpy()
        steps.add(len(some))
    made.insert(3, "q_value", adjusted(made["p_value"].to_numpy()))
    return made


def _centred(values: np.ndarray, homes: np.ndarray) -> np.ndarray:
    """Return values less their mean in the FOV."""
    size = np.bincount(homes)
    member = sparse.csr_array(
        (np.ones(len(homes)), (homes, np.arange(len(homes)))),
        shape=(len(size), len(homes)),
    )
    return np.asarray(values - (member @ values / np.maximum(size, 1)[:, None])[homes])


def _squidpy(
    values: np.ndarray, graph: SpatialGraph, draws: tuple[int, int]
) -> pd.DataFrame:
    nowhere = np.zeros((len(values), 2))
    bare = bare_table(nowhere, graph.homes, graph, values)
    permutations, seed = draws
    with quiet_squidpy() as squidpy:
        made = squidpy.gr.spatial_autocorr(
            bare,
            mode="moran",
            genes=list(bare.var_names),
            n_perms=permutations or None,
            seed=seed,
            corr_method=None,
            copy=True,
            show_progress_bar=False,
        )
    found: pd.DataFrame = made.loc[bare.var_names]
    kept = {there: here for here, there in _KEPT.items()} | {"pval_sim": "p_permuted"}
    return found[[name for name in kept if name in found]].rename(columns=kept)
