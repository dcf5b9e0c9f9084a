"""Convolutions along the sequence, features last: (B, L, C) in and out.

A sequence in this layout is a channels-last image of height 1, for which processors
and GPUs have their fastest kernels; nothing is copied. Zero padding lies only at the
two ends of the sequence: convolutions run across cells.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_BATCH = 16


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return the correlation without padding, (B, L - taps + 1, out).

    Parameters
    ----------
    x
        (B, L, in).
    weight, bias
        (out, in, taps) and (out,), or no bias.
    """
    image = x.transpose(1, 2).unsqueeze(2)
    return F.conv2d(image, weight.unsqueeze(2), bias).squeeze(2).transpose(1, 2)


def pointwise(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return ``x @ weight.T + bias``, (..., out), by the fastest product.

    On processors that is the convolution of one tap: oneDNN's products are up to
    twice as fast as those of the default library. On one thread torch only takes them
    for a batch.
    """
    batch, count = 1, math.prod(x.shape[:-1])
    if torch.get_num_threads() == 1:
        batch = 0 if count % _BATCH else _BATCH
    if not batch or x.device.type != "cpu":
        return F.linear(x, weight, bias)
    rows = x.reshape(batch, -1, x.shape[-1])
    return convolve(rows, weight.unsqueeze(2), bias).reshape(*x.shape[:-1], -1)


class Pointwise(nn.Linear):
    """``nn.Linear`` by :func:`pointwise`."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., out_features)."""
        return pointwise(x, self.weight, self.bias)


class Convolution(nn.Module):
    """A convolution that keeps the length; an odd number of taps.

    Parameters
    ----------
    wide_in, wide_out, taps
        Channels, and positions that are read.
    """

    def __init__(self, wide_in: int, wide_out: int, taps: int) -> None:
        super().__init__()
        self.taps = taps
        self.weight = nn.Parameter(torch.empty(wide_out, wide_in, taps))
        self.bias = nn.Parameter(torch.zeros(wide_out))
        spread = 1 / math.sqrt(wide_in * taps)
        nn.init.trunc_normal_(self.weight, std=spread, a=-2 * spread, b=2 * spread)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, L, wide_out)."""
        side = self.taps // 2
        return convolve(F.pad(x, (0, 0, side, side)), self.weight, self.bias)


class DoublingConvolution(nn.Module):
    """The decoder's 5-tap transposed convolution of stride 2, as two ordinary ones.

    ``y[2a] = w1 x[a-1] + w3 x[a]`` and ``y[2a+1] = w0 x[a-1] + w2 x[a] + w4 x[a+1]``,
    plus the bias; outside the sequence ``x`` is 0. Exact, with half of the products
    of a sequence stuffed with zeros; ``conv_transpose1d`` returns wrong values in
    some builds of torch on several threads.

    Parameters
    ----------
    wide_in, wide_out
        Channels.
    """

    def __init__(self, wide_in: int, wide_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(wide_out, wide_in, 5))
        self.bias = nn.Parameter(torch.zeros(wide_out))
        spread = 1 / math.sqrt(wide_in * 5)
        nn.init.trunc_normal_(self.weight, std=spread, a=-2 * spread, b=2 * spread)

    def phases(self) -> tuple[Tensor, Tensor]:
        """Return the weights of even and of odd places, 2 and 3 taps."""
        w = self.weight
        return w[..., 1:4:2].contiguous(), w[..., 0:5:2].contiguous()

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, 2 L, wide_out)."""
        return double(F.pad(x, (0, 0, 1, 1)), *self.phases(), self.bias)


def double(x: Tensor, even: Tensor, odd: Tensor, bias: Tensor) -> Tensor:
    """Return (B, 2 L, out) of (B, L + 2, in), one position more on each side."""
    first = convolve(x[:, :-1], even, bias)
    second = convolve(x, odd, bias)
    return torch.stack((first, second), dim=2).flatten(1, 2)
