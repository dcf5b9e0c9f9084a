"""What the baselines share: fitting, gene names, and which cells may be asked.

Decides that a baseline that was not fitted is fitted on the table it imputes, and
that a fitted cell which the table also holds is seen as the table and its mask show
it. Genes that neither the table nor the fit holds are columns of NaN.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.errors import ModelError
from napari_scfm.models.base import CellModel, ModelInfo
from napari_scfm.models.baselines.depth import Rates, depths, fit_rates
from napari_scfm.models.baselines.visible import Visible
from napari_scfm.progress import report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from napari_scfm.masks.mask import Mask
    from napari_scfm.progress import ProgressCallback


def baseline_info(name: str, description: str, citation: str = "") -> ModelInfo:
    """Return what is known of a baseline."""
    return ModelInfo(
        name=name,
        description=description,
        capabilities=frozenset({"impute"}),
        licence="BSD-3-Clause",
        citation=citation,
    )


@dataclass(frozen=True)
class Pool:
    """The cells of a table, followed by the fitted cells that it does not hold.

    Attributes
    ----------
    visible
        What may be seen of them.
    n_query
        How many, from the first, are to be imputed.
    rates
        Fitted share of each gene.
    depth
        (cells,) counts.
    """

    visible: Visible
    n_query: int
    rates: Rates
    depth: NDArray[np.float64]

    def gene_mean(self, columns: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return depth times gene rate, (queried cells, columns) in counts."""
        return np.outer(self.depth[: self.n_query], self.rates.values[columns])

    def relative_depth(self, rows: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return depth over its median in some rows, (cells,); 1 without rows."""
        middle = float(np.median(self.depth[rows])) if rows.any() else 0.0
        return self.depth / middle if middle > 0 else np.ones(len(self.depth))


class Baseline(CellModel):
    """A method without trained weights, fitted to visible entries.

    Attributes
    ----------
    unlearnable
        After ``fit``: genes that are visible in no fitted cell. They are predicted
        as the mean of the known genes' rates times the cell's depth.
    """

    def __init__(self) -> None:
        self.unlearnable: list[str] = []
        self._fitted: Visible | None = None

    def fit(
        self,
        table: AnnData,
        *,
        mask: Mask | None = None,
        progress: ProgressCallback | None = None,
    ) -> CellModel:
        """Remember the visible entries of a table; return the model itself.

        Parameters
        ----------
        table
            Cells to impute and cells to learn from, raw counts; bags by
            ``obs["fov"]``. Cells with NaN coordinates have no spatial neighbours.
        mask
            What is hidden, among it genes that a reference did not measure.
        progress
            Told when done.
        """
        self._fitted = Visible.of(table, mask)
        known = fit_rates(self._fitted).known
        self.unlearnable = [str(gene) for gene in self._fitted.genes[~known]]
        report(progress, 1, 1, f"Fitted {self.info.name}")
        return self

    def impute(
        self,
        table: AnnData,
        genes: Sequence[str],
        *,
        mask: Mask | None = None,
        neighbourhood: int | None = None,
        progress: ProgressCallback | None = None,
    ) -> np.ndarray:
        """Return predictions in counts, (cells, genes) float32.

        A gene that was neither fitted nor is in the table is a column of NaN. A
        model that was not fitted learns from the visible entries of this table.

        Raises
        ------
        ModelError
            If a neighbourhood is asked for: a baseline reads no bags.
        """
        if neighbourhood is not None:
            raise ModelError(
                f"Model {self.info.name} reads no bags of cells, so it has no "
                "neighbourhood to read.",
                "Leave it out, or choose a CellPLM model.",
            )
        model = self._ready(table, mask)
        pool = model._pool(table, mask)
        place = {gene: column for column, gene in enumerate(pool.visible.genes)}
        column = np.array([place.get(gene, -1) for gene in genes], dtype=np.intp)
        found = np.full((table.n_obs, len(column)), np.nan, dtype=np.float32)
        known = np.flatnonzero(column >= 0)
        if table.n_obs and len(known):
            unique, back = np.unique(column[known], return_inverse=True)
            values = model._predict(pool, unique, progress)
            found[:, known] = np.maximum(values, 0.0)[:, back]
        report(progress, 1, 1, f"Imputed with {self.info.name}")
        return found

    def _ready(self, table: AnnData, mask: Mask | None) -> Baseline:
        """Return this model if it is fitted, else one fitted on the table."""
        if self._fitted is not None:
            return self
        fresh = type(self)()
        fresh.fit(table, mask=mask)
        return fresh

    def _pool(self, table: AnnData, mask: Mask | None) -> Pool:
        assert self._fitted is not None
        query = Visible.of(table, mask, self._fitted.genes)
        held = set(query.cells)
        other = np.array([cell not in held for cell in self._fitted.cells], dtype=bool)
        both = query.followed_by(self._fitted.rows(other)) if other.any() else query
        rates = fit_rates(both)
        return Pool(both, query.n_cells, rates, depths(both, rates))

    @abstractmethod
    def _predict(
        self,
        pool: Pool,
        columns: NDArray[np.intp],
        progress: ProgressCallback | None,
    ) -> NDArray[np.float64]:
        """Return counts of the queried cells, (pool.n_query, columns)."""
