"""gimVI: one latent space for tissue and reference, read out in the missing genes.

The network is that of scvi-tools (Lopez et al., 2019), with its default likelihoods,
trained anew on the visible part of every table. Its decoder says each gene's share; a
cell's shares are scaled to its visible counts.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.models.baselines.baseline import Baseline, Pool, baseline_info
from napari_scfm.models.baselines.beside import Beside, carried_over
from napari_scfm.models.baselines.seeded import seeded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from napari_scfm.progress import ProgressCallback

EPOCHS = 200
"""The default of scvi-tools."""
SEED = 0

_LOGGERS = (
    *("scvi", "lightning.pytorch", "lightning.pytorch.utilities.rank_zero"),
    "lightning.fabric.utilities.seed",
)


class GimVI(Baseline):
    """Decoded shares of the genes, times what the cell shows.

    Needs a reference. Cells without any visible count, and genes that it does not
    measure, get the gene mean; genes that it measures without a count are 0.
    """

    info = baseline_info(
        "gimvi",
        "gimVI (scvi-tools): tissue and reference in one latent; needs a reference.",
        "Lopez et al., arXiv 1905.02269 (2019)",
    )

    def _predict(
        self,
        pool: Pool,
        columns: NDArray[np.intp],
        progress: ProgressCallback | None,
    ) -> NDArray[np.float64]:
        return carried_over(
            pool, columns, self.info.name, _shares, EPOCHS, "Training gimVI", progress
        )


def _shares(part: Beside, tell: Callable[[], None]) -> NDArray[np.float64]:
    """Return (rows, genes) shares as the trained network decodes them."""
    from anndata import AnnData

    there = np.flatnonzero(part.reference.sum(axis=0) > 0)
    names = np.array([str(gene) for gene in range(part.reference.shape[1])])
    full = part.reference[:, part.shared].sum(axis=1) > 0
    reference = AnnData(part.reference[np.ix_(full, there)].astype(np.float32))
    reference.var_names = names[there]
    # likelihoods of counts: what stands in for a hidden entry is rounded
    tissue = AnnData(np.rint(part.tissue).astype(np.float32))
    tissue.var_names = names[part.shared]
    with seeded(SEED):
        # before its loggers are silenced: it sets their levels
        from scvi.external import GIMVI
    with seeded(SEED, *_LOGGERS), _settled():
        GIMVI.setup_anndata(reference)
        GIMVI.setup_anndata(tissue)
        network = GIMVI(reference, tissue)
        network.train(
            max_epochs=EPOCHS,
            accelerator="cpu",
            enable_progress_bar=False,
            enable_model_summary=False,
            logger=False,
            enable_checkpointing=False,
            callbacks=[_each_epoch(tell)],
        )
        decoded = network.get_imputed_values(normalized=True)[1]
    shares = np.zeros((len(part.rows), part.reference.shape[1]))
    shares[:, there] = decoded
    return shares


@contextmanager
def _settled() -> Iterator[None]:
    """Let scvi-tools draw which cells it trains on with our seed, here only."""
    from scvi import settings

    before = settings.seed
    settings.seed = SEED
    try:
        yield
    finally:
        settings.seed = before


def _each_epoch(tell: Callable[[], None]) -> Any:
    """Return a callback of the trainer that tells of every epoch."""
    from lightning.pytorch.callbacks import Callback

    class Told(Callback):  # type: ignore[misc]
        """Says after each epoch that one is over."""

        def on_train_epoch_end(self, *args: Any) -> None:
            tell()

    return Told()
