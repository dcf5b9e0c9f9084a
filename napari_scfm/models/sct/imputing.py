"""Predicted counts: the chances of each entry's bins, read as a number."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_scfm.models.sct.debin import ranges_of, value_of
from napari_scfm.models.sct.tokens import LEVELS
from napari_scfm.models.sct.values import to_counts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import Tensor

    from napari_scfm.models.sct.bags import Window
    from napari_scfm.models.sct.runs import Runs
    from napari_scfm.models.sct.table import Reading
    from napari_scfm.progress import ProgressCallback


class Imputing:
    """Predicts asked genes of a table, window by window.

    Parameters
    ----------
    runs, reading
        The network, and the table that it reads.
    asked
        (genes,) positions, -1 for genes that are unknown.

    Attributes
    ----------
    values
        (cells, genes) float32 counts; NaN where nothing is predicted.
    """

    def __init__(self, runs: Runs, reading: Reading, asked: np.ndarray) -> None:
        self.runs, self.reading = runs, reading
        self._known = np.flatnonzero(asked >= 0)
        self._genes, self._back = np.unique(asked[self._known], return_inverse=True)
        self._lost = reading.unmeasured(asked)
        self.values = np.full((reading.table.n_obs, len(asked)), np.nan, np.float32)

    def run(
        self,
        windows: list[Window],
        progress: ProgressCallback | None,
        message: str,
        *,
        as_given: bool = False,
    ) -> None:
        """Predict the kept cells of some windows.

        Parameters
        ----------
        windows
            What is read together.
        progress, message
            Told per pass.
        as_given
            Whether cells stand in a window in the order in which they are to be
            read, once.
        """
        if not len(self._genes):
            return
        found = self.runs.over(
            self.reading,
            windows,
            self._chances,
            number=self.reading.options.orders,
            as_given=as_given,
            unmeasured=self._lost,
            progress=progress,
            message=message,
        )
        for window, chances in _averaged(found):
            self._take(window, chances)

    def _chances(self, tokens: Tensor, places: Tensor | None) -> Tensor:
        """Return (B, k, genes, 5) chances of the bins of the asked genes."""
        width = self.reading.config.positions
        cells = tokens.shape[1] // width
        starts = torch.arange(cells, device=tokens.device) * width
        genes = torch.as_tensor(self._genes, device=tokens.device)
        where = (starts[:, None] + genes).flatten()
        logits = self.runs.network.logits_at(tokens, where, places)
        chances = logits[..., :LEVELS].float().softmax(dim=-1)
        return chances.view(len(tokens), cells, len(genes), LEVELS)

    def _take(self, window: Window, chances: np.ndarray) -> None:
        reading, kept = self.reading, window.kept
        ranges = ranges_of(
            window.cells, reading.tokens, reading.values.factor, reading.options.medians
        )
        value = value_of(chances[kept], ranges.levels[kept], reading.options.readout)
        counts = to_counts(value, ranges.factor[kept])
        rows = window.cells[kept]
        self.values[np.ix_(rows, self._known)] = counts[:, self._back]


def _averaged(
    found: Iterable[tuple[int, Window, np.ndarray]],
) -> Iterator[tuple[Window, np.ndarray]]:
    """Yield each window with its mean result over orders, cells in rising order."""
    for _, group in groupby(found, key=lambda one: one[0]):
        number, total, window = 0, None, None
        for _, ordered, result in group:
            rising = np.argsort(ordered.cells)
            window = ordered.ordered(rising)
            part = result[rising].astype(np.float64)
            total = part if total is None else total + part
            number += 1
        assert window is not None
        assert total is not None
        yield window, total / number
