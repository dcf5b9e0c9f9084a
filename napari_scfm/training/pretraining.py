"""Pretraining as the original does it: draw, mask, guess, penalise the latent.

A step keeps a random part of the cells, hides entries in most of them, adds noise to
the latent, and asks for the counts of the cells in which something was hidden. All
rates come from the configuration (Wen et al., ICLR 2024, section 3.3; the rates of
the released files are in their own configuration).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from napari_scfm.models.cellplm.latent import MixtureLatent, VariationalLatent
from napari_scfm.models.cellplm.places import nearest_cells
from napari_scfm.training.losses import (
    divergence_loss,
    mixture_loss,
    negative_binomial,
    pretraining_loss,
    scaled,
)
from napari_scfm.training.objectives.base import Objective

if TYPE_CHECKING:
    from napari_scfm.models.cellplm.config import CellPLMConfig
    from napari_scfm.models.cellplm.network import CellPLMNetwork
    from napari_scfm.training.batches import Step
    from napari_scfm.training.settings import TrainSettings

WARM_UP = 10_000
"""Forward passes over which the weight of the divergence grows from 0 to 1."""
LARGEST_SHARE = 0.9
"""No cell has more of its entries hidden, in expectation."""


@dataclass(frozen=True)
class Recipe:
    """What a configuration says about training; names and defaults are its own.

    Attributes
    ----------
    drop_node_rate, max_batch_size
        Share of the cells left out of a step; most cells of a step.
    mask_node_rate
        Share of the kept cells in which entries are hidden.
    mask_feature_rate, mask_beta
        Share of the entries hidden there; with ``mask_beta`` each cell draws its own
        from Beta(5, 4 / rate - 3).
    dae
        See :func:`pretraining_loss`.
    lamda, w_li, w_en
        See :func:`mixture_loss`.
    """

    drop_node_rate: float = 0.0
    max_batch_size: int = 2000
    mask_node_rate: float = 0.5
    mask_feature_rate: float = 0.8
    mask_beta: bool = False
    dae: bool = True
    lamda: float = 0.5
    w_li: float = 1.0
    w_en: float = 1.0

    @classmethod
    def of(cls, config: CellPLMConfig, **changes: Any) -> Recipe:
        """Return a configuration's recipe, with some fields changed."""
        names = {field.name for field in fields(cls)}
        said = {k: v for k, v in config.extra.items() if k in names and v is not None}
        return cls(**said | changes)


@dataclass(frozen=True)
class Draw:
    """What one step keeps and hides.

    Attributes
    ----------
    cells
        (kept,) positions of the cells that take part, in their new order.
    hidden
        (kept, genes) bool.
    """

    cells: np.ndarray
    hidden: np.ndarray


def draw_mask(shape: tuple[int, int], recipe: Recipe, rng: np.random.Generator) -> Draw:
    """Draw which cells a step keeps and which of their entries it hides.

    Parameters
    ----------
    shape
        (cells, genes) of the bag. Zero counts are hidden like others.
    recipe
        The rates.
    rng
        Source of the draws.
    """
    cells, genes = shape
    left = max(1, int(cells * (1 - recipe.drop_node_rate)))
    kept = min(recipe.max_batch_size, left)
    chosen = rng.permutation(cells)[:kept]
    masked = rng.permutation(kept)[: int(recipe.mask_node_rate * kept)]
    share = np.full(len(masked), recipe.mask_feature_rate)
    if recipe.mask_beta and recipe.mask_feature_rate > 0:
        share = rng.beta(5.0, 4.0 / recipe.mask_feature_rate - 3.0, len(masked))
    hidden = np.zeros((kept, genes), dtype=bool)
    drawn = rng.random((len(masked), genes))
    hidden[masked] = drawn < np.minimum(share, LARGEST_SHARE)[:, None]
    return Draw(chosen, hidden)


def kept_cells(step: Step, cells: np.ndarray) -> Step:
    """Return a step of some of the cells; neighbours are looked for among them."""
    at = torch.as_tensor(cells, device=step.truth.device)
    positions, nearest = step.positions[at], step.nearest
    if nearest is not None:
        found = nearest_cells(positions[:, :2].cpu().numpy(), nearest.shape[1])
        nearest = torch.as_tensor(found, device=at.device)
    return replace(
        step,
        truth=step.truth[at],
        shown=step.shown[at],
        positions=positions,
        nearest=nearest,
        labels=None if step.labels is None else step.labels[at],
    )


