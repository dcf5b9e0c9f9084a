"""What an in silico perturbation changed: arrays, and tables of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm import keys

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


@dataclass(frozen=True)
class Perturbation:
    """What changed in a model's predictions when counts were changed.

    Attributes
    ----------
    genes
        The changed genes.
    touched
        (cells,) bool: cells in which they were changed.
    changed
        (cells,) bool: those of them in which a count really became another.
    cells, targets
        Names of all cells, and of the predicted genes.
    before, change
        (cells, targets) float32 counts: the prediction as measured, and how much
        higher it is with the change; NaN where the model cannot predict.
    together
        (cells,) bool: cells that a model may read together with a changed one.
    distance
        (cells,) um to the nearest changed cell of the same FOV, NaN where there is
        none; None without coordinates.
    cell_types
        (cells,) names, or None.
    notes
        What the reader of the numbers must know.
    provenance
        Model, sha256, versions, and what was changed.
    """

    genes: tuple[str, ...]
    touched: np.ndarray
    changed: np.ndarray
    cells: np.ndarray
    targets: list[str]
    before: np.ndarray
    change: np.ndarray
    together: np.ndarray
    distance: np.ndarray | None = None
    cell_types: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def others(self) -> np.ndarray:
        """(cells,) bool: untouched cells that are read with a changed one.

        All touched cells where no other is left, as when every cell is changed.
        """
        rest = self.together & ~self.touched
        return rest if rest.any() else self.touched

    @property
    def per_gene(self) -> pd.DataFrame:
        """One row per predicted gene, most changed first.

        ``before``, ``change`` and ``abs_change`` are means over the other cells, in
        counts; ``relative`` is change / before; ``in_touched`` the mean change in the
        touched cells. There part of it is depth: predictions are scaled to the
        molecules of their own cell, of which a knock-out takes some away.
        """
        import pandas as pd

        rest, own = self.others, self.touched
        before, change = self.before[rest], self.change[rest]
        mean = before.mean(axis=0)
        out = pd.DataFrame(
            {
                "gene": self.targets,
                "before": mean,
                "change": change.mean(axis=0),
                "abs_change": np.abs(change).mean(axis=0),
                "relative": change.mean(axis=0) / np.where(mean > 0, mean, np.nan),
                "in_touched": _mean_rows(self.change[own]),
            }
        )
        return out.sort_values("abs_change", ascending=False, ignore_index=True)

    @property
    def by_type(self) -> pd.DataFrame:
        """Mean change (counts) of each gene in each cell type of the other cells.

        Genes are rows, in the order of `targets`; one column, "all cells", where no
        cell types are known.
        """
        import pandas as pd

        kinds = self._kinds[self.others]
        change = self.change[self.others]
        means = {kind: change[kinds == kind].mean(axis=0) for kind in pd.unique(kinds)}
        return pd.DataFrame(means, index=pd.Index(self.targets, name="gene"))

    @property
    def per_type(self) -> pd.DataFrame:
        """One row per cell type among the other cells, most changed first.

        ``abs_change`` is the mean over cells and genes, in counts; ``top_gene`` the
        gene whose mean changes most, by ``top_change`` counts. One row, "all cells",
        where no cell types are known.
        """
        import pandas as pd

        kinds = self._kinds[self.others]
        size = _mean_rows(np.abs(self.change[self.others]).T)
        means = self.by_type
        rows = []
        for kind in means.columns:
            mean = means[kind].to_numpy()
            top = int(np.nanargmax(np.abs(mean)))
            rows.append(
                {
                    "cell_type": kind,
                    "cells": int((kinds == kind).sum()),
                    "abs_change": float(size[kinds == kind].mean()),
                    "top_gene": self.targets[top],
                    "top_change": float(mean[top]),
                }
            )
        out = pd.DataFrame(rows)
        return out.sort_values("abs_change", ascending=False, ignore_index=True)

    @property
    def _kinds(self) -> np.ndarray:
        if self.cell_types is not None:
            return self.cell_types
        return np.full(len(self.cells), "all cells", dtype=object)

    @property
    def per_cell(self) -> pd.DataFrame:
        """One row per cell: touched, distance (um), mean absolute change (counts)."""
        import pandas as pd

        far = self.distance
        return pd.DataFrame(
            {
                "cell": self.cells,
                "touched": self.touched,
                "distance": np.full(len(self.cells), np.nan) if far is None else far,
                "abs_change": _mean_rows(np.abs(self.change).T),
            }
        )


def store(result: Perturbation, table: AnnData) -> str:
    """Write a result into its table; return where, for a person.

    The change goes to ``layers`` (genes of the table; NaN where not predicted), which
    cells were touched and how much each changed to ``obs``, what was done to ``uns``.
    """
    key = keys.perturbed(result.provenance["model"])
    change = np.full(table.shape, np.nan, np.float32)
    place = table.var_names.get_indexer(result.targets)
    change[:, place[place >= 0]] = result.change[:, place >= 0]
    table.layers[key] = change
    table.obs[key] = result.touched
    table.obs[f"{key}_change"] = result.per_cell["abs_change"].to_numpy()
    table.uns[keys.UNS] = result.provenance
    return f"layers['{key}'], obs['{key}'], obs['{key}_change']"


def _mean_rows(values: np.ndarray) -> np.ndarray:
    """Return the mean of each column over rows without NaN; NaN where there is none."""
    known = ~np.isnan(values)
    size = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    out = np.full(len(size), np.nan)
    np.divide(total, size, out=out, where=size > 0)
    return out
