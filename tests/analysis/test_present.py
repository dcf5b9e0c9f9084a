"""Cells without an embedding: left out of everything, so that they change nothing."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_scfm.analysis.apart.work import cluster_apart
from napari_scfm.analysis.clusters import cluster
from napari_scfm.analysis.embedding import umap
from napari_scfm.analysis.groups.grouping import Grouping
from napari_scfm.analysis.present import present
from napari_scfm.errors import ScfmError
from napari_scfm.experiments.grouping import cell_graph, grouped

N = 40
empty_cells = st.sets(st.integers(0, N - 1), max_size=N - 4).map(sorted)


def tissue() -> tuple[np.ndarray, ad.AnnData]:
    """Two kinds of cells in two fields of view."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(N, 3)) + 9 * (np.arange(N) % 2)[:, None]
    table = ad.AnnData(np.ones((N, 1)))
    table.obs["fov"] = pd.Categorical(np.where(np.arange(N) < 25, "F1", "F2"))
    table.obsm["spatial"] = rng.random((N, 2)) * 100
    return points, table


@settings(max_examples=20)
@given(empty=empty_cells, weight=st.sampled_from([None, 0.8]))
def test_other_cells_have_the_classes_that_they_have_without_them(empty, weight):
    points, table = tissue()
    points[empty] = np.nan
    table.obsm["spatial"][empty] = np.nan  # nobody asks where they lie
    kept = np.setdiff1d(np.arange(N), empty)
    made = grouped(cell_graph(table, points, "m", domains=weight))
    alone = grouped(cell_graph(table[kept], points[kept], "m", domains=weight))
    np.testing.assert_array_equal(made.labels[kept], alone.labels)
    np.testing.assert_array_equal(made.colours, alone.colours)
    assert (made.labels[empty] == -1).all()
    made.to_obs(table)
    assert list(np.flatnonzero(table.obs[made.key].isna())) == empty
    said = "without an embedding" in made.about
    assert said == (len(empty) > 0)


@settings(max_examples=20)
@given(empty=empty_cells)
def test_clusters_alone_and_apart_leave_them_out_too(empty):
    points, _ = tissue()
    points[empty] = np.nan
    some = present(points)
    labels = cluster(points)
    np.testing.assert_array_equal(labels, some.back(cluster(some.take(points)), -1))
    np.testing.assert_array_equal(labels, cluster_apart(points))
    assert list(np.flatnonzero(~some.there)) == empty
    assert (f"{len(empty)} cell" in some.sentence) == (len(empty) > 0)


def test_they_have_no_place_in_a_picture():
    points = np.full((5, 3), np.nan)
    points[[1, 4]] = 0.5
    assert list(np.isfinite(umap(points)).all(axis=1)) == [0, 1, 0, 0, 1]


def test_a_class_is_split_without_them():
    points, _ = tissue()
    points[[0, 7]] = np.nan
    made = Grouping.of("hand", np.zeros(N, dtype=int), ["all"])
    found = made.subcluster(np.arange(N), points, 0.1)
    assert found.names == ("all", "all.1", "all.2")
    assert list(found.rows("all")) == [0, 7]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ((3, slice(1, 2), np.nan), "1 of 6 cells.*row 3"),
        ((4, slice(None), np.inf), "1 of 6 cells.*row 4"),
        ((slice(None), slice(0, 1), np.nan), "5 of 6 cells.*row 0"),
        ((slice(None), slice(None), np.nan), "6 of 6 cells.*row 0"),
    ],
)
def test_what_is_no_embedding_is_refused(fault, said):
    points = np.zeros((6, 2))
    points[1] = np.nan
    rows, columns, value = fault
    points[rows, columns] = value
    for ask in (cluster, umap, cluster_apart):
        with pytest.raises(ScfmError, match=said):
            ask(points)
