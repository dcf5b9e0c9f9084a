"""One sct-panel on its way: windows of neighbouring cells instead of whole FOVs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_scfm.training.sct.bags import drawn_window, held_out_windows
from napari_scfm.training.sct.settings import SCTSettings
from napari_scfm.training.trainer import Trainer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_scfm.training.batches import TrainingBag


class SCTTrainer(Trainer):
    """Steps on windows of neighbouring cells; see :class:`Trainer`."""

    def _gradients(self, bag: TrainingBag) -> float:
        self.optimiser.zero_grad(set_to_none=True)
        config, settings = self.network.config, self.settings
        assert isinstance(settings, SCTSettings)
        size = min(settings.cells, self.largest or settings.cells)
        placed = config.reads_coordinates
        windows = [
            drawn_window(bag, size, config.positions, self.rng, placed=placed)
            for _ in range(settings.sequences)
        ]
        with self._precision():
            loss = self.objective.loss(self.network, windows, self.rows, self.rng)
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    def score(
        self, held_out: Sequence[TrainingBag], training: Sequence[TrainingBag]
    ) -> dict[str, float]:
        """Return the mean figures of some tiles of each held-out FOV."""
        self.average.eval()
        config, settings = self.network.config, self.settings
        assert isinstance(settings, SCTSettings)
        windows = [
            window
            for bag in held_out
            for window in held_out_windows(
                bag,
                settings.cells,
                config.positions,
                settings.scored,
                placed=config.reads_coordinates,
            )
        ]
        with torch.no_grad():
            return self.objective.scores(self.average, windows, self.rows, ())
