"""One level of the encoder tower and of the decoder tower."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from napari_scfm.models.sct.convolutions import (
    Convolution,
    DoublingConvolution,
    Pointwise,
)
from napari_scfm.models.sct.norms import make_norm
from napari_scfm.models.sct.stages import NOTHING, Stages


def gelu(x: Tensor) -> Tensor:
    """Return the tanh form of GELU, with which the released weights were trained."""
    return F.gelu(x, approximate="tanh")


def halve(x: Tensor) -> Tensor:
    """Return the means of pairs of positions, (B, L / 2, C)."""
    return (x[:, 0::2] + x[:, 1::2]) / 2


class EncoderBlock(nn.Module):
    """Norm, 5-tap convolution, pointwise residual branch, half of the positions.

    Parameters
    ----------
    wide_in, wide_out
        Channels.
    positions
        Gene positions of a cell at this level.
    norm
        "shared" or "plain".
    """

    def __init__(self, wide_in: int, wide_out: int, positions: int, norm: str) -> None:
        super().__init__()
        self.norm1 = make_norm(norm, positions, wide_in)
        self.conv = Convolution(wide_in, wide_out, 5)
        self.norm2 = make_norm(norm, positions, wide_out)
        self.mix = Pointwise(wide_out, wide_out)

    def forward(self, x: Tensor, keep: Stages = NOTHING, level: str = "") -> Tensor:
        """Return (B, L / 2, wide_out) of (B, L, wide_in)."""
        normed = keep.keep(f"{level}.ln1", self.norm1(x))
        y = keep.keep(f"{level}.conv5", gelu(self.conv(normed)))
        inner = keep.keep(f"{level}.ln2", self.norm2(y))
        z = keep.keep(f"{level}.res1", y + gelu(self.mix(inner)))
        return keep.keep(f"{level}.pooled", halve(z))


class DecoderBlock(nn.Module):
    """Norm, doubling convolution, pointwise residual branch, skip.

    Parameters
    ----------
    wide_in, wide_out
        Channels.
    positions
        Gene positions of a cell before they are doubled.
    norm
        "shared" or "plain".
    """

    def __init__(self, wide_in: int, wide_out: int, positions: int, norm: str) -> None:
        super().__init__()
        self.norm1 = make_norm(norm, positions, wide_in)
        self.up = DoublingConvolution(wide_in, wide_out)
        self.norm2 = make_norm(norm, 2 * positions, wide_out)
        self.mix = Pointwise(wide_out, wide_out)

    def forward(
        self, x: Tensor, skip: Tensor | None, keep: Stages = NOTHING, level: str = ""
    ) -> Tensor:
        """Return (B, 2 L, wide_out) of (B, L, wide_in) and a skip of the same shape."""
        normed = keep.keep(f"{level}.ln1", self.norm1(x))
        y = keep.keep(f"{level}.deconv5", gelu(self.up(normed)))
        inner = keep.keep(f"{level}.ln2", self.norm2(y))
        z = keep.keep(f"{level}.res1", y + gelu(self.mix(inner)))
        return keep.keep(f"{level}.out", z if skip is None else z + skip)
