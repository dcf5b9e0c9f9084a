"""The knobs of a training run, kept with its result."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from napari_scfm.errors import SpecError

SIZES: dict[str, dict[str, int]] = {
    "small": {"width": 128, "layers": 1, "latent": 64},
    "base": {"width": 256, "layers": 1, "latent": 128, "own_width": 128},
}
"""Sizes of a new network by name."""
LOSSES = ("squared_log", "negative_binomial", "both")


@dataclass(frozen=True)
class TrainSettings:
    """How a network is built and trained.

    Attributes
    ----------
    width, layers, heads, latent, dropout
        Of a new network; a loaded model keeps its own.
    neighbours, bandwidths, own_width, near_width, input_dropout, linear_path
        How a new network reads a cell and its surroundings, see
        :class:`napari_scfm.models.cellplm.config.CellPLMConfig`.
    positions
        Whether a new network also reads where in its bag a cell lies; it always
        reads distances.
    loss
        Of counts: "squared_log", the squared error of log1p counts over their
        variance; "negative_binomial", the likelihood, as in the original, which
        networks of the original kind always take; or "both", their mean.
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
    crop, window
        Smallest share of a FOV's cells that a step reads (a compact part of it), and
        the most cells.
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

    width: int = 128
    layers: int = 1
    heads: int = 8
    latent: int = 64
    dropout: float = 0.3
    input_dropout: float = 0.2
    neighbours: tuple[int, ...] = (5, 20, 100)
    bandwidths: tuple[float, ...] = (6.0, 12.0, 25.0, 50.0)
    own_width: int = 96
    near_width: int = 32
    linear_path: bool = True
    positions: bool = False
    loss: str = "both"
    learning_rate: float = 2e-3
    weight_decay: float = 0.3
    warm_up: float = 0.05
    clip: float = 1.0
    draws: int = 8
    patience: int = 20
    visible_weight: float = 0.1
    thinning: float = 0.0
    average: float = 0.99
    crop: float = 0.5
    window: int = 1000
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
        if self.loss not in LOSSES:
            raise SpecError(
                f"There is no loss {self.loss!r}.", f"Losses are: {', '.join(LOSSES)}."
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
        return cls(**{**_size(text, cls._named()), **changes})

    @classmethod
    def _named(cls) -> dict[str, dict[str, int]]:
        return SIZES

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()
        }


def _size(text: str, sizes: dict[str, dict[str, int]]) -> dict[str, int]:
    if text in sizes:
        return sizes[text]
    out = {}
    for part in text.split(","):
        name, _, number = (word.strip() for word in part.partition("="))
        known = name in ("width", "layers", "heads", "latent", "draws")
        if not known or not number.isdecimal() or int(number) < 1:
            raise SpecError(
                f"{text!r} is no size of a network.",
                f"Say {', '.join(sizes)}, or numbers like width=128,layers=3.",
            )
        out[name] = int(number)
    return out
