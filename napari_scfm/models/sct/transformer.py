"""The transformer over the bottleneck tokens of all cells of a sequence.

Pre-norm layers with rotary positions that number the tokens of the whole sequence, and
a gated feed-forward; no mask, no final norm.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_scfm.models.sct.convolutions import Pointwise
from napari_scfm.models.sct.stages import NOTHING, Stages


def rotary(x: Tensor, start: int = 0) -> Tensor:
    """Return queries or keys turned by their place in the sequence.

    Component ``m`` is paired with ``m + d / 2`` and turned by the angle
    ``t * 10000 ** (-2 m / d)`` (Su et al., 2021, doi:10.48550/arXiv.2104.09864).

    Parameters
    ----------
    x
        (..., T, d), with even d.
    start
        Place of the first token.
    """
    tokens, width = x.shape[-2:]
    half = torch.arange(0, width, 2, device=x.device, dtype=torch.float32)
    places = torch.arange(start, start + tokens, device=x.device, dtype=torch.float32)
    angle = places[:, None] * 10000 ** (-half / width)
    cos, sin = angle.cos(), angle.sin()
    first, second = x.chunk(2, dim=-1)
    turned = (first * cos - second * sin, second * cos + first * sin)
    return torch.cat(turned, dim=-1).to(x.dtype)


class SelfAttention(nn.Module):
    """Attention of all tokens to all tokens, with biases.

    Parameters
    ----------
    width
        Of a token.
    heads, key_size
        Heads and the width of each.
    """

    def __init__(self, width: int, heads: int, key_size: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = Pointwise(width, heads * key_size)
        self.key = Pointwise(width, heads * key_size)
        self.value = Pointwise(width, heads * key_size)
        self.out = Pointwise(heads * key_size, width)

    def split(self, x: Tensor) -> Tensor:
        """Return (B, heads, T, key_size) of (B, T, heads * key_size)."""
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def turned(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return rotary queries and keys of (B, T, width), each (B, heads, T, d)."""
        return rotary(self.split(self.query(x))), rotary(self.split(self.key(x)))

    def weights(self, x: Tensor) -> Tensor:
        """Return the whole (B, heads, T, T) weights; only for small sequences."""
        query, key = self.turned(x)
        scores: Tensor = query @ key.transpose(-1, -2) * key.shape[-1] ** -0.5
        return scores.softmax(dim=-1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, width)."""
        query, key = self.turned(x)
        moved = F.scaled_dot_product_attention(query, key, self.split(self.value(x)))
        out: Tensor = self.out(moved.transpose(1, 2).flatten(2))
        return out


class Layer(nn.Module):
    """Attention and a gated feed-forward, each added to what it reads.

    Parameters
    ----------
    width, heads, key_size
        As for :class:`SelfAttention`.
    hidden
        Width of the feed-forward.
    eps
        Of the norms.
    """

    def __init__(
        self, width: int, heads: int, key_size: int, hidden: int, eps: float
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.attention = SelfAttention(width, heads, key_size)
        self.norm2 = nn.LayerNorm(width, eps=eps)
        self.fc1 = Pointwise(width, 2 * hidden, bias=False)
        self.fc2 = Pointwise(hidden, width, bias=False)

    def forward(self, x: Tensor, keep: Stages = NOTHING, name: str = "") -> Tensor:
        """Return (B, T, width)."""
        normed = keep.keep(f"{name}.ln_attn", self.norm1(x))
        moved = keep.keep(f"{name}.attn_out", self.attention(normed))
        x = x + moved
        inner = keep.keep(f"{name}.ln_ffn", self.norm2(x))
        gate, value = keep.keep(f"{name}.fc1", self.fc1(inner)).chunk(2, dim=-1)
        return keep.keep(f"{name}.out", x + self.fc2(F.silu(gate) * value))
