"""Clusters: planted groups are found, the same way each time."""

from __future__ import annotations

import random
import sys

import numpy as np
import pytest
from scipy.optimize import brentq
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from napari_scfm.analysis.clusters import (
    by_size,
    cluster,
    cluster_graph,
    neighbour_graph,
)
from napari_scfm.analysis.nearest import nearest
from napari_scfm.errors import MissingExtraError, ScfmError
from napari_scfm.progress import Cancelled


@pytest.fixture(scope="module")
def blobs():
    return make_blobs(
        [300, 150, 60], n_features=8, centers=None, cluster_std=1.0, random_state=1
    )


def test_planted_groups_are_found_and_the_largest_is_0(blobs):
    points, truth = blobs
    found = cluster(points, resolution=0.1)
    assert found.dtype == np.int32
    assert adjusted_rand_score(truth, found) > 0.99
    assert list(np.bincount(found)) == [300, 150, 60]


def test_a_seed_repeats_and_the_callers_random_state_stays(blobs):
    points, _ = blobs
    random.seed(5)
    state = random.getstate()
    first = cluster(points, seed=3)
    assert random.getstate() == state
    np.testing.assert_array_equal(first, cluster(points, seed=3))


def test_igraph_draws_from_the_random_module_again(blobs):
    import igraph

    cluster(blobs[0], seed=3)
    random.seed(7)
    one = igraph.Graph.Erdos_Renyi(n=30, p=0.3).get_edgelist()
    random.seed(7)
    assert igraph.Graph.Erdos_Renyi(n=30, p=0.3).get_edgelist() == one


def test_a_higher_resolution_gives_more_clusters(blobs):
    points, _ = blobs
    assert cluster(points, 3.0).max() > cluster(points, 0.1).max()


def test_weights_solve_the_equations_of_umap(blobs):
    points = blobs[0][:60]
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    directed = np.zeros((60, 60))
    for i in range(60):
        near = np.argsort(distance[i])[1:10]
        beyond = distance[i, near] - distance[i, near[0]]
        sigma = brentq(
            lambda s, d=beyond: np.exp(-d / s).sum() - np.log2(10), 1e-9, 1e3
        )
        directed[i, near] = np.exp(-beyond / sigma)
    expected = directed + directed.T - directed * directed.T
    np.testing.assert_allclose(neighbour_graph(points, 10).toarray(), expected, 1e-6)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_fewer_than_three_cells_are_one_cluster(n):
    found = cluster(np.ones((n, 4)))
    assert found.dtype == np.int32
    assert list(found) == [0] * n


def test_identical_cells_are_clustered_without_a_fault():
    found = cluster(np.ones((40, 3)))
    assert found.shape == (40,)


def test_an_embedding_with_nan_is_refused_with_its_row():
    points = np.zeros((5, 2))
    points[3, 1] = np.nan
    with pytest.raises(ScfmError, match=r"1 of 5 cells.*row 3"):
        cluster(points)
    with pytest.raises(ScfmError, match=r"\(cells, d\)"):
        cluster(np.zeros(5))
    with pytest.raises(ScfmError, match="above 0"):
        cluster(np.zeros((5, 2)), resolution=0)


def test_without_igraph_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "igraph", None)
    with pytest.raises(MissingExtraError, match=r"napari-scfm\[leiden\]"):
        cluster(np.random.default_rng(0).normal(size=(30, 3)))


def test_by_size_breaks_ties_by_first_appearance():
    assert list(by_size([5, 2, 2, 5, 9])) == [0, 1, 1, 0, 2]


def test_a_graph_made_once_gives_the_same_clusters(blobs):
    points, _ = blobs
    graph = neighbour_graph(points)
    for resolution in (0.1, 1.0, 2.0):
        np.testing.assert_array_equal(
            cluster_graph(graph, resolution, 4), cluster(points, resolution, 4)
        )
    with pytest.raises(ScfmError, match="above 0"):
        cluster_graph(graph, 0)


def test_of_very_many_cells_most_neighbours_are_found(monkeypatch):
    points, _ = make_blobs(3000, n_features=12, centers=8, random_state=3)
    points[7] = points[200]  # a double, and a heap of its own
    points[50:90] = 1e3
    module = "napari_scfm.analysis.nearest"
    exact = nearest(points, 14)
    monkeypatch.setattr(f"{module}.EXACT", 1000)
    monkeypatch.setattr(f"{module}.CANDIDATES", 600)
    told = []
    found, again = nearest(points, 14, progress=told.append), nearest(points, 14)
    np.testing.assert_array_equal(found.index, again.index)
    assert told[-1].done == told[-1].total == 3000
    assert (found.index != np.arange(3000)[:, None]).all()
    assert (np.diff(found.distance) >= 0).all()
    pairs = zip(found.index, exact.index, strict=True)
    assert np.mean([len(np.intersect1d(*pair)) / 14 for pair in pairs]) > 0.97
    truth = cluster_graph(neighbour_graph(points, near=exact), 0.3)
    made = cluster_graph(neighbour_graph(points, near=found), 0.3)
    assert adjusted_rand_score(truth, made) > 0.97

    def stop(_):
        raise Cancelled

    with pytest.raises(Cancelled):
        nearest(points, 14, progress=stop)


def test_many_cells_have_the_neighbours_that_few_have(monkeypatch):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(300, 4))
    points[7] = points[200]  # a double
    whole = neighbour_graph(points)
    told = []
    monkeypatch.setattr("napari_scfm.analysis.nearest._CHUNK", 128)
    parts = neighbour_graph(points, progress=told.append)
    np.testing.assert_allclose(parts.toarray(), whole.toarray(), atol=1e-9)
    assert [one.done for one in told] == [0, 128, 256, 300]
