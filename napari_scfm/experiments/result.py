"""ExperimentResult: what was hidden, what was guessed, and how good that was."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.errors import SpecError
from napari_scfm.experiments.files import check_writable
from napari_scfm.experiments.spec import ExperimentSpec, read_spec

if TYPE_CHECKING:
    import pandas as pd

_PARTS = ("spec.json", "about.json", "entries.npz", "per_gene.parquet")


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
    """

    name: str
    kind: str
    values: np.ndarray
    unlearnable: tuple[str, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)


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
        The model's first, then the baselines'.
    summary
        One row per model and baseline.
    per_gene, per_cell
        One row per model and gene, or cell.
    notes
        What the reader of the numbers must know.
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

    @property
    def models(self) -> list[str]:
        """Names of the model and the baselines, in the summary's order."""
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
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            fresh.chmod(0o755)
            self._write(fresh)
            if folder.exists():
                shutil.rmtree(folder)
            fresh.rename(folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
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
        arrays: dict[str, Any] = {
            f"prediction_{i}": one.values for i, one in enumerate(self.predictions)
        }
        np.savez_compressed(
            folder / "entries.npz",
            rows=self.rows,
            columns=self.columns,
            truth=self.truth_values,
            **arrays,
        )


def check_result_folder(folder: str | Path) -> Path:
    """Refuse a folder that cannot be written or that holds something else.

    Raises
    ------
    ScfmError
        If a result cannot be written there.
    """
    folder = Path(folder)
    if folder.exists() and not _may_replace(folder):
        raise SpecError(
            f"{folder} exists and is no earlier result.",
            "Choose another folder; nothing was written.",
        )
    return check_writable(folder)


def _may_replace(folder: Path) -> bool:
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else {"a file"}
    return not names or set(_PARTS) <= names


def load_result(folder: str | Path) -> ExperimentResult:
    """Return a result that :meth:`ExperimentResult.save` wrote.

    Raises
    ------
    SpecError
        If the folder is no result; missing files are named.
    """
    import pandas as pd

    folder = Path(folder)
    needed = (*_PARTS, "per_cell.parquet", "summary.csv")
    missing = [name for name in needed if not (folder / name).is_file()]
    if missing:
        raise SpecError(
            f"{folder} is no experiment result: {', '.join(missing)} missing.",
            "Give the folder that an experiment wrote.",
        )
    about = json.loads((folder / "about.json").read_text("utf-8"))
    with np.load(folder / "entries.npz") as arrays:
        entries = dict(arrays)
    predictions = tuple(
        Prediction(
            one["name"],
            one["kind"],
            entries[f"prediction_{number}"],
            tuple(one["unlearnable"]),
            one["provenance"],
        )
        for number, one in enumerate(about["predictions"])
    )
    return ExperimentResult(
        read_spec(folder / "spec.json"),
        np.asarray(about["cells"], dtype=object),
        about["genes"],
        entries["rows"],
        entries["columns"],
        entries["truth"],
        predictions,
        pd.read_csv(folder / "summary.csv", float_precision="round_trip"),
        pd.read_parquet(folder / "per_gene.parquet"),
        pd.read_parquet(folder / "per_cell.parquet"),
        about["notes"],
    )
