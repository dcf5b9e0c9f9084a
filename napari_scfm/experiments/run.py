"""Run an experiment: hide, let the model and the baselines guess, score.

What any of them gets is a table in which hidden entries are zero already; the mask
says which zeros are not real. The truth is read only by the metrics.
"""

from __future__ import annotations

import copy
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_scfm import keys
from napari_scfm.errors import ModelError, SpecError, counted, named
from napari_scfm.experiments.provenance import provenance
from napari_scfm.experiments.reference import side_by_side, without_tested
from napari_scfm.experiments.result import ExperimentResult, Prediction
from napari_scfm.experiments.scoring import score
from napari_scfm.models.hub import load_model
from napari_scfm.models.places_probe import place_notes
from napari_scfm.models.scale import scale_note
from napari_scfm.progress import Progress, report
from napari_scfm.slides.checks import check_table

if TYPE_CHECKING:
    from anndata import AnnData

    from napari_scfm.experiments.spec import ExperimentSpec
    from napari_scfm.masks.mask import Mask
    from napari_scfm.models.base import CellModel
    from napari_scfm.progress import ProgressCallback


_STEPS = 100
"""Steps of progress per model."""


def run_experiment(
    table: AnnData,
    spec: ExperimentSpec,
    reference: AnnData | None = None,
    progress: ProgressCallback | None = None,
    model: CellModel | None = None,
) -> ExperimentResult:
    """Hide entries of a table, predict them, and compare with the truth.

    Parameters
    ----------
    table
        Raw counts of one or more FOVs.
    spec
        What to hide, which model, which baselines, which seed.
    reference
        Cells in which the hidden genes are measured (other FOVs, scRNA-seq); the
        baselines are fitted to them and to what is visible of ``table``. Cells of
        ``table`` among them are left out.
    progress
        Told by each model as it works; Cancelled raised in it stops at once.
    model
        What ``spec.model`` names, where it is loaded already or was never saved;
        default: it is loaded. It is not changed.

    Raises
    ------
    SpecError
        If the spec hides nothing, every cell, or cells of a table too small.
    ScfmError
        If the counts cannot be used, a name is unknown or a model refuses.
    """
    check_table(table, "the experiment's table", coordinates=False)
    mask = _resolved(table, spec)
    others, notes = without_tested(table, reference)
    shown = _with_counts(table, mask.visible(table))
    combined = side_by_side(shown, mask, others)
    names = list(dict.fromkeys([spec.model, *spec.baselines]))
    predictions = []
    for done, name in enumerate(names):
        tell = partial(_tell, progress, name, done, len(names))
        tell(Progress(0, 1))
        given = copy.copy(model) if name == spec.model else None
        guesser = given or load_model(name, spec.device, precision=spec.precision)
        predictions.append(_predicted(guesser, name, spec, shown, mask, combined, tell))
        if name == spec.model:
            notes += place_notes(guesser, shown, mask, spec.neighbourhood)
    tell(Progress(1, 1, "scoring"))
    notes += _notes(table, mask, others, predictions)
    return score(spec, table, mask, predictions, notes)


def _predicted(
    model: CellModel,
    name: str,
    spec: ExperimentSpec,
    shown: AnnData,
    mask: Mask,
    combined: tuple[AnnData, Mask],
    progress: ProgressCallback,
) -> Prediction:
    genes = mask.touched_genes
    fitted = model.fit(combined[0], mask=combined[1])
    more: dict[str, int] = {}
    if name == spec.model and spec.neighbourhood is not None:
        more["neighbourhood"] = spec.neighbourhood
    values = fitted.impute(shown, genes, mask=mask, progress=progress, **more)
    return Prediction(
        name=model.info.name,
        kind="model" if name == spec.model else "baseline",
        values=_hidden_values(values, mask, genes),
        unlearnable=tuple(getattr(fitted, "unlearnable", ())),
        provenance=provenance(model.info, seed=spec.seed, **more),
    )


def _tell(
    progress: ProgressCallback | None, name: str, done: int, total: int, now: Progress
) -> None:
    """Report one model's progress as a part of the whole; may raise Cancelled."""
    part = now.done / now.total if now.total else 0.0
    text = f"{name}: {now.message}" if now.message else name
    report(progress, round((done + part) * _STEPS), total * _STEPS, text)


def _resolved(table: AnnData, spec: ExperimentSpec) -> Mask:
    if table.n_obs < 2:
        raise SpecError(
            f"An experiment needs at least 2 cells; this table has {table.n_obs}.",
            "Choose another field of view.",
        )
    mask = spec.mask.resolve(table)
    if mask.n_hidden == 0:
        raise SpecError(
            "The experiment hides nothing.", "Name genes, cells or entries to hide."
        )
    if len(mask.hidden_genes) == table.n_vars:
        raise SpecError(
            f"All {table.n_vars} genes are hidden, so there is nothing to guess from.",
            "Hide fewer.",
        )
    if len(mask.hidden_cells) == table.n_obs:
        raise SpecError(
            f"All {table.n_obs} cells are hidden, so there is nothing to guess from.",
            "Leave some cells visible.",
        )
    return mask


def _with_counts(table: AnnData, counts: sparse.csr_array) -> AnnData:
    from anndata import AnnData

    obsm = {}
    if keys.SPATIAL in table.obsm:
        obsm[keys.SPATIAL] = np.asarray(table.obsm[keys.SPATIAL], dtype=np.float64)
    obs = table.obs[[keys.FOV]] if keys.FOV in table.obs else table.obs[[]]
    return AnnData(
        sparse.csr_matrix(counts), obs=obs.copy(), var=table.var.copy(), obsm=obsm
    )


def _hidden_values(values: np.ndarray, mask: Mask, genes: list[str]) -> np.ndarray:
    """Return the predictions of the hidden entries, in the mask's CSR order."""
    column = np.full(mask.shape[1], -1)
    column[np.isin(mask.genes, genes)] = np.arange(len(genes))
    entries = mask.matrix.tocoo()
    return np.asarray(values[entries.row, column[entries.col]], dtype=np.float32)


def _refuse_blind(model: str, values: np.ndarray, genes: list[str]) -> None:
    if np.isnan(values).all():
        raise ModelError(
            f"{model} can predict none of the {len(genes)} hidden genes "
            f"({named(genes)}).",
            "Hide genes that it knows, or train a model on this slide.",
        )


def _notes(
    table: AnnData,
    mask: Mask,
    reference: AnnData | None,
    predictions: list[Prediction],
) -> list[str]:
    scale = scale_note(table.X, list(table.var_names))
    notes = [scale] if scale else []
    if mask.hidden_genes and (reference is None):
        hidden = counted(len(mask.hidden_genes), "gene is", "genes are")
        notes.append(
            f"{hidden} hidden in every cell and there is no reference, so the "
            "baselines cannot learn them: their numbers say what guessing without any "
            "information gives."
        )
    for one in predictions:
        unknown = np.isnan(one.values)
        if unknown.any():
            genes = np.unique(mask.genes[mask.matrix.tocoo().col[unknown]])
            notes.append(
                f"{one.name} cannot predict {len(genes)} of the hidden genes "
                f"({named(genes)}); all rows are scored without them."
            )
    return notes
