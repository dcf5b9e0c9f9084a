"""``masked``: guess hidden genes, hidden cells and hidden entries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_scfm.training.objectives.base import Objective, as_mask
from napari_scfm.training.objectives.guess import count_loss, mean_pearson, predict

if TYPE_CHECKING:
    from napari_scfm.models.cellplm.network import CellPLMNetwork
    from napari_scfm.training.batches import Step
    from napari_scfm.training.settings import TrainSettings

FOLDS, TURNS = 5, 3
"""Held-out FOVs are scored with a fifth hidden; three fifths are, one by one."""


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
        """Return the mean loss of hidden and visible entries."""
        hidden = as_mask(random_mask(tuple(step.truth.shape), rng), step.truth)
        guess = predict(network, step, rows, hidden)
        each = count_loss(network, rows, step.truth, guess, self.settings.loss)
        weight = torch.where(hidden, 1.0, self.settings.visible_weight)
        return (each * weight).sum() / weight.sum()

    def score(
        self, network: CellPLMNetwork, step: Step, rows: Tensor
    ) -> dict[str, float]:
        """Hide a fifth of the genes, then of the cells, three times each."""
        out: dict[str, float] = {}
        for kind in ("genes", "cells"):
            hidden_ones = [
                self._hide(network, step, rows, kind, fold) for fold in range(TURNS)
            ]
            for name in ("loss", "pearson"):
                values = [found[name] for found in hidden_ones]
                out[f"{name}_{kind}"] = float(np.nanmean(values))
        out["loss"] = (out["loss_genes"] + out["loss_cells"]) / 2
        return out

    def _hide(
        self, network: CellPLMNetwork, step: Step, rows: Tensor, kind: str, fold: int
    ) -> dict[str, float]:
        """Return the figures of one fifth of the genes or of the cells."""
        shape = tuple(step.truth.shape)
        order = np.random.default_rng(0).permutation(shape[kind == "genes"])
        chosen = np.sort(order[fold::FOLDS])
        at = (slice(None), chosen) if kind == "genes" else (chosen, slice(None))
        mask = np.zeros(shape, dtype=bool)
        mask[at] = True
        guess = predict(network, step, rows, as_mask(mask, step.truth))
        each = count_loss(network, rows, step.truth, guess, self.settings.loss)
        return {
            "loss": float(each[at].mean()),
            "pearson": mean_pearson(step.truth[at], guess[at]),
        }


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
