"""One call of a model over the bags of a table, with progress and stops.

A small bag is soon done and is told once; a large one tells every layer, so that it
can be stopped on the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_scfm.models.cellplm.latent import Drawn
from napari_scfm.models.cellplm.neighbourhood import predict_hidden
from napari_scfm.models.cellplm.reading import LARGEST_BAG
from napari_scfm.progress import report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_scfm.models.attention.asked import Asked
    from napari_scfm.models.attention.block import Block
    from napari_scfm.models.cellplm.config import CellPLMConfig
    from napari_scfm.models.cellplm.inference import Inference
    from napari_scfm.models.cellplm.predicting import Predictions
    from napari_scfm.models.cellplm.reading import Bag, TableReading
    from napari_scfm.progress import ProgressCallback


class Draws:
    """Uniform draws of a mixture latent, the same for the same seed.

    Parameters
    ----------
    config
        The network's configuration.
    device
        Where the draws are wanted.
    seed
        Of the draws; None takes the most probable component instead.
    given
        Returns recorded draws for (cells, clusters), instead of new ones.
    """

    def __init__(
        self,
        config: CellPLMConfig,
        device: torch.device,
        seed: int | None,
        given: Callable[[int, int], Tensor] | None = None,
    ) -> None:
        self.clusters, self.device = config.num_clusters, device
        self.active = seed is not None and config.latent_mod == "gmvae"
        self.generator = torch.Generator().manual_seed(seed or 0)
        self.given = given

    def __call__(self, cells: int) -> Tensor | Drawn | None:
        """Return (cells, clusters) draws, or None."""
        if not self.active:
            return None
        if self.given is not None:
            return self.given(cells, self.clusters).to(self.device)
        drawn = torch.rand((cells, self.clusters), generator=self.generator)
        return drawn.to(self.device)


class LatentDraws(Draws):
    """Draws of all that a latent has, the same for the same seed."""

    def __init__(self, config: CellPLMConfig, device: torch.device, seed: int) -> None:
        super().__init__(config, device, seed)
        self.width = config.post_latent_dim

    def __call__(self, cells: int) -> Drawn:
        """Return draws for some cells."""
        noise = torch.randn((cells, self.width), generator=self.generator)
        uniform = torch.rand((cells, self.clusters), generator=self.generator)
        return Drawn(noise.to(self.device), uniform.to(self.device))


class Passes:
    """Runs a network over every bag of a table.

    Parameters
    ----------
    runs, reading
        The network, and the table that it reads.
    name
        The model's name, for messages.
    draws
        Of a mixture latent.
    progress
        Told per bag; what it raises stops the work.
    """

    def __init__(
        self,
        runs: Inference,
        reading: TableReading,
        name: str,
        draws: Draws,
        progress: ProgressCallback | None,
    ) -> None:
        self.runs, self.reading, self.name = runs, reading, name
        self.draws, self.progress = draws, progress

    def latents(self) -> Iterator[tuple[Bag, Tensor]]:
        """Yield every bag with its (cells, latent)."""
        reading = self.reading
        for bag, tick in self._bags(f"{self.name} reads cells"):
            uniform = self.draws(len(bag.cells))
            yield (
                bag,
                self.runs.latent(reading.table, bag, reading.rows, uniform, tick),
            )

    def attention(self, asked: Asked) -> Iterator[Block]:
        """Yield the attention of every bag."""
        reading = self.reading
        for bag, tick in self._bags("Attention"):
            yield self.runs.attended(reading.table, bag, reading.rows, asked, tick)

    def predict(self, into: Predictions) -> None:
        """Decode every bag."""
        for bag, z in self.latents():
            into.observe(bag.cells, bag.counts)
            for part, means in self.runs.means(z, into.genes):
                hidden = None if bag.hidden is None else bag.hidden[part]
                into.take(bag.cells[part], means, hidden)

    def predict_hidden(self, into: Predictions, size: int) -> None:
        """Predict cells without visible counts from their nearest observed cells."""
        steps = predict_hidden(self.runs, self.reading, into, size, self.draws)
        for done, total in steps:
            report(self.progress, done, total, f"{self.name} reads neighbourhoods")

    def _bags(self, message: str) -> Iterator[tuple[Bag, Callable[[int], None] | None]]:
        """Yield every bag with what tells its layers."""
        total = len(self.reading)
        for done, bag in enumerate(self.reading):
            report(self.progress, done, total, message)
            yield bag, self._tick(bag, done, message)
        report(self.progress, total, total, message)

    def _tick(self, bag: Bag, done: int, message: str) -> Callable[[int], None] | None:
        if len(bag.cells) <= LARGEST_BAG or self.progress is None:
            return None
        layers, total = self.runs.network.config.enc_layers, len(self.reading)

        def tick(layer: int) -> None:
            text = f"{message}, layer {layer + 1} of {layers}"
            report(self.progress, done, total, text)

        return tick
