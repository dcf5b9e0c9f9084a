"""Where a cell lies, as a vector added to all of its gene positions."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class CoordinateEncoding(nn.Module):
    """Cosines and sines of a cell's coordinates at growing scales, then a linear map.

    Parameters
    ----------
    kind
        "released": cosine of x and sine of y at scales ``sigma_min * g ** (u / (S -
        1))`` with ``g = sigma_max / sigma_min`` and ``u`` running evenly from
        ``sigma_min`` to ``sigma_max``, as the released program computes them; or
        "paper" (Eq. 1): cosine and sine of both, ``u = 0 .. S - 1``.
    scales
        S.
    smallest, largest
        ``sigma_min`` and ``sigma_max``.
    width
        Channels of a position.
    """

    def __init__(
        self, kind: str, scales: int, smallest: float, largest: float, width: int
    ) -> None:
        super().__init__()
        self.kind = kind
        growth = largest / smallest
        steps = [float(i) for i in range(scales)]
        if kind == "released":
            step = (largest - smallest) / max(scales - 1, 1)
            steps = [smallest + i * step for i in range(scales)]
        self.scales = [smallest * growth ** (u / max(scales - 1, 1)) for u in steps]
        features = scales * (2 if kind == "released" else 4)
        self.linear = nn.Linear(features, width)

    def forward(self, coordinates: Tensor) -> Tensor:
        """Return (B, k, width) of (B, k, 2)."""
        scales = coordinates.new_tensor(self.scales)
        parts = coordinates.unsqueeze(-1) / scales
        x, y = parts.unbind(dim=2)
        waves = [x.cos(), y.sin()]
        if self.kind == "paper":
            waves = [x.cos(), x.sin(), y.cos(), y.sin()]
        out: Tensor = self.linear(torch.stack(waves, dim=-1).flatten(2))
        return out
