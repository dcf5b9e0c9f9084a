"""The nearest cells of a labelled reference vote on the type of each cell.

Each of the k votes counts nearly the same: a nearer one a thousandth more, so that a
tie goes to the type whose cells are nearer and no distance scale enters. A reference
may hold the very cells that are told (a slide of which some cells are labelled): a cell
never votes on itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.progress import report

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.neighbors import NearestNeighbors

    from napari_scfm.progress import ProgressCallback

TIE = 1e-3
"""How much less the farthest vote counts than the nearest."""

FAR = 0.99
"""Quantile of the distances within the reference beyond which a cell lies far."""

_ROWS = 5_000
"""Cells that are asked about at once, so that it can be stopped."""

_SOME = 2_000
"""Reference cells whose own distances say what is far."""


@dataclass(frozen=True, eq=False)
class Votes:
    """What neighbours said.

    Attributes
    ----------
    shares
        (cells, classes) float32 shares of the votes; rows sum to 1.
    far
        (cells,) bool: farther from its k-th neighbour than 99 % of the reference's
        own cells are from theirs, so perhaps of a type that the reference lacks.
    """

    shares: NDArray[np.float32]
    far: NDArray[np.bool_]


def vote(
    cells: NDArray[np.floating],
    reference: NDArray[np.floating],
    codes: NDArray[np.integer],
    classes: int,
    k: int = 5,
    own: NDArray[np.intp] | None = None,
    progress: ProgressCallback | None = None,
) -> Votes:
    """Let the k nearest reference cells vote.

    Parameters
    ----------
    cells
        (cells, d).
    reference
        (reference cells, d), all labelled.
    codes
        (reference cells,) their class, from 0.
    classes
        How many classes there are.
    k
        Votes; fewer where the reference is smaller.
    own
        (cells,) which reference cell each cell is itself, -1 for none.
    progress
        Told after some thousand cells.
    """
    from sklearn.neighbors import NearestNeighbors

    apart = own is not None and bool((own >= 0).any())
    k = max(1, min(k, len(reference) - apart))
    search = NearestNeighbors(n_neighbors=min(k + apart, len(reference)))
    distance, index = _nearest(cells, search.fit(reference), progress)
    if apart and own is not None:
        distance, index = _without(distance, index, own, k)
    weight = 1 - TIE * np.arange(k) / k
    shares = np.zeros((len(cells), classes), dtype=np.float64)
    rows = np.repeat(np.arange(len(cells)), k)
    np.add.at(shares, (rows, codes[index].ravel()), np.tile(weight, len(cells)))
    shares /= weight.sum()
    step = max(1, len(reference) // _SOME)
    # kneighbors() without points leaves each cell out of its own neighbours
    within = NearestNeighbors(n_neighbors=min(k + 1, len(reference))).fit(reference)
    among = within.kneighbors(reference[::step])[0][:, -1]
    far = distance[:, -1] > np.quantile(among, FAR)
    return Votes(shares.astype(np.float32), np.asarray(far))


def _nearest(
    cells: NDArray[np.floating],
    search: NearestNeighbors,
    progress: ProgressCallback | None,
) -> tuple[NDArray[np.floating], NDArray[np.intp]]:
    """Return distances and positions of the neighbours, nearest first."""
    found = []
    for start in range(0, max(len(cells), 1), _ROWS):
        found.append(search.kneighbors(cells[start : start + _ROWS]))
        report(progress, min(start + _ROWS, len(cells)), len(cells), "Voting")
    distance, index = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return distance, index


def _without(
    distance: NDArray[np.floating],
    index: NDArray[np.intp],
    own: NDArray[np.intp],
    k: int,
) -> tuple[NDArray[np.floating], NDArray[np.intp]]:
    """Return the first k neighbours that are not the cell itself."""
    itself = index == own[:, None]
    # a cell that was not found among its neighbours leaves its farthest one out
    itself[~itself.any(axis=1), -1] = True
    shape = (len(index), index.shape[1] - 1)
    return distance[~itself].reshape(shape)[:, :k], index[~itself].reshape(shape)[:, :k]
