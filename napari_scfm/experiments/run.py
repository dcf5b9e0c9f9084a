"""Run an experiment on a table: hide, let models and baselines guess, score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_scfm.errors import SpecError
from napari_scfm.experiments.guess import guess, refuse_nothing_left
from napari_scfm.experiments.guessers import load_guessers
from napari_scfm.experiments.judge import judge
from napari_scfm.slides.checks import check_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData

    from napari_scfm.experiments.result import ExperimentResult
    from napari_scfm.experiments.spec import ExperimentSpec
    from napari_scfm.masks.mask import Mask
    from napari_scfm.models.base import CellModel
    from napari_scfm.progress import ProgressCallback


def run_experiment(
    table: AnnData,
    spec: ExperimentSpec,
    reference: AnnData | None = None,
    progress: ProgressCallback | None = None,
    model: CellModel | Mapping[str, CellModel] | None = None,
) -> ExperimentResult:
    """Hide entries of a table, predict them, and compare with the truth.

    Parameters
    ----------
    table
        Raw counts of one or more FOVs.
    spec
        What to hide, which models, which baselines, which seed. Its FOVs and
        reference are of :func:`.slide_experiment.run_on_slide` and not looked at.
    reference
        Cells in which the hidden genes are measured (other FOVs, scRNA-seq); the
        baselines are fitted to them and to what is visible of ``table``. Cells of
        ``table`` among them are left out.
    progress
        Told by each model as it works; Cancelled raised in it stops at once.
    model
        What ``spec.model`` names, or models by the names of the spec, where they are
        loaded already or were never saved; the others are loaded. They are not
        changed.

    Raises
    ------
    SpecError
        If the spec hides nothing, every cell without a reference, or cells of a table
        too small.
    ScfmError
        If the counts cannot be used, a name is unknown or a model refuses.
    """
    check_table(table, "the experiment's table", coordinates=False)
    tested = tested_cells(table, spec)
    mask = hidden_of(tested, spec)
    if not spec.in_turn:
        refuse_nothing_left(mask, reference is not None)
    guessers = load_guessers(spec, model)
    found = guess(tested, mask, spec, reference, guessers, progress)
    return judge(spec, [found], guessers)


def tested_cells(table: AnnData, spec: ExperimentSpec) -> AnnData:
    """Return the cells that are tested: all, or random neighbourhoods."""
    return table


def hidden_of(table: AnnData, spec: ExperimentSpec) -> Mask:
    """Return what a spec hides of a table.

    Raises
    ------
    SpecError
        If that is nothing, or the table has fewer than 2 cells.
    MaskError
        If the table does not hold a name.
    """
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
    return mask
