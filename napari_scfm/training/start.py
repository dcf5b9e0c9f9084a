"""The network that a run begins with: a new one, or a model's, changed as needed."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_scfm import keys
from napari_scfm.errors import ModelError
from napari_scfm.genes.identity import guess_species, resolve, to_ensembl, to_symbols
from napari_scfm.models.base import CellModel
from napari_scfm.models.cellplm.annotation import CLASSES
from napari_scfm.models.cellplm.checkpoint import fill
from napari_scfm.models.cellplm.config import CellPLMConfig
from napari_scfm.models.cellplm.model import CellPLM
from napari_scfm.models.cellplm.network import CellPLMNetwork
from napari_scfm.models.hub import load_model
from napari_scfm.training.batches import dense

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anndata import AnnData

    from napari_scfm.models.sct.model import SCT
    from napari_scfm.training.batches import TrainingBag
    from napari_scfm.training.settings import TrainSettings

NEW = "cellplm"
SCALE_CELLS = 30_000


def given_model(model: str | Path | CellModel, device: str) -> CellPLM | None:
    """Return the model to go on from; None = a new network.

    Raises
    ------
    ModelError
        If there is no such model, or it is no network.
    """
    if isinstance(model, str) and model == NEW:
        return None
    given = model if isinstance(model, CellModel) else load_model(model, device)
    if not isinstance(given, CellPLM):
        raise ModelError(
            f"Model {given.info.name} is fitted to a table, not trained.",
            f"Train {NEW!r}, or a model that was trained before.",
        )
    return given


def new_config(
    table: AnnData,
    settings: TrainSettings,
    genes: Sequence[str] = (),
    reference: AnnData | None = None,
) -> CellPLMConfig:
    """Return the configuration of a new network.

    Parameters
    ----------
    table
        All its genes are in the gene list.
    settings
        The size.
    genes, reference
        Those of ``genes`` that only the reference has are in the list too.
    """
    names = [str(name) for name in table.var_names]
    ids, symbols = gene_names(table)
    if reference is not None and len(genes):
        for gene, symbol in _only_there(ids, names, genes, reference):
            ids.append(gene)
            symbols.append(symbol)
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
        norm="layernorm",
        model_dropout=settings.dropout,
        pe_type="fourier" if settings.positions else None,
        pe_active=settings.positions,
        neighbours=settings.neighbours,
        bandwidths=settings.bandwidths,
        own_width=settings.own_width,
        near_width=settings.near_width,
        input_dropout=settings.input_dropout,
        linear_path=settings.linear_path,
        name=NEW,
    )


def _only_there(
    ids: Sequence[str], names: Sequence[str], genes: Sequence[str], reference: AnnData
) -> list[tuple[str, str]]:
    """Return id and symbol of asked genes that the reference has and the table not."""
    asked = [str(gene) for gene in genes if str(gene) not in set(names)]
    lacking = [g for g, row in zip(asked, resolve(asked, ids), strict=True) if row < 0]
    other_ids, other_symbols = gene_names(reference)
    place = {str(name): at for at, name in enumerate(reference.var_names)}
    rows = [
        place.get(gene, int(row))
        for gene, row in zip(lacking, resolve(lacking, other_ids), strict=True)
    ]
    chosen = dict.fromkeys(row for row in rows if row >= 0)
    return [
        (other_ids[row], other_symbols[row])
        for row in chosen
        if other_ids[row] not in ids
    ]


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


def config_for(
    objective: str, config: CellPLMConfig, classes: Sequence[str]
) -> CellPLMConfig:
    """Return a configuration with what an objective needs after the latent.

    "annotate" has a linear head (as in the original, whose mixture latent then becomes
    a plain one), "supcon" nothing, and the others a decoder.
    """
    extra = {k: v for k, v in config.extra.items() if k != CLASSES}
    config = replace(config, extra=extra)
    if objective == "annotate":
        latent = "ae" if config.latent_mod == "gmvae" else config.latent_mod
        return replace(
            config,
            head_type="annotation",
            dec_mod="mlp",
            dec_layers=1,
            latent_mod=latent,
            out_dim=len(classes),
            extra=extra | {CLASSES: list(classes)},
        )
    if objective == "supcon":
        return replace(config, head_type="embedder")
    if config.has_decoder:
        return config
    return replace(
        config,
        head_type=None,
        dec_mod="nbmlp",
        dec_layers=2,
        dec_hid=config.enc_hid,
        out_dim=len(config.gene_list),
    )


def first_network(
    config: CellPLMConfig, given: CellPLM | None, notes: list[str]
) -> CellPLMNetwork:
    """Return a network with the weights of a model wherever they fit, else new ones.

    Parameters
    ----------
    config
        Of the network.
    given
        The model; it is not changed. None = all weights are new.
    notes
        Gets a sentence that says which parts are new.
    """
    network = CellPLMNetwork(config)
    if given is None:
        return network
    weights = given.network.state_dict()
    if config.extra.get(CLASSES) != given.config.extra.get(CLASSES):
        weights = {k: v for k, v in weights.items() if not k.startswith("head.")}
    report = fill(network, weights)
    new = {name.partition(".")[0] for name in (*report.missing, *report.wrong_shape)}
    if new:
        notes.append(
            f"Model {given.info.name} has no fitting {' and '.join(sorted(new))}: "
            "trained from new weights."
        )
    return network


def learn_scales(
    network: CellPLMNetwork, bags: Sequence[TrainingBag], rows: np.ndarray
) -> None:
    """Let a new network take scales and starting points from its training cells.

    At most :data:`SCALE_CELLS` of them, evenly over the bags.
    """
    step = max(1, -(-sum(map(len, bags)) // SCALE_CELLS))
    parts = []
    for bag in bags:
        counts = np.asarray(dense(bag.counts[::step]), dtype=np.float32)
        part = np.full((len(counts), len(network.config.gene_list)), -1, np.float32)
        part[:, rows] = counts
        if bag.measured is not None:
            part[:, rows[~bag.measured]] = -1
        parts.append(part)
    network.learn(torch.as_tensor(np.concatenate(parts)))


def weights_digest(given: CellPLM | SCT | None) -> str:
    """Return a checksum of a model's weights; "" for a new network."""
    if given is None:
        return ""
    out = hashlib.sha256()
    for name, value in given.network.state_dict().items():
        array = value.detach().cpu().float().numpy()
        out.update(name.encode() + np.ascontiguousarray(array).tobytes())
    return out.hexdigest()
