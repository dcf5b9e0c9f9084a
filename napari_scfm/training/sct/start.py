"""The network that an sct-panel begins with: new for a table, or trained before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.cluster.hierarchy import leaves_list, linkage
from torch import nn

from napari_scfm.errors import ModelError
from napari_scfm.genes.identity import guess_species
from napari_scfm.models.base import CellModel
from napari_scfm.models.hub import load_model
from napari_scfm.models.sct.blocks import DecoderBlock, EncoderBlock
from napari_scfm.models.sct.config import SCTConfig, padded
from napari_scfm.models.sct.convolutions import Pointwise
from napari_scfm.models.sct.model import SCT
from napari_scfm.models.sct.network import SCTNetwork
from napari_scfm.models.sct.norms import GeneNorm
from napari_scfm.models.sct.tokens import LEVELS
from napari_scfm.training.start import gene_names

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anndata import AnnData
    from scipy import sparse
    from torch import Tensor

    from napari_scfm.training.sct.settings import SCTSettings

PANEL = "sct-panel"
LARGEST_PANEL = 8192
"""Genes beyond which the released size is meant, which no slide can fill."""
_AXES = 30
_QUIET = 0.1
"""What the last decoder block's weights start with, in units of the usual spread."""
_CODE = 0.5
"""Spread of the random numbers by which a new network knows its positions."""
_FAINT = 0.2
"""How loud the encoder's norms say which gene is which, beside what a cell expresses:
loud ones drown the cells, and the bottleneck then holds nothing of them."""


def learns_as_sct(model: str | Path | CellModel) -> bool:
    """Tell whether a model, by name, path or loaded, is of the sCT family."""
    from pathlib import Path

    from napari_scfm.models.sct.files import find_files

    if isinstance(model, CellModel):
        return isinstance(model, SCT)
    if str(model) == PANEL:
        return True
    return Path(model).exists() and find_files(model) is not None


def given_panel(model: str | Path | CellModel, device: str) -> SCT | None:
    """Return the model to go on from; None = a new network.

    Raises
    ------
    ModelError
        If it does not name its genes.
    """
    if isinstance(model, str) and model == PANEL:
        return None
    given = model if isinstance(model, CellModel) else load_model(model, device)
    assert isinstance(given, SCT)
    if not given.config.measured:
        raise ModelError(
            f"Model {given.info.name} does not say which position is which gene.",
            f"Give its gene table, or train a new {PANEL!r}.",
        )
    return given


def panel_config(
    table: AnnData, values: sparse.csr_array, settings: SCTSettings
) -> SCTConfig:
    """Return the configuration of a new network for the genes of a table.

    Genes that are expressed together lie beside each other, as far as one line allows:
    convolutions read neighbouring positions, and the order is free.

    Parameters
    ----------
    table
        Whose genes they are.
    values
        (cells, genes) log1p counts to take the order from.
    settings
        The size.

    Raises
    ------
    ModelError
        If there are too many genes for a panel.
    """
    if table.n_vars > LARGEST_PANEL:
        raise ModelError(
            f"{table.n_vars} genes are no panel: {PANEL!r} is made for at most "
            f"{LARGEST_PANEL}.",
            "Choose the genes that vary most, or load the released sCT.",
        )
    names = [str(name) for name in table.var_names]
    ids, symbols = gene_names(table)
    order = together(values)
    return SCTConfig(
        num_downsamples=settings.halvings,
        attention_heads=settings.heads,
        token_embed_dim=settings.first_width,
        embed_dim=settings.width,
        ffn_embed_dim=settings.hidden,
        num_layers=settings.layers,
        positions=padded(len(ids), settings.halvings),
        num_cells=settings.cells,
        coordinate_encoding=settings.encoding,
        surroundings=settings.surroundings,
        norm=settings.norm,
        measured=tuple(ids[at] for at in order),
        symbols=tuple(symbols[at] for at in order),
        species=guess_species(names),
        name=PANEL,
        extra={"values": "log1p_counts", "citation": ""},
    )


