"""How networks trained by this package read a cell and what lies around it.

Not part of the original. Found by experiment (see ``benchmarks/README.md``): on one
slide there are too few cells to learn depth, background and distance from raw counts,
so they are given. A cell is described by

* its visible counts over its depth, log1p, standardised gene by gene, and projected;
* the same of its nearest cells, averaged over some numbers of them and with Gaussian
  weights of some widths;
* its depth, theirs, and the distances to them (crowded cells are small and hold fewer
  molecules).

A gene that is hidden adds nothing: it is not taken for a zero, which is what the
original does. The description goes through the encoder, and by a linear path beside
it straight into the latent (:class:`LinearPath`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from napari_scfm.models.cellplm.positions import make_positions

if TYPE_CHECKING:
    from napari_scfm.models.cellplm.config import CellPLMConfig

HIDDEN = -1.0
"""Stands for a hidden count in the dense counts that these networks read."""

DISTANCES = (1, 2, 3, 5, 8, 13, 21)
"""Log distances to these nearest cells describe how crowded a place is."""

QUIET = 0.05
"""Added to a gene's standard deviation, so that a rare gene's noise stays small."""


class Seen(NamedTuple):
    """What is visible of a bag.

    Attributes
    ----------
    values
        (cells, n) standardised values, 0 where hidden.
    depth
        (cells, 1) log of the visible total over what the genes' rates let expect.
    full
        (cells, 1) 1 for cells with visible counts, else 0.
    """

    values: Tensor
    depth: Tensor
    full: Tensor


class GeneScale(nn.Module):
    """Rates, means and spreads of the genes, taken from the training cells.

    Parameters
    ----------
    genes
        Number of genes.

    Attributes
    ----------
    rate, variance
        (genes,) mean count, and variance of log1p counts.
    mean, spread
        (genes,) of the values that :meth:`forward` standardises with them.
    """

    rate: Tensor
    mean: Tensor
    spread: Tensor
    variance: Tensor

    def __init__(self, genes: int) -> None:
        super().__init__()
        self.register_buffer("rate", torch.ones(genes))
        self.register_buffer("mean", torch.zeros(genes))
        self.register_buffer("spread", torch.ones(genes))
        self.register_buffer("variance", torch.ones(genes))

    def learn(self, counts: Tensor) -> Tensor:
        """Take the scale from (cells, genes) counts; return their values.

        Hidden counts are :data:`HIDDEN`; a gene that no cell shows keeps rate 0.
        """
        seen = counts >= 0
        number = seen.sum(0).clamp(min=1)
        self.rate.copy_(counts.clamp(min=0).sum(0) / number)
        logs = torch.log1p(counts.clamp(min=0))
        first = logs.sum(0) / number
        second = logs.square().sum(0) / number
        deviation = (second - first.square()).clamp(min=0).sqrt()
        self.variance.copy_((deviation + QUIET) ** 2)
        rows = torch.arange(counts.shape[1], device=counts.device)
        self.mean.zero_()
        self.spread.fill_(1.0)
        values, _, full = self(counts, rows)
        use = seen & (full > 0)
        number = use.sum(0).clamp(min=1)
        self.mean.copy_(values.sum(0) / number)
        apart = torch.where(use, values - self.mean, 0.0)
        self.spread.copy_((apart.square().sum(0) / number).sqrt() + QUIET)
        return apart / self.spread

    def forward(self, counts: Tensor, rows: Tensor) -> Seen:
        """Return what is visible of (cells, n) counts of the genes ``rows``."""
        seen = (counts >= 0).to(counts.dtype)
        counts = counts * seen
        total = counts.sum(1, keepdim=True)
        full = (total > 0).to(counts.dtype)
        expected = (seen @ self.rate[rows]).unsqueeze(1).clamp(min=1e-6)
        depth = torch.where(full > 0, total / expected, 1.0)
        values = (torch.log1p(counts / depth) - self.mean[rows]) / self.spread[rows]
        return Seen(values * seen * full, depth.log(), full)


def around(
    values: Tensor, nearest: Tensor, apart: Tensor, config: CellPLMConfig
) -> list[Tensor]:
    """Return weighted sums over each cell's nearest cells, (cells, d) each.

    Parameters
    ----------
    values
        (cells, d).
    nearest
        (cells, k) row positions, nearest first.
    apart
        (cells, k) distances to them in um.
    config
        ``neighbours``: sums over that many cells, or k where there are fewer; then
        ``bandwidths``: sums with weights ``exp(-(d / b)^2 / 2)`` over all k.
    """
    if not nearest.shape[1]:
        number = len(config.neighbours) + len(config.bandwidths)
        return [torch.zeros_like(values)] * number
    bag = nn.functional.embedding_bag
    out = [bag(nearest[:, :size], values, mode="sum") for size in config.neighbours]
    for width in config.bandwidths:
        weights = torch.exp(-0.5 * (apart / width).square())
        out.append(bag(nearest, values, mode="sum", per_sample_weights=weights))
    return out


class LocalEmbedder(nn.Module):
    """Describes every cell and its surroundings, and starts the encoder from that.

    Parameters
    ----------
    config
        The network's configuration; ``neighbours`` and ``bandwidths`` are the sizes
        of the surroundings, ``own_width`` and ``near_width`` the numbers of
        projections.
    """

    def __init__(self, config: CellPLMConfig) -> None:
        super().__init__()
        genes, width = len(config.gene_list), config.enc_hid
        self.config = config
        self.blocks = len(config.neighbours) + len(config.bandwidths)
        self.near_width = config.near_width
        self.scale = GeneScale(genes)
        self.emb = nn.Parameter(torch.randn(genes, config.own_width) / genes**0.5)
        self.features = (
            2 * config.own_width
            + self.blocks * (config.near_width + 2)
            + len(DISTANCES)
            + 3
        )
        self.pe_enc = make_positions(config.pe_type, width)
        self.pe_active = config.pe_active and self.pe_enc is not None
        self.start = nn.Linear(self.features, width)
        self.drop = nn.Dropout(config.input_dropout)
        self.finish = nn.Sequential(
            nn.GELU(), nn.LayerNorm(width), nn.Dropout(config.model_dropout)
        )

    @torch.no_grad()
    def learn(self, counts: Tensor) -> None:
        """Take scale and first projections (principal axes) from training cells.

        Parameters
        ----------
        counts
            (cells, genes) counts of all genes, :data:`HIDDEN` where hidden.
        """
        values = self.scale.learn(counts)
        covariance = (values.T @ values).double() / len(values)
        size, axes = torch.linalg.eigh(covariance)
        take = min(self.emb.shape[1], len(size))
        widest = size[-1].clamp(min=1e-6).sqrt()
        self.emb[:, :take] = (axes.flip(1)[:, :take] / widest).to(self.emb.dtype)

    def describe(
        self, counts: Tensor, rows: Tensor, positions: Tensor, nearest: Tensor | None
    ) -> Tensor:
        """Return (cells, features).

        Parameters
        ----------
        counts
            (cells, n) dense counts, :data:`HIDDEN` where hidden.
        rows
            (n,) positions of the columns in the gene list.
        positions
            (cells, 3 + distances) as :func:`napari_scfm.models.cellplm.places.places`
            returns them.
        nearest
            (cells, k) nearest cells, or None where positions are not known.
        """
        seen = self.scale(counts, rows)
        own = seen.values @ self.emb[rows]
        number = seen.full.sum().clamp(min=1.0)
        apart = (own - (own * seen.full).sum(0) / number) * seen.full
        near = torch.cat((own[:, : self.near_width], seen.depth, seen.full), dim=1)
        near = near * seen.full
        blocks = [own, apart, seen.depth, seen.full, 1 - seen.full]
        if nearest is None:
            blocks.append(near.new_zeros(len(near), self.blocks * near.shape[1]))
        else:
            xy = positions[:, :2] * positions[:, 2:3]
            apart = (xy[nearest] - xy[:, None]).square().sum(2).sqrt()
            for total in around(near, nearest, apart, self.config):
                found = total[:, -1:]
                blocks += [total[:, :-1] / found.clamp(min=1e-3), found.sign()]
        return torch.cat((*blocks, positions[:, 3:]), dim=1)

    def forward(self, features: Tensor, positions: Tensor) -> Tensor:
        """Return (cells, width) for the encoder."""
        hidden = self.start(self.drop(features))
        if self.pe_active and self.pe_enc is not None:
            hidden = hidden + self.pe_enc(positions[:, :2])
        out: Tensor = self.finish(hidden)
        return out


class LinearPath(nn.Module):
    """A linear map from the description of a cell into the latent, beside the encoder.

    Parameters
    ----------
    features, latent
        Widths.
    dropout
        Rate at the input.
    """

    def __init__(self, features: int, latent: int, dropout: float) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.map = nn.Linear(features, latent, bias=False)
        nn.init.normal_(self.map.weight, std=0.02)

    def forward(self, features: Tensor) -> Tensor:
        """Return (cells, latent)."""
        out: Tensor = self.map(self.drop(features))
        return out
