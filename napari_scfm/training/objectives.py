"""What a network learns: one class per objective.

An objective turns a step into a loss. ``masked`` hides whole genes, whole cells and
single entries, and asks for their counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor

from napari_scfm.errors import SpecError
from napari_scfm.training.losses import negative_binomial

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_scfm.models.cellplm.network import CellPLMNetwork
    from napari_scfm.training.batches import Step
    from napari_scfm.training.settings import TrainSettings


class Objective(Protocol):
    """What the loop needs of an objective."""

    @property
    def name(self) -> str:
        """Its name, as users write it."""
        ...

    def loss(
        self,
        network: CellPLMNetwork,
        step: Step,
        rows: Tensor,
        rng: np.random.Generator,
    ) -> Tensor:
        """Return the loss of one training step, a scalar with a gradient."""
        ...

    def score(
        self, network: CellPLMNetwork, step: Step, rows: Tensor
    ) -> dict[str, float]:
        """Return figures of a whole FOV; ``"loss"`` decides which weights are kept.

        Must not draw anything that differs between epochs.
        """
        ...


@dataclass(frozen=True)
class MaskedObjective:
    """Guess hidden genes, hidden cells and hidden entries.

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
        hidden = _as_mask(random_mask(tuple(step.truth.shape), rng), step.truth)
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
                hidden = _as_mask(mask, step.truth)
                made = predict(network, step, rows, hidden)
                guess = torch.where(hidden, made, guess)
            each = negative_binomial(step.truth, guess, theta)
            out[f"loss_{kind}"] = float(each.mean())
            out[f"pearson_{kind}"] = mean_pearson(step.truth, guess)
        out["loss"] = (out["loss_genes"] + out["loss_cells"]) / 2
        return out


OBJECTIVES: dict[str, Callable[[TrainSettings], Objective]] = {
    "masked": MaskedObjective
}


def make_objective(name: str, settings: TrainSettings) -> Objective:
    """Return the objective of a name.

    Raises
    ------
    SpecError
        If there is none.
    """
    if name not in OBJECTIVES:
        raise SpecError(
            f"There is no training objective {name!r}.",
            f"Objectives are: {', '.join(OBJECTIVES)}.",
        )
    return OBJECTIVES[name](settings)


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


def _as_mask(mask: np.ndarray, like: Tensor) -> Tensor:
    return torch.as_tensor(mask, device=like.device)


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
