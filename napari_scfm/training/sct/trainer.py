"""One sct-panel on its way: windows instead of whole FOVs, a pace for gene norms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_scfm.models.sct.norms import GeneNorm
from napari_scfm.training.sct.bags import drawn_window, held_out_windows
from napari_scfm.training.sct.settings import SCTSettings
from napari_scfm.training.trainer import Trainer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_scfm.training.batches import TrainingBag

EARLY = 0.85
"""Share of the steps that read ``first_cells``: most is learned from few neighbouring
cells as well, at a sixth of the cost, and no weight depends on how many are read."""


class SCTTrainer(Trainer):
    """Steps on windows of neighbouring cells; see :class:`Trainer`."""

    def _gradients(self, bag: TrainingBag) -> float:
        self.optimiser.zero_grad(set_to_none=True)
        config, settings = self.network.config, self.settings
        assert isinstance(settings, SCTSettings)
        size = min(settings.cells, self.largest or settings.cells)
        if self.done < EARLY * self.steps:
            size = min(size, settings.first_cells)
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

    def _make_optimiser(self) -> torch.optim.AdamW:
        """AdamW; gene norms learn faster, and no vector decays."""
        settings = self.settings
        assert isinstance(settings, SCTSettings)
        norms = {
            id(p)
            for module in self.network.modules()
            if isinstance(module, GeneNorm)
            for p in module.parameters()
        }
        own = self._trained()
        rest = [p for p in own if id(p) not in norms]
        return torch.optim.AdamW(
            [
                {
                    "params": [p for p in rest if p.ndim >= 2],
                    "weight_decay": settings.weight_decay,
                },
                {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
                {
                    "params": [p for p in own if id(p) in norms],
                    "weight_decay": 0.0,
                    "pace": settings.norm_pace,
                },
            ],
            lr=settings.learning_rate,
            betas=(0.9, 0.98),
        )
