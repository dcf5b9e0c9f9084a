"""From a position's vector to one score per token."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from napari_scfm.models.sct.blocks import gelu
from napari_scfm.models.sct.convolutions import Pointwise


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
        self.layers = nn.ModuleList(Pointwise(a, b) for a, b in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., tokens) of (..., wide_in)."""
        for layer in self.layers:
            x = layer(gelu(x))
        return x
