"""``annotate``: tell the label of a cell.

Cross-entropy on a head over the embedding. Cells without a label are read like all
others, so that they take part in the attention, but do not count in the loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from napari_scfm.training.objectives.base import Objective, embedded_in_part

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_scfm.models.cellplm.network import CellPLMNetwork
    from napari_scfm.training.batches import Step
    from napari_scfm.training.settings import TrainSettings

MOST_HIDDEN = 0.3
NOWHERE = -1


@dataclass
class AnnotateObjective(Objective):
    """Tell labels.

    Attributes
    ----------
    settings
        Takes ``class_weights`` and ``label_smoothing`` from here.
    sizes
        (classes,) labelled training cells of each class.
    """

    settings: TrainSettings
    sizes: np.ndarray
    name: str = "annotate"

    def loss(
        self,
        network: CellPLMNetwork,
        step: Step,
        rows: Tensor,
        rng: np.random.Generator,
    ) -> Tensor:
        """Return the mean cross-entropy of the labelled cells."""
        said = network.head(embedded_in_part(network, step, rows, rng, MOST_HIDDEN))
        assert step.labels is not None
        if not bool((step.labels != NOWHERE).any()):
            nothing: Tensor = 0.0 * said.sum()
            return nothing
        weight = None
        if self.settings.class_weights:
            weight = torch.as_tensor(self.weights(), device=said.device)
        loss: Tensor = nn.functional.cross_entropy(
            said.float(),
            step.labels,
            weight=weight,
            ignore_index=NOWHERE,
            label_smoothing=self.settings.label_smoothing,
        )
        return loss

    def weights(self) -> np.ndarray:
        """Return (classes,) float32 weights: rarer classes weigh more, mean 1.

        The weight of a class falls with the square root of its size.
        """
        raw = 1 / np.sqrt(np.maximum(self.sizes, 1))
        return np.asarray(raw / raw.mean(), dtype=np.float32)

    def score(
        self, network: CellPLMNetwork, step: Step, rows: Tensor
    ) -> dict[str, float]:
        """Return the figures of one FOV."""
        return self.scores(network, [step], rows, [])

    def scores(
        self,
        network: CellPLMNetwork,
        steps: Iterable[Step],
        rows: Tensor,
        training: Iterable[Step],
    ) -> dict[str, float]:
        """Return loss, accuracy and macro-F1 of all held-out cells together."""
        said, labels = [], []
        for step in steps:
            assert step.labels is not None
            known = step.labels != NOWHERE
            z = network(step.truth, rows, step.positions, step.nearest)
            said.append(network.head(z)[known].float())
            labels.append(step.labels[known])
        scores, truth = torch.cat(said), torch.cat(labels)
        if not len(truth):
            return {"loss": float("nan")}
        told = scores.argmax(1)
        return {
            "loss": float(nn.functional.cross_entropy(scores, truth)),
            "accuracy": float((told == truth).float().mean()),
            "macro_f1": macro_f1(truth.cpu().numpy(), told.cpu().numpy()),
        }


def macro_f1(truth: np.ndarray, told: np.ndarray) -> float:
    """Return the mean over the classes in the truth of F1; NaN without cells.

    Parameters
    ----------
    truth, told
        (cells,) classes from 0.
    """
    if not len(truth):
        return float("nan")
    size = int(max(truth.max(), told.max())) + 1
    right = np.bincount(truth[truth == told], minlength=size)
    there = np.bincount(truth, minlength=size)
    both = there + np.bincount(told, minlength=size)
    present = there > 0
    return float((2 * right[present] / both[present]).mean())
