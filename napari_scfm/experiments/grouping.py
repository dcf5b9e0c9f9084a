"""Clusters and domains of a whole slide: the same for the window and without one.

The graph is made once and asked again for every resolution. Decides the resolution
where none is said: 1 for clusters, 0.4 for domains, which are fewer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm import keys
from napari_scfm.analysis.apart.work import network_of
from napari_scfm.analysis.clusters import Network, neighbour_graph
from napari_scfm.analysis.domains import domain_graph
from napari_scfm.analysis.groups.grouping import Grouping
from napari_scfm.analysis.present import Present, present
from napari_scfm.errors import ScfmError, counted
from napari_scfm.progress import report

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import ArrayLike
    from scipy import sparse

    from napari_scfm.analysis.apart.work import NetworkApart
    from napari_scfm.analysis.nearest import Near
    from napari_scfm.progress import ProgressCallback

RESOLUTION = 1.0
DOMAIN_RESOLUTION = 0.4


@dataclass(frozen=True, eq=False)
class CellGraph:
    """A graph of the cells of a slide, and what it was made of.

    Attributes
    ----------
    graph
        (present, present) symmetric.
    present
        Cells of the slide that have an embedding.
    of
        Name of the embedding: a model's, or "pca".
    domains
        Weight of space; None = clusters of the embedding.
    apart
        Whether Leiden runs in a process of its own where there are many cells.
    """

    graph: sparse.csr_array
    present: Present
    of: str
    domains: float | None = None
    apart: bool = False

    @cached_property
    def network(self) -> Network | NetworkApart:
        """The graph as Leiden reads it, made when it is first asked for."""
        return network_of(self.graph) if self.apart else Network(self.graph)

    @property
    def key(self) -> str:
        """The ``obs`` column of its groups, unless another is named."""
        found = keys.cluster if self.domains is None else keys.domain
        return found(self.of)

    @property
    def resolution(self) -> float:
        """The resolution where none is said."""
        return RESOLUTION if self.domains is None else DOMAIN_RESOLUTION


def cell_graph(
    table: AnnData,
    embedding: ArrayLike,
    of: str,
    *,
    domains: float | None = None,
    neighbours: int = 15,
    near: Near | None = None,
    apart: bool = False,
    progress: ProgressCallback | None = None,
) -> CellGraph:
    """Return the graph of a slide's cells, for :func:`grouped`.

    Parameters
    ----------
    table
        All cells; cells of the same ``obs["fov"]`` can be neighbours on the tissue.
    embedding
        (cells, d); a row of NaN where a cell has none.
    of
        Name of the embedding.
    domains
        Weight of space from 0 to 1, see
        :func:`napari_scfm.analysis.domains.domain_graph`; None = clusters.
    neighbours
        Size of a neighbourhood in the embedding.
    near
        The neighbours in the embedding among cells that have one, where they are
        known; domains have others.
    apart
        See :class:`CellGraph`.
    progress
        Told while neighbours are found.

    Raises
    ------
    ScfmError
        If no cell has an embedding, it holds other values that are not finite, or
        domains are asked for and the table does not say where cells are.
    """
    some = present(embedding)
    points = some.take(np.asarray(embedding))
    if domains is None:
        made = neighbour_graph(points, neighbours, near=near, progress=progress)
        return CellGraph(made, some, of, apart=apart)
    if keys.SPATIAL not in table.obsm:
        raise ScfmError(
            "The table does not say where its cells are, so it has no domains.",
            f"Put x and y in um into obsm[{keys.SPATIAL!r}], or leave domains out.",
        )
    fovs = np.asarray(table.obs[keys.FOV]) if keys.FOV in table.obs else None
    made = domain_graph(
        points,
        some.take(table.obsm[keys.SPATIAL])[:, :2],
        None if fovs is None else some.take(fovs),
        domains,
        neighbours=neighbours,
        progress=progress,
    )
    return CellGraph(made, some, of, domains, apart)


def grouped(
    cells: CellGraph,
    resolution: float | None = None,
    seed: int = 0,
    *,
    key: str = "",
    before: Grouping | None = None,
    progress: ProgressCallback | None = None,
) -> Grouping:
    """Return the clusters or domains of a slide at a resolution.

    Parameters
    ----------
    cells
        From :func:`cell_graph`.
    resolution
        Higher gives more; None = :attr:`CellGraph.resolution`.
    seed
        Of Leiden.
    key
        ``obs`` column; "" = :attr:`CellGraph.key`.
    before
        What was on show: classes keep the colours of those they lie on.
    progress
        Told before and after.

    Returns
    -------
    Classes "0", "1" ... by size; cells without an embedding are in none.
    """
    report(progress, 0, 1, "Leiden")
    value = cells.resolution if resolution is None else resolution
    labels = cells.present.back(cells.network.clusters(value, seed, progress), -1)
    made = Grouping.of(key or cells.key, labels, about=_about(cells, value, seed))
    report(progress, 1, 1, "clustered")
    return made if before is None else made.coloured_as(before)


def _about(cells: CellGraph, resolution: float, seed: int) -> str:
    how = f"Leiden at resolution {resolution:g}, seed {seed}"
    if lost := cells.present.lost:
        cells_are = counted(
            lost, "cell without an embedding is", "cells without an embedding are"
        )
        how += f"; {cells_are} in none"
    if cells.domains is None:
        return f"Clusters of the embedding of {cells.of}: {how}."
    return f"Domains of {cells.of}, weight of space {cells.domains:g}: {how}."
