"""Run a sweep: one experiment per value and seed, models loaded once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari_scfm import keys
from napari_scfm.errors import SpecError, named
from napari_scfm.experiments.slide_experiment import run_on_slide
from napari_scfm.experiments.sweep_result import SweepResult
from napari_scfm.models.hub import load_model
from napari_scfm.progress import Progress, report

if TYPE_CHECKING:
    import pandas as pd

    from napari_scfm.experiments.result import ExperimentResult
    from napari_scfm.experiments.sweep import SweepSpec
    from napari_scfm.progress import ProgressCallback
    from napari_scfm.slides.slide import Slide

_STEPS = 100
"""Steps of progress per experiment."""

_RECORD = (
    *("fovs", "slide", "slide_path", "fingerprint"),
    *("reference", "reference_file", "reference_fingerprint"),
    *("model_sha256", "versions"),
)
"""Fields of the spec that a run fills in."""


def run_sweep(
    slide: Slide, spec: SweepSpec, progress: ProgressCallback | None = None
) -> SweepResult:
    """Run every experiment of a sweep on a slide.

    Parameters
    ----------
    slide
        Where the cells are.
    spec
        What is varied.
    progress
        Told by each experiment as it works; Cancelled raised in it stops at once and
        nothing is kept.

    Raises
    ------
    SpecError
        If a value asks for more than the slide holds.
    ScfmError
        As :func:`napari_scfm.experiments.slide_experiment.run_on_slide`.
    """
    import pandas as pd

    _refuse_too_much(slide, spec)
    models = {
        name: load_model(name, spec.device, precision=spec.precision)
        for name in spec.everyone
    }
    runs = [(value, seed) for value in spec.values for seed in spec.seeds]
    rows: list[pd.DataFrame] = []
    notes: list[str] = []
    for number, (value, seed) in enumerate(runs):
        words = f"{_worded(spec, value)}, seed {seed}"
        tell = partial(_tell, progress, words, number, len(runs))
        tell(Progress(0, 1))
        result = run_on_slide(slide, spec.experiment(value, seed), tell, models)
        rows.append(_row(result, spec, value, seed))
        notes += [note for note in result.notes if note not in notes]
    report(progress, len(runs) * _STEPS, len(runs) * _STEPS, "Swept")
    ran = spec.model_copy(update={name: getattr(result.spec, name) for name in _RECORD})
    table = pd.concat(rows, ignore_index=True)
    return SweepResult(ran, table, [*_notes(spec), *notes])


def _row(
    result: ExperimentResult, spec: SweepSpec, value: float, seed: int
) -> pd.DataFrame:
    found = result.summary.assign(what=spec.what, value=float(value), seed=seed)
    first = ["what", "value", "model", "kind", "seed"]
    return found[[*first, *(name for name in found.columns if name not in first)]]


def _notes(spec: SweepSpec) -> list[str]:
    """Return what every sweep of this kind must say."""
    seeds = len(spec.seeds)
    over = (
        f"Means and standard deviations are over {seeds} seeds, each another draw of "
        "what is hidden."
        if seeds > 1
        else "One seed: how much the draw of what is hidden matters is not known."
    )
    if spec.what == "entries":
        which = {
            "all": "Entries are hidden among all, zeros included.",
            "expressed": "Entries are hidden among those with a count only.",
        }
        return [over, which[spec.eligible]]
    if spec.what == "cells":
        bags = spec.neighbourhoods
        return [
            over,
            f"{bags.count} neighbourhoods of {bags.size} cells in each field of view, "
            "each read alone.",
        ]
    return [over]


def _worded(spec: SweepSpec, value: float) -> str:
    if spec.what == "entries":
        return f"{100 * value:g} % of entries"
    return f"{value:g} {spec.what if value != 1 else spec.what[:-1]}"


def _refuse_too_much(slide: Slide, spec: SweepSpec) -> None:
    """Refuse, before anything runs, what the slide cannot give."""
    if spec.what == "genes":
        over = [f"{v:g}" for v in spec.values if v >= slide.table.n_vars]
        if over:
            raise SpecError(
                f"{named(over)} genes cannot be hidden: the slide has "
                f"{slide.table.n_vars}.",
                "Ask for fewer.",
            )
    if spec.what == "cells":
        size = spec.neighbourhoods.size
        sizes = slide.table.obs[keys.FOV].astype(str).value_counts()
        asked = spec.fovs or tuple(slide.fovs[:1])
        small = [name for name in asked if 0 < sizes.get(name, 0) < size]
        if small:
            raise SpecError(
                f"Neighbourhoods of {size} cells do not fit field of view "
                f"{named(small)}, which has {named([sizes[n] for n in small])} cells.",
                "Leave such fields of view out, or ask for smaller neighbourhoods.",
            )


def _tell(
    progress: ProgressCallback | None, words: str, done: int, total: int, now: Progress
) -> None:
    """Report one experiment's progress as a part of the whole; may raise Cancelled."""
    part = now.done / now.total if now.total else 0.0
    text = f"{words}: {now.message}" if now.message else words
    report(progress, round((done + part) * _STEPS), total * _STEPS, text)
