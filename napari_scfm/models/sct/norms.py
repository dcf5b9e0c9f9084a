"""The norms of the convolution towers: over genes, or over channels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-5


class GeneNorm(nn.Module):
    """Layer norm over the gene positions of one cell and one channel.

    The paper's "shared layer norm": scale and offset belong to the position and are
    shared by all cells and channels. The variance is biased.

    Parameters
    ----------
    positions
        Gene positions of a cell at this level.
    """

    def __init__(self, positions: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(positions))
        self.offset = nn.Parameter(torch.zeros(positions))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, k * positions, C), normed; same shape as ``x``."""
        cells = x.view(len(x), -1, len(self.scale), x.shape[2])
        centred = cells - cells.mean(dim=2, keepdim=True)
        variance = centred.square().mean(dim=2, keepdim=True)
        inverse = torch.rsqrt(variance + EPS)
        scale, offset = self.scale.unsqueeze(-1), self.offset.unsqueeze(-1)
        normed: Tensor = centred * inverse * scale + offset
        return normed.flatten(1, 2)


class ChannelNorm(nn.Module):
    """Ordinary layer norm over the channels of each position, for comparison."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))
        self.offset = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, L, C), normed."""
        return F.layer_norm(x, self.scale.shape, self.scale, self.offset, EPS)


def make_norm(kind: str, positions: int, channels: int) -> nn.Module:
    """Return the norm of a configuration, "shared" or "plain"."""
    return GeneNorm(positions) if kind == "shared" else ChannelNorm(channels)