def noisy_latent(
    network: CellPLMNetwork,
    hidden: Tensor,
    recipe: Recipe,
    weight: float,
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    """Return a sample of the latent, (cells, latent), and its loss, a scalar.

    Parameters
    ----------
    network
        Its latent is sampled; a plain one has no noise and no loss.
    hidden
        (cells, width) output of the encoder.
    recipe, weight
        Of :func:`mixture_loss` and of :func:`divergence_loss`.
    rng
        Source of the noise.
    """
    latent = network.latent.chosen
    if not isinstance(latent, VariationalLatent | MixtureLatent):
        return latent(hidden), hidden.new_zeros(())
    size = (len(hidden), network.config.post_latent_dim)
    noise = rng.standard_normal(size, dtype=np.float32)
    drawn = torch.as_tensor(noise, device=hidden.device)
    if isinstance(latent, VariationalLatent):
        z, divergence = latent.sample(hidden, drawn)
        return z, divergence_loss(divergence, weight)
    chance = rng.random((len(hidden), network.config.num_clusters), dtype=np.float32)
    uniform = torch.as_tensor(chance, device=hidden.device)
    z, gaussian, categorical = latent.sample(hidden, drawn, uniform)
    return z, mixture_loss(
        gaussian,
        categorical,
        gaussian_weight=recipe.w_li,
        categorical_weight=recipe.w_en,
        floor=recipe.lamda,
    )


@dataclass
class PretrainObjective(Objective):
    """Guess the counts of cells in which some were hidden, with a noisy latent.

    Attributes
    ----------
    settings
        Of the run; the recipe is read from the network's configuration.
    forwards
        Training steps so far; the divergence of a plain variational latent weighs
        ``forwards / 10000``, at most 1. As in the original a run that begins with
        the weights of a model begins again at 0; one that is resumed does not.
    """

    settings: TrainSettings
    name: str = "pretrain"
    forwards: int = 0

    def loss(
        self,
        network: CellPLMNetwork,
        step: Step,
        rows: Tensor,
        rng: np.random.Generator,
    ) -> Tensor:
        """Return the loss of counts and latent; one more forward pass is counted."""
        recipe = Recipe.of(network.config)
        cells, genes = step.truth.shape
        draw = draw_mask((cells, genes), recipe, rng)
        step = kept_cells(step, draw.cells)
        hidden = torch.as_tensor(draw.hidden, device=step.truth.device)
        shown = step.shown.masked_fill(hidden, network.hidden_value)
        encoded = network.encode(shown, rows, step.positions, step.nearest)
        weight = min(1.0, self.forwards / WARM_UP)
        z, penalty = noisy_latent(network, encoded, recipe, weight, rng)
        self.forwards += 1
        means = network.means(z, rows)
        theta = network.decoder.out_layer.dispersion(rows)
        if not draw.hidden.any():
            return penalty + 0.0 * means.sum()
        counted = pretraining_loss(step.truth, means, theta, hidden, dae=recipe.dae)
        return counted + penalty

    def score(
        self, network: CellPLMNetwork, step: Step, rows: Tensor
    ) -> dict[str, float]:
        """Return the loss of hidden entries, always the same ones, and of seen ones.

        ``loss`` is the mean over entries that a fixed draw of the recipe hides;
        ``loss_seen`` is the original's loss at evaluation, where nothing is hidden:
        summed over genes, mean over cells.
        """
        cells, genes = step.truth.shape
        recipe = Recipe.of(network.config, drop_node_rate=0.0, max_batch_size=cells)
        draw = draw_mask((cells, genes), recipe, np.random.default_rng(0))
        nothing = torch.zeros_like(step.truth, dtype=torch.bool)
        hidden = torch.zeros_like(nothing)
        hidden[draw.cells] = torch.as_tensor(draw.hidden, device=hidden.device)
        unseen = self._each(network, step, rows, hidden)[hidden]
        seen = self._each(network, step, rows, nothing)
        return {"loss": float(unseen.mean()), "loss_seen": float(seen.sum(1).mean())}

    def state(self) -> dict[str, Any]:
        """Return the number of steps so far."""
        return {"forwards": self.forwards}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` returned."""
        self.forwards = int(state["forwards"])

    def _each(
        self, network: CellPLMNetwork, step: Step, rows: Tensor, hidden: Tensor
    ) -> Tensor:
        shown = step.truth.masked_fill(hidden, network.hidden_value)
        z = network(shown, rows, step.positions, step.nearest)
        means = network.means(z, rows)
        theta = network.decoder.out_layer.dispersion(rows)
        return negative_binomial(step.truth, scaled(step.truth, means), theta)
