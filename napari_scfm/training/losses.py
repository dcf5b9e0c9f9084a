"""The likelihood of counts."""

from __future__ import annotations

import torch
from torch import Tensor

EPS = 1e-10


def negative_binomial(counts: Tensor, mean: Tensor, theta: Tensor) -> Tensor:
    """Return the negative log-likelihood of every entry.

    Parameters
    ----------
    counts
        (cells, genes) observed counts x.
    mean
        (cells, genes) expected counts m.
    theta
        (genes,) inverse dispersions.

    Returns
    -------
    (cells, genes) ``-log NB(x | m, theta)`` (Wen et al. 2024, eq. 8; Lopez et al.,
    scVI, 2018).
    """
    theta = theta + EPS
    total = (
        torch.lgamma(theta) + torch.lgamma(counts + 1) - torch.lgamma(counts + theta)
    )
    spread = (theta + counts) * torch.log1p(mean / theta)
    return total + spread + counts * (torch.log(theta) - torch.log(mean + EPS))
