"""Cell types of all cells of a slide: told in a thread, as the command line tells them.

What is hidden in step 4 is hidden here too, on every field of view. Decides that types
are classes like clusters, so that they are undone, renamed and corrected the same way,
and that a type which the slide knows already keeps its colour.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.errors import ModelError, SlideError
from napari_scfm.experiments.annotation import (
    AnnotationOptions,
    annotate_slide,
    known_types,
    store_annotation,
)
from napari_scfm.experiments.provenance import provenance
from napari_scfm.models.base import ModelInfo
from napari_scfm.progress import report
from napari_scfm.viewer import grouping as groups
from napari_scfm.viewer.kinds import kinds_of
from napari_scfm.viewer.tasks import known_models

if TYPE_CHECKING:
    from anndata import AnnData

    from napari_scfm.analysis.celltypes.annotation import Annotation
    from napari_scfm.analysis.groups.grouping import Grouping
    from napari_scfm.masks.mask import Mask
    from napari_scfm.models.base import CellModel
    from napari_scfm.progress import ProgressCallback
    from napari_scfm.slides.slide import Slide
    from napari_scfm.viewer.session import Session


@dataclass(frozen=True, eq=False)
class Question:
    """What a task reads, taken from the session before the thread starts.

    Attributes
    ----------
    slide
        All of its cells are told.
    options
        Who tells, and how.
    model
        That of the options, loaded; None without one.
    masks
        Of the fields of view of which something is hidden.
    colours
        Type -> RGBA, of the types that the slide knows already.
    """

    slide: Slide
    options: AnnotationOptions
    model: CellModel | None = None
    masks: dict[str, Mask] = field(default_factory=dict)
    colours: dict[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(eq=False)
class ToldGroups(groups.Groups):
    """Told types with what can be done to them.

    Attributes
    ----------
    told
        Scores and confidence of all types, for another threshold.
    asked
        How they were told.
    """

    told: Annotation | None = None
    asked: Question | None = None


def annotators(session: Session) -> dict[str, tuple[CellModel, str]]:
    """Return the models of this session that tell types: name -> (model, source)."""
    return _able(session, "annotate")


def embedders(session: Session) -> dict[str, tuple[CellModel, str]]:
    """Return the models of this session that embed: name -> (model, source)."""
    return _able(session, "embed")


def _able(session: Session, to: str) -> dict[str, tuple[CellModel, str]]:
    return {
        name: found
        for name, found in known_models(session).items()
        if to in found[0].info.capabilities
    }


def question_of(session: Session, options: AnnotationOptions) -> Question:
    """Return what is asked of the session's slide.

    Raises
    ------
    SlideError, ModelError
        If no slide is open, or the model that is asked for is not loaded.
    """
    if session.fov is None or session.slide is None:
        raise SlideError("No slide is open.", "Open a slide first.")
    model = None
    if options.model not in ("", "pca"):
        loaded = {source: model for model, source in known_models(session).values()}
        model = loaded.get(options.model)
        if model is None:
            raise ModelError(
                f"Model {options.model} is not loaded.", "Load it in step 3."
            )
    masks = {
        name: history.mask
        for name, history in session.histories.items()
        if history.mask is not None and history.mask.n_hidden
    }
    kinds = kinds_of(session)
    colours = {} if kinds is None else dict(kinds.entries)
    return Question(session.slide, options, model, masks, colours)


def slide_mask(table: AnnData, masks: dict[str, Mask]) -> Mask | None:
    """Return what is hidden of a slide's table, of the masks of its FOVs."""
    return reduce(or_, (m.for_table(table) for m in masks.values())) if masks else None


def annotate(asked: Question, progress: ProgressCallback | None = None) -> ToldGroups:
    """Tell the type of every cell of a slide; reads all of it."""
    from napari_scfm.analysis.groups.history import GroupingHistory

    report(progress, 0, 0, "Reading the cells")
    table = asked.slide.table
    mask = slide_mask(table, asked.masks)
    told = annotate_slide(
        table, asked.options, mask=mask, model=asked.model, progress=progress
    )
    made = ToldGroups(
        GroupingHistory(_grouping(told, asked)),
        _by_whom(asked.options),
        _about(asked, told, mask),
        told=told,
        asked=asked,
    )
    made.more = lambda table, grouping, known: _store(made, table, grouping, known)
    return made


