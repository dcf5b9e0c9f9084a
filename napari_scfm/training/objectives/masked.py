"""``masked``: guess hidden genes, hidden cells and hidden entries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_scfm.training.losses import negative_binomial
from napari_scfm.training.objectives.base import Objective, as_mask
from napari_scfm.training.objectives.guess import mean_pearson, predict

if TYPE_CHECKING:
    from napari_scfm.models.cellplm.network import CellPLMNetwork
    from napari_scfm.training.batches import Step
    from napari_scfm.training.settings import TrainSettings


@dataclass
class MaskedObjective(Objective):
    """Hide whole genes, whole cells and single entries; ask for their counts.

    Attributes
    ----------
    settings
        Takes ``visible_weight`` from here.
    """

    settings: TrainSettings
    name: str = "masked"

    def loss(
        self,
        network: CellPLMNetwork,
        step: Step,
        rows: Tensor,
        rng: np.random.Generator,
    ) -> Tensor:
        """Return the mean negative binomial loss of hidden and visible entries."""
        hidden = as_mask(random_mask(tuple(step.truth.shape), rng), step.truth)
        each = negative_binomial(
            step.truth,
            predict(network, step, rows, hidden),
            network.decoder.out_layer.dispersion(rows),
        )
        weight = torch.where(hidden, 1.0, self.settings.visible_weight)
        return (each * weight).sum() / weight.sum()

    def score(
        self, network: CellPLMNetwork, step: Step, rows: Tensor
    ) -> dict[str, float]:
        """Hide 20 % of the genes, then 10 % of the cells, of a FOV."""
        shape = tuple(step.truth.shape)
        theta = network.decoder.out_layer.dispersion(rows)
        out: dict[str, float] = {}
        for kind, folds in (("genes", 5), ("cells", 10)):
            order = np.random.default_rng(0).permutation(shape[kind == "genes"])
            guess = torch.zeros_like(step.truth)
            for fold in range(folds):
                mask = np.zeros(shape, dtype=bool)
                chosen = order[fold::folds]
                mask[(slice(None), chosen) if kind == "genes" else chosen] = True
                hidden = as_mask(mask, step.truth)
                made = predict(network, step, rows, hidden)
                guess = torch.where(hidden, made, guess)
            each = negative_binomial(step.truth, guess, theta)
            out[f"loss_{kind}"] = float(each.mean())
            out[f"pearson_{kind}"] = mean_pearson(step.truth, guess)
        out["loss"] = (out["loss_genes"] + out["loss_cells"]) / 2
        return out


def random_mask(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draw what a step hides: genes, cells or entries, or a mixture of them.

    Each kind takes part with probability 0.6 (at least one does) and hides a share
    drawn between 5 % and 50 %, cells between 5 % and 60 %.
    """
    cells, genes = shape
    use = rng.random(3) < 0.6
    if not use.any():
        use[rng.integers(3)] = True
    hidden = np.zeros(shape, dtype=bool)
    if use[0]:
        hidden[:, rng.random(genes) < rng.uniform(0.05, 0.5)] = True
    if use[1]:
        hidden[rng.random(cells) < rng.uniform(0.05, 0.6)] = True
    if use[2]:
        hidden |= rng.random(shape) < rng.uniform(0.05, 0.5)
    return hidden
