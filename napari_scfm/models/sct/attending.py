"""Attention between cells, gathered from windows: one sparse matrix per field.

Rotary positions make attention hang on how far two cells stand apart in the sequence,
whatever they express. Averaging over random orders takes that out as noise; what the
distance alone explains can be subtracted too. Each order is read in another tiling of
the field, so that more pairs of near cells are seen. Centred windows are read in
random orders too: nearest first, the distance in the sequence would be the distance in
the tissue, and weights would hang on it. What is not stored was never seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_scfm.models.attention import Attention
from napari_scfm.models.attention.block import Block
from napari_scfm.models.attention.layers import rolled
from napari_scfm.models.sct.levelling import levelled

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        progress=progress,
        message="Attention",
    )
    weights = [(window, _one(layers, asked.rollout)) for _, window, layers in found]
    if reading.options.without_sequence:
        weights = without_sequence(weights)
    return gathered(reading.table.n_obs, reading.fields(), weights)


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


def gathered(n: int, fields: Sequence[np.ndarray], found: Found) -> Attention:
    """Return windows' weights as one attention, a block for each field.

    A pair's weight is its mean over the windows in which both occur, so that near
    cells, which share more windows than far ones, do not weigh more for that; in each
    window it is told apart from how much the key is looked at there, for which the
    key's mean over all windows is put. Rows are then made to sum to 1.

    Parameters
    ----------
    n
        Cells of the table.
    fields
        The cells of each field that are read.
    found
        Windows, and their (k, k) weights.
    """
    if not found:
        return Attention([], n)
    rows, columns, weights = [], [], []
    own, popular, times, kept_times = np.zeros((4, n))
    for window, one in found:
        cells, taken = window.cells, levelled(one)
        popular[cells] += np.log(taken.popularity)
        times[cells] += 1
        own[cells[window.kept]] += taken.own[window.kept]
        kept_times[cells[window.kept]] += 1
        row, column = np.nonzero(window.kept[:, None] & ~np.eye(len(cells), dtype=bool))
        rows.append(cells[row])
        columns.append(cells[column])
        weights.append(taken.weights[row, column])
    pairs = (np.concatenate(rows), np.concatenate(columns))
    mean = _mean_of_pairs(np.concatenate(weights), pairs, n)
    mean.data *= np.exp(popular / np.maximum(times, 1))[mean.indices]
    own /= np.maximum(kept_times, 1)
    total = _with_own(mean, own, kept_times > 0)
    blocks = [
        Block(cells, matrix=sparse.csr_array(total[cells][:, cells]))
        for cells in fields
    ]
    return Attention(blocks, n)


def _mean_of_pairs(
    weights: np.ndarray, pairs: tuple[np.ndarray, np.ndarray], n: int
) -> sparse.csr_array:
    """Return (n, n) means of what is known of each pair."""
    total = sparse.csr_array(sparse.coo_array((weights, pairs), shape=(n, n)))
    one = np.ones(len(weights))
    number = sparse.csr_array(sparse.coo_array((one, pairs), shape=(n, n)))
    total.data /= number.data
    return total


def _with_own(
    others: sparse.csr_array, own: np.ndarray, read: np.ndarray
) -> sparse.csr_array:
    """Return rows that sum to 1: what cells take from themselves, the rest of others.

    Parameters
    ----------
    others
        (n, n) weights on other cells, in any unit.
    own
        (n,) what a cell takes from itself.
    read
        (n,) bool: cells that were read.
    """
    sums = np.asarray(others.sum(axis=1)).ravel()
    alone = read & ~(sums > 0)
    own = np.where(alone, 1.0, own)
    scale = np.divide(1 - own, sums, out=np.zeros(len(own)), where=sums > 0)
    others.data *= np.repeat(scale, np.diff(others.indptr))
    cells = np.flatnonzero(read)
    itself = sparse.coo_array((own[cells], (cells, cells)), shape=others.shape)
    return sparse.csr_array(others + itself.tocsr())
