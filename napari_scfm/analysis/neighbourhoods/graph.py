"""The graph of spatial neighbours: squidpy's, of each FOV by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from napari_scfm import keys
from napari_scfm.analysis.neighbourhoods.quiet import quiet_squidpy
from napari_scfm.errors import ScfmError, named
from napari_scfm.progress import report

if TYPE_CHECKING:
    from anndata import AnnData

    from napari_scfm.progress import ProgressCallback

NEIGHBOURS = 6
"""As in squidpy."""


@dataclass(frozen=True, eq=False)
class SpatialGraph:
    """Who lies beside whom.

    Attributes
    ----------
    connectivities
        (n, n) CSR, 1 where the column is a neighbour of the row. Nearest neighbours
        need not be mutual.
    distances
        (n, n) CSR, um.
    homes
        (n,) position of each cell's FOV in ``fovs``.
    fovs
        Names; one empty name where the table has none.
    params
        How it was made, as squidpy says it.
    """

    connectivities: sparse.csr_matrix
    distances: sparse.csr_matrix
    homes: np.ndarray
    fovs: tuple[str, ...]
    params: dict[str, Any]

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return int(self.connectivities.shape[0])

    @property
    def n_edges(self) -> int:
        """Number of (cell, neighbour)."""
        return int(self.connectivities.nnz)

    @property
    def about(self) -> str:
        """How neighbours were chosen, as it stands in a sentence."""
        if "radius" in self.params:
            return f"cells within {self.params['radius']:g} um"
        return f"the {self.params['n_neighbors']} nearest cells"

    def of(self, rows: np.ndarray) -> SpatialGraph:
        """Return the graph of some cells among themselves."""
        return SpatialGraph(
            self.connectivities[rows][:, rows],
            self.distances[rows][:, rows],
            self.homes[rows],
            self.fovs,
            self.params,
        )

    def store(self, table: AnnData) -> None:
        """Write it where ``squidpy.gr.spatial_neighbors_knn`` does."""
        table.obsp["spatial_connectivities"] = self.connectivities
        table.obsp["spatial_distances"] = self.distances
        table.uns["spatial_neighbors"] = {
            "connectivities_key": "spatial_connectivities",
            "distances_key": "spatial_distances",
            "params": dict(self.params),
        }


def spatial_graph(
    table: AnnData,
    *,
    neighbours: int | None = None,
    radius: float | None = None,
    progress: ProgressCallback | None = None,
) -> SpatialGraph:
    """Return the neighbours of every cell, of its own FOV only.

    Parameters
    ----------
    table
        ``obsm["spatial"]`` in um; ``obs["fov"]``, without which it is one FOV.
    neighbours
        The nearest so many, without the cell itself; default: 6. All others of a FOV
        that holds fewer.
    radius
        All cells within so many um instead.
    progress
        Told once per number of neighbours.

    Raises
    ------
    ScfmError
        If positions are missing, or not exactly one sensible number is given.
    """
    xy = positions(table)
    count = NEIGHBOURS if neighbours is None and radius is None else neighbours
    if (count is None) == (radius is None) or not (count or radius or 0) > 0:
        raise ScfmError(
            "Neighbours are the nearest cells or those within a distance.",
            "Give neighbours or radius, one of them, above 0.",
        )
    homes, fovs = homes_of(table)
    size = np.bincount(homes, minlength=len(fovs))
    # a FOV of n cells has n - 1 neighbours to give
    asked = np.minimum(size - 1, 1 if count is None else count)
    parts = sorted({int(number) for number in asked if number > 0}, reverse=True)
    made = []
    for done, number in enumerate(parts):
        report(progress, done, len(parts), "Finding neighbours")
        rows = np.flatnonzero(asked[homes] == number)
        made.append((rows, *_squidpy(xy[rows], homes[rows], number, radius)))
    report(progress, len(parts), len(parts), "Finding neighbours")
    params: dict[str, Any] = {"coord_type": "generic"}
    params |= {"n_neighbors": count} if radius is None else {"radius": float(radius)}
    adjacent = [(rows, found) for rows, found, _ in made]
    apart = [(rows, found) for rows, _, found in made]
    n = table.n_obs
    return SpatialGraph(_placed(adjacent, n), _placed(apart, n), homes, fovs, params)


def homes_of(table: AnnData) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the FOV of each cell, as a position among the names, and the names."""
    import pandas as pd

    if keys.FOV not in table.obs:
        return np.zeros(table.n_obs, dtype=np.intp), ("",)
    codes, names = pd.factorize(table.obs[keys.FOV].astype(str))
    return np.asarray(codes, dtype=np.intp), tuple(map(str, names))