def _grouping(told: Annotation, asked: Question) -> Grouping:
    """Return types as classes; those that the slide knows have their colours."""
    return in_known_colours(told.grouping(asked.options.key), asked.colours)


def in_known_colours(made: Grouping, known: dict[str, tuple[float, ...]]) -> Grouping:
    """Return classes in known colours; the others get some that nobody has."""
    colours = made.colours.copy()
    free = [name for name in made.names if name not in known]
    for place, name in enumerate(made.names):
        if name in known:
            colours[place] = known[name]
    if known and free:
        from napari_scfm.analysis.groups.colours import unused

        taken = np.array(list(known.values()), dtype=np.float32)
        own = [name for name in free if name != "unknown"]
        for name, colour in zip(own, unused(taken, len(own)), strict=True):
            colours[made.names.index(name)] = colour
    return replace(made, colours=colours)


def _by_whom(options: AnnotationOptions) -> str:
    """Return who told, as it stands in a title."""
    if options.by == "head":
        return Path(options.model).name
    if options.by == "reference":
        return f"reference {Path(options.reference).name}"
    return f"markers {Path(options.markers).name}"


def _about(asked: Question, told: Annotation, mask: Mask | None) -> dict[str, Any]:
    """Return how types were told, as plain values."""
    by = str(told.about.get("model", asked.options.by))
    info = ModelInfo(by, sha256=str(told.about.get("sha256", "")))
    hidden = 0 if mask is None else int(mask.n_hidden)
    masks = {"hidden_entries": hidden, "fovs": sorted(asked.masks)}
    return provenance(info, seed=0, slide=asked.slide.name, mask=masks)


def threshold_of(grouping: Grouping) -> float | None:
    """Return the confidence below which types are unknown; None for other classes."""
    found = re.search(r"below a confidence of (\d*\.?\d+)", grouping.about)
    return float(found.group(1)) if found else None


def retell(session: Session, threshold: float) -> bool:
    """Tell the types on show at another threshold; nothing is computed again.

    Returns
    -------
    Whether there were types to be told.
    """
    made = groups.groups_of(session)
    if not isinstance(made, ToldGroups) or made.told is None or made.asked is None:
        return False
    if threshold_of(made.history.current) == threshold:
        return False
    other = _grouping(made.told.above(threshold), made.asked)
    made.history.push(other, f"unknown below a confidence of {threshold:g}")
    groups.show(session, made)
    return True


def able(session: Session) -> tuple[str, ...] | None:
    """Return the types that could be told to the classes on show; None = not known."""
    made = groups.groups_of(session)
    if not isinstance(made, ToldGroups) or made.told is None:
        return None
    names = set(made.history.current.names)
    return (*made.told.classes, *sorted(names - {*made.told.classes, "unknown"}))


def _store(made: ToldGroups, table: AnnData, grouping: Grouping, known: str) -> None:
    """Write scores of all types into a table, as the command line does.

    Scores against known types are those of what was told; where it was corrected by
    hand, those of the corrected types stand beside.
    """
    from napari_scfm import keys
    from napari_scfm.analysis.celltypes.agreement import agreement, known_labels

    assert made.told is not None
    assert made.asked is not None
    told = made.told.above(threshold_of(grouping) or 0.0)
    found = known_types(table, known if known in table.obs else "")
    scores = None
    if found is not None and known_labels(found[1])[1].any():
        scores = told.agreement(found[1])
    name = store_annotation(table, told, made.asked.options, grouping.key, scores)
    if scores is None or groups.BY_HAND not in grouping.about:
        return
    said = np.array([*grouping.names, ""], dtype=object)[grouping.labels]
    about = table.uns[keys.UNS][f"{name}_about"]
    about["corrected_scores"] = agreement(found[1], said, told.classes).scores
