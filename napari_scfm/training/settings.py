"""The knobs of a training run, kept with its result."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class TrainSettings:
    """How a network is built and trained.

    Attributes
    ----------
    width, layers, heads, latent, dropout
        Of a new network; a loaded model keeps its own.
    neighbours
        Numbers of nearest cells whose means a new network reads.
    learning_rate, weight_decay, warm_up, clip
        AdamW; ``warm_up`` is the share of steps of linear warm-up before the cosine
        decay; ``clip`` bounds the gradient norm.
    draws
        Training steps per FOV and epoch, each with another mask.
    patience
        Epochs without a better validation loss after which training stops.
    visible_weight
        Weight of visible entries in the loss; hidden ones weigh 1.
    thinning
        Largest share of molecules taken from the input of a step.
    average
        Pace of the running mean of the weights, which is what is kept.
    crop
        Smallest share of a FOV's cells that a step reads (a window of it).
    """

    width: int = 64
    layers: int = 2
    heads: int = 8
    latent: int = 32
    dropout: float = 0.15
    neighbours: tuple[int, ...] = (6, 12, 24)
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warm_up: float = 0.05
    clip: float = 1.0
    draws: int = 8
    patience: int = 20
    visible_weight: float = 0.1
    thinning: float = 0.3
    average: float = 0.99
    crop: float = 0.5

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return asdict(self) | {"neighbours": list(self.neighbours)}
