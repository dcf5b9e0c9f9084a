"""Spatial domains: a graph of cells that are alike and live among alike cells.

One weight from 0 to 1 turns cell states into domains of tissue. Decides what it mixes:

- a cell's embedding x and the mean m of the embeddings of the cell and its nearest
  cells on the tissue, both centred and brought to the same variance, side by side as
  ``(sqrt(1 - weight) x, sqrt(weight) m)``, so that the squared distance of two cells
  is the mixture of both squared distances (as Singhal et al. 2024, BANKSY, without
  their gradient part);
- the graph of nearest neighbours in that space and the graph of nearest neighbours on
  the tissue, at equal mean strength, in the proportion ``1 - s`` to ``s`` with
  ``s = 0.3 weight``: enough to smooth the borders of a domain, too little to cut the
  tissue into patches by distance alone.

Cells of different bags (FOVs, sections) are never neighbours on the tissue; domains
meet over bags only because their neighbourhoods are alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from napari_scfm.analysis.clusters import fuzzy_graph, neighbour_graph
from napari_scfm.analysis.present import checked
from napari_scfm.errors import ScfmError, counted

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from napari_scfm.progress import ProgressCallback

TISSUE_SHARE = 0.3
"""Share of the graph on the tissue at weight 1; measured on mouse brain sections."""

NEIGHBOURS = 15
"""Nearest cells on the tissue that make a neighbourhood, beside the cell itself."""


def domain_graph(
    embedding: ArrayLike,
    xy: ArrayLike,
    bags: ArrayLike | None = None,
    weight: float = 0.8,
    *,
    neighbours: int = 15,
    around: int = NEIGHBOURS,
    progress: ProgressCallback | None = None,
) -> sparse.csr_array:
    """Return the graph of cells for spatial domains; the module says how.

    Parameters
    ----------
    embedding
        (cells, d), any scale.
    xy
        (cells, 2) positions in um; compared within a bag only.
    bags
        (cells,) FOV or section of each cell; None = all cells are of one.
    weight
        0 = :func:`napari_scfm.analysis.clusters.neighbour_graph` of the embedding,
        space plays no part; 1 = only the neighbourhood counts.
    neighbours
        Size of a neighbourhood in the embedding, the cell included.
    around
        Cells around each on the tissue.
    progress
        Told while neighbours are found.

    Returns
    -------
    (cells, cells) symmetric CSR for
    :func:`napari_scfm.analysis.clusters.cluster_graph`.

    Raises
    ------
    ScfmError
        If the weight is not from 0 to 1, or a cell that has an embedding has no place.
    """
    if not 0 <= weight <= 1:
        raise ScfmError(
            f"The weight of space is {weight}; it goes from 0 to 1.",
            "Try 0.8: 0 is expression alone, 1 the neighbourhood alone.",
        )
    points = checked(embedding)
    if weight == 0 or len(points) < 2:
        return neighbour_graph(points, neighbours, progress=progress)
    places, rows = _placed(points, xy), _rows_by_bag(bags, len(points))
    near = [_nearest_on_tissue(places[some], around) for some in rows]
    mean = _means(points, rows, near)
    mixed = np.hstack(
        [np.sqrt(1 - weight) * _unit(points), np.sqrt(weight) * _unit(mean)]
    )
    alike = _even(neighbour_graph(mixed, neighbours, progress=progress))
    share = TISSUE_SHARE * weight
    tissue = _even(_tissue_graph(rows, near, len(points)))
    return sparse.csr_array((1 - share) * alike + share * tissue)


def neighbourhood_mean(
    embedding: ArrayLike,
    xy: ArrayLike,
    bags: ArrayLike | None = None,
    around: int = NEIGHBOURS,
) -> NDArray[np.float32]:
    """Return the mean embedding of each cell and the nearest cells of its bag.

    Parameters
    ----------
    embedding, xy, bags, around
        See :func:`domain_graph`.

    Returns
    -------
    (cells, d) float32; a cell that is alone in its bag keeps its own.
    """
    points = checked(embedding)
    places, rows = _placed(points, xy), _rows_by_bag(bags, len(points))
    near = [_nearest_on_tissue(places[some], around) for some in rows]
    return _means(points, rows, near)


def _placed(points: NDArray[Any], xy: ArrayLike) -> NDArray[np.float64]:
    places = np.asarray(xy, dtype=np.float64)
    if places.shape != (len(points), 2):
        raise ScfmError(
            f"There are {counted(len(points), 'cell')}, but positions of shape "
            f"{places.shape}.",
            "Give x and y of each cell.",
        )
    lost = int((~np.isfinite(places)).any(axis=1).sum())
    if lost:
        raise ScfmError(
            f"{counted(lost, 'cell has', 'cells have')} no place on the tissue.",
            "Leave these cells out, or cluster without domains.",
        )
    return places


def _rows_by_bag(bags: ArrayLike | None, n: int) -> list[NDArray[np.intp]]:
    if bags is None:
        return [np.arange(n)]
    names = np.asarray(bags)
    if names.shape != (n,):
        raise ScfmError(
            f"There are {counted(n, 'cell')}, but bags of {names.size}.",
            "Give the FOV of every cell.",
        )
    _, codes = np.unique(names.astype(str), return_inverse=True)
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.cumsum(np.bincount(codes))[:-1])


def _nearest_on_tissue(
    places: NDArray[np.float64], around: int
) -> tuple[NDArray[np.floating[Any]], NDArray[np.intp]]:
    """Return distances and rows of the nearest other cells of one bag."""
    from sklearn.neighbors import NearestNeighbors

    k = min(around, len(places) - 1)
    if k < 1:
        return np.zeros((len(places), 0)), np.zeros((len(places), 0), dtype=np.intp)
    distance, index = NearestNeighbors(n_neighbors=k).fit(places).kneighbors()
    return distance, index


def _means(
    points: NDArray[Any],
    rows: list[NDArray[np.intp]],
    near: list[tuple[NDArray[Any], NDArray[np.intp]]],
) -> NDArray[np.float32]:
    out = np.array(points, dtype=np.float32)
    for some, (_, index) in zip(rows, near, strict=True):
        own = out[some]
        total = own.copy()
        for column in index.T:
            total += own[column]
        out[some] = total / (index.shape[1] + 1)
    return out


def _tissue_graph(
    rows: list[NDArray[np.intp]],
    near: list[tuple[NDArray[Any], NDArray[np.intp]]],
    n: int,
) -> sparse.csr_array:
    """Return the graph of nearest cells on the tissue, bag by bag."""
    values, senders, receivers = [], [], []
    for some, (distance, index) in zip(rows, near, strict=True):
        if not index.shape[1]:
            continue
        part = fuzzy_graph(distance, index, len(some)).tocoo()
        values.append(part.data)
        receivers.append(some[part.row])
        senders.append(some[part.col])
    if not values:
        return sparse.csr_array((n, n))
    places = (np.concatenate(receivers), np.concatenate(senders))
    return sparse.csr_array((np.concatenate(values), places), shape=(n, n))


def _unit(points: NDArray[Any]) -> NDArray[np.float32]:
    """Return points centred, with a mean variance of 1."""
    centred = np.asarray(points, dtype=np.float32) - points.mean(axis=0)
    spread = float(np.sqrt((centred**2).mean()))
    return np.asarray(centred / (spread or 1.0), dtype=np.float32)


def _even(graph: sparse.csr_array) -> sparse.csr_array:
    """Return a graph with a mean strength of a cell of 1."""
    return sparse.csr_array(graph * (graph.shape[0] / (graph.sum() or 1.0)))
