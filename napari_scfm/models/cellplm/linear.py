"""Linear maps that take the fastest product at inference.

On processors with AVX-512 the products of oneDNN are exact float32 like those of the
default library, and up to twice as fast where that library is tuned for another
maker. Under ``torch.inference_mode`` they are used for all but small products;
training is untouched.
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_ROWS, _WEIGHTS = 32, 2**16


@cache
def _one_dnn() -> bool:
    """Tell whether oneDNN's float32 products are worth it on this processor."""
    return bool(
        torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    )


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``x @ weight.T + bias`` in float32, without gradients.

    Parameters
    ----------
    x
        (..., n) float32.
    weight, bias
        (m, n) and (m,) float32.
    """
    large = x.numel() >= _ROWS * x.shape[-1] and weight.numel() >= _WEIGHTS
    if large and x.device.type == "cpu" and _one_dnn():
        packed = F.linear(x.to_mkldnn(), weight.to_mkldnn(), bias)
        return packed.to_dense()
    return F.linear(x, weight, bias)


class Linear(nn.Linear):
    """``nn.Linear``, faster at inference.

    With ``bf16`` input, weights and output are bfloat16 at inference; sums inside
    the product are float32 all the same.
    """

    bf16 = False

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., out_features)."""
        if not torch.is_inference_mode_enabled():
            return super().forward(x)
        if not self.bf16:
            return product(x, self.weight, self.bias)
        half = torch.bfloat16
        bias = None if self.bias is None else self.bias.to(half)
        return F.linear(x.to(half), self.weight.to(half), bias)
