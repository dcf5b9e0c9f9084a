"""``supcon``: cells of one label lie together in the embedding, others apart.

The supervised contrastive loss of Khosla et al. (NeurIPS 2020, eq. 2), on a small
head over the embedding that is thrown away after training, between a sample of each
step's labelled cells: nothing of size cells x cells is ever made. Cells without a
label are read like all others but are no anchors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from napari_scfm.training.objectives.annotate import macro_f1
from napari_scfm.training.objectives.base import Objective, embedded_in_part

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_scfm.models.cellplm.network import CellPLMNetwork
    from napari_scfm.training.batches import Step
    from napari_scfm.training.settings import TrainSettings

MOST_HIDDEN = 0.3
NEIGHBOURS = 15
LARGEST_REFERENCE = 5000
"""Labelled cells of the training FOVs among which neighbours are looked for."""


class SupConObjective(Objective):
    """Pull cells of one label together, push the others away.

    Parameters
    ----------
    settings
        Takes ``temperature``, ``anchors`` and ``projection`` from here.
    latent
        Width of the embedding.
    """

    name = "supcon"

    def __init__(self, settings: TrainSettings, latent: int) -> None:
        self.settings = settings
        self.head = nn.Sequential(
            nn.Linear(latent, latent), nn.ReLU(), nn.Linear(latent, settings.projection)
        )

    def loss(
        self,
        network: CellPLMNetwork,
        step: Step,
        rows: Tensor,
        rng: np.random.Generator,
    ) -> Tensor:
        """Return the contrastive loss of a sample of the labelled cells."""
        z = embedded_in_part(network, step, rows, rng, MOST_HIDDEN)
        return self._between(z, step, rng)

    def _between(self, z: Tensor, step: Step, rng: np.random.Generator) -> Tensor:
        assert step.labels is not None
        assert self.head is not None
        labels = step.labels.cpu().numpy()
        chosen = draw_anchors(labels, self.settings.anchors, rng)
        at = torch.as_tensor(chosen, device=z.device)
        projected = nn.functional.normalize(self.head(z[at]).float(), dim=1)
        return contrastive(projected, step.labels[at], self.settings.temperature)

    def score(
        self, network: CellPLMNetwork, step: Step, rows: Tensor
    ) -> dict[str, float]:
        """Return the loss of always the same anchors of a FOV."""
        z = network(step.truth, rows, step.positions, step.nearest)
        loss = self._between(z, step, np.random.default_rng(0))
        return {"loss": float(loss)}

    def scores(
        self,
        network: CellPLMNetwork,
        steps: Iterable[Step],
        rows: Tensor,
        training: Iterable[Step],
    ) -> dict[str, float]:
        """Add ``knn_macro_f1``: labels told by the 15 most similar training cells."""
        steps = list(steps)
        out = super().scores(network, steps, rows, training)
        z, labels = embedded(network, training, rows)
        order = np.random.default_rng(0).permutation(len(z))[:LARGEST_REFERENCE]
        at = torch.as_tensor(order, device=z.device)
        truth, told = [], []
        for step in steps:
            own, wanted = embedded(network, [step], rows)
            told.append(vote(own, z[at], labels[at]).cpu().numpy())
            truth.append(wanted.cpu().numpy())
        out["knn_macro_f1"] = macro_f1(np.concatenate(truth), np.concatenate(told))
        return out


def contrastive(z: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Return the supervised contrastive loss, mean over anchors with a positive.

    Parameters
    ----------
    z
        (anchors, d) vectors of length 1.
    labels
        (anchors,) classes; the other cells of an anchor's class are its positives.
    temperature
        Divides the similarities.

    Returns
    -------
    ``-1/|P(i)| sum_p log(exp(z_i z_p / t) / sum_{a != i} exp(z_i z_a / t))``, mean
    over the anchors i with any positives P(i); 0 where there are none.
    """
    own = torch.eye(len(z), dtype=torch.bool, device=z.device)
    positive = (labels[:, None] == labels[None, :]) & ~own
    number = positive.sum(1)
    anchors = number > 0
    if not bool(anchors.any()):
        return 0.0 * z.sum()
    similar = (z @ z.T / temperature).masked_fill(own, -torch.inf)
    log_share = similar - torch.logsumexp(similar, dim=1, keepdim=True)
    each = -log_share.masked_fill(~positive, 0.0).sum(1)
    return (each[anchors] / number[anchors]).mean()


def draw_anchors(labels: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Draw labelled cells, rare classes more often than their share.

    Parameters
    ----------
    labels
        (cells,) classes, -1 without one.
    most
        How many at most.
    rng
        Source of the draw.

    Returns
    -------
    Positions, rising. A cell is drawn with weight ``1 / sqrt(size of its class)``.
    """
    known = np.flatnonzero(labels >= 0)
    if len(known) <= most:
        return known
    weight = 1 / np.sqrt(np.bincount(labels[known])[labels[known]])
    return np.sort(rng.choice(known, most, replace=False, p=weight / weight.sum()))


def embedded(
    network: CellPLMNetwork, steps: Iterable[Step], rows: Tensor
) -> tuple[Tensor, Tensor]:
    """Return embeddings of length 1 and classes of the labelled cells."""
    vectors, classes = [], []
    for step in steps:
        assert step.labels is not None
        known = step.labels >= 0
        z = network(step.truth, rows, step.positions, step.nearest)
        vectors.append(nn.functional.normalize(z[known].float(), dim=1))
        classes.append(step.labels[known])
    return torch.cat(vectors), torch.cat(classes)


def vote(z: Tensor, reference: Tensor, labels: Tensor) -> Tensor:
    """Return the commonest class among the nearest reference cells, (cells,).

    Parameters
    ----------
    z, reference
        (cells, d) and (others, d) vectors of length 1, compared by their cosine.
    labels
        (others,) classes; of equally common ones the first is told.
    """
    near = (z @ reference.T).topk(min(NEIGHBOURS, len(reference)), dim=1).indices
    votes = nn.functional.one_hot(labels[near], int(labels.max()) + 1).sum(1)
    return votes.argmax(1)
