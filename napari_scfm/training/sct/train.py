"""Training an sct-panel: what is read, how it ends, and the files that it leaves."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import sparse

from napari_scfm import keys
from napari_scfm.errors import SpecError
from napari_scfm.models.cellplm.files import WEIGHTS, sha256, write_json
from napari_scfm.models.devices import pick_device
from napari_scfm.models.hub import load_model
from napari_scfm.models.sct.info import model_info
from napari_scfm.models.sct.model import SCT
from napari_scfm.models.sct.options import OPTIONS, SCTOptions, saved_options
from napari_scfm.models.sct.table import Reading
from napari_scfm.training.around import saying_what_is_kept, seeded
from napari_scfm.training.bags import digest, split, with_fovs
from napari_scfm.training.checkpoints import Checkpoints, check_terms, found
from napari_scfm.training.loop import run_loop
from napari_scfm.training.sct.bags import token_bags
from napari_scfm.training.sct.objective import SCTObjective
from napari_scfm.training.sct.settings import SCTSettings
from napari_scfm.training.sct.start import PANEL, first_panel, given_panel, panel_config
from napari_scfm.training.sct.trainer import SCTTrainer
from napari_scfm.training.start import weights_digest

if TYPE_CHECKING:
    from anndata import AnnData

    from napari_scfm.models.base import CellModel
    from napari_scfm.models.sct.config import SCTConfig
    from napari_scfm.models.sct.network import SCTNetwork
    from napari_scfm.progress import ProgressCallback
    from napari_scfm.training.batches import TrainingBag
    from napari_scfm.training.lesson import Wish
    from napari_scfm.training.loop import History

OBJECTIVE = "sct"
METRICS = "metrics.json"


@dataclass
class PanelLesson:
    """What a run reads.

    Attributes
    ----------
    config
        Of the network.
    training, held_out
        Bags of tokens.
    notes
        What a user should know.
    """

    config: SCTConfig
    training: list[TrainingBag]
    held_out: list[TrainingBag]
    notes: list[str]


def train_panel(
    wish: Wish,
    table: AnnData,
    model: str | Path | CellModel,
    *,
    out: str | Path | None,
    resume: bool,
    device: str,
    progress: ProgressCallback | None,
) -> SCT:
    """Train an sCT network; see :func:`napari_scfm.train`.

    Raises
    ------
    SpecError
        If the objective or settings are another family's, a FOV is unknown, or the run
        in ``out`` is another one.
    ModelError
        If there are too many genes, or the loss is no longer a number.
    """
    settings = _settings(wish)
    place = pick_device(device)
    given = given_panel(model, device)
    lesson = read_panel_lesson(wish, table, given, settings)
    terms = _terms(wish, lesson, given)
    done = _complete(Path(out), terms, device) if resume and out else None
    if done is not None:
        return done
    checkpoints = None if out is None else Checkpoints(out, terms)
    if checkpoints is not None and not resume:
        checkpoints.clear()
    with seeded(wish.seed, place), saying_what_is_kept(out, wish.epochs):
        tokens = [bag.counts for bag in lesson.training]
        network = first_panel(lesson.config, given, tokens)
        history = run_loop(
            network.to(place).requires_grad_(True),
            SCTObjective(settings),
            torch.arange(len(lesson.config.measured), device=place),
            lesson.training,
            lesson.held_out,
            settings=settings,
            epochs=wish.epochs,
            seed=wish.seed,
            progress=progress,
            checkpoints=checkpoints,
            resume=resume,
            kind=SCTTrainer,
        )
    trained = _finish(network, wish, lesson, history, terms, out, device)
    if checkpoints is not None:
        checkpoints.clear()
    return trained


def _settings(wish: Wish) -> SCTSettings:
    """Return the settings.

    Raises
    ------
    SpecError
        If the objective or the settings are another family's.
    """
    if wish.objective not in ("masked", OBJECTIVE):
        raise SpecError(
            f"An sCT network does not learn by {wish.objective!r}.",
            f"Leave the objective out, or say {OBJECTIVE!r}; models of the CellPLM "
            "family learn the others.",
        )
    if not isinstance(wish.settings, SCTSettings):
        raise SpecError(
            "These settings are of another family than sCT.",
            "Give SCTSettings of napari_scfm.training.sct.settings.",
        )
    return wish.settings


def read_panel_lesson(
    wish: Wish, table: AnnData, given: SCT | None, settings: SCTSettings
) -> PanelLesson:
    """Return what a run reads.

    The order of a new network's genes and all its starting points come from the FOVs
    that are trained on.

    Raises
    ------
    SpecError, ModelError
        See :func:`train_panel`.
    """
    table, notes = with_fovs(table), list[str]()
    if settings.encoding != "none" and keys.SPATIAL not in table.obsm:
        settings = replace(settings, encoding="none")
        notes.append(
            "The table has no coordinates in obsm['spatial']: cells were read together "
            "at random, and the network reads no places."
        )
    options = SCTOptions(values="log1p_counts", min_total_fraction=0.0)
    if given is None:
        config = panel_config(table, _values(table, wish.validation), settings)
        config = replace(config, extra={**config.extra, OPTIONS: options.to_dict()})
    else:
        config, options = given.config, saved_options(given.config)
    reading = Reading(table, None, config, config.measured, options, PANEL)
    training, held_out = split(token_bags(reading), wish.validation, notes)
    return PanelLesson(config, training, held_out, reading.notes + notes)


def _values(table: AnnData, validation: Any) -> sparse.csr_array:
    """Return log1p counts of the cells that are trained on."""
    counts = sparse.csr_array(table.X, dtype=np.float64)
    if keys.FOV in table.obs and len(validation):
        names = table.obs[keys.FOV].astype(str)
        kept = ~names.isin(list(validation)).to_numpy()
        counts = counts[np.flatnonzero(kept)] if kept.any() else counts
    return sparse.csr_array(counts.log1p())


def _terms(wish: Wish, lesson: PanelLesson, given: SCT | None) -> dict[str, Any]:
    """Return what a resumed run must share with the one that was interrupted."""
    return {
        "objective": OBJECTIVE,
        "settings": wish.settings.to_dict(),
        "number of epochs": wish.epochs,
        "seed": wish.seed,
        "held-out FOVs": [bag.name for bag in lesson.held_out],
        "network": lesson.config.to_dict(),
        "model to start from": weights_digest(given),
        "table": digest([*lesson.training, *lesson.held_out]),
    }


def _complete(out: Path, terms: dict[str, Any], device: str) -> SCT | None:
    """Return the model of a complete run on the same terms, or None."""
    path = out / METRICS
    if found(out) or not path.is_file():
        return None
    past = json.loads(path.read_text(encoding="utf-8"))
    check_terms(out, past.get("terms", {}), json.loads(json.dumps(terms)))
    model = load_model(out, device)
    assert isinstance(model, SCT)
    model.notes.append(f"The training in {out} was complete; nothing was trained.")
    return model


def _finish(
    network: SCTNetwork,
    wish: Wish,
    lesson: PanelLesson,
    history: History,
    terms: dict[str, Any],
    out: str | Path | None,
    device: str,
) -> SCT:
    """Write the files, if asked, and wrap the network."""
    network.eval().requires_grad_(False)
    record = {
        "objective": OBJECTIVE,
        "fovs": [bag.name for bag in lesson.training],
        "validation": [bag.name for bag in lesson.held_out],
        "epochs": wish.epochs,
        "seed": wish.seed,
        "settings": wish.settings.to_dict(),
        "best_epoch": history.best,
        "scores": history.scores,
        "version": version("napari-scfm"),
        "torch": torch.__version__,
    }
    name = Path(out).name if out is not None else PANEL
    extra = {**network.config.extra, "training": record, "format": "napari-scfm 1"}
    network.config = replace(network.config, name=name, extra=extra)
    size = sum(p.numel() for p in network.parameters())
    model = SCT(network, model_info(network.config, None, name, size), device=device)
    model.notes += [*lesson.notes, *history.notes]
    if out is not None:
        folder = model.save(out)
        write_json(folder / METRICS, record | history.to_dict() | {"terms": terms})
        model.info = replace(model.info, sha256=sha256(folder / WEIGHTS))
    return model
