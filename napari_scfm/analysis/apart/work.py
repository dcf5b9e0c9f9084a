"""UMAP and Leiden done apart, called as they are called here.

UMAP and Leiden have a process each, so that the resolution slider does not wait for a
picture that is laid out.
"""

from __future__ import annotations

import secrets
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.analysis.apart.process import Process
from napari_scfm.analysis.apart.tasks import UnknownNetworkError
from napari_scfm.analysis.clusters import Network, neighbour_graph
from napari_scfm.analysis.present import present

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

    from napari_scfm.analysis.nearest import Near
    from napari_scfm.progress import ProgressCallback

SMALL = 5000
"""Cells up to which Leiden holds the window for less than a frame or two."""


@cache
def process_of(kind: str) -> Process:
    """Return the process for one kind of work, started when it is first asked."""
    return Process()


def umap_apart(
    points: NDArray[np.float32],
    seed: int = 0,
    *,
    near: Near | None = None,
    progress: ProgressCallback | None = None,
) -> NDArray[np.float32]:
    """Return what :func:`napari_scfm.analysis.embedding.umap` returns."""
    known = [] if near is None else [near.distance, near.index]
    ask = process_of("umap").ask
    (made,) = ask("umap", [points, *known], progress, seed=seed)
    return made


class NetworkApart:
    """A :class:`napari_scfm.analysis.clusters.Network` in a process of its own.

    Parameters
    ----------
    graph
        (cells, cells), symmetric.
    """

    def __init__(self, graph: sparse.csr_array) -> None:
        self._graph, self._key = graph, secrets.token_hex(8)

    def clusters(
        self,
        resolution: float = 1.0,
        seed: int = 0,
        progress: ProgressCallback | None = None,
    ) -> NDArray[np.int32]:
        """Return the Leiden cluster of every cell, as the network itself does."""
        ask, graph = process_of("leiden").ask, self._graph
        how = {"key": self._key, "resolution": float(resolution), "seed": int(seed)}
        try:
            (made,) = ask("clusters", (), progress, **how)
        except UnknownNetworkError:
            parts = (graph.data, graph.indices, graph.indptr)
            ask("network", parts, progress, key=self._key)
            (made,) = ask("clusters", (), progress, **how)
        return np.asarray(made, dtype=np.int32)


def cluster_apart(
    points: NDArray[np.floating[Any]],
    resolution: float = 1.0,
    seed: int = 0,
    *,
    neighbours: int = 15,
    progress: ProgressCallback | None = None,
) -> NDArray[np.int32]:
    """Return what :func:`napari_scfm.analysis.clusters.cluster` returns."""
    some = present(points)
    graph = neighbour_graph(some.take(points), neighbours, progress=progress)
    return some.back(network_of(graph).clusters(resolution, seed, progress), -1)


def network_of(graph: sparse.csr_array) -> Network | NetworkApart:
    """Return a network that does not hold the window still: a small one is one here."""
    return Network(graph) if graph.shape[0] <= SMALL else NetworkApart(graph)
