"""Spatial neighbours and kinds of cells, each FOV by itself."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from napari_scfm.analysis.neighbourhoods import (
    kinds_of,
    pairs_of_kinds,
    spatial_graph,
)
from napari_scfm.errors import ScfmError


@pytest.mark.parametrize("how", [{"neighbours": 4}, {"radius": 15.0}])
def test_the_graph_is_squidpys_within_each_fov(how, cells, squidpy):
    table = cells({"A": 60, "B": 40})
    graph = spatial_graph(table, **how)
    gr = squidpy.gr
    if "radius" in how:
        gr.spatial_neighbors_radius(table, library_key="fov", radius=15.0)
    else:
        gr.spatial_neighbors_knn(table, library_key="fov", n_neighs=4)
    theirs = table.obsp["spatial_connectivities"]
    assert (graph.connectivities != theirs).nnz == 0
    far = abs(graph.distances - table.obsp["spatial_distances"])
    assert far.max() < 1e-9
    params = dict(table.uns["spatial_neighbors"]["params"])
    assert graph.params.items() <= params.items()
    edges = graph.connectivities.tocoo()
    assert (graph.homes[edges.row] == graph.homes[edges.col]).all()


def test_a_small_fov_gives_what_it_has(cells):
    graph = spatial_graph(cells({"A": 30, "small": 3, "one": 1}), neighbours=6)
    edges = np.diff(graph.connectivities.indptr)
    by_fov = {n: set(edges[graph.homes == at]) for at, n in enumerate(graph.fovs)}
    assert by_fov == {"A": {6}, "small": {2}, "one": {0}}
    assert graph.about == "the 6 nearest cells"


def test_a_table_without_fovs_is_one(cells):
    table = cells({"A": 20})
    del table.obs["fov"]
    assert spatial_graph(table, neighbours=3).n_edges == 60


def test_nonsense_is_refused_in_a_sentence(cells):
    table = cells({"A": 20})
    for how in ({"neighbours": 0}, {"radius": -1.0}, {"neighbours": 3, "radius": 5.0}):
        with pytest.raises(ScfmError, match="one of them, above 0"):
            spatial_graph(table, **how)
    table.obsm["spatial"][4] = np.nan
    with pytest.raises(ScfmError, match="1 of 20 cells have no position: c4"):
        spatial_graph(table)
    del table.obsm["spatial"]
    with pytest.raises(ScfmError, match="no positions"):
        spatial_graph(table)


def test_pairs_of_kinds_are_the_cells_that_meet():
    # 0 -> 1, 2 -> 3 and 4 -> 0 only
    graph = sparse.csr_array(([1.0] * 3, ([0, 2, 4], [1, 3, 0])), shape=(6, 6))
    labels = np.array(["a", "b", "b", "a", "a", "a"])
    assert pairs_of_kinds(graph, labels, "a", "b").tolist() == [0, 1, 2, 3]
    assert pairs_of_kinds(graph, labels, "b", "a").tolist() == [0, 1, 2, 3]
    assert pairs_of_kinds(graph, labels, "a", "a").tolist() == [0, 4]
    assert pairs_of_kinds(graph, labels, "b", "b").tolist() == []


def test_kinds_keep_the_order_of_categories_and_leave_out_empty_ones(cells):
    table = cells({"A": 5})
    values = ["z", "b", None, "b", "z"]
    table.obs["named"] = pd.Categorical(values, ["z", "unused", "b"])
    kinds = kinds_of(table, "named")
    assert kinds.names == ("z", "b")
    assert kinds.codes.tolist() == [0, 1, -1, 1, 0]
    assert kinds.counts.tolist() == [2, 2]
    table.obs["number"] = [3, 1, 1, 3, 2]
    assert kinds_of(table, "number").names == ("1", "2", "3")
    table.obs["text"] = ["10", "2", "10", "b", "2"]
    assert kinds_of(table, "text").names == ("2", "10", "b")
    grouping = SimpleNamespace(
        key="mine", labels=np.array([2, 0, 2, -1, 0]), names=("p", "q", "r")
    )
    made = kinds_of(table, grouping)
    assert (made.key, made.names) == ("mine", ("p", "r"))
    assert made.codes.tolist() == [1, 0, 1, -1, 0]


def test_columns_that_are_no_kinds_are_refused(cells):
    table = cells({"A": 200})
    table.obs["size"] = np.linspace(0, 1, 200)
    table.obs["same"] = "x"
    table.obs["id"] = [f"cell {i}" for i in range(200)]
    for key, said in {
        "absent": "no column 'absent'",
        "size": "measurements",
        "same": "holds 1 kinds",
        "id": "holds 200 kinds",
    }.items():
        with pytest.raises(ScfmError, match=said):
            kinds_of(table, key)
    with pytest.raises(ScfmError, match="groups 3 cells"):
        kinds_of(table, SimpleNamespace(key="k", labels=[0, 1, 0], names=("p", "q")))


def test_colours_stay_with_their_kinds_when_empty_ones_go(cells):
    table = cells({"A": 4})
    table.obs["named"] = pd.Categorical(["z", "b", "z", "b"], ["z", "unused", "b"])
    table.uns["named_colors"] = ["#100000", "#200000", "#300000"]
    kinds_of(table, "named").keep(table)
    assert list(table.obs["named"].cat.categories) == ["z", "b"]
    assert list(table.uns["named_colors"]) == ["#100000", "#300000"]
    table.uns["named_colors"] = ["#100000"]
    kinds_of(table, "named").keep(table)
    assert "named_colors" not in table.uns
