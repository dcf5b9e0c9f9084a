"""Expected counts of a step while some entries are hidden, and how good they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

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
    shown = step.shown.masked_fill(hidden, 0.0)
    z = network(shown, rows, step.positions, step.nearest)
    visible = (~hidden).to(shown.dtype)
    means = network.means(z, rows, step.nearest, shown, visible)
    observed = step.truth.masked_fill(hidden, 0.0).sum(1, keepdim=True)
    expected = means.masked_fill(hidden, 0.0).sum(1, keepdim=True)
    seen = observed > 0
    together = observed.sum() / expected[seen].sum().clamp(min=1e-6)
    factor = torch.where(seen, observed / expected.clamp(min=1e-6), together)
    return means * factor


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
