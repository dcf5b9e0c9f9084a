"""Hidden cells predicted each in a small bag of its own.

A cell without visible counts tells the network nothing but, at most, its position: in
a network without positions every such cell of a bag gets the same prediction. Read
together with its nearest observed cells only, it is predicted from its surroundings
(He et al., sCT: 50 cells). Many such bags of equal size go through the network at
once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.spatial import KDTree
from torch import Tensor

from napari_scfm.errors import ModelError
from napari_scfm.models.cellplm.positions import scale_coordinates
from napari_scfm.models.cellplm.scaling import cell_factors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_scfm.models.cellplm.config import CellPLMConfig
    from napari_scfm.models.cellplm.inference import Inference
    from napari_scfm.models.cellplm.latent import Drawn
    from napari_scfm.models.cellplm.predicting import Predictions
    from napari_scfm.models.cellplm.reading import Bag, TableReading


def refuse_own_neighbours(config: CellPLMConfig) -> None:
    """Refuse a network of our own, which has a neighbourhood already.

    Raises
    ------
    ModelError
        If it has.
    """
    if config.neighbours:
        raise ModelError(
            "This model reads the neighbours of every cell as it is.",
            "Leave the neighbourhood out.",
        )


def small_bags(bag: Bag, size: int) -> np.ndarray:
    """Return the small bag of every cell of a bag that has no visible counts.

    Parameters
    ----------
    bag
        Any bag with positions.
    size
        Observed cells per small bag; fewer where the bag has fewer.

    Returns
    -------
    (hidden, 1 + size) row positions in the bag: the cell, then its observed
    neighbours, nearest first. Empty where no cell is hidden or none is observed.
    """
    seen = np.diff(bag.counts.indptr) > 0
    hidden, observed = np.flatnonzero(~seen), np.flatnonzero(seen)
    size = min(size, len(observed))
    if not len(hidden) or not size:
        return np.zeros((0, 1 + size), dtype=np.int64)
    tree = KDTree(bag.positions[observed].astype(np.float64))
    found = tree.query(
        bag.positions[hidden].astype(np.float64), k=np.arange(1, 1 + size)
    )
    return np.concatenate([hidden[:, None], observed[found[1]]], axis=1)


def predict_hidden(
    runs: Inference,
    reading: TableReading,
    into: Predictions,
    size: int,
    draw: Callable[[int], Tensor | Drawn | None],
) -> Iterator[tuple[int, int]]:
    """Predict every hidden cell in its own small bag; yields (done, total) cells.

    Parameters
    ----------
    runs, reading
        The network, and the table that it reads.
    into
        Gets the means of the hidden cells and the factor of their small bag: the
        sum of the visible counts of its observed cells over the sum of their means.
    size
        Observed cells per small bag.
    draw
        Returns the draws of a latent for a number of cells.
    """
    groups = [(bag, small_bags(bag, size)) for bag in reading]
    total = sum(len(rows) for _, rows in groups)
    done = 0
    for bag, rows in groups:
        if not len(rows):
            continue
        sums = runs.gene_sums(reading.table, bag, reading.rows)
        while len(rows):
            yield done, total
            number = max(1, runs.block // rows.shape[1])
            some, rows = rows[:number], rows[number:]
            _Batch(runs, bag, some).predict(into, sums, draw(some.size))
            done += len(some)
    yield total, total


class _Batch:
    """Some small bags of one bag, read at once."""

    def __init__(self, runs: Inference, bag: Bag, rows: np.ndarray) -> None:
        self.runs, self.bag, self.rows = runs, bag, rows
        xy = bag.positions[rows]
        self.positions = np.stack([scale_coordinates(one) for one in xy])

    def predict(
        self, into: Predictions, sums: Tensor, drawn: Tensor | Drawn | None
    ) -> None:
        z = self.runs.spared(lambda: self._latent(sums, drawn))
        visible = np.asarray(self.bag.counts.sum(axis=1))
        for number, rows in enumerate(self.rows):
            parts = self.runs.means(z[number], into.genes)
            means = np.concatenate([found for _, found in parts])
            hidden = None if self.bag.hidden is None else self.bag.hidden[rows]
            expected = into.expected(means, hidden)
            factor = cell_factors(visible[rows], expected, compat=into.compat)
            cell = self.bag.cells[rows[:1]]
            into.put(cell, means[:1])
            into.factor[cell] = factor[0]

    def _latent(self, sums: Tensor, drawn: Tensor | Drawn | None) -> Tensor:
        """Return (bags, cells, latent)."""
        number, cells = self.rows.shape
        where = torch.as_tensor(self.rows.ravel(), device=sums.device)
        x = self.runs.embedded(sums[where], self.positions.reshape(-1, 2))
        x = self.runs.network.encoder(x.view(number, cells, -1))
        return self.runs.to_latent(x.flatten(0, 1), drawn).view(number, cells, -1)
