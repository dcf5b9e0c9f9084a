"""Clusters of cells: a nearest-neighbour graph and Leiden on it.

Decides the graph (k nearest in Euclidean distance, weighted as UMAP does, Eqs. 2-4
of McInnes et al. 2018) and that Leiden (Traag et al. 2019) optimises modularity in
two iterations, as scanpy does with ``flavor="igraph"``. Cluster 0 is the largest.
Cells without an embedding are in no cluster (:mod:`.present`). Calls igraph directly,
so that clustering does not wait for scanpy to be imported.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from napari_scfm.analysis.nearest import nearest
from napari_scfm.analysis.present import checked, present
from napari_scfm.errors import MissingExtraError, ScfmError
from napari_scfm.progress import report

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from napari_scfm.analysis.nearest import Near
    from napari_scfm.progress import ProgressCallback

_BISECTIONS = 48
"""Halvings of the kernel width; float64 is exact long before."""


def cluster(
    embedding: ArrayLike,
    resolution: float = 1.0,
    seed: int = 0,
    *,
    neighbours: int = 15,
) -> NDArray[np.int32]:
    """Return the Leiden cluster of every cell.

    Parameters
    ----------
    embedding
        (cells, d), any scale; a row of NaN where a cell has none.
    resolution
        Higher gives more clusters.
    seed
        Of Leiden; the same seed gives the same clusters.
    neighbours
        Size of a neighbourhood, the cell itself included.

    Returns
    -------
    (cells,) int32, 0 = the largest cluster; ties go to the cluster of the first
    cell; -1 = a cell without an embedding. Fewer than three cells are one cluster.

    Raises
    ------
    ScfmError
        If the embedding is not (cells, d), no cell has one, or it holds other values
        that are not finite; or the resolution is not positive.
    MissingExtraError
        If igraph is not installed.
    """
    _check_resolution(resolution)
    some = present(embedding)
    graph = neighbour_graph(some.take(np.asarray(embedding)), neighbours)
    return some.back(cluster_graph(graph, resolution, seed), -1)


def cluster_graph(
    graph: sparse.csr_array, resolution: float = 1.0, seed: int = 0
) -> NDArray[np.int32]:
    """Return the Leiden cluster of every cell of a graph that is made already.

    Parameters
    ----------
    graph
        (cells, cells), symmetric, from :func:`neighbour_graph` or
        :func:`napari_scfm.analysis.domains.domain_graph`. To ask one graph again and
        again, keep its :class:`Network`.
    resolution, seed
        See :func:`cluster`, which this answers like.
    """
    return Network(graph).clusters(resolution, seed)


class Network:
    """A graph as igraph holds it: made once, clustered at many resolutions.

    Parameters
    ----------
    graph
        (cells, cells), symmetric, see :func:`cluster_graph`.

    Raises
    ------
    MissingExtraError
        If igraph is not installed.
    """

    def __init__(self, graph: sparse.csr_array) -> None:
        try:
            import igraph
        except ImportError as error:
            raise MissingExtraError("igraph", "leiden", "Clustering") from error
        upper = sparse.triu(graph, k=1).tocoo()
        edges = np.column_stack([upper.row, upper.col])
        self._network = igraph.Graph(n=graph.shape[0], edges=edges)
        self._weights = upper.data.tolist()

    def clusters(
        self,
        resolution: float = 1.0,
        seed: int = 0,
        progress: ProgressCallback | None = None,
    ) -> NDArray[np.int32]:
        """Return the Leiden cluster of every cell; see :func:`cluster`."""
        _check_resolution(resolution)
        report(progress, 0, 0, "Leiden")
        cells = self._network.vcount()
        if cells < 3:
            return np.zeros(cells, dtype=np.int32)
        import igraph

        # igraph draws from one generator of the whole process: lend it ours, and give
        # back its default, the random module
        igraph.set_random_number_generator(random.Random(seed))
        try:
            found = self._network.community_leiden(
                objective_function="modularity",
                weights=self._weights,
                resolution=resolution,
                n_iterations=2,
            )
        finally:
            igraph.set_random_number_generator(random)
        return by_size(found.membership)


def neighbour_graph(
    embedding: ArrayLike,
    neighbours: int = 15,
    *,
    near: Near | None = None,
    progress: ProgressCallback | None = None,
) -> sparse.csr_array:
    """Return the symmetric weighted graph of nearest neighbours.

    Weights are ``w + w' - w w'`` of ``w = exp(-(d - rho) / sigma)``, with rho the
    distance of the nearest neighbour and sigma such that the weights of a cell sum
    to ``log2(neighbours)`` (McInnes et al. 2018, Eqs. 2-4).

    Parameters
    ----------
    embedding
        (cells, d), any scale.
    neighbours
        Size of a neighbourhood, the cell itself included.
    near
        The ``neighbours - 1`` nearest cells, where they are known already; else
        :func:`napari_scfm.analysis.nearest.nearest` finds them.
    progress
        Told after every few thousand cells.

    Returns
    -------
    (cells, cells) CSR in 0..1 with an empty diagonal; one cell alone has no
    neighbours.

    Raises
    ------
    ScfmError
        If the embedding is not (cells, d) or holds NaN or infinite values.
    """
    points = checked(embedding)
    n, k = len(points), min(neighbours, len(points)) - 1
    if k < 1:
        return sparse.csr_array((n, n))
    found = nearest(points, k, progress=progress) if near is None else near
    return fuzzy_graph(found.distance[:, :k], found.index[:, :k], n)


def fuzzy_graph(
    distance: NDArray[np.floating[Any]], index: NDArray[np.intp], n: int
) -> sparse.csr_array:
    """Return the graph of :func:`neighbour_graph` from (n, k) sorted neighbours."""
    k = distance.shape[1]
    weight = _fuzzy(np.asarray(distance, dtype=np.float64))
    ends = np.arange(0, n * k + 1, k)
    directed = sparse.csr_array((weight.ravel(), index.ravel(), ends), shape=(n, n))
    both = directed + directed.T - directed.multiply(directed.T)
    return sparse.csr_array(both)


def by_size(labels: ArrayLike) -> NDArray[np.int32]:
    """Rename clusters so that 0 is the largest; ties by first appearance."""
    _, first, inverse, counts = np.unique(
        np.asarray(labels), return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.empty(len(counts), dtype=np.int32)
    rank[np.lexsort((first, -counts))] = np.arange(len(counts), dtype=np.int32)
    return np.asarray(rank[inverse.ravel()], dtype=np.int32)


def _check_resolution(resolution: float) -> None:
    if not resolution > 0:
        raise ScfmError(
            f"The resolution is {resolution}; it must be above 0.", "Try 1.0."
        )


def _fuzzy(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return UMAP's membership strengths of sorted neighbour distances."""
    k = distance.shape[1]
    beyond = np.maximum(distance - distance[:, :1], 0.0)
    target = np.log2(k + 1)
    low = np.zeros(len(distance))
    high = np.full(len(distance), np.maximum(beyond.max(), 1e-12) * k)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        wide = np.exp(-beyond / middle[:, None]).sum(axis=1) > target
        high = np.where(wide, middle, high)
        low = np.where(wide, low, middle)
    # a floor as in UMAP: duplicates of a cell must not make a kernel of width 0
    floor = 1e-3 * distance.mean(axis=1)
    sigma = np.maximum(high, np.maximum(floor, 1e-12))
    return np.asarray(np.exp(-beyond / sigma[:, None]))
