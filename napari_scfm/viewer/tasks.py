"""The long work behind Predict, ready to run in a thread.

Each function takes what it needs as values, never the viewer, reports progress and
returns a result that the session shows or throws away whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_scfm.errors import MaskError, ModelError, SlideError
from napari_scfm.experiments.provenance import provenance
from napari_scfm.masks.spec import MaskSpec
from napari_scfm.viewer.compared import comparison_from
from napari_scfm.viewer.training.choices import TRAINED
from napari_scfm.viewer.training.trained import flattered

if TYPE_CHECKING:
    from anndata import AnnData

    from napari_scfm.experiments.result import ExperimentResult
    from napari_scfm.experiments.spec import ExperimentSpec
    from napari_scfm.masks.mask import Mask
    from napari_scfm.models.base import CellModel
    from napari_scfm.progress import ProgressCallback
    from napari_scfm.slides.slide import FieldOfView, Slide
    from napari_scfm.viewer.session import Comparison, Session

LOADED = "loaded"
"""Key of ``session.parts``: name -> (model loaded in this session, its source)."""


@dataclass(frozen=True, eq=False)
class Work:
    """What a task reads, taken from the session before the thread starts.

    Attributes
    ----------
    recipe, mask
        What is hidden, written down and resolved.
    in_turn
        Whether the hidden genes are hidden one at a time.
    others
        Further models of this session by the names that load them.
    """

    slide: Slide
    fov: FieldOfView
    model: CellModel
    source: str
    device: str
    mask: Mask | None
    recipe: MaskSpec | None = None
    in_turn: bool = False
    others: dict[str, CellModel] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """Who else guesses, where, and how often.

    Attributes
    ----------
    baselines, also
        Names of baselines and of further models.
    seed
        Of everything random.
    draws
        Repeated predictions, for their spread; 0 for none.
    fovs
        Fields of view; empty for the one on show.
    reference_file
        Single cells that the baselines learn from; "" for the other fields of view.
    """

    baselines: tuple[str, ...] = ("gene-mean", "knn-space", "ridge")
    also: tuple[str, ...] = ()
    seed: int = 0
    draws: int = 0
    fovs: tuple[str, ...] = ()
    reference_file: str = ""


def work_of(session: Session, capability: str) -> Work:
    """Return what a task reads.

    Raises
    ------
    SlideError, ModelError
        If no FOV is open, no model is loaded, or the model cannot do it.
    """
    if session.fov is None:
        raise SlideError("No slide is open.", "Open a slide first.")
    model = session.model
    if model is None:
        raise ModelError("No model is loaded.", "Choose one in step 3 and press Load.")
    if capability not in model.info.capabilities:
        able = ", ".join(sorted(model.info.capabilities))
        other = "Load another model in step 3, such as cellplm-mini."
        if capability == "annotate":
            other = "Train one in step 8, to annotate cells."
        raise ModelError(
            f"Model {model.info.name} cannot {capability}; it can {able}.", other
        )
    if session.n_cells == 0:
        raise SlideError(
            f"Field of view {session.fov.name} has no cells.", "Go to another one."
        )
    parts = session.parts
    return Work(
        session.slide,
        session.fov,
        model,
        parts.get("model source", model.info.name),
        parts.get("device", "auto"),
        session.mask,
        session.recipe,
        session.in_turn,
        {source: model for model, source in known_models(session).values()},
    )


def hidden_mask(work: Work) -> Mask:
    """Return the mask of a task that needs one.

    Raises
    ------
    MaskError
        If nothing is hidden.
    """
    if work.mask is None or work.mask.n_hidden == 0:
        raise MaskError(
            "Nothing is hidden, so there is nothing to predict.",
            "Hide genes or cells in step 4 first.",
        )
    return work.mask


def known_models(session: Session) -> dict[str, tuple[CellModel, str]]:
    """Return the models that were loaded or trained here: name -> (model, source)."""
    parts = session.parts
    loaded = parts.setdefault(LOADED, {})
    if session.model is not None:
        name = session.model.info.name
        loaded[name] = (session.model, parts.get("model source", name))
    return {**loaded, **parts.get(TRAINED, {})}


def spec_of(work: Work, asked: Asked) -> ExperimentSpec:
    """Return the experiment that a press on Predict runs.

    Raises
    ------
    MaskError
        If nothing is hidden.
    """
    from napari_scfm.experiments.spec import ExperimentSpec

    mask = hidden_mask(work)
    others = tuple(name for name in asked.also if name != work.source)
    return ExperimentSpec(
        model=work.source,
        also=others,
        mask=work.recipe or MaskSpec.from_mask(mask),
        baselines=tuple(
            name for name in asked.baselines if name not in (work.source, *others)
        ),
        seed=asked.seed,
        device=work.device,
        in_turn=work.in_turn,
        draws=asked.draws,
        fovs=asked.fovs or (work.fov.name,),
        reference_file=asked.reference_file,
    )


def predict(
    work: Work, asked: Asked | None = None, progress: ProgressCallback | None = None
) -> Comparison:
    """Let models and baselines guess what is hidden, and score them."""
    from napari_scfm.experiments.slide_experiment import run_on_slide

    spec = spec_of(work, asked or Asked())
    models = {**work.others, work.source: work.model}
    result = run_on_slide(work.slide, spec, progress, models)
    return compared(work, result)


def other_fovs(work: Work) -> AnnData | None:
    """Return the cells of the slide's other FOVs, which were measured in full."""
    from napari_scfm.experiments.slide_experiment import reference_of

    return reference_of(work.slide, work.fov.name)


def compared(work: Work, result: ExperimentResult) -> Comparison:
    """Return truth and prediction of the hidden entries, gene by gene."""
    tested = result.spec.fovs or (work.fov.name,)
    warning = flattered(work.model, work.slide, *tested)
    more = {"warning": warning} if warning else {}
    about = about_of(work, result.spec.seed, **more)
    return comparison_from(result, work.fov, about)


def about_of(work: Work, seed: int, **more: Any) -> dict[str, Any]:
    """Return how a result was made, as plain values: for figures and files."""
    return provenance(
        work.model.info,
        seed=seed,
        slide=work.slide.name,
        mask=mask_summary(work.mask),
        **more,
    )


def mask_summary(mask: Mask | None) -> dict[str, Any]:
    """Return what a mask hides, as plain values."""
    if mask is None or mask.n_hidden == 0:
        return {"hidden_entries": 0}
    return {
        "hidden_genes": list(mask.hidden_genes),
        "hidden_cells": len(mask.hidden_cells),
        "hidden_entries": int(mask.n_hidden),
        "share": round(float(mask.share), 6),
    }
