"""A saved result on the tissue: which slide and field of view, and what was hidden."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.errors import MaskError, counted, named
from napari_scfm.masks.history import Step
from napari_scfm.masks.make import from_entries
from napari_scfm.masks.spec import MaskSpec
from napari_scfm.progress import report
from napari_scfm.viewer.compared import by_model, comparison_from, telling_gene
from napari_scfm.viewer.sessions.file import SessionError
from napari_scfm.viewer.sessions.parts import read_result
from napari_scfm.viewer.sessions.scene import Scene, Steps
from napari_scfm.viewer.sessions.slide import Find, Wanted, asked, slide_at

if TYPE_CHECKING:
    from napari_scfm.experiments.result import ExperimentResult
    from napari_scfm.progress import ProgressCallback
    from napari_scfm.slides.slide import FieldOfView, Slide
    from napari_scfm.viewer.session import Comparison

SPEC = "spec.json"
_SIGNS = (SPEC, "about.json")


def result_folder(path: str | Path) -> Path | None:
    """Return the folder of a saved result, if a path is one or its ``spec.json``."""
    path = Path(path)
    folder = path.parent if path.name == SPEC else path
    whole = folder.is_dir() and all((folder / name).is_file() for name in _SIGNS)
    return folder if whole else None


def scene_of_result(
    folder: Path,
    find: Find | None = None,
    progress: ProgressCallback | None = None,
    at_hand: Slide | None = None,
) -> Scene:
    """Return the view of a saved result: its mask, and truth beside prediction.

    Raises
    ------
    SessionError
        If the result is damaged, or its slide is nowhere or holds other cells.
    """
    report(progress, 0, 2, f"reading {folder.name}")
    result = read_result(folder)
    slide = slide_of(result, folder, find, at_hand)
    report(progress, 1, 2, f"reading {slide.name}")
    fov = slide.fov(fov_of(result, slide))
    made = comparison_of(result, fov)
    scene = Scene(
        slide=slide,
        fov=fov.name,
        masks={fov.name: Steps((mask_of(made, fov),), 0)},
        comparison=made,
        whole=False,
    )
    if made.genes:
        gene = telling_gene(made)
        scene.view = {"colour_by": "gene", "gene": gene, "limits": None}
        scene.side_by_side = True
    return scene


def slide_of(
    result: ExperimentResult,
    folder: Path,
    find: Find | None,
    at_hand: Slide | None = None,
) -> Slide:
    """Return the slide that an experiment ran on, or the one that a person names.

    Looks where it lay, then beside the result: both may have moved together.
    """
    spec = result.spec
    given = Path(spec.slide_path).expanduser() if spec.slide_path else None
    above = list(folder.absolute().parents)[:2]
    near = [] if given is None else [parent / given.name for parent in above]
    places = [] if given is None else [given, folder / given, *near]
    places = list(dict.fromkeys(place.absolute() for place in places))
    for place in filter(Path.exists, places):
        return slide_at(place, at_hand)
    name = spec.slide or ("of this result" if given is None else given.name)
    return asked(Wanted(name, tuple(places[:1])), find)


def fov_of(result: ExperimentResult, slide: Slide) -> str:
    """Return the field of view of a slide that a result is to be shown on.

    The first one that the experiment names; where it names none, the one that holds
    the cells.

    Raises
    ------
    SessionError
        If the slide does not hold those cells.
    """
    if result.spec.bags is not None:
        raise SessionError(
            "This result is of random neighbourhoods, which are no field of view.",
            "Read its tables instead, with napari-scfm report.",
        )
    told = [name for name in result.spec.fovs if name in slide.fov_cells]
    cells = set(map(str, result.cells))
    for name in told or slide.fovs:
        if cells.issuperset(map(str, slide.fov(name).table.obs_names)):
            return name
    raise SessionError(
        f"No field of view of {slide.path} holds the {counted(len(cells), 'cell')} of "
        f"this result ({named(sorted(cells), 3)}).",
        "Open the slide that the experiment ran on.",
    )


def check_fits(result: ExperimentResult, fov: FieldOfView) -> None:
    """Refuse a field of view that is not the one that the experiment read.

    Raises
    ------
    SessionError
        If cells or genes are missing, or the truth is another.
    """
    table = fov.table
    lost = [gene for gene in result.genes if gene not in table.var_names]
    if lost:
        raise SessionError(f"{fov.name} does not measure {named(lost)}.")
    cells = set(map(str, result.cells))
    if not cells.issuperset(map(str, table.obs_names)):
        raise SessionError(f"{fov.name} holds other cells than the result.")
    made = comparison_from(result, fov, {})
    row, column, entry = made.at
    if len(row) == 0:
        raise SessionError(f"The result hides nothing of {fov.name}.")
    if not np.array_equal(made.truth[row, column], result.truth_values[entry]):
        raise SessionError(f"{fov.name} holds other counts than the result's truth.")


def comparison_of(
    result: ExperimentResult,
    fov: FieldOfView,
    model: str = "",
    about: dict[str, Any] | None = None,
) -> Comparison:
    """Return truth and prediction of a saved result on a field of view.

    Parameters
    ----------
    result
        The result; may be of more fields of view.
    fov
        The field of view on show.
    model
        Whose prediction is shown; default: the first model's.
    about
        How it was made; default: what the result says.

    Raises
    ------
    SessionError
        If it does not fit the field of view, or holds no such prediction.
    """
    check_fits(result, fov)
    if model and model not in result.models:
        raise SessionError(f"The result holds no prediction by {model}.")
    said = result.predictions[0].provenance if about is None else about
    made = comparison_from(result, fov, dict(said))
    return by_model(made, model) if model and model != made.model else made


def mask_of(made: Comparison, fov: FieldOfView) -> Step:
    """Return what an experiment hid of a field of view, as it was said if that fits."""
    table, result = fov.table, made.result
    row, column, _ = made.at
    mask = from_entries(table, row, table.var_names.get_indexer(made.genes)[column])
    try:
        if result.spec.mask.resolve(table) == mask:
            return Step(result.spec.mask, mask)
    except MaskError:  # drawn over several fields of view at once
        pass
    return Step(MaskSpec.from_mask(mask), mask)
