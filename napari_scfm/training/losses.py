"""Losses of the original CellPLM (Wen et al., ICLR 2024): of counts, and of the latent.

Pure functions of tensors: what is masked, drawn or trained is decided elsewhere. The
decoder's means say only how a cell's molecules are shared out among genes; every loss
of counts first scales them to the molecules that were observed.
"""

from __future__ import annotations

import torch
from torch import Tensor

EPS = 1e-10
NO_LATENT_LOSS_BELOW = 1.0
"""A weighted divergence of a plain variational latent below this counts as 0."""


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


def scaled(counts: Tensor, means: Tensor) -> Tensor:
    """Return means that sum to the counts of each cell, (cells, genes)."""
    factor = counts.sum(1, keepdim=True) / means.sum(1, keepdim=True).clamp(min=EPS)
    return means * factor


def imputation_loss(
    counts: Tensor, means: Tensor, theta: Tensor, measured: Tensor
) -> Tensor:
    """Return the loss of fine-tuning for imputation, a scalar.

    Covers every entry of the measured genes, hidden from the encoder or not.

    Parameters
    ----------
    counts, means
        (cells, genes) counts of the input genes, and the decoder's means.
    theta
        (genes,) inverse dispersions.
    measured
        (genes,) bool; the others take no part, neither in the scale.
    """
    counts, means = counts[:, measured], means[:, measured]
    each = negative_binomial(counts, scaled(counts, means), theta[measured])
    return each.sum(1).mean()


def pretraining_loss(
    counts: Tensor, means: Tensor, theta: Tensor, hidden: Tensor, *, dae: bool
) -> Tensor:
    """Return the loss of pretraining, a scalar: mean over cells with hidden entries.

    Parameters
    ----------
    counts, means
        (cells, genes) counts, and the decoder's means.
    theta
        (genes,) inverse dispersions.
    hidden
        (cells, genes) bool: entries that the encoder did not see.
    dae
        Add a second term on the hidden entries alone, scaled to their own sum.
    """
    cells = hidden.any(dim=1)
    counts, means, hidden = counts[cells], means[cells], hidden[cells]
    each = negative_binomial(counts, scaled(counts, means), theta)
    if dae:
        truth, guess = counts * hidden, means * hidden
        each = each + negative_binomial(truth, scaled(truth, guess), theta)
    return each.sum(1).mean()


def reconstruction_loss(counts: Tensor, shares: Tensor, hidden: Tensor) -> Tensor:
    """Return the mean squared error of hidden entries, a scalar.

    Parameters
    ----------
    counts
        (cells, genes) counts; each cell's sum scales its shares.
    shares
        (cells, genes) output of a decoder that ends in a ReLU.
    hidden
        (cells, genes) bool.
    """
    guess = shares * counts.sum(1, keepdim=True)
    return (guess - counts)[hidden].square().mean()


def divergence_loss(divergence: Tensor, weight: float) -> Tensor:
    """Return the latent loss of a plain variational latent, a scalar.

    Parameters
    ----------
    divergence
        Kullback-Leibler divergence from the standard normal, mean over cells.
    weight
        How much of it counts; 0 at the start of training.
    """
    weighted = weight * divergence
    if float(weighted.detach()) < NO_LATENT_LOSS_BELOW:
        return torch.zeros_like(weighted)
    return weighted


def mixture_loss(
    gaussian: Tensor,
    categorical: Tensor,
    *,
    gaussian_weight: float,
    categorical_weight: float,
    floor: float,
) -> Tensor:
    """Return the latent loss of a mixture, a scalar.

    Each divergence has a floor below which it neither counts nor has a gradient.

    Parameters
    ----------
    gaussian, categorical
        As :meth:`MixtureLatent.sample` returns them.
    gaussian_weight, categorical_weight, floor
        ``w_li``, ``w_en`` and ``lamda`` of a configuration.
    """
    return gaussian_weight * gaussian.clamp(
        min=floor
    ) + categorical_weight * categorical.clamp(min=floor)


def squared_log(counts: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Return the squared error of log1p counts, over their variance.

    Parameters
    ----------
    counts, mean
        (cells, genes) observed and expected counts.
    variance
        (genes,) of log1p counts over the training cells.

    Returns
    -------
    (cells, genes).
    """
    return (torch.log1p(mean) - torch.log1p(counts)).square() / variance
