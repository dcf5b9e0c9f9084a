"""What a cell's nearest cells say, for networks trained by this package.

Not part of the original. A linear attention of small width blurs what lies close by,
and a few hundred cells are too few to learn otherwise, so two plain readings of the
neighbourhood are given: the mean of the neighbours' embedded counts goes into the
encoder, and their mean count of each gene into the prediction.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

PRIOR_CELLS = 2.0
FLOOR = 0.05


class NeighbourMean(nn.Module):
    """Ours: adds a learned map of the mean over a cell's nearest cells.

    A linear attention of small width blurs what lies close by; this gives every
    cell its surroundings at a few sizes, without the cell itself.

    Parameters
    ----------
    sizes
        Numbers of neighbours, one mean each.
    width
        Width of the cell vectors.
    """

    def __init__(self, sizes: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.sizes = sizes
        self.maps = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in sizes)

    def forward(self, feat: Tensor, nearest: Tensor) -> Tensor:
        """Return (cells, width) for the (cells, k) order of each cell's neighbours.

        Cells without any visible count carry no information and are left out of
        the means; a cell whose neighbours are all empty gets 0.
        """
        full = (feat != 0).any(dim=1, keepdim=True).to(feat.dtype)
        out = torch.zeros_like(feat)
        for size, linear in zip(self.sizes, self.maps, strict=True):
            near = nearest[:, :size]
            total = (feat * full)[near].sum(dim=1)
            number = full[near].sum(dim=1).clamp(min=1.0)
            out = out + linear(total / number)
        return out


class LocalPrior(nn.Module):
    """Moves a prediction towards the mean counts of the cell's neighbours.

    For each number of neighbours s, the log mean of gene k in cell i rises by
    ``g_is log(n_isk / b_k)``: n is the neighbours' mean count (shrunk towards b by
    two cells' worth), b the mean of the bag, and the gate g in (0, 1) is read from
    the cell's latent, so that a cell that knows itself listens less.

    Parameters
    ----------
    sizes
        Numbers of neighbours.
    latent
        Width of the latent.
    """

    def __init__(self, sizes: tuple[int, ...], latent: int) -> None:
        super().__init__()
        self.sizes = sizes
        self.gate = nn.Linear(latent, len(sizes))
        nn.init.constant_(self.gate.bias, -2.0)

    def forward(
        self, z: Tensor, nearest: Tensor, counts: Tensor, visible: Tensor
    ) -> Tensor:
        """Return what is added to the log means, (n, genes).

        Parameters
        ----------
        z
            (n, latent) of the cells to predict.
        nearest
            (n, k) row positions of their neighbours in the bag, nearest first.
        counts, visible
            (bag, genes) visible counts, hidden ones 0; and 1 where visible, else 0.
        """
        mean = counts.sum(0) / visible.sum(0).clamp(min=1.0) + FLOOR
        gate = torch.sigmoid(self.gate(z))
        out = z.new_zeros(len(z), counts.shape[1])
        for column, size in enumerate(self.sizes):
            near = nearest[:, :size]
            number = visible[near].sum(1)
            total = counts[near].sum(1) + number * FLOOR + PRIOR_CELLS * mean
            ratio = torch.log(total / ((number + PRIOR_CELLS) * mean))
            out = out + gate[:, column : column + 1] * ratio
        return out
