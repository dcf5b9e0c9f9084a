"""Baseline: a cell shows what the nearest cells in space show.

Refuses tables without coordinates: there it would be the gene mean by another name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm import keys
from napari_scfm.errors import ModelError
from napari_scfm.models.baselines.baseline import Baseline, Pool, baseline_info
from napari_scfm.models.baselines.neighbours import (
    InSpace,
    Search,
    mean_weights,
    reach_for,
    same_pattern,
)
from napari_scfm.progress import report

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scfm.progress import ProgressCallback

NEIGHBOURS = 5
"""Cells that are averaged."""


class KnnSpace(Baseline):
    """Mean rate of the 5 nearest cells of the bag that show the gene, times depth.

    A cell without any visible gene gets the mean count of those cells, since their
    depth is the best guess of its own. Where no cell of the bag shows the gene, the
    gene mean.
    """

    info = baseline_info(
        "knn-space", "The mean of the 5 nearest cells in space, times the cell's depth."
    )

    def _predict(
        self,
        pool: Pool,
        columns: NDArray[np.intp],
        progress: ProgressCallback | None,
    ) -> NDArray[np.float64]:
        if not np.isfinite(pool.visible.xy[: pool.n_query]).any():
            raise ModelError(
                "Model knn-space needs the places of the cells, and none of the "
                f"{pool.n_query} cells has one.",
                f"Put x and y in um into obsm[{keys.SPATIAL!r}], or use another model.",
            )
        reach = reach_for(pool.visible.seen(columns), NEIGHBOURS)
        search = InSpace(pool.visible, pool.n_query, reach)
        return neighbour_means(pool, columns, search, pool.gene_mean(columns), progress)


def neighbour_means(
    pool: Pool,
    columns: NDArray[np.intp],
    search: Search,
    otherwise: NDArray[np.float64],
    progress: ProgressCallback | None = None,
    k: int = NEIGHBOURS,
) -> NDArray[np.float64]:
    """Return depth times the mean rate of the k nearest cells that show a gene.

    Cells without any visible gene take the mean depth of these neighbours.

    Parameters
    ----------
    pool
        Cells; the first ``n_query`` are predicted.
    columns
        Genes.
    search
        What near means.
    otherwise
        (queried cells, columns) counts where no cell shows the gene.
    progress
        Told once for each group of genes that are visible in the same cells.
    k
        Neighbours.

    Returns
    -------
    (queried cells, columns) counts.
    """
    deep = pool.depth > 0
    rate = pool.visible.counts[:, columns].toarray().astype(np.float64)
    rate /= np.where(deep, pool.depth, 1.0)[:, None]
    shows = pool.visible.seen(columns) & deep[:, None]
    found = np.array(otherwise, dtype=np.float64)
    blank = pool.visible.blank[: pool.n_query]
    done = 0
    for members, seen in same_pattern(shows):
        weights = mean_weights(search, seen, k)
        has = np.flatnonzero(np.diff(weights.indptr) > 0)
        depth = np.where(blank, weights @ pool.depth, pool.depth[: pool.n_query])
        mean = weights[has] @ rate[:, members]
        found[np.ix_(has, members)] = depth[has, None] * mean
        done += len(members)
        report(progress, done, len(columns), "Averaging neighbours")
    return found
