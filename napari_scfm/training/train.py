"""Training a model on a slide: the one call, and the files that it leaves."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from napari_scfm.errors import SpecError
from napari_scfm.models.cellplm.files import WEIGHTS, sha256, write_json
from napari_scfm.models.cellplm.info import model_info
from napari_scfm.models.cellplm.model import CellPLM
from napari_scfm.models.devices import pick_device
from napari_scfm.models.hub import load_model
from napari_scfm.progress import Cancelled
from napari_scfm.training.bags import digest
from napari_scfm.training.checkpoints import (
    Checkpoints,
    check_terms,
    epochs_done,
    found,
)
from napari_scfm.training.lesson import Wish, read_lesson
from napari_scfm.training.loop import History, run_loop
from napari_scfm.training.settings import TrainSettings
from napari_scfm.training.start import (
    NEW,
    first_network,
    given_model,
    learn_scales,
    weights_digest,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anndata import AnnData

    from napari_scfm.models.base import CellModel
    from napari_scfm.models.cellplm.network import CellPLMNetwork
    from napari_scfm.progress import ProgressCallback
    from napari_scfm.training.lesson import Lesson

METRICS = "metrics.json"
ONE_THREAD_WIDTH = 256


def train(
    model: str | Path | CellModel,
    table: AnnData,
    *,
    objective: str = "masked",
    labels: str | None = None,
    genes: Sequence[str] = (),
    reference: AnnData | None = None,
    validation: Sequence[str] = (),
    epochs: int = 50,
    seed: int = 0,
    out: str | Path | None = None,
    resume: bool = False,
    device: str = "auto",
    settings: TrainSettings | None = None,
    progress: ProgressCallback | None = None,
) -> CellPLM:
    """Train a model on the FOVs of a table and return it.

    Parameters
    ----------
    model
        "cellplm" for a new network of the CellPLM family that reads positions, or a
        model (its name or path) to go on from; that one is not changed. Its weights
        are kept wherever they fit what the objective needs.
    table
        Raw counts, with ``obs["fov"]`` (else ``obs["batch"]``, else all cells are
        one bag) and ``obsm["spatial"]``.
    objective
        "masked": guess hidden genes, cells and entries. "impute": guess target genes
        from all others. "supcon": an embedding in which cells of one label lie
        together. "annotate": tell the label of a cell; the model can `annotate`.
        "pretrain": as the original was, with the masks and the noisy latent that the
        configuration of its files asks for.
    labels
        ``obs`` column that "supcon" and "annotate" learn from; None = "cell_type".
        Cells without a value, or "unknown", are read but not learned from.
    genes
        Target genes of "impute"; empty = drawn from the table's sparsity strata.
    reference
        Single cells in which the target genes are measured. The targets in the
        table, if it has them, are then neither learned from nor used to choose
        weights.
    validation
        FOVs that are not trained on; they decide which epoch's weights are kept.
    epochs, seed
        Passes over the FOVs; seed of everything random.
    out
        Folder for the weights, their configuration and ``metrics.json``; until the
        run is complete also for its checkpoints, one after each epoch.
    resume
        Go on from the newest checkpoint in ``out``: on the CPU to the same weights,
        bit by bit, as without the interruption. A complete run is returned as it is;
        where there is nothing yet, training begins. False begins anew and removes
        the checkpoints of an earlier run.
    device
        See :func:`napari_scfm.load_model`.
    settings
        Size of a new network, learning rate and the like.
    progress
        Told before every step and after every epoch; may raise ``Cancelled``. The
        checkpoints of complete epochs stay, nothing else is written.

    Raises
    ------
    SpecError
        If the objective, a FOV, a label or a gene is unknown, nothing is left to
        train on, or the run in ``out`` is another one.
    ModelError
        If the model cannot be trained or does not know the table's genes, the loss
        is no longer a number, or memory runs out however small the bags.
    """
    knobs = settings or TrainSettings()
    wish = Wish(objective, labels, genes, reference, validation, epochs, seed, knobs)
    wish.check()
    if resume and out is None:
        raise SpecError("Nothing to resume: no folder is given.", "Give out.")
    place = pick_device(device)
    given = given_model(model, device)
    lesson = read_lesson(wish, table, given)
    terms = _terms(wish, lesson, given)
    complete = _complete(Path(out), terms, device) if resume and out else None
    if complete is not None:
        return complete
    checkpoints = None if out is None else Checkpoints(out, terms)
    if checkpoints is not None and not resume:
        checkpoints.clear()
    with (
        _seeded(seed, place),
        _threads(lesson.config.enc_hid, place),
        _saying_what_is_kept(out, epochs),
    ):
        network = first_network(lesson.config, given, lesson.notes)
        if given is None:
            learn_scales(network, lesson.training, lesson.rows)
        history = run_loop(
            network.to(place).requires_grad_(True),
            lesson.objective(wish),
            torch.as_tensor(lesson.rows, device=place),
            lesson.training,
            lesson.held_out,
            settings=knobs,
            epochs=epochs,
            seed=seed,
            progress=progress,
            checkpoints=checkpoints,
            resume=resume,
        )
    trained = _finish(network, wish, lesson, history, terms, out, device)
    if checkpoints is not None:
        checkpoints.clear()
    return trained


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch inside, and leave the caller's random state as it was."""
    cuda = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(seed)
        yield


