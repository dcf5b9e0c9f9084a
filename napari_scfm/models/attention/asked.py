"""Which attention of a network is asked for: layer or rollout, head, weighting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from napari_scfm.errors import ModelError

Layer: TypeAlias = int | Literal["rollout"]
Weighting: TypeAlias = Literal["weights", "values"]

ROLLOUT = "rollout"
WEIGHTINGS: tuple[str, ...] = get_args(Weighting)


@dataclass(frozen=True)
class Asked:
    """A request that a network can answer.

    Attributes
    ----------
    layers
        Positions of the layers that are read, from 0, in order.
    head
        From 0; None for the mean of the heads.
    by_values
        Whether key j weighs as much as what it moves, ``|W_o W_v x_j|``.
    rollout
        Whether the layers are multiplied, see :mod:`.layers`.
    """

    layers: tuple[int, ...]
    head: int | None
    by_values: bool
    rollout: bool = False


def asked(
    model: str, shape: tuple[int, int], layer: Layer, head: int | None, weighting: str
) -> Asked:
    """Check a request.

    Parameters
    ----------
    model
        Name, for the error.
    shape
        (layers, heads) of the network.
    layer, head, weighting
        See :meth:`napari_scfm.models.base.CellModel.attend`.

    Raises
    ------
    ModelError
        If there is no such layer, head or weighting; all that is wrong is said.
    """
    layers, heads = shape
    wrong: list[tuple[str, str]] = []
    if layer == ROLLOUT:
        read = tuple(range(layers))
        if head is not None and layers > 1:
            text = f"A rollout of model {model} follows all heads, not head {head}."
            wrong.append((text, "Leave the head out of a rollout."))
    elif isinstance(layer, str) or not -layers <= layer < layers:
        text = f"Model {model} has {_number(layers, 'layer')}, there is no {layer}."
        offer = f"0 to {layers - 1}" if layers > 1 else "0"
        wrong.append((text, f'Ask for {offer}, -1 for the last, or "{ROLLOUT}".'))
    else:
        read = (range(layers)[layer],)
    if head is not None and not 0 <= head < heads:
        text = f"Model {model} has {_number(heads, 'head')}, there is no head {head}."
        offer = f"0 to {heads - 1}" if heads > 1 else "0"
        wrong.append((text, f"Ask for {offer}, or None for their mean."))
    if weighting not in WEIGHTINGS:
        offers = " or ".join(f'"{one}"' for one in WEIGHTINGS)
        text = f"There is no weighting {weighting!r} of attention."
        wrong.append((text, f"Ask for {offers}."))
    if wrong:
        message, action = (" ".join(parts) for parts in zip(*wrong, strict=True))
        raise ModelError(message, action, [text for text, _ in wrong])
    return Asked(read, head, weighting == "values", layer == ROLLOUT)


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")
