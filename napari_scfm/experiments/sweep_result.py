"""SweepResult: one row of scores per run of a sweep, and the curves through them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_scfm.errors import SpecError
from napari_scfm.experiments.files import check_writable
from napari_scfm.experiments.result_folder import fresh_folder
from napari_scfm.experiments.sweep import SweepSpec, read_sweep_spec

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

PARTS = ("sweep.json", "about.json", "runs.parquet", "curves.csv")
"""Files of every sweep."""

MEASURES = (
    *("mcc_all", "mcc_expressed", "mae_counts", "mae_counts_expressed"),
    *("pearson", "rmse", "mae", "cosine"),
)
"""Columns through which curves are drawn."""

NUMBERS = (
    *("n_entries", "n_entries_expressed", "n_entries_left_out", "n_genes"),
    *("n_genes_defined", "n_genes_excluded", "n_cells", "n_cells_without_levels"),
)
"""How many items a row averages, and how many it leaves out."""


@dataclass(frozen=True)
class SweepResult:
    """Scores of a sweep.

    Attributes
    ----------
    spec
        What was run.
    table
        One row per value, seed and model: ``what``, ``value``, ``model``, ``kind``,
        ``seed``, the metrics and numbers of
        :func:`napari_scfm.analysis.metrics.summarise`.
    notes
        What the reader of the numbers must know.
    """

    spec: SweepSpec
    table: pd.DataFrame
    notes: list[str]

    @property
    def curves(self) -> pd.DataFrame:
        """Mean and standard deviation over seeds.

        One row per model and value: ``<measure>`` and ``<measure>_sd`` for each of
        :data:`MEASURES`, means over the seeds for which it is defined;
        ``<measure>_n``, their number; the means of :data:`NUMBERS`.
        """
        groups = self.table.groupby(["model", "kind", "value"], sort=False)
        parts = {}
        for name in MEASURES:
            parts[name] = groups[name].mean()
            parts[f"{name}_sd"] = groups[name].std(ddof=1)
            parts[f"{name}_n"] = groups[name].count()
        for name in NUMBERS:
            parts[name] = groups[name].mean()
        import pandas as pd

        found = pd.DataFrame(parts).reset_index()
        order = {name: place for place, name in enumerate(found["model"].unique())}
        return found.sort_values(
            ["model", "value"],
            key=lambda column: column.map(order) if column.name == "model" else column,
            ignore_index=True,
        )

    def save(
        self, folder: str | Path, also: Callable[[Path], object] | None = None
    ) -> Path:
        """Write the sweep into a folder that appears whole or not at all.

        Parameters
        ----------
        folder
            New, empty, or an earlier sweep, which is replaced.
        also
            Called with the folder to write more into it, such as charts.

        Raises
        ------
        SpecError
            If the folder holds something else.
        """
        folder = check_sweep_folder(folder)
        with fresh_folder(folder) as fresh:
            text = self.spec.model_dump_json(indent=2)
            (fresh / "sweep.json").write_text(text, "utf-8")
            about = json.dumps({"notes": self.notes}, indent=1)
            (fresh / "about.json").write_text(about, "utf-8")
            self.table.to_parquet(fresh / "runs.parquet", index=False)
            self.curves.to_csv(fresh / "curves.csv", index=False)
            if also is not None:
                also(fresh)
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> SweepResult:
        """Return a sweep that :meth:`save` wrote.

        Raises
        ------
        SpecError
            If the folder is no sweep; missing files are named.
        """
        import pandas as pd

        folder = Path(folder)
        missing = [name for name in PARTS if not (folder / name).is_file()]
        if missing:
            raise SpecError(
                f"{folder} is no sweep: {', '.join(missing)} missing.",
                "Give the folder that `napari-scfm sweep` wrote.",
            )
        about = json.loads((folder / "about.json").read_text("utf-8"))
        return cls(
            read_sweep_spec(folder / "sweep.json"),
            pd.read_parquet(folder / "runs.parquet"),
            about["notes"],
        )


def check_sweep_folder(folder: str | Path) -> Path:
    """Refuse a folder that cannot be written or that holds something else.

    Raises
    ------
    ScfmError
        If a sweep cannot be written there.
    """
    folder = Path(folder)
    if folder.exists():
        empty = folder.is_dir() and not any(folder.iterdir())
        if not empty and not all((folder / name).is_file() for name in PARTS):
            raise SpecError(
                f"{folder} exists and is no earlier sweep.",
                "Choose another folder; nothing was written.",
            )
    return check_writable(folder)
