"""Training a model on a slide: the one call, and how a CellPLM network is trained."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_scfm.errors import SpecError
from napari_scfm.models.cellplm.info import model_info
from napari_scfm.models.cellplm.model import CellPLM
from napari_scfm.training.around import threads
from napari_scfm.training.lesson import Wish, read_lesson
from napari_scfm.training.run import Run, Where
from napari_scfm.training.sct.settings import SCTSettings
from napari_scfm.training.sct.start import PANEL, learns_as_sct
from napari_scfm.training.sct.train import OBJECTIVE, train_panel
from napari_scfm.training.settings import TrainSettings
from napari_scfm.training.start import (
    NEW,
    first_network,
    given_model,
    learn_scales,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anndata import AnnData

    from napari_scfm.models.base import CellModel
    from napari_scfm.models.cellplm.network import CellPLMNetwork
    from napari_scfm.models.sct.model import SCT
    from napari_scfm.progress import ProgressCallback


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
    where = Where(out, resume, device, progress)
    return (train_panel if sct else _train_cellplm)(wish, table, model, where)


def _train_cellplm(
    wish: Wish, table: AnnData, model: str | Path | CellModel, where: Where
) -> CellPLM:
    """Train a network of the CellPLM family; see :func:`train`."""
    given = given_model(model, where.device)
    lesson = read_lesson(wish, table, given)
    run = Run(wish, lesson, where, given, lesson.targets)
    complete = run.complete(CellPLM)
    if complete is not None:
        return complete
    with run.begun(), threads(lesson.config.enc_hid, where.place):
        network = first_network(lesson.config, given, lesson.notes)
        if given is None:
            learn_scales(network, lesson.training, lesson.rows)
        history = run.teach(network, lesson.objective(wish))

    def wrap(network: CellPLMNetwork, kept: dict[str, Any]) -> CellPLM:
        config = replace(network.config, extra=network.config.extra | kept)
        network.config = config
        info = model_info(config, None, where.name(NEW), kept["parameters"])
        return CellPLM(network, info, device=where.device)

    return run.end(network, history, wrap)
