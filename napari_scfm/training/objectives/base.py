"""What the loop needs of an objective, and how much of a step it may hide."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_scfm.models.cellplm.network import CellPLMNetwork
    from napari_scfm.training.batches import Step


class Objective(ABC):
    """Turns a step into a loss, and held-out FOVs into figures.

    Attributes
    ----------
    name
        As users write it.
    head
        Layers that are trained beside the network and thrown away after it, or None.
    """

    name: str = ""
    head: nn.Module | None = None

    @abstractmethod
    def loss(
        self,
        network: Any,
        step: Any,
        rows: Tensor,
        rng: np.random.Generator,
    ) -> Tensor:
        """Return the loss of one training step, a scalar with a gradient.

        Parameters
        ----------
        network
            In training mode.
        step
            The cells, as the family of the network reads them.
        rows
            (genes,) positions of the step's columns in the network's gene list.
        rng
            Source of everything random here but dropout.
        """

    @abstractmethod
    def score(self, network: Any, step: Any, rows: Tensor) -> dict[str, float]:
        """Return figures of a whole FOV; ``"loss"`` decides which weights are kept.

        Must not draw anything that differs between epochs.
        """

    def scores(
        self,
        network: Any,
        steps: Iterable[Any],
        rows: Tensor,
        training: Iterable[Any],
    ) -> dict[str, float]:
        """Return the figures of all held-out FOVs: each the mean over those with it.

        Parameters
        ----------
        network
            In evaluation mode.
        steps
            The held-out FOVs.
        rows
            As in `loss`.
        training
            The FOVs that are trained on, as they are; read anew each time.
        """
        found = [self.score(network, step, rows) for step in steps]
        return mean_figures(found)

    def state(self) -> dict[str, Any]:
        """Return what changes during training beside the head, ready for JSON."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` returned."""
        assert not state, f"{self.name} keeps no state"


def mean_figures(found: list[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each figure over those that have it; NaN is not having it."""
    seen: dict[str, list[float]] = {}
    for figures in found:
        for name, value in figures.items():
            if not np.isnan(value):
                seen.setdefault(name, []).append(value)
    return {name: float(np.mean(values)) for name, values in seen.items()}


def some_entries(
    shape: tuple[int, ...], rng: np.random.Generator, most: float
) -> np.ndarray:
    """Draw entries to hide: a share of all that is itself drawn, up to ``most``."""
    return rng.random(shape) < rng.uniform(0.0, most)


def embedded_in_part(
    network: CellPLMNetwork,
    step: Step,
    rows: Tensor,
    rng: np.random.Generator,
    most: float,
) -> Tensor:
    """Return (cells, latent) while some entries are hidden, see `some_entries`."""
    drawn = some_entries(tuple(step.shown.shape), rng, most)
    hidden = as_mask(drawn, step.shown)
    shown = step.shown.masked_fill(hidden, network.hidden_value)
    z: Tensor = network(shown, rows, step.positions, step.nearest)
    return z


def as_mask(mask: np.ndarray, like: Tensor) -> Tensor:
    """Return a mask on the device of a tensor."""
    return torch.as_tensor(mask, device=like.device)
