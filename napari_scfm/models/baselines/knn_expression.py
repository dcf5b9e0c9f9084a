"""Baseline: a cell shows what cells of like expression show.

Cells of other bags may be neighbours: a gene that a whole field of view does not
show is read from fields, or a reference, that show it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.models.baselines.baseline import Baseline, Pool, baseline_info
from napari_scfm.models.baselines.features import expression
from napari_scfm.models.baselines.knn_space import neighbour_means
from napari_scfm.models.baselines.neighbours import InExpression, InSpace, reach_for

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from napari_scfm.masks.mask import Mask
    from napari_scfm.progress import ProgressCallback

COMPONENTS = 50
"""Principal components in which cells are compared."""

NEIGHBOURS = 30
"""Cells that are averaged."""


class KnnExpression(Baseline):
    """Mean rate of the cells nearest in 50 principal components, times depth.

    Cells without any visible gene take the nearest cells in space.
    """

    info = replace(
        baseline_info(
            "knn-expression",
            "The mean of the 30 cells nearest in expression, times the cell's depth.",
        ),
        capabilities=frozenset({"impute", "embed"}),
    )

    def embed(
        self,
        table: AnnData,
        *,
        mask: Mask | None = None,
        progress: ProgressCallback | None = None,
    ) -> np.ndarray:
        """Return principal components of the visible genes, (cells, d <= 50)."""
        pool = self._ready(table, mask)._pool(table, mask)
        scores = expression(pool).scores(COMPONENTS)
        return scores[: pool.n_query].astype(np.float32)

    def _predict(
        self,
        pool: Pool,
        columns: NDArray[np.intp],
        progress: ProgressCallback | None,
    ) -> NDArray[np.float64]:
        shown = expression(pool)
        found = pool.gene_mean(columns)
        if not shown.usable[: pool.n_query].all():
            space = InSpace(pool.visible, pool.n_query)
            found = neighbour_means(pool, columns, space, found, progress)
        if not len(shown.columns):
            return found
        reach = reach_for(pool.visible.seen(columns), NEIGHBOURS)
        points = shown.scores(COMPONENTS)
        search = InExpression(points, pool.n_query, shown.usable, reach)
        return neighbour_means(pool, columns, search, found, progress, NEIGHBOURS)
