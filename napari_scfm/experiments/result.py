"""ExperimentResult: what was hidden, what was guessed, and how good that was."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.errors import SpecError
from napari_scfm.experiments.entries import Entries, read_entries, write_entries
from napari_scfm.experiments.result_folder import (
    check_result_folder,
    fresh_folder,
    missing_parts,
)
from napari_scfm.experiments.spec import ExperimentSpec, read_spec

if TYPE_CHECKING:
    import pandas as pd

TABLES = ("confusion", "calibration", "per_fov", "per_stratum")
"""Tables that a result may lack, each a file of its own."""


def _no_rows() -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame()


@dataclass(frozen=True)
class Prediction:
    """What one model or baseline said.

    Attributes
    ----------
    name
        Of the model.
    kind
        "model" or "baseline".
    values
        (entries,) float32 predicted counts; NaN where it cannot predict.
    unlearnable
        Genes it had nothing to learn from.
    provenance
        Model, sha256, seed and versions.
    spread
        (entries,) float32 standard deviation of log1p counts over repeated
        predictions, or None where none were drawn.
    """

    name: str
    kind: str
    values: np.ndarray
    unlearnable: tuple[str, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    spread: np.ndarray | None = None


@dataclass(frozen=True)
class ExperimentResult:
    """Truth, predictions and scores of an experiment.

    Metrics are on log1p counts; columns are named as in the summary's docstring of
    :func:`napari_scfm.analysis.metrics.summarise`.

    Attributes
    ----------
    spec
        What was run.
    cells, genes
        Names of the table's cells, and of the genes with hidden entries.
    rows, columns
        (entries,) positions of each hidden entry in ``cells`` and ``genes``.
    truth_values
        (entries,) measured counts of the hidden entries.
    predictions
        The models' first, then the baselines'.
    summary
        One row per model and baseline.
    per_gene, per_cell
        One row per model and gene, or cell.
    notes
        What the reader of the numbers must know.
    confusion
        Entries of each model by true and predicted level.
    calibration
        How often intervals around the predictions hold the truth, where predictions
        were repeated.
    per_fov
        One row per field of view and model.
    per_stratum
        One row per sparsity stratum and model.
    """

    spec: ExperimentSpec
    cells: np.ndarray
    genes: list[str]
    rows: np.ndarray
    columns: np.ndarray
    truth_values: np.ndarray
    predictions: tuple[Prediction, ...]
    summary: pd.DataFrame
    per_gene: pd.DataFrame
    per_cell: pd.DataFrame
    notes: list[str]
    confusion: pd.DataFrame = field(default_factory=_no_rows)
    calibration: pd.DataFrame = field(default_factory=_no_rows)
    per_fov: pd.DataFrame = field(default_factory=_no_rows)
    per_stratum: pd.DataFrame = field(default_factory=_no_rows)

    @property
    def models(self) -> list[str]:
        """Names of the models and the baselines, in the summary's order."""
        return [one.name for one in self.predictions]

    def prediction(self, model: str | None = None) -> np.ndarray:
        """Return (entries,) predicted counts of a model; default: the spec's model.

        Raises
        ------
        SpecError
            If the experiment did not run that model.
        """
        for one in self.predictions:
            if model is None or one.name == model:
                return one.values
        raise SpecError(
            f"The experiment has no prediction by {model!r}.",
            f"It ran {', '.join(self.models)}.",
        )

    def matrix(self, model: str | None = None) -> np.ndarray:
        """Return (cells, genes) predicted counts, NaN where the entry was visible."""
        out = np.full((len(self.cells), len(self.genes)), np.nan, np.float32)
        out[self.rows, self.columns] = self.prediction(model)
        return out

    def truth(self) -> np.ndarray:
        """Return (cells, genes) measured counts, NaN where the entry was visible."""
        out = np.full((len(self.cells), len(self.genes)), np.nan, np.float32)
        out[self.rows, self.columns] = self.truth_values
        return out

    def save(self, folder: str | Path) -> Path:
        """Write the result into a folder that appears whole or not at all.

        Raises
        ------
        SpecError
            If the folder holds something else than an earlier result.
        """
        folder = check_result_folder(folder)
        with fresh_folder(folder) as fresh:
            self._write(fresh)
        return folder

    def _write(self, folder: Path) -> None:
        (folder / "spec.json").write_text(self.spec.model_dump_json(indent=2), "utf-8")
        self.summary.to_csv(folder / "summary.csv", index=False)
        self.per_gene.to_parquet(folder / "per_gene.parquet", index=False)
        self.per_cell.to_parquet(folder / "per_cell.parquet", index=False)
        about = {
            "cells": [str(cell) for cell in self.cells],
            "genes": self.genes,
            "notes": self.notes,
            "predictions": [
                {
                    "name": one.name,
                    "kind": one.kind,
                    "unlearnable": list(one.unlearnable),
                    "provenance": one.provenance,
                }
                for one in self.predictions
            ],
        }
        (folder / "about.json").write_text(json.dumps(about, indent=1), "utf-8")
        write_entries(
            folder,
            (self.cells, self.genes),
            (self.rows, self.columns),
            self.truth_values,
            self.predictions,
        )
        for name in TABLES:
            table: pd.DataFrame = getattr(self, name)
            if len(table.columns):
                table.to_parquet(folder / f"{name}.parquet", index=False)


def load_result(folder: str | Path) -> ExperimentResult:
    """Return a result that :meth:`ExperimentResult.save` wrote.

    Raises
    ------
    SpecError
        If the folder is no result; missing files are named.
    """
    import pandas as pd

    folder = Path(folder)
    missing = missing_parts(folder)
    if missing:
        raise SpecError(
            f"{folder} is no experiment result: {', '.join(missing)} missing.",
            "Give the folder that an experiment wrote.",
        )
    about = json.loads((folder / "about.json").read_text("utf-8"))
    cells = np.asarray(about["cells"], dtype=object)
    entries = read_entries(
        folder, cells, about["genes"], [one["name"] for one in about["predictions"]]
    )
    more = {
        name: pd.read_parquet(folder / f"{name}.parquet")
        for name in TABLES
        if (folder / f"{name}.parquet").is_file()
    }
    return ExperimentResult(
        read_spec(folder / "spec.json"),
        cells,
        about["genes"],
        entries.rows,
        entries.columns,
        entries.truth,
        _predictions(about["predictions"], entries),
        _read_summary(folder / "summary.csv"),
        pd.read_parquet(folder / "per_gene.parquet"),
        pd.read_parquet(folder / "per_cell.parquet"),
        about["notes"],
        **more,
    )


def _predictions(
    said: list[dict[str, Any]], entries: Entries
) -> tuple[Prediction, ...]:
    return tuple(
        Prediction(
            one["name"],
            one["kind"],
            values,
            tuple(one["unlearnable"]),
            one["provenance"],
            spread,
        )
        for one, values, spread in zip(
            said, entries.values, entries.spread, strict=True
        )
    )


def _read_summary(path: Path) -> pd.DataFrame:
    """Return a summary as it was: an empty note is text, an empty number is NaN."""
    import pandas as pd

    columns = pd.read_csv(path, nrows=0).columns
    texts = [name for name in columns if name in ("model", "kind") or "note" in name]
    return pd.read_csv(
        path,
        float_precision="round_trip",
        dtype=dict.fromkeys(texts, object),
        keep_default_na=False,
        na_values={name: [""] for name in columns if name not in texts},
    )
