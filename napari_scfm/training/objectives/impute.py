"""``impute``: guess chosen genes from all others.

The target genes are hidden from the input of every cell, always, as they will be
when they are asked for. Their counts are read where they are measured: in the cells
of a reference, or, without one, in the FOVs that are trained on. With a reference
the counts of targets in FOVs teach nothing and select nothing, even if the table
has them; they are only compared with the guess, in held-out FOVs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_scfm.training.objectives.base import Objective, as_mask, some_entries
from napari_scfm.training.objectives.guess import count_loss, mean_pearson, predict

if TYPE_CHECKING:
    from napari_scfm.models.cellplm.network import CellPLMNetwork
    from napari_scfm.training.batches import Step
    from napari_scfm.training.settings import TrainSettings

MOST_HIDDEN = 0.1
"""Largest share of the other entries that a step hides too."""
FOLDS = 5


@dataclass
class ImputeObjective(Objective):
    """Hide the target genes and some other entries; ask for their counts.

    Attributes
    ----------
    settings
        Takes ``visible_weight`` from here.
    targets
        (genes,) bool: which columns of a step are targets.
    """

    settings: TrainSettings
    targets: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    name: str = "impute"

    def loss(
        self,
        network: CellPLMNetwork,
        step: Step,
        rows: Tensor,
        rng: np.random.Generator,
    ) -> Tensor:
        """Return the mean loss of what the cells measure."""
        measured = _measured(step)
        drawn = some_entries(tuple(step.truth.shape), rng, MOST_HIDDEN)
        hidden = as_mask(drawn | self.targets[None, :], step.truth) | ~measured
        each = self._each(network, step, rows, predict(network, step, rows, hidden))
        weight = torch.where(hidden, 1.0, self.settings.visible_weight) * measured
        return (each * weight).sum() / weight.sum()

    def score(
        self, network: CellPLMNetwork, step: Step, rows: Tensor
    ) -> dict[str, float]:
        """Hide the targets, and where nothing measures them a fifth of other genes."""
        measured = _measured(step)
        targets = as_mask(self.targets, step.truth)
        scored = measured if step.scored is None else step.scored
        guess = predict(network, step, rows, self._hidden(step, targets))
        out: dict[str, float] = {}
        asked = targets & scored
        if bool(asked.any()):
            out["pearson_targets"] = mean_pearson(step.truth[:, asked], guess[:, asked])
        known = targets & measured
        if bool(known.any()):
            each = self._each(network, step, rows, guess)
            return {"loss": float(each[:, known].mean()), **out}
        return {**self._other_genes(network, step, rows), **out}

    def _other_genes(
        self, network: CellPLMNetwork, step: Step, rows: Tensor
    ) -> dict[str, float]:
        """Hide a fifth of the measured genes beside the targets, in turns."""
        targets = as_mask(self.targets, step.truth)
        places = np.flatnonzero((_measured(step) & ~targets).cpu().numpy())
        order = np.random.default_rng(0).permutation(places)
        losses = []
        for fold in range(min(FOLDS, len(order) - 1)):
            chosen = np.zeros(len(self.targets), dtype=bool)
            chosen[order[fold::FOLDS]] = True
            asked = as_mask(chosen, step.truth)
            hidden = self._hidden(step, targets | asked)
            guess = predict(network, step, rows, hidden)
            each = self._each(network, step, rows, guess)
            losses.append(float(each[:, asked].mean()))
        return {"loss": float(np.mean(losses))} if losses else {}

    def _hidden(self, step: Step, genes: Tensor) -> Tensor:
        return (genes | ~_measured(step)).expand(step.truth.shape)

    def _each(
        self, network: CellPLMNetwork, step: Step, rows: Tensor, guess: Tensor
    ) -> Tensor:
        return count_loss(network, rows, step.truth, guess, self.settings.loss)


def _measured(step: Step) -> Tensor:
    """(genes,) bool."""
    if step.measured is None:
        shape = step.truth.shape[1]
        return torch.ones(shape, dtype=torch.bool, device=step.truth.device)
    return step.measured
