"""Score predictions of hidden entries against the table's own counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.analysis.calibration import calibration
from napari_scfm.analysis.levels import LEVELS
from napari_scfm.analysis.metrics import Scores, score_entries, summarise_entries
from napari_scfm.analysis.pooled import pooled_entries
from napari_scfm.analysis.ranks import LARGEST
from napari_scfm.analysis.strata import stratum_scores
from napari_scfm.experiments.result import ExperimentResult
from napari_scfm.experiments.tested import (
    cell_facts,
    gene_facts,
    hidden_entries,
    totals,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from anndata import AnnData

    from napari_scfm.analysis.entries import Entries
    from napari_scfm.experiments.result import Prediction
    from napari_scfm.experiments.spec import ExperimentSpec
    from napari_scfm.masks.mask import Mask


def score(
    spec: ExperimentSpec,
    table: AnnData,
    mask: Mask,
    predictions: Sequence[Prediction],
    notes: Sequence[str] = (),
    draws: Mapping[str, np.ndarray] | None = None,
) -> ExperimentResult:
    """Return the result of an experiment.

    All rows are scored on the same entries: those that every model can predict.

    Parameters
    ----------
    spec
        What was run.
    table
        The truth: raw counts, nothing hidden.
    mask
        What was hidden, in the table's order.
    predictions
        Of the mask's entries, in the order of its CSR matrix.
    notes
        What the reader of the numbers must know.
    draws
        Name of a prediction -> its repeats, (draws, entries) counts, which are judged
        by :func:`napari_scfm.analysis.calibration.calibration` with Poisson counting
        noise.
    """
    import pandas as pd

    hidden = hidden_entries(table, mask)
    test = _Test(table, mask, hidden, predictions)
    parts: dict[str, list[pd.DataFrame]] = {}
    for one in predictions:
        for name, frame in test.frames(one).items():
            told = frame.assign(model=one.name, kind=one.kind)
            first = ["model", "kind"]
            told = told[[*first, *(c for c in told.columns if c not in first)]]
            parts.setdefault(name, []).append(told)
    tables = {name: pd.concat(some, ignore_index=True) for name, some in parts.items()}
    tables["confusion"] = tables["confusion"].drop(columns="kind")
    place = np.cumsum(mask.touched) - 1
    return ExperimentResult(
        spec=spec,
        cells=mask.cells,
        genes=[str(gene) for gene in mask.touched_genes],
        rows=hidden.rows,
        columns=place[hidden.columns],
        truth_values=hidden.truth.astype(np.float32),
        predictions=tuple(predictions),
        notes=[*notes, *_unranked(hidden)],
        calibration=_calibrations(spec, hidden, draws or {}),
        **tables,
    )


class _Test:
    """Scores one prediction after the other on the same entries."""

    def __init__(
        self,
        table: AnnData,
        mask: Mask,
        hidden: Entries,
        predictions: Sequence[Prediction],
    ) -> None:
        self._mask, self._hidden = mask, hidden
        self._everybody = np.ones(len(hidden), dtype=bool)
        for one in predictions:
            self._everybody &= np.isfinite(one.values)
        self._entries = hidden.kept(self._everybody)
        self._totals = totals(table)
        touched = mask.touched
        facts = gene_facts(table)
        self._genes = {name: values[touched] for name, values in facts.items()}
        self._cells = cell_facts(table, mask)
        self._fovs = self._parts()

    def _parts(self) -> dict[str, tuple[np.ndarray, Entries, Entries]]:
        """Return each FOV's scored entries, and all that is hidden there."""
        found = {}
        names, code = np.unique(self._cells["fov"], return_inverse=True)
        for number, name in enumerate(names if len(names) > 1 else ()):
            inside = (code == number)[self._entries.rows]
            here = self._hidden.kept((code == number)[self._hidden.rows])
            if len(here):
                found[str(name)] = inside, self._entries.kept(inside), here
        return found

    def frames(self, one: Prediction) -> dict[str, pd.DataFrame]:
        """Return the tables of one prediction by their name in the result."""
        import pandas as pd

        values = one.values[self._everybody]
        scores = score_entries(self._entries, values, self._hidden)
        row = {
            **scores.summary,
            **pooled_entries(self._entries, values, self._totals),
            "n_genes_unlearnable": len(set(one.unlearnable) & set(self._names)),
            "n_entries_unpredicted": int(np.isnan(one.values).sum()),
        }
        return {
            "summary": pd.DataFrame([row]),
            "per_gene": self._per_gene(scores),
            "per_cell": self._per_cell(scores),
            "per_fov": self._per_fov(values, scores),
            "per_stratum": self._per_stratum(scores),
            "confusion": _long(scores.confusions.sum(axis=0)),
        }

    @property
    def _names(self) -> list[str]:
        return self._mask.touched_genes

    def _per_gene(self, scores: Scores) -> pd.DataFrame:
        import pandas as pd

        touched = self._mask.touched
        columns = {name: values[touched] for name, values in scores.genes.items()}
        return pd.DataFrame({"gene": self._names, **columns, **self._genes})

    def _per_cell(self, scores: Scores) -> pd.DataFrame:
        import pandas as pd

        columns = {"cell": self._mask.cells, **scores.cells, **self._cells}
        some = self._mask.hidden_per_cell > 0
        return pd.DataFrame({name: values[some] for name, values in columns.items()})

    def _per_fov(self, values: np.ndarray, scores: Scores) -> pd.DataFrame:
        import pandas as pd

        if not self._fovs:
            return pd.DataFrame([{"fov": self._cells["fov"][0], **scores.summary}])
        rows = [
            {"fov": name, **summarise_entries(here, values[inside], hidden)}
            for name, (inside, here, hidden) in self._fovs.items()
        ]
        return pd.DataFrame(rows)

    def _per_stratum(self, scores: Scores) -> pd.DataFrame:
        touched = self._mask.touched
        columns = {name: values[touched] for name, values in scores.genes.items()}
        return stratum_scores(
            self._genes["stratum"], columns, scores.confusions[touched]
        )


def _long(table: np.ndarray) -> pd.DataFrame:
    import pandas as pd

    true, predicted = np.divmod(np.arange(LEVELS**2), LEVELS)
    return pd.DataFrame({"true": true, "predicted": predicted, "n": table.ravel()})


def _unranked(hidden: Entries) -> list[str]:
    if len(hidden) <= LARGEST:
        return []
    return [
        f"Spearman's correlation is left out: it is computed for up to {LARGEST:,} "
        f"hidden entries, and there are {len(hidden):,}."
    ]


def _calibrations(
    spec: ExperimentSpec, hidden: Entries, draws: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    import pandas as pd

    found = [
        calibration(hidden.truth, some, seed=spec.seed).assign(model=name)
        for name, some in draws.items()
    ]
    if not found:
        return pd.DataFrame()
    table = pd.concat(found, ignore_index=True)
    return table[["model", *table.columns.drop("model")]]