@contextmanager
def _threads(width: int, device: torch.device) -> Iterator[None]:
    """Train narrow networks in one thread, then restore the number of threads.

    Their products are so small that threads wait longer for each other than they
    work, and on a busy machine many times longer; one thread also gives the same
    bits on machines with other numbers of cores.
    """
    before = torch.get_num_threads()
    if device.type == "cpu" and width <= ONE_THREAD_WIDTH:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _saying_what_is_kept(out: str | Path | None, epochs: int) -> Iterator[None]:
    """Let a stopped run say where it can go on."""
    try:
        yield
    except Cancelled as stop:
        done = 0 if out is None else epochs_done(out)
        if not done:
            raise
        raise Cancelled(
            f"Training stopped; {done} of {epochs} epochs are kept in {out}: resume "
            "goes on from there."
        ) from stop


def _terms(wish: Wish, lesson: Lesson, given: CellPLM | None) -> dict[str, Any]:
    """Return what a resumed run must share with the one that was interrupted."""
    return {
        "objective": wish.objective,
        "settings": wish.settings.to_dict(),
        "number of epochs": wish.epochs,
        "seed": wish.seed,
        "list of target genes": lesson.targets,
        "held-out FOVs": [bag.name for bag in lesson.held_out],
        "network": lesson.config.to_dict(),
        "model to start from": weights_digest(given),
        "table": digest([*lesson.training, *lesson.held_out]),
    }


def _complete(out: Path, terms: dict[str, Any], device: str) -> CellPLM | None:
    """Return the model of a complete run on the same terms, or None."""
    path = out / METRICS
    if found(out) or not path.is_file():
        return None
    past = json.loads(path.read_text(encoding="utf-8"))
    check_terms(out, past.get("terms", {}), json.loads(json.dumps(terms)))
    model = load_model(out, device)
    assert isinstance(model, CellPLM)
    model.notes.append(f"The training in {out} was complete; nothing was trained.")
    return model


def _finish(
    network: CellPLMNetwork,
    wish: Wish,
    lesson: Lesson,
    history: History,
    terms: dict[str, Any],
    out: str | Path | None,
    device: str,
) -> CellPLM:
    """Write the files, if asked, and wrap the network."""
    network.eval().requires_grad_(False)
    record = {
        "objective": wish.objective,
        **lesson.record(),
        "epochs": wish.epochs,
        "seed": wish.seed,
        "settings": wish.settings.to_dict(),
        "best_epoch": history.best,
        "scores": history.scores,
        "version": version("napari-scfm"),
        "torch": torch.__version__,
    }
    size = sum(p.numel() for p in network.parameters())
    more = {"parameters": size, "training": record, "format": "napari-scfm 1"}
    config = replace(network.config, extra=network.config.extra | more)
    network.config = config
    name = Path(out).name if out is not None else NEW
    model = CellPLM(network, model_info(config, None, name, size), device=device)
    model.notes += [*lesson.notes, *history.notes]
    if out is not None:
        folder = model.save(out)
        write_json(folder / METRICS, record | history.to_dict() | {"terms": terms})
        model.info = replace(model.info, sha256=sha256(folder / WEIGHTS))
    return model
