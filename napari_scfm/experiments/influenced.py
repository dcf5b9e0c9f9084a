"""What knocking out its neighbours did to a cell's prediction: arrays and tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.errors import counted

if TYPE_CHECKING:
    import pandas as pd

NOTHING = 1e-5
"""A change below this (log1p counts) is rounding."""


@dataclass(frozen=True)
class Knockouts:
    """Predictions for one cell while others are hidden.

    Attributes
    ----------
    rows
        (n,) positions in the table of the cells that are hidden in turn.
    cells
        (n,) their names.
    distance
        (n,) um to the cell that is predicted.
    types
        (n,) cell types, or None.
    single
        (n, genes) counts predicted with each of them hidden alone.
    joint
        (genes,) counts predicted with all of them hidden.
    """

    rows: np.ndarray
    cells: np.ndarray
    distance: np.ndarray
    types: np.ndarray | None
    single: np.ndarray
    joint: np.ndarray


@dataclass(frozen=True)
class Influence:
    """Which cells mattered for the prediction of one cell.

    Changes are means over the predicted genes, on log1p counts.

    Attributes
    ----------
    model
        Name of the model.
    cell, row
        The cell that is predicted: its name and its position in the table.
    genes
        Names of its hidden genes.
    truth, before
        (genes,) counts: measured; and predicted with every neighbour visible, NaN
        where the model cannot predict.
    near, far
        Its nearest visible cells; and as many random cells far away, the yardstick.
    notes
        What the reader of the numbers must know.
    provenance
        Model, sha256, seed, versions, and what was knocked out.
    """

    model: str
    cell: str
    row: int
    genes: list[str]
    truth: np.ndarray
    before: np.ndarray
    near: Knockouts
    far: Knockouts
    notes: list[str] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)

    def change(self, after: np.ndarray) -> np.ndarray:
        """Return (...) mean |log1p(after) - log1p(before)| of (..., genes) counts."""
        return _mean(np.abs(_log(after) - _log(self.before)))

    def error_change(self, after: np.ndarray) -> np.ndarray:
        """Return (...) how much larger the error is than before.

        Mean |log1p(after) - log1p(truth)| less that of the prediction before; above 0
        the guess became worse without the hidden cells.
        """
        truth = _log(self.truth)
        was = _mean(np.abs(_log(self.before) - truth))
        return np.asarray(_mean(np.abs(_log(after) - truth)) - was)

    @property
    def per_neighbour(self) -> pd.DataFrame:
        """One row per neighbour, the one that mattered most first.

        ``cell``, ``cell_type`` ("" if not known), ``distance`` (um), ``change`` and
        ``error_change`` of the prediction when this cell alone is hidden, and
        ``beyond_far``: whether that is more than any far cell did.
        """
        found = self._singles(self.near)
        changes = self.change(self.far.single)
        most = max(float(changes.max(initial=0.0)), NOTHING)
        found["beyond_far"] = found["change"] > most
        return found.sort_values("change", ascending=False, ignore_index=True)

    @property
    def per_gene(self) -> pd.DataFrame:
        """One row per hidden gene, most changed by the joint knock-out first.

        ``truth``, ``before``, ``without_neighbours`` and ``without_far`` in counts;
        ``neighbour``: the one whose loss alone changes this gene most.
        """
        import pandas as pd

        single = np.abs(_log(self.near.single) - _log(self.before))
        best = np.where(np.isnan(single), -1.0, single).argmax(axis=0)
        out = pd.DataFrame(
            {
                "gene": self.genes,
                "truth": self.truth,
                "before": self.before,
                "without_neighbours": self.near.joint,
                "without_far": self.far.joint,
                "neighbour": self.near.cells[best],
            }
        )
        moved = np.abs(_log(self.near.joint) - _log(self.before))
        order = np.argsort(-np.nan_to_num(moved, nan=-1.0), kind="stable")
        return out.iloc[order].reset_index(drop=True)

    @property
    def table(self) -> pd.DataFrame:
        """Every knock-out as a row: each neighbour, all of them, the same for far.

        Columns of :attr:`per_neighbour`, with ``hidden`` in front: "neighbour", "all
        neighbours", "far cell" or "all far cells".
        """
        import pandas as pd

        far = self._singles(self.far).sort_values("change", ascending=False)
        parts = [
            self.per_neighbour.assign(hidden="neighbour"),
            self._jointly(self.near, "all neighbours"),
            far.assign(hidden="far cell"),
        ]
        if len(self.far.rows):
            parts.append(self._jointly(self.far, "all far cells"))
        out = pd.concat([part for part in parts if len(part)], ignore_index=True)
        return out[["hidden", *(name for name in out.columns if name != "hidden")]]

    @property
    def ignores_neighbours(self) -> bool:
        """Whether nothing that was hidden changed the prediction."""
        changes = [self.change(self.near.single), self.change(self.near.joint)[None]]
        return bool(np.nanmax(np.concatenate(changes), initial=0.0) <= NOTHING)

    @property
    def sentence(self) -> str:
        """What came out, for a person."""
        number = counted(len(self.near.rows), "neighbour")
        if np.isnan(self.change(self.near.joint)) and self.ignores_neighbours:
            return f"Without its {number} nothing is left for {self.model} to read."
        if self.ignores_neighbours:
            return (
                f"{self.model} ignores the neighbours of {self.cell}: hiding {number}, "
                "one by one and all at once, changed nothing."
            )
        best = self.per_neighbour.iloc[0]
        kind = f"{best['cell_type']}, " if best["cell_type"] else ""
        return (
            f"Without {best['cell']} ({kind}{best['distance']:.0f} µm) the guess of "
            f"{self.model} moves most, by {best['change']:.2g} (mean over genes, log1p "
            f"counts). {self._all_at_once(number)}"
        )

    def _all_at_once(self, number: str) -> str:
        joint = float(self.change(self.near.joint))
        if np.isnan(joint):
            return f"Without all {number} nothing is left to read."
        worse = float(self.error_change(self.near.joint))
        text = f"Without all {number} it moves by {joint:.2g} and gets "
        text += f"{'worse' if worse > 0 else 'better'} by {abs(worse):.2g}"
        if not len(self.far.rows):
            return f"{text}."
        far = float(self.change(self.far.joint))
        text += f"; without {counted(len(self.far.rows), 'far cell')} by {far:.2g}."
        if joint <= far:
            text += " Near cells mattered no more than far ones."
        return text

    def _singles(self, part: Knockouts) -> pd.DataFrame:
        import pandas as pd

        kinds = part.types
        return pd.DataFrame(
            {
                "cell": part.cells,
                "cell_type": "" if kinds is None else kinds,
                "distance": part.distance,
                "change": self.change(part.single),
                "error_change": self.error_change(part.single),
            }
        )

    def _jointly(self, part: Knockouts, name: str) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame(
            {
                "hidden": [name],
                "cell": [" ".join(map(str, part.cells))],
                "cell_type": [""],
                "distance": [float(part.distance.mean())],
                "change": [float(self.change(part.joint))],
                "error_change": [float(self.error_change(part.joint))],
            }
        )


def _log(counts: np.ndarray) -> np.ndarray:
    return np.asarray(np.log1p(np.maximum(counts, 0.0, dtype=np.float64)))


def _mean(values: np.ndarray) -> np.ndarray:
    """Return the mean of the last axis over what is known; NaN where nothing is."""
    known = ~np.isnan(values)
    size = known.sum(axis=-1)
    total = np.where(known, values, 0.0).sum(axis=-1)
    return np.asarray(np.where(size > 0, total / np.maximum(size, 1), np.nan))
