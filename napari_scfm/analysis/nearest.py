"""The nearest cells of each cell: all compared up to a size, most of them above it.

Decides that up to :data:`EXACT` cells every pair is compared. Above, k-means sorts the
cells into about the root of their number of heaps, and a cell is compared with those
of its heap and of the heaps nearest to it, :data:`CANDIDATES` at least: the inverted
file of Sivic & Zisserman (2003) with exact distances, linear in the number of cells.
Graph searches find a little more, but cost the first caller of a program half a minute
of compiling; ``benchmarks/`` has both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from napari_scfm.progress import report

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scfm.progress import ProgressCallback

EXACT = 32_768
"""Cells up to which every pair is compared."""
CANDIDATES = 10_000
"""Cells that each is compared with, at least, where there are more."""
_CHUNK = 4096
"""Cells whose neighbours are found between two reports."""
_SAMPLE = 50
"""Cells per heap that k-means sees."""
_SAID = "nearest neighbours"


@dataclass(frozen=True, eq=False)
class Near:
    """The nearest others of each cell.

    Attributes
    ----------
    distance
        (cells, k) Euclidean, rising along a row.
    index
        (cells, k) rows of these cells; never the cell itself.
    """

    distance: NDArray[np.floating[Any]]
    index: NDArray[np.intp]


def nearest(
    points: NDArray[Any], k: int, *, progress: ProgressCallback | None = None
) -> Near:
    """Return the nearest other cells of each cell.

    Parameters
    ----------
    points
        (cells, d) finite numbers, any scale.
    k
        From 1 to cells - 1.
    progress
        Told after every few thousand cells.

    Returns
    -------
    The same numbers each time on one machine; above :data:`EXACT` cells some of the
    nearest are missed.
    """
    if len(points) <= EXACT:
        return _among_all(points, k, progress)
    return _among_heaps(points, k, progress)


def _among_all(points: NDArray[Any], k: int, progress: ProgressCallback | None) -> Near:
    from sklearn.neighbors import NearestNeighbors

    n = len(points)
    tree = NearestNeighbors(n_neighbors=k).fit(points)
    if n <= _CHUNK:
        return Near(*cast("tuple[Any, Any]", tree.kneighbors()))
    # the cell itself is among its own neighbours when it is asked for by its place
    parts = []
    for start in range(0, n, _CHUNK):
        report(progress, start, n, _SAID)
        rows = np.arange(start, min(start + _CHUNK, n))
        distance, index = tree.kneighbors(points[rows], k + 1)
        parts.append(_others(distance, index, rows))
    report(progress, n, n, _SAID)
    distances, indices = zip(*parts, strict=True)
    return Near(np.concatenate(distances), np.concatenate(indices))


def _among_heaps(
    points: NDArray[Any], k: int, progress: ProgressCallback | None
) -> Near:
    from sklearn.neighbors import NearestNeighbors

    n, told = len(points), 0
    report(progress, 0, n, _SAID)
    values = np.ascontiguousarray(points, dtype=np.float32)
    heaps, order = _heaps(values)
    distance = np.empty((n, k), dtype=np.float32)
    index = np.empty((n, k), dtype=np.intp)
    for done, (own, others) in enumerate(zip(heaps, order, strict=True)):
        sizes = np.cumsum([len(heaps[other]) for other in others])
        enough = int(np.searchsorted(sizes, max(CANDIDATES, k + 1))) + 1
        some = np.concatenate([heaps[other] for other in others[:enough]])
        search = NearestNeighbors(n_neighbors=k + 1, algorithm="brute")
        far, at = search.fit(values[some]).kneighbors(values[own])
        distance[own], index[own] = _others(far, some[at], own)
        told += len(own)
        if done % 8 == 0:
            report(progress, told, n, _SAID)
    report(progress, n, n, _SAID)
    return Near(distance, index)


def _heaps(values: NDArray[np.float32]) -> tuple[list[NDArray[np.intp]], list[Any]]:
    """Return the rows of each heap, and for each heap all heaps, the nearest first."""
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.neighbors import NearestNeighbors

    n, count = len(values), int(np.sqrt(len(values)))
    rng = np.random.default_rng(0)
    sample = np.sort(rng.choice(n, min(n, count * _SAMPLE), replace=False))
    means = MiniBatchKMeans(
        count, batch_size=4096, n_init=1, max_iter=10, init="random", random_state=0
    ).fit(values[sample])
    heap = means.predict(values)
    rows = np.split(
        np.argsort(heap, kind="stable"),
        np.cumsum(np.bincount(heap, minlength=count))[:-1],
    )
    full = np.array([number for number, some in enumerate(rows) if len(some)])
    centres = means.cluster_centers_[full]
    search = NearestNeighbors(n_neighbors=len(full), algorithm="brute").fit(centres)
    order = search.kneighbors(centres, return_distance=False)
    # doubled centres must not put another heap before a heap's own
    ahead = [np.r_[i, line[line != i]] for i, line in enumerate(order)]
    return [rows[number] for number in full], ahead


def _others(
    distance: NDArray[Any], index: NDArray[Any], rows: NDArray[np.intp]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Leave each cell out of its own neighbours; of doubles, the last is left out."""
    own = index == rows[:, None]
    own[~own.any(axis=1), -1] = True
    shape = (len(rows), index.shape[1] - 1)
    return distance[~own].reshape(shape), index[~own].reshape(shape)
