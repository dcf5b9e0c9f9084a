"""A network at work: bags in; latents, means and attention out.

Cells are read in blocks, so that memory grows with three vectors per cell and not
with what a layer computes on the way. When the device runs out of memory the block
is halved and the bag read again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

from napari_scfm.errors import ModelError
from napari_scfm.models.cellplm.attending import attended
from napari_scfm.models.cellplm.blocks import cell_blocks
from napari_scfm.models.cellplm.embedder import Embedder
from napari_scfm.models.cellplm.sums import GeneSums
from napari_scfm.models.devices import pick_precision
from napari_scfm.models.sparing import spared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from anndata import AnnData

    from napari_scfm.models.attention.asked import Asked
    from napari_scfm.models.attention.block import Block
    from napari_scfm.models.cellplm.latent import Drawn
    from napari_scfm.models.cellplm.network import CellPLMNetwork
    from napari_scfm.models.cellplm.reading import Bag

CELLS = {"cpu": 1024, "mps": 4096, "cuda": 16384}
"""Cells that are read at once."""
_FEWEST = 64

T = TypeVar("T")


class Inference:
    """Runs a network without gradients.

    Parameters
    ----------
    network
        Moved to the device and put in evaluation mode.
    device
        Where it runs.
    precision
        Of the encoder's products: "float32", "bfloat16", or "auto", which is
        bfloat16 on CUDA devices that compute in it. Norms, sums over cells, latent
        and decoder are always float32.
    note
        Told what a user should know of a run.

    Attributes
    ----------
    sums
        What is kept between calls; see :class:`.sums.GeneSums`.

    Raises
    ------
    ModelError
        If there is no such precision.
    """

    def __init__(
        self,
        network: CellPLMNetwork,
        device: torch.device,
        precision: str,
        note: Callable[[str], None],
    ) -> None:
        self.precision = pick_precision(precision, device)
        self.network, self.device = network.to(device).eval(), device
        network.encoder.bf16 = self.precision == "bfloat16"
        self.block = CELLS.get(device.type, CELLS["cpu"])
        self._note = note
        self.sums = GeneSums()

    def latent(
        self,
        table: AnnData,
        bag: Bag,
        rows: np.ndarray,
        drawn: Tensor | Drawn | None = None,
        tick: Callable[[int], None] | None = None,
    ) -> Tensor:
        """Return (cells, latent) of a bag.

        Parameters
        ----------
        table
            The table of the bag.
        bag, rows
            Visible counts, and the position of their columns in the gene list.
        drawn
            Draws of a latent, or None.
        tick
            Told each layer before it starts; what it raises stops the work.
        """

        def act() -> Tensor:
            start, aside = self._start(table, bag, rows)
            z = self.to_latent(self._encoded(start, tick), drawn)
            return z if aside is None else z + aside

        return self.spared(act)

    def attended(
        self,
        table: AnnData,
        bag: Bag,
        rows: np.ndarray,
        asked: Asked,
        tick: Callable[[int], None] | None = None,
    ) -> Block:
        """Return the attention of a bag; see :meth:`latent`."""

        def act() -> Block:
            start, _ = self._start(table, bag, rows)
            return attended(self.network.encoder, start, bag.cells, asked, tick)

        return self.spared(act)

    def means(self, z: Tensor, genes: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield blocks of cells with their unscaled means, (block, genes).

        Parameters
        ----------
        z
            (cells, latent).
        genes
            Positions in the gene list.
        """
        chosen = torch.as_tensor(genes, device=self.device)
        start = 0
        while start < len(z):

            def act(start: int = start) -> np.ndarray:
                part = z[start : start + self.block]
                found: np.ndarray = self.network.means(part, chosen).cpu().numpy()
                return found

            found = self.spared(act)
            yield slice(start, start + len(found)), found
            start += len(found)

    def gene_sums(self, table: AnnData, bag: Bag, rows: np.ndarray) -> Tensor:
        """Return (cells, width) sums of gene embeddings of a bag."""
        embedder = self.network.embedder
        assert isinstance(embedder, Embedder)
        return self.sums.of(table, bag, rows, embedder.feat_enc.emb, self.block)

    def _start(
        self, table: AnnData, bag: Bag, rows: np.ndarray
    ) -> tuple[Tensor, Tensor | None]:
        """Return what the encoder reads and what goes past it."""
        if isinstance(self.network.embedder, Embedder):
            sums = self.gene_sums(table, bag, rows)
            return self.embedded(sums, bag.positions), None
        counts = bag.counts.toarray()
        if bag.hidden is not None:
            counts[bag.hidden.nonzero()] = self.network.hidden_value
        near = bag.nearest
        return self.network.start(
            torch.as_tensor(counts, device=self.device),
            torch.as_tensor(rows, device=self.device),
            torch.as_tensor(bag.positions, device=self.device),
            None if near is None else torch.as_tensor(near, device=self.device),
        )

    def embedded(self, sums: Tensor, positions: np.ndarray) -> Tensor:
        """Return what the encoder reads, (cells, width); ``sums`` is overwritten."""
        embedder = self.network.embedder
        assert isinstance(embedder, Embedder)
        places = torch.as_tensor(positions, device=self.device)
        for part in cell_blocks(len(sums), self.block):
            sums[part] = embedder.finish(sums[part], places[part])
        return sums

    def _encoded(self, x: Tensor, tick: Callable[[int], None] | None = None) -> Tensor:
        out: Tensor = self.network.encoder(x, tick)
        return out

    def to_latent(self, x: Tensor, drawn: Tensor | Drawn | None = None) -> Tensor:
        """Return (cells, latent) of the encoder's output."""
        norm, latent = self.network.pre_latent_norm, self.network.latent
        parts = cell_blocks(len(x), self.block) or [slice(0)]
        draws = [None if drawn is None else drawn[part] for part in parts]
        found = [latent(norm(x[p]), u) for p, u in zip(parts, draws, strict=True)]
        return torch.cat(found)

    @property
    def block(self) -> int:
        """Cells that are read at once."""
        return self.network.encoder.block

    @block.setter
    def block(self, cells: int) -> None:
        self.network.encoder.block = cells

    def spared(self, act: Callable[[], T]) -> T:
        """Return what an act returns, halving the block while memory runs out.

        Raises
        ------
        ModelError
            If even a small block does not fit.
        """
        refusal = ModelError(
            f"A bag does not fit into the memory of {self.device}.",
            "Use device='cpu', or smaller bags (obs['fov']).",
        )
        return spared(act, self._halve, self.device, refusal)

    def _halve(self) -> bool:
        if self.block <= _FEWEST:
            return False
        self.block //= 2
        self._note(
            f"{self.device} ran out of memory; {self.block} cells are now read "
            "at a time, which is slower and gives the same numbers."
        )
        return True
