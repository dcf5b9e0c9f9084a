"""What can be done apart: a UMAP, a network, the clusters of a network."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_scfm.analysis.clusters import Network
    from napari_scfm.progress import ProgressCallback

KEPT = 3
"""Networks that are kept, those asked for last."""


class UnknownNetworkError(LookupError):
    """A network was asked that is not, or no longer, kept."""


class Tasks:
    """Does tasks by name, and keeps networks between them."""

    def __init__(self) -> None:
        self._networks: OrderedDict[str, Network] = OrderedDict()

    def do(
        self,
        task: str,
        numbers: dict[str, Any],
        arrays: Sequence[NDArray[Any]],
        progress: ProgressCallback | None = None,
    ) -> list[NDArray[Any]]:
        """Return the arrays that come of a task."""
        act = {"umap": self._umap, "network": self._network, "clusters": self._clusters}
        return act[task](numbers, arrays, progress)

    def _umap(
        self,
        numbers: dict[str, Any],
        arrays: Sequence[NDArray[Any]],
        progress: ProgressCallback | None,
    ) -> list[NDArray[Any]]:
        from napari_scfm.analysis.embedding import umap
        from napari_scfm.analysis.nearest import Near

        points, *near = arrays
        known = Near(*near) if near else None
        return [umap(points, numbers["seed"], near=known, progress=progress)]

    def _network(
        self,
        numbers: dict[str, Any],
        arrays: Sequence[NDArray[Any]],
        _: ProgressCallback | None,
    ) -> list[NDArray[Any]]:
        from napari_scfm.analysis.clusters import Network

        n = len(arrays[2]) - 1
        graph = sparse.csr_array(tuple(arrays), shape=(n, n))
        self._networks[numbers["key"]] = Network(graph)
        while len(self._networks) > KEPT:
            self._networks.popitem(last=False)
        return []

    def _clusters(
        self,
        numbers: dict[str, Any],
        _arrays: Sequence[NDArray[Any]],
        _: ProgressCallback | None,
    ) -> list[NDArray[Any]]:
        if numbers["key"] not in self._networks:
            raise UnknownNetworkError
        self._networks.move_to_end(numbers["key"])
        network = self._networks[numbers["key"]]
        return [network.clusters(numbers["resolution"], numbers["seed"])]
