"""Baseline: every cell shows a gene's mean, scaled by the cell's depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_scfm.models.baselines.baseline import Baseline, Pool, baseline_info

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_scfm.progress import ProgressCallback


class GeneMean(Baseline):
    """Depth of the cell times the gene's share of the visible counts."""

    info = baseline_info(
        "gene-mean", "The mean of each gene over visible cells, times the cell's depth."
    )

    def _predict(
        self,
        pool: Pool,
        columns: NDArray[np.intp],
        progress: ProgressCallback | None,
    ) -> NDArray[np.float64]:
        return pool.gene_mean(columns)
