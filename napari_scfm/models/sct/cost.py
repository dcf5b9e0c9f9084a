"""What reading cells with an sCT network costs, told before its weights are loaded.

Products of the network are counted from its configuration; how many a second the
device does is tried on a product of matrices, which takes a fraction of a second.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from napari_scfm.models.devices import bf16_is_fast, pick_device

if TYPE_CHECKING:
    from napari_scfm.models.sct.config import SCTConfig

_STEM, _TAPS, _UP = 15, 5, 2.5
_SHARE = {"cpu": 0.5, "cuda": 0.3, "mps": 0.3}
"""Of the rate of plain products that the whole network reaches."""
_SIZE = {"cpu": 512, "cuda": 8192, "mps": 4096}
"""Of the products that are tried; on processors short enough that other work leaves
one of them in peace."""
_TRIES = 20
_KEPT = 2.4
"""Levels of the widest kind that are held at once, skips among them."""


@dataclass(frozen=True)
class Estimate:
    """What one machine needs.

    Attributes
    ----------
    device
        Its name.
    cells_embedded, cells_predicted
        Per second.
    memory
        GB for weights and one window.
    """

    device: str
    cells_embedded: float
    cells_predicted: float
    memory: float

    def sentence(self) -> str:
        """Return the estimate in words."""
        return (
            f"On {self.device} about {_rate(self.cells_embedded)} are embedded and "
            f"{_rate(self.cells_predicted)} predicted, in {_much(self.memory)} of "
            "memory (estimated)."
        )


def products(config: SCTConfig, *, predicts: bool) -> float:
    """Return multiply-adds per cell, in a window of ``num_cells``.

    Parameters
    ----------
    config
        Its ``positions`` must be known.
    predicts
        Whether the decoder runs too; the head is counted at 15 % of the positions.
    """
    wide, n, cells = config.channels, config.positions, config.num_cells
    total = float(n * _STEM * wide[0] * wide[0])
    for level in range(config.num_downsamples):
        here = n >> level
        total += here * (_TAPS * wide[level] + wide[level + 1]) * wide[level + 1]
        if predicts:
            total += here * (_UP * wide[level + 1] + wide[level]) * wide[level]
    tokens, heads = config.cell_tokens, config.attention_heads * config.key_size
    width = config.embed_dim
    each = 4 * width * heads + 3 * width * config.ffn_embed_dim
    total += config.num_layers * tokens * (each + 2 * cells * tokens * heads)
    if predicts:
        widths = (wide[0] + config.alphabet_size) * width
        more = (config.num_hidden_layers_head - 1) * width * width
        total += 0.15 * n * (widths + max(more, 0))
    return total


def parameters(config: SCTConfig) -> int:
    """Return the number of weights of a configuration, without building it."""
    import torch

    from napari_scfm.models.sct.network import SCTNetwork
    from napari_scfm.models.weights import count_weights

    with torch.device("meta"):
        network = SCTNetwork(config)
    return count_weights(network)


def estimate(config: SCTConfig, device: str = "auto") -> Estimate:
    """Return what a network would cost on a device of this machine.

    Raises
    ------
    ModelError
        If there is no such device.
    """
    kind = str(pick_device(device))
    rate = _rate_of(kind) / 2 * _SHARE.get(kind.partition(":")[0], 0.3)
    level = config.num_cells * config.positions * config.channels[0] * 4
    weights = 4 * parameters(config)
    return Estimate(
        _name(kind),
        rate / products(config, predicts=False),
        rate / products(config, predicts=True),
        (weights + _KEPT * 4 * level) / 1e9,
    )


@lru_cache(maxsize=4)
def _rate_of(kind: str) -> float:
    """Return operations per second of a device in products of matrices."""
    import torch

    device = torch.device(kind)
    size = _SIZE.get(device.type, 512)
    half = torch.bfloat16 if bf16_is_fast(device) else torch.float32
    one = torch.ones(size, size, device=device, dtype=half)
    best = float("inf")
    for _ in range(_TRIES):
        start = time.perf_counter()
        float((one @ one)[0, 0])
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


def _name(kind: str) -> str:
    if not kind.startswith("cuda"):
        return {"cpu": "this processor", "mps": "the Apple GPU"}.get(kind, kind)
    import torch

    return torch.cuda.get_device_name(torch.device(kind))


def _rate(cells: float) -> str:
    if cells >= 10:
        return f"{cells:,.0f} cells a second"
    if cells >= 1:
        return f"{cells:.1f} cells a second"
    return f"{60 * cells:.0f} cells a minute"


def _much(memory: float) -> str:
    return f"about {memory:.1f} GB" if memory >= 0.1 else "less than 0.1 GB"
