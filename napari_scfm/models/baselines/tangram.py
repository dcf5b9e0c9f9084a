"""Tangram: reference cells are laid over the tissue and bring their genes.

The mapping is that of the package tangram-sc (Biancalani et al., Nature Methods 2021),
with its usual density term (as many molecules as a cell shows) and without filter, from
genes that both sides show. Each bag is mapped on
its own. A cell's profile is the mean of the reference cells that lie on it, weighted by
the mapping; it is scaled to the cell's visible counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.models.baselines.baseline import Baseline, Pool, baseline_info
from napari_scfm.models.baselines.beside import Beside, carried_over
from napari_scfm.models.baselines.seeded import seeded

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_scfm.progress import ProgressCallback

EPOCHS = 500
LEARNING_RATE = 0.1
SEED = 1
"""Of the mapping's start; the package takes 0 for none."""


class Tangram(Baseline):
    """Profiles of the reference cells mapped onto a cell, scaled to its counts.

    Needs a reference. Cells without any visible count, and genes that it does
    not measure, get the gene mean.
    """

    info = baseline_info(
        "tangram",
        "Tangram: reference cells mapped onto the tissue; needs a reference.",
        "Biancalani et al., Nature Methods 18: 1352 (2021)",
    )

    def _predict(
        self,
        pool: Pool,
        columns: NDArray[np.intp],
        progress: ProgressCallback | None,
    ) -> NDArray[np.float64]:
        return carried_over(
            pool,
            columns,
            self.info.name,
            _profiles,
            EPOCHS,
            "Mapping with Tangram",
            progress,
        )


def _profiles(part: Beside, tell: Callable[[], None]) -> NDArray[np.float64]:
    """Return (rows, genes) what the reference cells on each cell show."""
    mapping = _mapping(part, tell)
    return np.asarray(mapping.T @ _rates(part.reference, part.shared))


def _rates(
    reference: NDArray[np.float64], shared: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return counts over the cell's total of the shared genes."""
    total = reference[:, shared].sum(axis=1, keepdims=True)
    return np.asarray(reference / np.where(total > 0, total, np.inf))


def _mapping(part: Beside, tell: Callable[[], None]) -> NDArray[np.float64]:
    """Return (reference cells, rows) shares, each reference cell's summing to 1."""
    with seeded(SEED):
        from tangram.mapping_optimizer import Mapper

        class Told(Mapper):  # type: ignore[misc]
            """Says after each epoch that one is over."""

            def _loss_fn(self, verbose: bool = True) -> Any:
                tell()
                return super()._loss_fn(verbose)

        mapper = Told(
            S=part.reference[:, part.shared].astype(np.float32),
            G=part.tissue.astype(np.float32),
            d=part.tissue.sum(axis=1) / part.tissue.sum(),
            lambda_d=1,
            random_state=SEED,
        )
        found, _ = mapper.train(
            num_epochs=EPOCHS, learning_rate=LEARNING_RATE, print_each=None
        )
    return np.asarray(found, dtype=np.float64)
