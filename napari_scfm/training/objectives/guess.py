"""Expected counts of a step while some entries are hidden, and how good they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_scfm.models.cellplm.local import LocalEmbedder
from napari_scfm.training.losses import negative_binomial, squared_log

if TYPE_CHECKING:
    from napari_scfm.models.cellplm.network import CellPLMNetwork
    from napari_scfm.training.batches import Step


def predict(
    network: CellPLMNetwork, step: Step, rows: Tensor, hidden: Tensor
) -> Tensor:
    """Return expected counts, scaled by what is visible as in prediction.

    The factor of a cell makes the means of its visible entries sum to its counts; a
    cell without visible counts gets the factor of all others together.
    """
    shown = step.shown.masked_fill(hidden, network.hidden_value)
    means = network.means(network(shown, rows, step.positions, step.nearest), rows)
    observed = step.truth.masked_fill(hidden, 0.0).sum(1, keepdim=True)
    expected = means.masked_fill(hidden, 0.0).sum(1, keepdim=True)
    seen = observed > 0
    together = observed.sum() / expected[seen].sum().clamp(min=1e-6)
    factor = torch.where(seen, observed / expected.clamp(min=1e-6), together)
    return means * factor


def count_loss(
    network: CellPLMNetwork, rows: Tensor, truth: Tensor, guess: Tensor, kind: str
) -> Tensor:
    """Return the loss of every entry, (cells, genes).

    Parameters
    ----------
    network, rows
        The network, and the genes of the columns in its list.
    truth, guess
        (cells, genes) counts.
    kind
        See :class:`napari_scfm.training.settings.TrainSettings`.
    """
    likelihood = negative_binomial(
        truth, guess, network.decoder.out_layer.dispersion(rows)
    )
    embedder = network.embedder
    if kind == "negative_binomial" or not isinstance(embedder, LocalEmbedder):
        return likelihood
    squared = squared_log(truth, guess, embedder.scale.variance[rows])
    return squared if kind == "squared_log" else (squared + likelihood) / 2


def mean_pearson(truth: Tensor, guess: Tensor) -> float:
    """Return the mean over genes of Pearson's r between log1p counts.

    Genes that are constant in the truth or the guess are left out.
    """
    x = torch.log1p(truth).double()
    y = torch.log1p(guess).double()
    x, y = x - x.mean(0), y - y.mean(0)
    scale = x.square().sum(0).sqrt() * y.square().sum(0).sqrt()
    good = scale > 1e-9
    if not bool(good.any()):
        return float("nan")
    return float(((x * y).sum(0)[good] / scale[good]).mean())
