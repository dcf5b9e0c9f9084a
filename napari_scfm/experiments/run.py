"""Run an experiment on a table: hide, let models and baselines guess, score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_scfm.experiments.guess import guess, refuse_nothing_left
from napari_scfm.experiments.guessers import load_guessers
from napari_scfm.experiments.judge import judge
from napari_scfm.experiments.parts import parts_of
from napari_scfm.experiments.reference import all_without_tested
from napari_scfm.progress import Progress, report
from napari_scfm.slides.checks import check_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from anndata import AnnData

    from napari_scfm.experiments.parts import Part
    from napari_scfm.experiments.result import ExperimentResult
    from napari_scfm.experiments.spec import ExperimentSpec
    from napari_scfm.models.base import CellModel
    from napari_scfm.progress import ProgressCallback

_STEPS = 1000
"""Steps of progress per part."""


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
    given = [] if reference is None else [reference]
    others, notes = all_without_tested(table, given)
    parts, left_out = parts_of({"": table}, spec)
    notes += left_out
    return run_parts(parts, spec, lambda _: others, progress, model, notes)


def run_parts(
    parts: Sequence[Part],
    spec: ExperimentSpec,
    references: Callable[[str], Sequence[AnnData]],
    progress: ProgressCallback | None = None,
    models: CellModel | Mapping[str, CellModel] | None = None,
    notes: Sequence[str] = (),
) -> ExperimentResult:
    """Return the result of an experiment whose parts are known.

    Parameters
    ----------
    parts
        What is tested, one by one.
    spec
        What is run.
    references
        Returns those of a part's field of view; those of one are held at a time.
    progress, models
        See :func:`run_experiment`.
    notes
        What is known already.
    """
    guessers = load_guessers(spec, models)
    found = []
    for number, part in enumerate(parts):
        tell = _share(progress, part.fov, number, len(parts))
        others = references(part.fov)
        if not spec.in_turn:
            refuse_nothing_left(part.mask, bool(others))
        found.append(guess(part.table, part.mask, part.spec, others, guessers, tell))
    return judge(spec, found, guessers, notes)


def _share(
    progress: ProgressCallback | None, fov: str, number: int, total: int
) -> ProgressCallback | None:
    """Return what one part tells its progress to."""
    if progress is None or total == 1:
        return progress

    def tell(now: Progress) -> None:
        text = f"{fov} ({number + 1} of {total}), {now.message}".lstrip()
        part = now.done / now.total if now.total else 0.0
        report(progress, round((number + part) * _STEPS), total * _STEPS, text)

    return tell
