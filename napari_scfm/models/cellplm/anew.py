"""The same network with its weights drawn anew, as before any training.

What a picture of attention shows with such weights was not learned: it comes from the
architecture and from what the network is fed (Adebayo et al., NeurIPS 2018).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_scfm.errors import ModelError
from napari_scfm.models.cellplm.local import LocalEmbedder
from napari_scfm.models.cellplm.model import CellPLM
from napari_scfm.models.cellplm.network import CellPLMNetwork
from napari_scfm.models.cellplm.reading import TableReading

if TYPE_CHECKING:
    from anndata import AnnData

    from napari_scfm.masks.mask import Mask
    from napari_scfm.models.base import CellModel

SCALES = "embedder.scale."
"""Names of what such a network takes from its cells and never learns."""


def with_new_weights(
    model: CellModel, table: AnnData, *, mask: Mask | None = None, seed: int = 0
) -> CellPLM:
    """Return a model of the same shapes whose weights are drawn, not learned.

    Weights are drawn as training draws them. What training takes from its cells before
    the first step is taken again: networks that read surroundings keep the scales of
    their genes, which are no weights, and start from the principal axes of the cells
    at hand.

    Parameters
    ----------
    model
        A network; it is not changed.
    table, mask
        The cells whose principal axes are taken.
    seed
        Of the weights; torch's own random state stays as it was.

    Raises
    ------
    ModelError
        If the model has no weights that could be drawn, or cannot read the table.
    """
    if not isinstance(model, CellPLM):
        raise ModelError(
            f"Model {model.info.name} has no weights to draw anew.",
            "Ask a network, such as cellplm-mini.",
        )
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        network = CellPLMNetwork(model.config)
        if isinstance(network.embedder, LocalEmbedder):
            network.learn(_counts(model, table, mask))
            learned = model.network.state_dict()
            scales = {k: v for k, v in learned.items() if k.startswith(SCALES)}
            network.load_state_dict(scales, strict=False)
    name = f"{model.info.name}, weights drawn anew"
    return CellPLM(
        network.requires_grad_(False),
        replace(model.info, name=name, sha256=""),
        device=str(model.device),
        compat=model.compat,
        seed=model.seed,
        precision=model.precision,
    )


def _counts(model: CellPLM, table: AnnData, mask: Mask | None) -> torch.Tensor:
    """Return (cells, genes) visible counts of all genes that the network knows."""
    reading = TableReading(
        table, mask, model.config, model.info.name, compat=model.compat
    )
    hidden = model.network.hidden_value
    shape = (table.n_obs, len(model.config.gene_list))
    counts = np.full(shape, hidden, dtype=np.float32)
    for bag in reading:
        part = bag.counts.toarray()
        if bag.hidden is not None:
            part[bag.hidden.nonzero()] = hidden
        counts[np.ix_(bag.cells, reading.rows)] = part
    return torch.as_tensor(counts)
