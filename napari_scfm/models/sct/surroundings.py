"""What the visible cells around say of a gene, told to positions that are hidden.

Ours, for networks that a user trains; the released network has no such part. There,
every position of a hidden cell holds the same mask token: a norm over the genes of a
cell leaves nothing of it but what leaks in from the ends of its neighbours in the
sequence, and a small network does not learn, in the minutes that a slide takes, to
fetch the neighbours' tokens through the bottleneck.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Surroundings(nn.Module):
    """Shares of the visible cells around that express a gene, then a linear map.

    Parameters
    ----------
    bandwidths
        Of Gaussian weights of the distance between two cells, in the unit of the
        coordinates (about one cell's spacing).
    levels
        Levels of expression above 0.
    width
        Channels of a position.
    mask
        The token of hidden positions.
    """

    def __init__(
        self, bandwidths: tuple[float, ...], levels: int, width: int, mask: int
    ) -> None:
        super().__init__()
        self.bandwidths, self.levels, self.mask = bandwidths, levels, mask
        self.weight = nn.Parameter(torch.empty(len(bandwidths) * levels, width))
        nn.init.normal_(self.weight, std=0.5)

    def forward(self, tokens: Tensor, coordinates: Tensor | None) -> Tensor:
        """Return what is added to each position, (B, k, positions, width)."""
        return self.shares(tokens, coordinates) @ self.weight

    def shares(self, tokens: Tensor, coordinates: Tensor | None) -> Tensor:
        """Return (B, k, positions, bandwidths * levels); 0 where nothing is hidden.

        Parameters
        ----------
        tokens
            (B, k, positions).
        coordinates
            (B, k, 2), or None: all cells weigh alike.

        Notes
        -----
        The share of cell ``i`` and gene ``g`` is ``sum_j w_ij [t_jg >= level] / sum_j
        w_ij`` over cells ``j`` in which ``g`` is visible, with ``w_ij = exp(-d_ij ** 2
        / (2 s ** 2))`` (Nadaraya, 1964, doi:10.1137/1109020), for each bandwidth ``s``
        and each level from 1.
        """
        visible = tokens < self.mask
        least = torch.arange(1, self.levels + 1, device=tokens.device)
        reached = (tokens.unsqueeze(-1) >= least) & visible.unsqueeze(-1)
        seen = torch.cat([reached, visible.unsqueeze(-1)], dim=-1)
        seen = seen.to(self.weight.dtype).flatten(2)
        found = []
        for bandwidth in self.bandwidths:
            near = self._near(tokens, coordinates, bandwidth)
            sums = (near @ seen).view(*tokens.shape, -1)
            found.append(sums[..., :-1] / sums[..., -1:].clamp(min=_NOBODY))
        hidden = (tokens == self.mask).unsqueeze(-1)
        return torch.cat(found, dim=-1) * hidden

    def _near(
        self, tokens: Tensor, coordinates: Tensor | None, bandwidth: float
    ) -> Tensor:
        """Return (B, k, k) weights."""
        batch, cells = tokens.shape[:2]
        if coordinates is None:
            return self.weight.new_ones((batch, cells, cells))
        far = (coordinates.unsqueeze(2) - coordinates.unsqueeze(1)).square().sum(-1)
        return torch.exp(-far / (2 * bandwidth**2)).to(self.weight.dtype)


_NOBODY = 1e-9
"""Weights below which nobody around is visible."""
