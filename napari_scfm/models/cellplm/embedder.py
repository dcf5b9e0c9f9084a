"""From counts to one vector per cell (Wen et al. 2024, section 3.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_scfm.models.cellplm.linear import Linear
from napari_scfm.models.cellplm.norms import make_norm
from napari_scfm.models.cellplm.positions import make_positions

if TYPE_CHECKING:
    from napari_scfm.models.cellplm.config import CellPLMConfig


class GeneEmbedding(nn.Module):
    """One vector per gene; a cell is their sum, weighted by log1p counts.

    Parameters
    ----------
    genes
        Number of genes.
    width
        Width of the vectors.
    """

    def __init__(self, genes: int, width: int) -> None:
        super().__init__()
        self.emb = nn.Parameter(torch.randn(genes, width) * 0.005)

    def forward(self, counts: Tensor, rows: Tensor) -> Tensor:
        """Return ``log1p(counts) @ emb[rows]``, (cells, width).

        Parameters
        ----------
        counts
            (cells, n) raw counts, dense or sparse COO.
        rows
            (n,) positions of the columns in the gene list.
        """
        table = self.emb[rows]
        if counts.is_sparse:
            out: Tensor = torch.sparse.mm(torch.log1p(counts), table)
            return out
        return torch.log1p(counts) @ table


class Embedder(nn.Module):
    """Gene embeddings, positions, Linear, ReLU, dropout, norm.

    Parameters
    ----------
    config
        The network's configuration.
    """

    def __init__(self, config: CellPLMConfig) -> None:
        super().__init__()
        width = config.enc_hid
        self.feat_enc = GeneEmbedding(len(config.gene_list), width)
        self.pe_enc = make_positions(config.pe_type, width)
        self.pe_active = config.pe_active and self.pe_enc is not None
        self.extra_linear = nn.Sequential(
            Linear(width, width),
            nn.ReLU(),
            nn.Dropout(config.model_dropout),
            make_norm(config.norm, width),
        )

    def forward(
        self,
        counts: Tensor,
        rows: Tensor,
        positions: Tensor | None = None,
    ) -> Tensor:
        """Return (cells, width).

        Parameters
        ----------
        counts, rows
            See :class:`GeneEmbedding`.
        positions
            (cells, 2 or more): the first two are coordinates in [0, 1], -1 in the
            first cell where there are none;
            ignored unless the configuration adds positions.
        """
        return self.finish(self.feat_enc(counts, rows), positions)

    def finish(self, feat: Tensor, positions: Tensor | None = None) -> Tensor:
        """Return (cells, width) from the (cells, width) sums of gene embeddings."""
        hidden = feat
        if self.pe_active and positions is not None and self.pe_enc is not None:
            hidden = hidden + self.pe_enc(positions[:, :2])
        out: Tensor = self.extra_linear(hidden)
        return out
