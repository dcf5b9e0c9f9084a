"""From a position's vector to one score per token."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_scfm.models.sct.blocks import gelu

BLOCK = 8192


class Head(nn.Module):
    """GELU, then linear maps with GELU between them, position by position.

    Parameters
    ----------
    wide_in, hidden, wide_out
        Width of a position, of the hidden layers, and number of tokens.
    layers
        Hidden layers.
    """

    def __init__(self, wide_in: int, hidden: int, wide_out: int, layers: int) -> None:
        super().__init__()
        widths = [wide_in, *[hidden] * layers, wide_out]
        pairs = zip(widths[:-1], widths[1:], strict=True)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairs)

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., tokens) of (..., wide_in)."""
        for layer in self.layers:
            x = layer(gelu(x))
        return x

    def in_blocks(self, x: Tensor) -> Tensor:
        """Return (n, tokens) float32 of (n, wide_in), some positions at a time."""
        tokens = self.layers[-1].weight.shape[0]
        out = torch.empty(len(x), tokens, device=x.device)
        for start in range(0, len(x), BLOCK):
            out[start : start + BLOCK] = self(x[start : start + BLOCK])
        return out