def positions(table: AnnData) -> np.ndarray:
    """Return (n, 2) positions in um.

    Raises
    ------
    ScfmError
        If there are none, or some cells have none.
    """
    if keys.SPATIAL not in table.obsm:
        raise ScfmError(
            "The table has no positions.", f"Put um into obsm[{keys.SPATIAL!r}]."
        )
    xy = np.asarray(table.obsm[keys.SPATIAL], dtype=np.float64)[:, :2]
    bad = np.flatnonzero(~np.isfinite(xy).all(axis=1))
    if len(bad):
        raise ScfmError(
            f"{len(bad)} of {len(xy)} cells have no position: "
            f"{named(table.obs_names[bad])}.",
            "Leave these cells out.",
        )
    return xy


def pairs_of_kinds(graph: Any, labels: Any, a: Any, b: Any) -> np.ndarray:
    """Return the cells of two kinds that lie beside one another.

    Parameters
    ----------
    graph
        (n, n) sparse, or a :class:`SpatialGraph`; a neighbour in either direction
        counts.
    labels
        (n,) kind of each cell.
    a, b
        Two kinds, which may be the same.

    Returns
    -------
    Rows of the table, ascending: every cell of kind ``a`` with a neighbour of kind
    ``b``, and those neighbours.
    """
    if isinstance(graph, SpatialGraph):
        graph = graph.connectivities
    edges, labels = sparse.coo_array(graph), np.asarray(labels)
    one, other = labels[edges.row], labels[edges.col]
    meet = ((one == a) & (other == b)) | ((one == b) & (other == a))
    return np.union1d(edges.row[meet], edges.col[meet]).astype(np.int64)


def _squidpy(
    xy: np.ndarray, homes: np.ndarray, count: int, radius: float | None
) -> tuple[Any, Any]:
    """Return connectivities and distances of cells whose FOVs hold enough of them."""
    bare = bare_table(xy, homes)
    with quiet_squidpy() as squidpy:
        if radius is None:
            made = squidpy.gr.spatial_neighbors_knn(
                bare, n_neighs=count, library_key=keys.FOV, copy=True
            )
        else:
            made = squidpy.gr.spatial_neighbors_radius(
                bare, radius=float(radius), library_key=keys.FOV, copy=True
            )
    return made.connectivities, made.distances


def bare_table(
    xy: np.ndarray,
    homes: np.ndarray,
    graph: SpatialGraph | None = None,
    values: np.ndarray | None = None,
) -> AnnData:
    """Return a table with nothing but what squidpy asks for.

    Parameters
    ----------
    xy, homes
        (n, 2) positions and (n,) FOV of each cell.
    graph
        Of the same cells.
    values
        (n, genes).
    """
    import anndata
    import pandas as pd

    names = pd.Index([str(row) for row in range(len(homes))])
    obs = pd.DataFrame({keys.FOV: pd.Categorical(homes.astype(str))}, index=names)
    table = anndata.AnnData(X=values, obs=obs, obsm={keys.SPATIAL: xy})
    if graph is not None:
        table.obsp["spatial_connectivities"] = graph.connectivities
    return table


def _placed(parts: list[tuple[np.ndarray, Any]], n: int) -> sparse.csr_matrix:
    """Put the graphs of some rows each into one of all rows."""
    row, column, value = [], [], []
    for rows, found in parts:
        edges = found.tocoo()
        row.append(rows[edges.row])
        column.append(rows[edges.col])
        value.append(edges.data)
    none = np.zeros(0)
    at = (np.concatenate([none, *row]), np.concatenate([none, *column]))
    whole = at[0].astype(np.int64), at[1].astype(np.int64)
    return sparse.csr_matrix((np.concatenate([none, *value]), whole), shape=(n, n))
