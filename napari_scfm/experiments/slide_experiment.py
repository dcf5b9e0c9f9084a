"""An experiment on fields of view of a slide, each tested in turn.

The window and the command line both come here, so that their numbers are the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_scfm import keys
from napari_scfm.errors import MaskError, SlideError, SpecError, named
from napari_scfm.experiments.fingerprint import SHORT, fingerprint
from napari_scfm.experiments.parts import parts_of
from napari_scfm.experiments.reference_file import read_reference
from napari_scfm.experiments.run import run_parts
from napari_scfm.slides.checks import check_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from anndata import AnnData

    from napari_scfm.experiments.reference_file import ReferenceFile
    from napari_scfm.experiments.result import ExperimentResult
    from napari_scfm.experiments.spec import ExperimentSpec
    from napari_scfm.models.base import CellModel
    from napari_scfm.progress import ProgressCallback
    from napari_scfm.slides.slide import Slide


def run_on_slide(
    slide: Slide,
    spec: ExperimentSpec,
    progress: ProgressCallback | None = None,
    models: Mapping[str, CellModel] | None = None,
) -> ExperimentResult:
    """Run an experiment on one or more fields of view of a slide.

    Each is tested alone: the mask is drawn in it, its models see only it, and the
    baselines learn from the reference: single cells of a file, fields of view, or both;
    by default all other FOVs. The result has one row per model over the entries of all
    FOVs, and one per FOV.

    Parameters
    ----------
    slide
        Where the cells are.
    spec
        What to hide and who guesses; its ``fovs`` (empty: the slide's first).
    progress
        Told by each model as it works; Cancelled raised in it stops at once.
    models
        Loaded models by the names of the spec; the others are loaded.

    Raises
    ------
    SpecError
        If a tested FOV is in the reference, the file of single cells cannot be used,
        nothing is hidden in any FOV, or the spec was written for another slide and
        does not fit this one.
    SlideError
        If the slide lacks a FOV; all such are named.
    ScfmError
        As :func:`napari_scfm.run_experiment`.
    """
    spec = _placed(slide, spec)
    spec, notes = _fingerprinted(slide, spec)
    spec, single, said = _single_cells(slide, spec)
    tables = {}
    for fov in spec.fovs:
        tables[fov] = slide.fov(fov).table
        check_table(tables[fov], f"Field of view {fov}", coordinates=False)
    try:
        parts, left_out = parts_of(tables, spec)
    except MaskError as error:
        if not notes:
            raise
        raise SpecError(
            f"{notes[0]} It does not fit this one: {error.message}",
            error.action,
            error.problems,
        ) from error
    tested = dict.fromkeys(part.fov for part in parts)
    if len(tested) > 1:
        notes.append(
            f"The numbers pool {len(tested)} fields of view; correlations are then "
            "inflated by differences between them: see those of each one."
        )
    if single is not None:
        single.refuse_tested(part.table for part in parts)
        if not spec.reference:
            said += single.lacking(part.mask for part in parts)

    def references(fov: str) -> list[AnnData]:
        cells = None if single is None else single.cells
        found = (reference_of(slide, fov, spec.reference), cells)
        return [one for one in found if one is not None]

    notes += [*said, *left_out]
    return run_parts(parts, spec, references, progress, models, notes)


def _single_cells(
    slide: Slide, spec: ExperimentSpec
) -> tuple[ExperimentSpec, ReferenceFile | None, list[str]]:
    """Return the spec with its reference written out, its single cells, and notes."""
    if not spec.reference_file:
        return spec.model_copy(update={"reference_fingerprint": ""}), None, []
    single = read_reference(spec.reference_file, slide.table.var_names)
    record = {
        "reference": spec.reference or (),
        "reference_file": str(single.path),
        "reference_fingerprint": single.fingerprint,
    }
    notes = single.told(spec.reference_fingerprint)
    return spec.model_copy(update=record), single, notes


def _placed(slide: Slide, spec: ExperimentSpec) -> ExperimentSpec:
    """Return the spec with its slide and FOVs written out."""
    if not slide.fovs:
        raise SlideError(
            f"Slide {slide.path} has no field of view with cells.",
            "Choose a slide that has.",
        )
    fovs = tuple(dict.fromkeys(spec.fovs)) or (slide.fovs[0],)
    check_fovs(slide, (*fovs, *(spec.reference or ())))
    both = [name for name in fovs if name in (spec.reference or ())]
    if both:
        raise SpecError(
            f"FOV {named(both)} is predicted and cannot be its own reference.",
            "Leave it out of the reference: by default every FOV is tested with all "
            "others as reference.",
        )
    path = str(slide.path.absolute())
    place = {"fovs": fovs, "slide": slide.name, "slide_path": path}
    return spec.model_copy(update=place)


def check_fovs(slide: Slide, names: Iterable[str]) -> None:
    """Refuse fields of view that a slide does not have.

    Raises
    ------
    SlideError
        Naming all of them.
    """
    unknown = [name for name in dict.fromkeys(names) if name not in slide.fovs]
    if unknown:
        raise SlideError(
            f"Slide {slide.name} has no field of view {named(unknown)}.",
            f"Choose among {named(slide.fovs, 12)}.",
        )


def _fingerprinted(
    slide: Slide, spec: ExperimentSpec
) -> tuple[ExperimentSpec, list[str]]:
    """Return the spec with the slide's fingerprint, and what to say of another."""
    now = fingerprint(slide.table)
    notes = []
    if spec.fingerprint not in ("", now):
        notes.append(
            "This spec was run before on a slide with other counts or names "
            f"(fingerprint {spec.fingerprint[:SHORT]}, now {now[:SHORT]})."
        )
    return spec.model_copy(update={"fingerprint": now}), notes


def reference_of(
    slide: Slide, fov: str, names: tuple[str, ...] | None = None
) -> AnnData | None:
    """Return the cells in which everything was measured, None without any.

    Parameters
    ----------
    slide
        Where they are.
    fov
        The tested field of view, which is never among them.
    names
        Fields of view; None for all others.
    """
    if names is None:
        names = tuple(slide.fovs)
    names = tuple(name for name in names if name != fov)
    if not names:
        return None
    return slide.table[slide.table.obs[keys.FOV].isin(names)].copy()
