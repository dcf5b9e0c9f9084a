"""MAGIC: a cell shows what a walk over cells of like expression meets.

The graph and its diffusion operator are those of the package magic-impute (van Dijk et
al., Cell 2018). What diffuses is decided here, since the original takes a hidden zero
for a measured one: the graph is made from genes that every bag shows, single hidden
entries of them filled with the gene's mean; then the visible rates and the visibility
itself both diffuse, and their quotient is the prediction, so that a walk which ends on
a hidden entry has no say. Rates diffuse as they are, not their square roots, so that
predictions are means of counts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.models.baselines.baseline import Baseline, Pool, baseline_info
from napari_scfm.models.baselines.features import shown_by_all
from napari_scfm.models.baselines.seeded import seeded
from napari_scfm.progress import report

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scfm.progress import ProgressCallback

STEPS = 3
"""Steps of the walk, ``t`` of the original."""

SETTINGS = {"knn": 5, "decay": 1, "n_pca": 100, "random_state": 0, "n_jobs": 1}
"""Of the graph, the defaults of the original, with a seed."""


class Magic(Baseline):
    """Diffused rate of the cells like it, times the cell's depth.

    A cell without any visible gene has no place in the graph: it gets the gene mean,
    and so does an entry that no walk from it ends visibly on.
    """

    info = replace(
        baseline_info(
            "magic",
            "MAGIC: rates diffused over a graph of cells of like expression.",
            "van Dijk et al., Cell 174: 716 (2018)",
        ),
        licence="GPL-2.0-only",
    )

    def _predict(
        self,
        pool: Pool,
        columns: NDArray[np.intp],
        progress: ProgressCallback | None,
    ) -> NDArray[np.float64]:
        found = pool.gene_mean(columns)
        points, usable = _points(pool)
        placed = np.flatnonzero(usable)
        if not points.shape[1] or len(placed) <= SETTINGS["knn"]:
            return found
        report(progress, 0, STEPS, "Making MAGIC's graph")
        walk = _operator(points[placed])
        rate = pool.visible.counts[placed][:, columns].toarray().astype(np.float64)
        rate /= pool.depth[placed, None]
        seen = pool.visible.seen(columns)[placed].astype(np.float64)
        rate *= seen
        for step in range(STEPS):
            rate, seen = walk @ rate, walk @ seen
            report(progress, step + 1, STEPS, "Diffusing")
        rows = placed[placed < pool.n_query]
        rate, seen = rate[: len(rows)], seen[: len(rows)]
        mean = np.divide(rate, seen, out=np.full_like(rate, np.nan), where=seen > 1e-9)
        counts = mean * pool.depth[rows, None]
        found[rows] = np.where(np.isnan(counts), found[rows], counts)
        return found


def _points(pool: Pool) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return square roots of normalised visible counts, and who has any.

    Of the genes all bags show; hidden entries hold the gene's mean over visible ones.
    """
    visible = pool.visible
    columns = np.flatnonzero(shown_by_all(visible))
    usable = ~visible.blank & (pool.depth > 0)
    unit = np.where(usable, pool.relative_depth(usable), np.inf)
    values = np.sqrt(visible.counts[:, columns].toarray() / unit[:, None])
    seen = visible.seen(columns) & usable[:, None]
    total = np.where(seen, values, 0.0).sum(axis=0)
    mean = total / np.maximum(seen.sum(axis=0), 1)
    return np.where(seen, values, mean), usable


def _operator(points: NDArray[np.float64]) -> Any:
    """Return the (cells, cells) row-stochastic operator of MAGIC's graph."""
    varies = np.ptp(points, axis=0) > 0
    with seeded(0):
        from magic import MAGIC

        found = MAGIC(verbose=0, **SETTINGS).fit(points[:, varies]).diff_op
    return found.tocsr()
