"""Baseline: nothing is expressed. What an error is worth is seen beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.models.baselines.baseline import Baseline, Pool, baseline_info

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scfm.progress import ProgressCallback


class Zeros(Baseline):
    """Predicts 0 everywhere."""

    info = baseline_info("zeros", "No counts at all, for comparison.")

    def _predict(
        self,
        pool: Pool,
        columns: NDArray[np.intp],
        progress: ProgressCallback | None,
    ) -> NDArray[np.float64]:
        return np.zeros((pool.n_query, len(columns)))
