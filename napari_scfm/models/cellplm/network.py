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
from napari_scfm.models.cellplm.local import HIDDEN, LinearPath, LocalEmbedder

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
        self.embedder: Embedder | LocalEmbedder
        self.embedder = LocalEmbedder(config) if config.neighbours else Embedder(config)
        self.encoder = FlowEncoder(
            config.enc_hid, config.enc_head, config.enc_layers, config.model_dropout
        )
        self.pre_latent_norm = PreLatentNorm(config.enc_hid)
        self.latent = Latent(config)
        if isinstance(self.embedder, LocalEmbedder) and config.linear_path:
            self.path = LinearPath(
                self.embedder.features, config.post_latent_dim, config.input_dropout
            )
        if config.has_decoder:
            self.decoder = Decoder(config)
        if config.head_type == "annotation":
            self.head = AnnotationHead(config)

    @property
    def hidden_value(self) -> float:
        """What stands for a hidden count; networks with neighbours tell it from 0."""
        return HIDDEN if self.config.neighbours else 0.0

    def learn(self, counts: Tensor) -> None:
        """Take scales and starting points from training cells; ours only.

        Parameters
        ----------
        counts
            (cells, genes) counts of all genes, ``hidden_value`` where not measured.
        """
        if not isinstance(self.embedder, LocalEmbedder):
            return
        self.embedder.learn(counts)
        if self.config.has_decoder:
            self.decoder.out_layer.learn(self.embedder.scale.rate)

    def start(
        self,
        counts: Tensor,
        rows: Tensor,
        positions: Tensor | None = None,
        nearest: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Return what the encoder reads and what goes past it.

        Parameters
        ----------
        counts, rows, positions, nearest
            See :class:`Embedder` and :meth:`LocalEmbedder.describe`.

        Returns
        -------
        (cells, width), and (cells, latent) that is added to the latent, or None.
        """
        if not isinstance(self.embedder, LocalEmbedder):
            return self.embedder(counts, rows, positions), None
        assert positions is not None
        features = self.embedder.describe(counts, rows, positions, nearest)
        aside = self.path(features) if self.config.linear_path else None
        return self.embedder(features, positions), aside

    def forward(
        self,
        counts: Tensor,
        rows: Tensor,
        positions: Tensor | None = None,
        nearest: Tensor | None = None,
        uniform: Tensor | None = None,
    ) -> Tensor:
        """Return the embedding, (cells, latent)."""
        start, aside = self.start(counts, rows, positions, nearest)
        out: Tensor = self.latent(self.encoded(start), uniform)
        return out if aside is None else out + aside

    def encode(
        self,
        counts: Tensor,
        rows: Tensor,
        positions: Tensor | None = None,
        nearest: Tensor | None = None,
    ) -> Tensor:
        """Return (cells, width) encoder output, after the last norm."""
        start, _ = self.start(counts, rows, positions, nearest)
        return self.encoded(start)

    def encoded(self, start: Tensor) -> Tensor:
        """Return (cells, width) encoder output for what the encoder reads."""
        out: Tensor = self.pre_latent_norm(self.encoder(start))
        return out

    def means(self, z: Tensor, rows: Tensor) -> Tensor:
        """Return unscaled mean counts, (cells, genes).

        Parameters
        ----------
        z
            (cells, latent).
        rows
            (genes,) positions in the gene list.
        """
        out: Tensor = self.decoder(z, rows)
        return out

    def flows(
        self,
        counts: Tensor,
        rows: Tensor,
        positions: Tensor | None = None,
        nearest: Tensor | None = None,
        layer: int = -1,
    ) -> Flows:
        """Return the attention flows of one layer."""
        start, _ = self.start(counts, rows, positions, nearest)
        return self.encoder.flows(start, layer)
