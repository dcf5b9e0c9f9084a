"""Marker genes: planted ones are found, on scanpy's scale."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

from napari_scfm.analysis.groups.grouping import Grouping
from napari_scfm.analysis.groups.markers import COLUMNS, marker_genes
from napari_scfm.errors import ScfmError


@pytest.fixture(scope="module")
def planted():
    """Three classes of 40 cells; genes 0-1, 2-3, 4-5 of 20 mark them."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 40)
    mean = np.full((120, 20), 2.0)
    for group in range(3):
        mean[labels == group, 2 * group : 2 * group + 2] = 12
    counts = rng.poisson(mean).astype(np.float32)
    table = ad.AnnData(sparse.csr_matrix(counts))
    table.var_names = [f"G{i}" for i in range(20)]
    return table, Grouping.of("kind", labels, ["a", "b", "c"])


@pytest.mark.parametrize("method", ["wilcoxon", "t-test_overestim_var"])
def test_planted_markers_lead(planted, method):
    table, made = planted
    told = []
    found = marker_genes(table, made, n=3, method=method, progress=told.append)
    assert tuple(found.columns) == COLUMNS
    assert list(found["group"]) == [*"aaabbbccc"]
    for group, genes in zip(
        "abc", ({"G0", "G1"}, {"G2", "G3"}, {"G4", "G5"}), strict=True
    ):
        best = found[found["group"] == group].head(2)
        assert set(best["names"]) == genes
        assert (best["pvals_adj"] < 1e-6).all()
        assert (best["logfoldchanges"] > 1).all()
    assert told[-1].done == told[-1].total


def test_shares_count_cells_with_counts(planted):
    table, made = planted
    found = marker_genes(table, made, n=20).set_index(["group", "names"])
    has = table.X.toarray()[:, 7] > 0
    inside = made.labels == 1
    assert found.loc[("b", "G7"), "share_in"] == pytest.approx(has[inside].mean())
    assert found.loc[("b", "G7"), "share_out"] == pytest.approx(has[~inside].mean())


def test_counts_stay_as_they_are_and_scanpy_finds_what_it_wants(planted):
    import scanpy as sc

    table, made = planted
    before = table.X.toarray().copy()
    other = table.copy()
    made.to_obs(other)
    found = marker_genes(other, made, n=4, store=True)
    np.testing.assert_array_equal(other.X.toarray(), before)
    again = sc.get.rank_genes_groups_df(other, "c")
    assert list(again["names"]) == list(found[found["group"] == "c"]["names"])
    assert other.uns["rank_genes_groups"]["params"]["groupby"] == "kind"


def test_a_class_of_one_cell_and_cells_in_no_class_take_no_part(planted):
    table, made = planted
    less = Grouping.of("kind", np.r_[3, made.labels[1:-1], -1], [*"abcd"])
    assert set(marker_genes(table, less, n=2)["group"]) == {*"abc"}


def test_what_cannot_be_compared_is_refused(planted):
    table, made = planted
    with pytest.raises(ScfmError, match="fewer than two classes"):
        marker_genes(table, made.merge(["a", "b", "c"]))
    with pytest.raises(ScfmError, match="no test 'guess'"):
        marker_genes(table, made, method="guess")
    with pytest.raises(ScfmError, match="120 cells, the table has 5"):
        marker_genes(table[:5], made)
