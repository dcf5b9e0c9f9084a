"""Domains: planted regions are found where single cells do not tell them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from napari_scfm.analysis.clusters import cluster_graph, neighbour_graph
from napari_scfm.analysis.domains import domain_graph, neighbourhood_mean
from napari_scfm.errors import ScfmError


@pytest.fixture(scope="module")
def tissue():
    """Two sections with a left and a right region: the same two kinds of cells in
    other proportions; sections lie upon one another in x and y.
    """
    rng = np.random.default_rng(0)
    n = 1000
    xy = rng.uniform(0, 500, (n, 2))
    bags = np.repeat(["S1", "S2"], n // 2)
    region = (xy[:, 0] > 250).astype(int)
    kind = (rng.random(n) < np.where(region, 0.8, 0.2)).astype(int)
    points = rng.normal(size=(n, 6)) + kind[:, None] * 4.0
    return points.astype(np.float32), xy, bags, region, kind


@pytest.mark.parametrize(("weight", "which"), [(0.0, "kind"), (1.0, "region")])
def test_the_weight_leads_from_kinds_of_cells_to_regions(tissue, weight, which):
    points, xy, bags, region, kind = tissue
    graph = domain_graph(points, xy, bags, weight)
    found = cluster_graph(graph, 0.1)
    truth = {"kind": kind, "region": region}
    scores = {name: adjusted_rand_score(truth[name], found) for name in truth}
    assert scores[which] > 0.5
    assert scores[which] == max(scores.values())


def test_without_weight_space_plays_no_part(tissue):
    points, xy, bags, *_ = tissue
    one = domain_graph(points, xy, bags, 0.0)
    two = neighbour_graph(points)
    assert (one != two).nnz == 0


def test_cells_of_other_bags_are_no_neighbours_on_the_tissue(tissue):
    points, xy, bags, *_ = tissue
    mean = neighbourhood_mean(points, xy, bags)
    other = points.copy()
    other[bags == "S2"] += 100
    np.testing.assert_array_equal(
        neighbourhood_mean(other, xy, bags)[bags == "S1"], mean[bags == "S1"]
    )
    apart = neighbourhood_mean(points[bags == "S1"], xy[bags == "S1"])
    np.testing.assert_array_equal(apart, mean[bags == "S1"])


def test_the_mean_is_of_the_cell_and_those_around():
    xy = np.array([[0, 0], [1, 0], [2.5, 0], [90, 0]])
    points = np.array([[0.0], [3.0], [6.0], [9.0]])
    assert neighbourhood_mean(points, xy, None, 1).ravel().tolist() == [
        1.5,
        1.5,
        4.5,
        7.5,
    ]


def test_turning_the_tissue_changes_nothing(tissue):
    points, xy, bags, *_ = tissue
    turned = np.column_stack([-xy[:, 1], xy[:, 0]]) * 0.12 + 5000
    one = domain_graph(points, xy, bags, 0.7)
    two = domain_graph(points, turned, bags, 0.7)
    np.testing.assert_allclose(one.toarray(), two.toarray(), atol=1e-5)


def test_a_graph_is_symmetric_with_an_empty_diagonal(tissue):
    points, xy, bags, *_ = tissue
    graph = domain_graph(points, xy, bags, 0.5)
    assert abs(graph - graph.T).max() < 1e-12
    assert not graph.diagonal().any()


def test_small_bags_and_lonely_cells_take_part():
    rng = np.random.default_rng(1)
    points, xy = rng.normal(size=(9, 3)), rng.normal(size=(9, 2))
    bags = np.array(["a"] * 5 + ["b"] * 3 + ["c"])
    graph = domain_graph(points, xy, bags, 1.0)
    assert graph.shape == (9, 9)
    assert np.isfinite(graph.data).all()
    alone = neighbourhood_mean(points, xy, bags)[8]
    np.testing.assert_allclose(alone, points[8], rtol=1e-6)
    assert domain_graph(points[:1], xy[:1], None, 0.5).shape == (1, 1)


def test_faults_are_said(tissue):
    points, xy, bags, *_ = tissue
    with pytest.raises(ScfmError, match="from 0 to 1"):
        domain_graph(points, xy, bags, 1.5)
    with pytest.raises(ScfmError, match=r"shape \(3, 2\)"):
        domain_graph(points, xy[:3], bags, 0.5)
    with pytest.raises(ScfmError, match="bags of 3"):
        domain_graph(points, xy, bags[:3], 0.5)
    lost = xy.copy()
    lost[4] = np.nan
    with pytest.raises(ScfmError, match="1 cell has no place"):
        domain_graph(points, lost, bags, 0.5)