def together(values: sparse.csr_array) -> np.ndarray:
    """Return an order of genes in which those of one programme are neighbours.

    Leaves of a tree (average linkage) of the genes' correlations, reduced to their
    30 main axes; genes without any count come last.

    Parameters
    ----------
    values
        (cells, genes).
    """
    dense = np.asarray(values.toarray(), dtype=np.float64)
    spread = dense.std(axis=0)
    rest = np.flatnonzero(spread == 0)
    alive = np.flatnonzero(spread > 0)
    if len(alive) < 3:
        return np.concatenate([alive, rest])
    z = (dense[:, alive] - dense[:, alive].mean(axis=0)) / spread[alive]
    vectors, sizes, _ = np.linalg.svd(z.T @ z / len(z))
    axes = vectors[:, :_AXES] * sizes[:_AXES]
    axes /= np.linalg.norm(axes, axis=1, keepdims=True) + 1e-12
    found = leaves_list(linkage(axes, "average", optimal_ordering=True))
    return np.concatenate([alive[found], rest])


def first_panel(config: SCTConfig, given: SCT | None, tokens: Sequence[Any]) -> Any:
    """Return a network with a model's weights, or with new ones fit to the cells.

    Parameters
    ----------
    config
        Of the network.
    given
        The model; it is not changed.
    tokens
        (cells, genes) CSR tokens of each training bag.
    """
    network = SCTNetwork(config)
    if given is not None:
        network.load_state_dict(given.network.state_dict())
        return network
    chances = token_chances(tokens)
    _tell_genes(network, chances)
    return network


def token_chances(tokens: Sequence[sparse.csr_array]) -> np.ndarray:
    """Return (genes, 5): how often a gene is in each bin, zero first."""
    cells = sum(part.shape[0] for part in tokens)
    found = np.zeros((tokens[0].shape[1], LEVELS))
    for part in tokens:
        for level in range(1, LEVELS):
            found[:, level] += np.asarray((part == level).sum(axis=0)).ravel()
    found[:, 0] = cells - found.sum(axis=1)
    return np.asarray((found + 0.5) / (cells + 0.5 * LEVELS))


@torch.no_grad()
def _tell_genes(network: SCTNetwork, chances: np.ndarray) -> None:
    """Start gene norms and head from how often each gene is expressed.

    Only the norms know which position is which gene. Their offsets start as the
    standardised log odds of the gene (its mean over a position's genes at coarser
    levels) where the numbers are read, and as random codes between, both faint in the
    encoder; what the last decoder block computes starts small beside them.
    """
    odds = np.log((1 - chances[:, 0]) / chances[:, 0])
    known = torch.zeros(network.config.positions)
    scaled = (odds - odds.mean()) / (odds.std() + 1e-9)
    known[: len(odds)] = torch.as_tensor(scaled, dtype=torch.float32)
    for part in (*network.encoder, *network.decoder):
        assert isinstance(part, EncoderBlock | DecoderBlock)
        upwards = isinstance(part, DecoderBlock)
        loud = 1.0 if upwards else _FAINT
        _offset(part.norm1, known * loud, _CODE * loud, coded=upwards)
        _offset(part.norm2, known * loud, _CODE * loud, coded=not upwards)
    assert isinstance(part, DecoderBlock)
    part.up.weight.mul_(_QUIET)
    if isinstance(part.norm2, GeneNorm):
        part.norm2.scale.fill_(2 * _QUIET)
    last = network.head.layers[-1]
    assert isinstance(last, Pointwise)
    common = torch.full((network.config.alphabet_size,), 1e-4)
    common[:LEVELS] = torch.as_tensor(chances.mean(axis=0), dtype=torch.float32)
    last.bias.copy_(common.log())
    last.weight.mul_(0.3)


def _offset(norm: nn.Module, known: Tensor, spread: float, *, coded: bool) -> None:
    if not isinstance(norm, GeneNorm):
        return
    own = norm.offset
    if coded:
        own.normal_(std=spread)
    else:
        own.copy_(known.view(len(own), -1).mean(dim=1))
