"""The whole network: embedder, encoder, norm, latent, decoder or head.

Parameter names are those of the original files. Two of their tensors are not
built: the sine table, which is computed, and a norm that nothing reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from napari_scfm.models.cellplm.decoder import AnnotationHead, Decoder
from napari_scfm.models.cellplm.embedder import Embedder
from napari_scfm.models.cellplm.flow import FlowEncoder, Flows
from napari_scfm.models.cellplm.latent import Latent
from napari_scfm.models.cellplm.neighbours import LocalPrior

if TYPE_CHECKING:
    from napari_scfm.models.cellplm.config import CellPLMConfig


class PreLatentNorm(nn.Module):
    """Layer norm under the name that files give it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """Return (cells, width)."""
        out: Tensor = self.norm(x)
        return out


class CellPLMNetwork(nn.Module):
    """CellPLM for one bag of cells at a time.

    Parameters
    ----------
    config
        The network's configuration.
    """

    def __init__(self, config: CellPLMConfig) -> None:
        super().__init__()
        self.config = config
        self.embedder = Embedder(config)
        self.encoder = FlowEncoder(
            config.enc_hid, config.enc_head, config.enc_layers, config.model_dropout
        )
        self.pre_latent_norm = PreLatentNorm(config.enc_hid)
        self.latent = Latent(config)
        if config.has_decoder:
            self.decoder = Decoder(config)
            if config.neighbours:
                self.local = LocalPrior(config.neighbours, config.post_latent_dim)
        if config.head_type == "annotation":
            self.head = AnnotationHead(config)

    def encode(
        self,
        counts: Tensor,
        rows: Tensor,
        positions: Tensor | None = None,
        nearest: Tensor | None = None,
    ) -> Tensor:
        """Return (cells, width) encoder output; see :class:`Embedder`."""
        start = self.embedder(counts, rows, positions, nearest)
        out: Tensor = self.pre_latent_norm(self.encoder(start))
        return out

    def forward(
        self,
        counts: Tensor,
        rows: Tensor,
        positions: Tensor | None = None,
        nearest: Tensor | None = None,
        uniform: Tensor | None = None,
    ) -> Tensor:
        """Return the embedding, (cells, latent)."""
        hidden = self.encode(counts, rows, positions, nearest)
        out: Tensor = self.latent(hidden, uniform)
        return out

    def means(
        self,
        z: Tensor,
        rows: Tensor,
        nearest: Tensor | None = None,
        counts: Tensor | None = None,
        visible: Tensor | None = None,
    ) -> Tensor:
        """Return unscaled mean counts, (cells, genes).

        Parameters
        ----------
        z
            (cells, latent).
        rows
            (genes,) positions in the gene list.
        nearest, counts, visible
            Neighbours and the bag's visible counts of these genes, for
            configurations with neighbours; see :class:`LocalPrior`.
        """
        out: Tensor = self.decoder(z, rows)
        if nearest is None or counts is None or not self.config.neighbours:
            return out
        near: Tensor = self.local(z, nearest, counts, visible)
        return out * near.exp()

    def flows(
        self,
        counts: Tensor,
        rows: Tensor,
        positions: Tensor | None = None,
        nearest: Tensor | None = None,
        layer: int = -1,
    ) -> Flows:
        """Return the attention flows of one layer."""
        start = self.embedder(counts, rows, positions, nearest)
        return self.encoder.flows(start, layer)
