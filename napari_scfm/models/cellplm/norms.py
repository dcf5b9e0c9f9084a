"""The norms that a configuration can name."""

from __future__ import annotations

from torch import nn


def make_norm(name: str, width: int) -> nn.Module:
    """Return the norm of a configuration for (cells, width) input.

    ``groupnorm`` has 4 contiguous channel groups per cell; an unknown name is the
    identity, as in the original.
    """
    if name == "layernorm":
        return nn.LayerNorm(width)
    if name == "batchnorm":
        return nn.BatchNorm1d(width)
    if name == "groupnorm":
        return nn.GroupNorm(4, width)
    if name == "rmsnorm":
        return nn.RMSNorm(width, eps=1e-6)
    return nn.Identity()
