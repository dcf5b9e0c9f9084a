"""The training run itself, and the models that came out of it.

The model that the session shows is not touched until there is a new one to show.
Models that were trained in a session stay in its list until the window is closed,
saved or not.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_scfm.errors import ModelError, SpecError
from napari_scfm.progress import Progress
from napari_scfm.viewer.tasks import LOADED
from napari_scfm.viewer.training.choices import TRAINED, goal_of
from napari_scfm.viewer.training.trained import record_of

if TYPE_CHECKING:
    from anndata import AnnData

    from napari_scfm.models.base import CellModel
    from napari_scfm.progress import ProgressCallback
    from napari_scfm.viewer.session import Session
    from napari_scfm.viewer.training.choices import TrainWork

LICENCE = "yours to choose"
"""Of a model that was trained from nothing on a person's own slide."""


def train_on(work: TrainWork, progress: ProgressCallback | None = None) -> CellModel:
    """Train on a slide and return the model; nothing of the session is touched.

    Parameters
    ----------
    work
        From :func:`~napari_scfm.viewer.training.choices.prepare`.
    progress
        Told as :func:`napari_scfm.train` tells it; may raise ``Cancelled``.

    Raises
    ------
    ScfmError
        If labels, genes, reference or model cannot be used.
    """
    plan = work.plan
    table = work.slide.table
    more: dict[str, Any] = {}
    if plan.objective == "impute":
        more["genes"] = plan.genes
        if plan.reference:
            more["reference"] = _reference(Path(plan.reference))
    if plan.labels and goal_of(plan.objective).labelled:
        more["labels"] = plan.labels
    epochs = plan.epochs
    if plan.minutes > 0:
        seconds = _time_of_an_epoch(work, table, more, progress)
        epochs = max(1, int((plan.minutes * 60 - seconds) / seconds))
    model = _trained(work, table, more, epochs, progress)
    model.info = replace(model.info, name=work.name)
    if plan.fresh:
        model.info = replace(model.info, licence=LICENCE)
        model.config.extra["licence"] = LICENCE
    record_of(model)["slide"] = work.slide.name
    return model


def _reference(path: Path) -> AnnData:
    """Read single-cell data.

    Raises
    ------
    SpecError
        If the file is not there, or is no .h5ad.
    """
    from anndata import read_h5ad

    if not path.is_file():
        raise SpecError(f"{path} is not there.", "Choose the .h5ad file again.")
    try:
        return read_h5ad(path)
    except (OSError, KeyError, ValueError) as error:
        raise SpecError(
            f"{path} cannot be read as a table of cells: {error}.",
            "Choose an .h5ad file.",
        ) from error


def _trained(
    work: TrainWork,
    table: AnnData,
    more: dict[str, Any],
    epochs: int,
    progress: ProgressCallback | None,
) -> CellModel:
    from napari_scfm.training.train import train

    return train(
        work.model,
        table,
        objective=work.plan.objective,
        validation=work.plan.held_out,
        epochs=epochs,
        seed=work.plan.seed,
        device=work.device,
        settings=work.settings,
        progress=progress,
        **more,
    )


def _time_of_an_epoch(
    work: TrainWork,
    table: AnnData,
    more: dict[str, Any],
    progress: ProgressCallback | None,
) -> float:
    """Train one epoch on trial; return the seconds that it took."""

    def tell(told: Progress) -> None:
        if progress is not None:
            progress(Progress(told.done, told.total, "Timing one epoch"))

    start = time.perf_counter()
    _trained(work, table, more, 1, tell)
    return time.perf_counter() - start


def take(session: Session, model: CellModel, folder: Path | None = None) -> None:
    """Make a trained model the session's own, and remember it by its name.

    Parameters
    ----------
    session
        Gets the model.
    model
        The model.
    folder
        Where it was saved; None before that.
    """
    name = model.info.name
    source = name if folder is None else str(folder)
    session.parts.setdefault(TRAINED, {})[name] = (model, source)
    choose(session, name)


def choose(session: Session, name: str) -> None:
    """Make a model that was trained in this session the session's own."""
    session.model, session.parts["model source"] = session.parts[TRAINED][name]


def unsaved(session: Session) -> CellModel | None:
    """Return the session's model if it was trained here and is in no file yet."""
    model = session.model
    if model is None:
        return None
    name = model.info.name
    return model if session.parts.get(TRAINED, {}).get(name) == (model, name) else None


def forget(session: Session, model: CellModel) -> None:
    """Take a trained model from the lists of this session, for its saved self."""
    for known in (session.parts[TRAINED], session.parts.get(LOADED, {})):
        known.pop(model.info.name, None)


def save(model: CellModel, folder: str | Path, device: str = "auto") -> CellModel:
    """Write a model into a folder and return it as read back from there.

    Raises
    ------
    ModelError
        If the folder holds other files, or cannot be written.
    """
    from napari_scfm.models.hub import load_model

    folder = Path(folder)
    try:
        if folder.is_dir() and any(folder.iterdir()) and not _is_model(folder):
            raise ModelError(
                f"{folder} holds other files.", "Choose an empty or a new folder."
            )
        model.save(folder)
    except OSError as error:
        raise ModelError(
            f"{folder} cannot be written: {error.strerror}.", "Choose another folder."
        ) from error
    return load_model(folder, device)


def _is_model(folder: Path) -> bool:
    names = {path.name for path in folder.iterdir()}
    return names <= {"model.safetensors", "config.json", "metrics.json", "README.md"}
