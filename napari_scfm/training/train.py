"""Training a model on a slide: the one call, and the files that it leaves."""

from __future__ import annotations

import json
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
from napari_scfm.training.around import saying_what_is_kept, seeded, threads
from napari_scfm.training.bags import digest
from napari_scfm.training.checkpoints import (
    Checkpoints,
    check_terms,
    found,
)
from napari_scfm.training.lesson import Wish, read_lesson
from napari_scfm.training.loop import History, run_loop
from napari_scfm.training.sct.settings import SCTSettings
from napari_scfm.training.sct.start import PANEL, learns_as_sct
from napari_scfm.training.sct.train import OBJECTIVE, train_panel
from napari_scfm.training.settings import TrainSettings
from napari_scfm.training.start import (
    NEW,
    first_network,
    given_model,
    learn_scales,
    weights_digest,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from napari_scfm.models.base import CellModel
    from napari_scfm.models.cellplm.network import CellPLMNetwork
    from napari_scfm.models.sct.model import SCT
    from napari_scfm.progress import ProgressCallback
    from napari_scfm.training.lesson import Lesson

METRICS = "metrics.json"


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
) -> CellPLM | SCT:
    """Train a model on the FOVs of a table and return it.

    Parameters
    ----------
    model
        "cellplm" for a new network of the CellPLM family that reads positions,
        "sct-panel" for a new sCT network of the table's own genes, or a model (its
        name or path) to go on from; that one is not changed. Its weights are kept
        wherever they fit what the objective needs.
    table
        Raw counts, with ``obs["fov"]`` (else ``obs["batch"]``, else all cells are
        one bag) and ``obsm["spatial"]``.
    objective
        "masked": guess hidden genes, cells and entries. "impute": guess target genes
        from all others. "supcon": an embedding in which cells of one label lie
        together. "annotate": tell the label of a cell; the model can `annotate`.
        "sct": the one that sCT networks learn by, and what "masked" means for them,
        see :mod:`.sct.objective`. "pretrain": as the original was, with the masks and
        the noisy latent that the configuration of its files asks for.
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
        Size of a new network, learning rate and the like; of sCT
        :class:`.sct.settings.SCTSettings`.
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
    sct = learns_as_sct(model)
    knobs = settings or (SCTSettings() if sct else TrainSettings())
    wish = Wish(objective, labels, genes, reference, validation, epochs, seed, knobs)
    wish.check()
    if resume and out is None:
        raise SpecError("Nothing to resume: no folder is given.", "Give out.")
    if not sct and objective == OBJECTIVE:
        raise SpecError(
            f"Only sCT networks learn by {OBJECTIVE!r}.",
            f"Train {PANEL!r}, or choose another objective.",
        )
    how = train_panel if sct else _train_cellplm
    return how(
        wish, table, model, out=out, resume=resume, device=device, progress=progress
    )


def _train_cellplm(
    wish: Wish,
    table: AnnData,
    model: str | Path | CellModel,
    *,
    out: str | Path | None,
    resume: bool,
    device: str,
    progress: ProgressCallback | None,
) -> CellPLM:
    """Train a network of the CellPLM family; see :func:`train`."""
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
        seeded(wish.seed, place),
        threads(lesson.config.enc_hid, place),
        saying_what_is_kept(out, wish.epochs),
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
            settings=wish.settings,
            epochs=wish.epochs,
            seed=wish.seed,
            progress=progress,
            checkpoints=checkpoints,
            resume=resume,
        )
    trained = _finish(network, wish, lesson, history, terms, out, device)
    if checkpoints is not None:
        checkpoints.clear()
    return trained


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
