"""Attention between cells, gathered from windows: one sparse matrix per field.

Rotary positions make attention hang on how far two cells stand apart in the sequence,
whatever they express. Averaging over random orders takes that out as noise; what the
distance alone explains can be subtracted too. Each order is read in another tiling of
the field, so that the borders of tiles, across which no cell sees another, leave no
pattern of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_scfm.models.attention import Attention
from napari_scfm.models.attention.block import Block
from napari_scfm.models.attention.layers import rolled

if TYPE_CHECKING:
    from torch import Tensor

    from napari_scfm.models.attention.asked import Asked
    from napari_scfm.models.sct.bags import Window
    from napari_scfm.models.sct.runs import Runs
    from napari_scfm.models.sct.table import Reading
    from napari_scfm.progress import ProgressCallback

Found = list[tuple["Window", np.ndarray]]


def attended(
    runs: Runs,
    reading: Reading,
    asked: Asked,
    orders: int,
    progress: ProgressCallback | None,
) -> Attention:
    """Return the attention of a table; pairs that share no window weigh 0.

    Parameters
    ----------
    runs, reading
        The network, and the table that it reads.
    asked
        Layers and head. Several layers are rolled out.
    orders
        Random orders, each in its own tiling, that are averaged.
    progress
        Told per pass.
    """
    network = runs.network

    def act(tokens: Tensor, places: Tensor | None) -> Tensor:
        layers = asked.layers
        return network.cell_attention(tokens, places, layers=layers, head=asked.head)

    found = runs.over(
        reading,
        [window for number in range(orders) for window in reading.windows(number)],
        act,
        as_given=reading.options.windows == "centred" and orders == 1,
        progress=progress,
        message="Attention",
    )
    weights = [(window, _one(layers, asked.rollout)) for _, window, layers in found]
    if reading.options.without_sequence:
        weights = without_sequence(weights)
    return _gathered(reading, weights)


def _one(layers: np.ndarray, rollout: bool) -> np.ndarray:
    """Return (k, k) weights of (layers, k, k)."""
    if not rollout:
        return np.asarray(layers[0])
    cells = np.arange(layers.shape[1])
    matrix = rolled([Block(cells, matrix=one.astype(float)) for one in layers]).matrix
    return np.asarray(matrix, dtype=np.float32)


def without_sequence(found: Found) -> Found:
    """Return weights less what the distance in the sequence explains.

    From each weight the mean weight of all pairs that stand as far apart, in the same
    direction, is taken away, and the mean of all weights added: a row still sums to
    about 1, single weights can be negative. Weights of cells on themselves are kept.

    Parameters
    ----------
    found
        Windows in the order in which they were read, and their (k, k) weights.
    """
    means: dict[int, np.ndarray] = {}
    for size in {len(window.cells) for window, _ in found}:
        total = sum(w for window, w in found if len(window.cells) == size)
        number = sum(len(window.cells) == size for window, _ in found)
        means[size] = _by_distance(np.asarray(total, dtype=np.float64) / number)
    out = []
    for window, weights in found:
        expected = means[len(window.cells)]
        level = (
            expected[~np.eye(len(expected), dtype=bool)].mean()
            if len(expected) > 1
            else 0
        )
        rest = weights - expected + level
        np.fill_diagonal(rest, np.diagonal(weights))
        out.append((window, rest.astype(np.float32)))
    return out


def _by_distance(mean: np.ndarray) -> np.ndarray:
    """Return (k, k): each weight replaced by the mean of its diagonal."""
    out = np.empty_like(mean)
    size = len(mean)
    rows, columns = np.indices(mean.shape)
    for distance in range(1 - size, size):
        out[columns - rows == distance] = np.diagonal(mean, distance).mean()
    return out


def _gathered(reading: Reading, found: Found) -> Attention:
    """Return windows' weights as one attention, a block for each field.

    A pair's weight is its mean over the windows in which both occur, so that near
    cells, which share more windows than far ones, do not weigh more for that; rows are
    then made to sum to 1.
    """
    n = reading.table.n_obs
    if not found:
        return Attention([], n)
    rows, columns, weights = [], [], []
    for window, one in found:
        kept = window.cells[window.kept]
        rows.append(np.repeat(kept, len(window.cells)))
        columns.append(np.tile(window.cells, len(kept)))
        weights.append(one[window.kept].ravel().astype(np.float64))
    pairs = (np.concatenate(rows), np.concatenate(columns))
    values = np.concatenate(weights)
    total = sparse.coo_array((values, pairs), shape=(n, n)).tocsr()
    number = sparse.coo_array((np.ones(len(values)), pairs), shape=(n, n)).tocsr()
    total.data /= number.data
    sums = np.asarray(total.sum(axis=1)).ravel()
    scale = np.divide(1.0, sums, out=np.zeros(n), where=sums > 0)
    total.data *= np.repeat(scale, np.diff(total.indptr))
    blocks = [
        Block(cells, matrix=sparse.csr_array(total[cells][:, cells]))
        for cells in reading.fields()
    ]
    return Attention(blocks, n)
