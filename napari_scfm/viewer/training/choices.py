"""Training on the slide that is open: what can be chosen, and what is refused.

Everything that can be refused before the work begins is refused in words. The work
itself is in :mod:`napari_scfm.viewer.training.run`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from napari_scfm import keys
from napari_scfm.errors import ModelError, SlideError, SpecError, counted, named
from napari_scfm.viewer.hiding.masking import as_spelled
from napari_scfm.viewer.known_genes import known_genes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData

    from napari_scfm.models.base import CellModel
    from napari_scfm.slides.slide import Slide
    from napari_scfm.viewer.session import Session

Size = Literal["small", "base"]

FEWEST, MOST = 2, 60
"""Classes that a column of labels may have."""

NOT_LABELS = (keys.FOV, keys.CELL_ID, keys.LABEL, "cell_ID", "batch", "sample")
"""``obs`` columns that name cells, fields of view or samples."""


TRAINED = "trained"
"""Key of ``session.parts``: name -> (model trained in this session, its source)."""


@dataclass(frozen=True)
class Goal:
    """One objective, in the words of the person who chooses it."""

    name: str
    title: str
    text: str
    labelled: bool = False


GOALS: tuple[Goal, ...] = (
    Goal(
        "masked",
        "Guess hidden genes and cells",
        "Hides genes and cells from itself and learns to guess them back; needs no "
        "labels.",
    ),
    Goal(
        "sct",
        "Guess hidden cells (sCT)",
        "A second kind of model, sct-panel: reads 50 neighbouring cells at a time and "
        "learns to guess levels of hidden genes and of whole hidden cells; needs no "
        "labels. A new one knows the genes of this slide.",
    ),
    Goal(
        "impute",
        "Impute chosen genes",
        "Learns to guess the genes you choose from the others, on this slide or on "
        "single-cell data.",
    ),
    Goal(
        "supcon",
        "Separate my labels",
        "Learns an embedding in which cells of one label lie together; for Clusters.",
        labelled=True,
    ),
    Goal(
        "annotate",
        "Annotate cells",
        "Learns to name the label of a cell, also where no label was given.",
        labelled=True,
    ),
)


def goal_of(name: str) -> Goal:
    """Return the goal of an objective's name."""
    return next(goal for goal in GOALS if goal.name == name)


@dataclass(frozen=True)
class Plan:
    """What a person asked for.

    Attributes
    ----------
    objective
        Name of a goal.
    fresh
        Begin with a new model, not with the one that is loaded.
    labels
        ``obs`` column of the labels.
    genes
        Genes to impute.
    reference
        An .h5ad of single cells in which the genes are measured, or "".
    held_out
        Fields of view that are not trained on.
    epochs
        Passes over the fields of view.
    minutes
        If above 0, as many epochs as fit in this time, instead of ``epochs``.
    seed
        Of everything random.
    size
        Of a new model.
    """

    objective: str = "masked"
    fresh: bool = True
    labels: str = ""
    genes: tuple[str, ...] = ()
    reference: str = ""
    held_out: tuple[str, ...] = ()
    epochs: int = 50
    minutes: float = 0.0
    seed: int = 0
    size: Size = "small"


@dataclass(frozen=True, eq=False)
class TrainWork:
    """What the thread reads, taken from the session before it starts."""

    slide: Slide
    plan: Plan
    model: CellModel | str
    device: str
    name: str
    settings: Any = field(default=None)


def label_columns(obs: pd.DataFrame) -> dict[str, int]:
    """Return the columns that can be labels, and how many classes each has.

    Text or categories with 2 to 60 classes, not the name of a cell, a field of view
    or a sample; words like "unknown" are no class. The published cell type first.
    """
    from napari_scfm.training.labels import NO_LABEL

    found = {}
    for name in obs.columns:
        column = obs[name]
        if name in NOT_LABELS or column.dtype.kind not in "OUSb":
            continue
        names = {str(value).casefold() for value in column.dropna().unique()}
        classes = len(names.difference(NO_LABEL))
        if FEWEST <= classes <= MOST:
            found[str(name)] = classes
    return dict(sorted(found.items(), key=lambda item: item[0] != keys.CELL_TYPE))


def default_held_out(session: Session) -> tuple[str, ...]:
    """Return the field of view that is shown, if it is not the only one."""
    slide, fov = session.slide, session.fov
    if slide is None or fov is None or len(slide.fovs) < 2:
        return ()
    return (fov.name,)


