"""ReportData: what a report shows, as plain tables and arrays.

Taken from anything that has the fields of an experiment's result; frames that an
older result does not have are empty here, and the chart that needs them says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.errors import ScfmError, counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd


@dataclass(frozen=True, eq=False)
class ReportData:
    """An experiment's numbers, ready to draw.

    Attributes
    ----------
    models
        Names, in the summary's order: models first, then baselines.
    kinds
        Name -> "model" or "baseline".
    cells, genes
        Names of the table's cells, and of the genes with hidden entries.
    rows, columns
        (entries,) positions of each hidden entry in ``cells`` and ``genes``.
    truth
        (entries,) measured counts.
    predictions
        Model -> (entries,) predicted counts, NaN where it cannot predict.
    summary, per_gene, per_cell, confusion, calibration, per_fov
        Tables as in the result; empty where it has none.
    notes
        What the reader of the numbers must know.
    about
        Where the numbers come from: model, sha256, seed, mask, versions, slide.
    """

    models: tuple[str, ...]
    kinds: Mapping[str, str]
    cells: np.ndarray
    genes: Sequence[str]
    rows: np.ndarray
    columns: np.ndarray
    truth: np.ndarray
    predictions: Mapping[str, np.ndarray]
    summary: pd.DataFrame
    per_gene: pd.DataFrame
    per_cell: pd.DataFrame
    confusion: pd.DataFrame
    calibration: pd.DataFrame
    per_fov: pd.DataFrame
    notes: Sequence[str] = ()
    about: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, result: Any, **about: Any) -> ReportData:
        """Return the numbers of an ``ExperimentResult``; ``about`` adds facts."""
        import pandas as pd

        def frame(name: str) -> pd.DataFrame:
            found = getattr(result, name, None)
            return pd.DataFrame() if found is None else found

        return cls(
            tuple(one.name for one in result.predictions),
            {one.name: one.kind for one in result.predictions},
            np.asarray(result.cells, dtype=object),
            list(result.genes),
            np.asarray(result.rows),
            np.asarray(result.columns),
            np.asarray(result.truth_values),
            {one.name: one.values for one in result.predictions},
            frame("summary"),
            frame("per_gene"),
            frame("per_cell"),
            frame("confusion"),
            frame("calibration"),
            frame("per_fov"),
            tuple(result.notes),
            _facts(result) | about,
        )

    @property
    def model(self) -> str:
        """The model that the experiment is about."""
        return self.models[0]

    @property
    def baselines(self) -> list[str]:
        """Names of the baselines."""
        return [name for name in self.models if self.kinds[name] == "baseline"]

    @property
    def title(self) -> str:
        """Slide and fields of view."""
        fovs = ", ".join(self.about.get("fovs", ()))
        return ", ".join(part for part in (self.about.get("slide", ""), fovs) if part)

    @cached_property
    def scored(self) -> np.ndarray:
        """(entries,) whether every model predicts the entry, so that it counts."""
        keep = np.ones(len(self.truth), dtype=bool)
        for values in self.predictions.values():
            keep &= np.isfinite(values)
        return keep

    @cached_property
    def blind(self) -> list[str]:
        """Models that cannot predict every hidden entry."""
        return [n for n, v in self.predictions.items() if not np.isfinite(v).all()]

    @property
    def left_out(self) -> str:
        """How many hidden entries no chart shows, and why; "" if there are none."""
        lost = int((~self.scored).sum())
        if not lost:
            return ""
        entries = f"{lost:,} hidden {'entry' if lost == 1 else 'entries'}"
        return f"Left out: {entries} that {' or '.join(self.blind)} cannot predict."

    def of_model(self, table: str, model: str) -> pd.DataFrame:
        """Return one model's rows of a table; an empty table if it has none."""
        self.check(model)
        frame: pd.DataFrame = getattr(self, table)
        if frame.empty or "model" not in frame:
            return frame
        return frame[frame["model"] == model].reset_index(drop=True)

    def check(self, model: str) -> None:
        """Refuse a model that the experiment did not run.

        Raises
        ------
        ScfmError
            If it is none of ``models``.
        """
        if model not in self.models:
            raise ScfmError(
                f"The experiment has no prediction by {model!r}.",
                f"It ran {', '.join(self.models)}.",
            )

    @property
    def extent(self) -> str:
        """How much was hidden, in words."""
        return ", ".join(
            (
                counted(len(self.genes), "gene"),
                f"{np.count_nonzero(np.bincount(self.rows)):,} cells",
                f"{len(self.truth):,} hidden entries",
            )
        )


def _facts(result: Any) -> dict[str, Any]:
    """Return where a result comes from, as plain values."""
    from napari_scfm.masks.describe import describe

    spec, first = result.spec, result.predictions[0]
    facts: dict[str, Any] = {
        "slide": spec.slide,
        "fovs": list(spec.fovs),
        "hidden": describe(spec.mask),
        "seed": spec.seed,
        "models": {
            one.name: str(one.provenance.get("sha256") or "")
            for one in result.predictions
        },
        "versions": dict(spec.versions or first.provenance.get("versions", {})),
    }
    for name in ("fingerprint", "reference", "neighbourhood", "in_turn", "draws"):
        if getattr(spec, name):
            facts[name] = getattr(spec, name)
    if spec.bags is not None:
        facts["bags"] = spec.bags.model_dump()
    return facts
