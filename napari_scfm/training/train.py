"""Training a model on a slide.

A FOV is a bag; whole FOVs are held out, never single cells. Refuses unknown
objectives and FOVs, models that are fitted rather than trained, and tables too small
to learn from.
"""

from __future__ import annotations

import copy
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_scfm import keys
from napari_scfm.errors import ModelError, SpecError, named
from napari_scfm.genes.identity import guess_species, to_ensembl, to_symbols
from napari_scfm.models.base import CellModel
from napari_scfm.models.cellplm.config import CellPLMConfig
from napari_scfm.models.cellplm.files import WEIGHTS, sha256, write_json
from napari_scfm.models.cellplm.info import model_info
from napari_scfm.models.cellplm.model import CellPLM
from napari_scfm.models.cellplm.network import CellPLMNetwork
from napari_scfm.models.cellplm.reading import TableReading
from napari_scfm.models.devices import pick_device
from napari_scfm.models.hub import load_model
from napari_scfm.training.batches import TrainingBag
from napari_scfm.training.loop import History, run_loop
from napari_scfm.training.objectives import make_objective
from napari_scfm.training.settings import TrainSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anndata import AnnData

    from napari_scfm.progress import ProgressCallback

NEW = "cellplm"
SMALLEST_BAG = 10
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
        model (its name or path) to go on from; that one is not changed.
    table
        Raw counts, with ``obs["fov"]`` and ``obsm["spatial"]``.
    objective
        "masked": guess hidden genes, cells and entries.
    labels
        ``obs`` column for objectives that learn from labels; "masked" does not.
    genes, reference
        Target genes of "impute", and single cells in which they are measured.
    validation
        FOVs that are not trained on; they decide which epoch's weights are kept.
    epochs, seed
        Passes over the FOVs; seed of everything random.
    out
        Folder for the weights, their configuration and ``metrics.json``.
    device
        See :func:`napari_scfm.load_model`.
    settings
        Size of a new network, learning rate and the like.
    progress
        Told before every step; may raise ``Cancelled``: nothing is written then.

    Raises
    ------
    SpecError
        If the objective or a FOV is unknown, or nothing is left to train on.
    ModelError
        If the model cannot be trained or does not know the table's genes.
    """
    settings = settings or TrainSettings()
    goal = make_objective(objective, settings)
    place = pick_device(device)
    config, weights = _start(model, table, settings, device)
    reading = TableReading(table, None, config, NEW)
    training, held_out = _split(table, reading, validation)
    with _seeded(seed, place), _threads(config.enc_hid, place):
        network = CellPLMNetwork(config)
        if weights is not None:
            network.load_state_dict(weights)
        history = run_loop(
            network.to(place).requires_grad_(True),
            goal,
            torch.as_tensor(reading.rows, device=place),
            training,
            held_out,
            settings=settings,
            epochs=epochs,
            seed=seed,
            progress=progress,
        )
    record = {
        "objective": objective,
        "fovs": [bag.name for bag in training],
        "validation": [bag.name for bag in held_out],
        "epochs": epochs,
        "seed": seed,
        "settings": settings.to_dict(),
        "best_epoch": history.best,
        "version": version("napari-scfm"),
        "torch": torch.__version__,
    }
    return _finish(network, record, history, out, device, reading.notes)


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


def _start(
    model: str | Path | CellModel, table: AnnData, settings: TrainSettings, device: str
) -> tuple[CellPLMConfig, dict[str, Any] | None]:
    """Return the configuration and weights to begin with; None = new weights."""
    if isinstance(model, str) and model == NEW:
        return _new_config(table, settings), None
    given = model if isinstance(model, CellModel) else load_model(model, device)
    if not isinstance(given, CellPLM):
        raise ModelError(
            f"Model {given.info.name} is fitted to a table, not trained.",
            f"Train {NEW!r}, or a model that was trained before.",
        )
    if not given.config.has_decoder:
        raise ModelError(
            f"Model {given.info.name} has no decoder to train.",
            "Use a model that can impute.",
        )
    return given.config, copy.deepcopy(given.network.state_dict())


def _new_config(table: AnnData, settings: TrainSettings) -> CellPLMConfig:
    names = [str(name) for name in table.var_names]
    ids, symbols = gene_names(table)
    return CellPLMConfig(
        gene_list=tuple(ids),
        symbols=tuple(symbols),
        species=guess_species(names),
        enc_hid=settings.width,
        enc_layers=settings.layers,
        enc_head=settings.heads,
        latent_mod="ae",
        post_latent_dim=settings.latent,
        dec_hid=settings.width,
        out_dim=len(ids),
        norm="groupnorm",
        model_dropout=settings.dropout,
        pe_type="fourier",
        pe_active=True,
        neighbours=settings.neighbours,
        name=NEW,
    )


def gene_names(table: AnnData) -> tuple[list[str], list[str]]:
    """Return Ensembl ids and symbols of a table's genes, in its order.

    A gene without a known id keeps its name, and so does one whose id another gene
    of the table already has.
    """
    names = [str(name) for name in table.var_names]
    columns = table.var
    ids = (
        columns[keys.ENSEMBL].tolist() if keys.ENSEMBL in columns else to_ensembl(names)
    )
    symbols = (
        columns[keys.SYMBOL].tolist() if keys.SYMBOL in columns else to_symbols(names)
    )
    taken: set[str] = set()
    chosen = []
    for name, found in zip(names, ids, strict=True):
        own = found if isinstance(found, str) and found and found not in taken else name
        taken.add(own)
        chosen.append(own)
    known = [
        found if isinstance(found, str) and found else name
        for name, found in zip(names, symbols, strict=True)
    ]
    return chosen, known


def _split(
    table: AnnData, reading: TableReading, validation: Sequence[str]
) -> tuple[list[TrainingBag], list[TrainingBag]]:
    """Return training and validation bags; tiny ones are left out and noted."""
    found = [_bag(table, bag.cells, bag.counts.toarray()) for bag in reading]
    names = [bag.name for bag in found]
    unknown = [name for name in validation if name not in names]
    if unknown:
        raise SpecError(
            f"The table has no FOV {named(unknown)} to validate on.",
            f"Its FOVs are: {named(names, 20)}.",
        )
    small = [bag.name for bag in found if len(bag.counts) < SMALLEST_BAG]
    if small:
        reading.notes.append(
            f"FOVs of fewer than {SMALLEST_BAG} cells were left out: {named(small)}."
        )
    large = [bag for bag in found if bag.name not in small]
    training = [bag for bag in large if bag.name not in validation]
    if not training:
        raise SpecError(
            f"No FOV of at least {SMALLEST_BAG} cells is left to train on.",
            "Hold out fewer FOVs, or give more cells.",
        )
    return training, [bag for bag in large if bag.name in validation]


def _bag(table: AnnData, cells: np.ndarray, counts: np.ndarray) -> TrainingBag:
    name = "all cells"
    if keys.FOV in table.obs:
        name = str(table.obs[keys.FOV].iloc[cells[0]])
    xy = None
    if keys.SPATIAL in table.obsm:
        xy = np.asarray(table.obsm[keys.SPATIAL], dtype=np.float64)[cells, :2]
    return TrainingBag(name, counts, xy)


def _finish(
    network: CellPLMNetwork,
    record: dict[str, Any],
    history: History,
    out: str | Path | None,
    device: str,
    notes: Sequence[str],
) -> CellPLM:
    """Write the files, if asked, and wrap the network."""
    network.eval().requires_grad_(False)
    size = sum(p.numel() for p in network.parameters())
    more = {"parameters": size, "training": record, "format": "napari-scfm 1"}
    config = replace(network.config, extra=network.config.extra | more)
    network.config = config
    name = Path(out).name if out is not None else NEW
    model = CellPLM(network, model_info(config, None, name, size), device=device)
    model.notes += notes
    if out is not None:
        folder = model.save(out)
        write_json(folder / "metrics.json", record | history.to_dict())
        model.info = replace(model.info, sha256=sha256(folder / WEIGHTS))
    return model