def genes_in(text: str) -> list[str]:
    """Return the gene names of a pasted list, in its order."""
    return list(dict.fromkeys(re.findall(r"[^\s,;\"']+", text)))


def hidden_genes(session: Session) -> list[str]:
    """Return the genes that are hidden in all cells of the field of view."""
    return [] if session.mask is None else list(session.mask.hidden_genes)


def prepare(session: Session, plan: Plan) -> TrainWork:
    """Return the work of a plan.

    Raises
    ------
    ScfmError
        If no slide is open, no model is loaded to go on from, or labels, genes or
        fields of view to train on are missing.
    """
    slide = session.slide
    if slide is None:
        raise SlideError("No slide is open.", "Open a slide in step 1 first.")
    _check_start(session, plan)
    left = [name for name in slide.fovs if name not in plan.held_out]
    if not left:
        raise SpecError(
            "Every field of view is held out, so none is left to train on.",
            "Untick at least one.",
        )
    if goal_of(plan.objective).labelled and not plan.labels:
        raise SpecError(
            f"{slide.name} has no labels to learn from: no column of its table has "
            f"{FEWEST} to {MOST} classes.",
            "Open a slide with cell types, or train to guess hidden genes and cells.",
        )
    if plan.objective == "impute":
        plan = replace(plan, genes=tuple(_targets(session, plan)))
    model = _new_model(plan) if plan.fresh else session.model
    return TrainWork(
        slide,
        plan,
        model,
        session.parts.get("device", "auto"),
        _free_name(session, plan.objective),
        settings_of(plan, model),
    )


def begun(work: TrainWork) -> str:
    """Return what to say when the work begins."""
    held_out = work.plan.held_out
    count = counted(len(work.slide.fovs) - len(held_out), "field", "fields")
    without = f"; {named(held_out, 3)} held out" if held_out else ""
    return f"Learning from {count} of view{without}. The window stays usable."


def _check_start(session: Session, plan: Plan) -> None:
    from napari_scfm.training.sct.start import learns_as_sct

    if plan.fresh:
        return
    if session.model is None:
        raise ModelError(
            "No model is loaded to go on from.",
            "Load one in step 3, or start from a new model.",
        )
    name = session.model.info.name
    if session.model.info.parameters == 0:
        raise ModelError(
            f"{name} has no weights to train; it is fitted anew on each table.",
            "Load cellplm-mini in step 3, or start from a new model.",
        )
    sct, wanted = learns_as_sct(session.model), plan.objective == "sct"
    if wanted and not sct:
        raise ModelError(f"{name} is no sCT network.", "Start from a new model.")
    if sct and not wanted:
        title = goal_of("sct").title
        raise ModelError(
            f"{name} is an sCT network, which learns only to guess.",
            f"Choose {title!r}, or start from a new model.",
        )


def _targets(session: Session, plan: Plan) -> list[str]:
    """Return the genes to impute, as the table spells them."""
    table = session.fov.table
    genes = as_spelled(plan.genes or hidden_genes(session), table.var_names)
    if not genes:
        raise SpecError(
            "No gene to impute is chosen.",
            "Type or paste gene names, or hide genes in step 4.",
        )
    missing = [gene for gene in genes if gene not in table.var_names]
    if missing and not plan.reference:
        raise SpecError(
            f"This slide does not measure {named(missing)}, so they cannot be learned "
            "from it.",
            "Correct the names, or add single-cell data that measures them.",
        )
    if not plan.fresh:
        _check_known(session.model, genes, table)
    return genes


def _check_known(model: CellModel, genes: Sequence[str], table: AnnData) -> None:
    known, _ = known_genes(model, table)
    blind = [g for g in genes if g in table.var_names and g not in known]
    if blind:
        raise ModelError(
            f"{model.info.name} does not know {named(blind)}.",
            "Start from a new model, which learns all genes of the slide.",
        )


def _new_model(plan: Plan) -> str:
    return "sct-panel" if plan.objective == "sct" else "cellplm"


def _free_name(session: Session, objective: str) -> str:
    """Return a name that no other model of this session has."""
    taken = session.parts.get(TRAINED, {})
    name, number = f"trained-{objective}", 1
    while name in taken:
        number += 1
        name = f"trained-{objective}-{number}"
    return name


def settings_of(plan: Plan, model: CellModel | str) -> Any:
    """Return the settings of a plan's size."""
    from napari_scfm.training.sct.settings import settings_of as of_model

    return of_model(model, plan.size)
