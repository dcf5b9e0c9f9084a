"""The knobs of a training run, kept with its result."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from napari_scfm.errors import SpecError

SIZES: dict[str, dict[str, int]] = {
    "small": {"width": 64, "layers": 2, "latent": 32},
    "base": {"width": 256, "layers": 4, "latent": 128},
}
"""Sizes of a new network by name."""


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
        Weight of visible entries in the loss of counts; hidden ones weigh 1.
    thinning
        Largest share of molecules taken from the input of a step.
    average
        Pace of the running mean of the weights, which is what is kept.
    crop
        Smallest share of a FOV's cells that a step reads (a window of it).
    largest_bag
        Most cells that a step reads at once, 0 = no limit; halved when memory runs
        out.
    half_precision
        Compute steps in bfloat16 on CUDA; other devices never do.
    per_stratum
        "impute" without given genes: how many are drawn from each sparsity stratum,
        at most half of it.
    temperature, anchors, projection
        "supcon": divisor of the similarities, labelled cells compared per step, and
        width of the head's output.
    class_weights, label_smoothing
        "annotate": weigh rare classes more; share of each label that is spread over
        all classes.
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
    largest_bag: int = 4000
    half_precision: bool = True
    per_stratum: int = 25
    temperature: float = 0.1
    anchors: int = 512
    projection: int = 32
    class_weights: bool = False
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        if self.width % 4 or self.width % self.heads:
            raise SpecError(
                f"A width of {self.width} is not divisible by 4 and by "
                f"{self.heads} heads.",
                "Take a multiple of both, like width=128.",
            )

    @classmethod
    def of_size(cls, text: str, **changes: Any) -> TrainSettings:
        """Return settings for a size: ``small``, ``base`` or ``width=128,layers=3``.

        Parameters
        ----------
        text
            A name, or whole numbers for any of width, layers, heads, latent and
            draws; what is not said stays as it is for ``small``.
        changes
            Other settings.

        Raises
        ------
        SpecError
            If it is neither, or heads do not divide the width.
        """
        return cls(**{**_size(text), **changes})

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return asdict(self) | {"neighbours": list(self.neighbours)}


def _size(text: str) -> dict[str, int]:
    if text in SIZES:
        return SIZES[text]
    out = {}
    for part in text.split(","):
        name, _, number = (word.strip() for word in part.partition("="))
        known = name in ("width", "layers", "heads", "latent", "draws")
        if not known or not number.isdecimal() or int(number) < 1:
            raise SpecError(
                f"{text!r} is no size of a network.",
                f"Say {', '.join(SIZES)}, or numbers like width=128,layers=3.",
            )
        out[name] = int(number)
    return out
