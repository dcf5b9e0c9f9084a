"""What squidpy says, of each FOV by itself, and that squidpy reads it back."""

from __future__ import annotations

import importlib
import warnings

import anndata
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from napari_scfm.analysis.neighbourhoods import (
    co_occurrence,
    enrichment,
    ligand_receptor_test,
    ligrec_of,
    moran,
    spatial_graph,
    store_moran,
)
from napari_scfm.errors import ScfmError
from napari_scfm.progress import Cancelled

PAIRS = [("G0", "G1"), ("G2_G3", "G4"), ("G5", "NOT"), ("G6_NOT", "G7")]


def planted(cells, sizes):
    """Return cells of which "a" lies on the left of every FOV, and G0 with it."""
    table = cells(sizes)
    left = table.obsm["spatial"][:, 0] < 40
    table.obs["kind"] = pd.Categorical(
        np.where(left, "a", table.obs["kind"].astype(str).replace("a", "b"))
    )
    counts = table.X.toarray()
    counts[:, 0] += 6 * left
    table.X = type(table.X)(counts)
    return table


def test_enrichment_is_squidpys_with_names_shuffled_inside_fovs(cells, squidpy):
    table = planted(cells, {"A": 90, "B": 60})
    graph = spatial_graph(table, neighbours=5)
    made = enrichment(table, "kind", graph=graph, permutations=50, seed=3)
    graph.store(table)
    theirs = squidpy.gr.nhood_enrichment(
        table,
        "kind",
        library_key="fov",
        n_perms=50,
        seed=3,
        copy=True,
        show_progress_bar=False,
    )
    np.testing.assert_allclose(made.zscore, theirs.zscore)
    np.testing.assert_array_equal(made.counts, theirs.counts)
    at = made.names.index("a")
    assert made.times[at, at] > 1.5
    assert made.q_value[at, at] < 1e-6
    assert "a lies beside a" in made.sentence("a", "a")
    assert "over all pairs" in made.sentence("a", "a")


def test_the_expected_number_is_what_shuffles_give_on_average(cells):
    table = planted(cells, {"A": 80, "B": 20})
    made = enrichment(table, "kind", permutations=10)
    codes, homes = made.kinds.codes, made.graph.homes
    edges = made.graph.connectivities.tocoo()
    rng, size = np.random.default_rng(0), len(made.names)
    drawn = []
    for _ in range(400):
        shuffled = codes.copy()
        for home in (0, 1):
            shuffled[homes == home] = rng.permutation(codes[homes == home])
        flat = shuffled[edges.row] * size + shuffled[edges.col]
        drawn.append(np.bincount(flat, minlength=size**2).reshape(size, size))
    error = np.std(drawn, axis=0) / np.sqrt(len(drawn))
    assert (abs(np.mean(drawn, axis=0) - made.expected) < 4 * error).all()
    assert made.expected.sum() == pytest.approx(made.counts.sum())


def test_cells_of_no_kind_take_no_part(cells):
    table = planted(cells, {"A": 90})
    table.obs.loc[table.obs_names[::3], "kind"] = None
    known = table[table.obs["kind"].notna()].copy()
    graph = spatial_graph(table)
    made = enrichment(table, "kind", graph=graph, permutations=20)
    rows = np.flatnonzero(table.obs["kind"].notna())
    alone = enrichment(known, "kind", graph=graph.of(rows), permutations=20)
    np.testing.assert_allclose(made.zscore, alone.zscore)
    assert made.kinds.counts.sum() == len(rows)
    made.store(table)
    assert table.obs["kind"].isna().sum() == 30


def test_co_occurrence_of_one_fov_is_squidpys(cells, squidpy):
    table = planted(cells, {"A": 120})
    made = co_occurrence(table, "kind", reach=30, steps=6)
    occ, _ = squidpy.gr.co_occurrence(table, "kind", interval=made.interval, copy=True)
    np.testing.assert_allclose(np.nan_to_num(made.values), occ, rtol=1e-5)
    at = made.names.index("a")
    assert made.values[at, at, 0] > 1.3
    assert list(made.radii) == [5, 10, 15, 20, 25, 30]
    rows = made.frame().set_index(["kind", "around", "within_um"])["score"]
    assert rows["a", "b", 10.0] == pytest.approx(made.values[at, 1 - at, 1])


def test_co_occurrence_keeps_fovs_apart(cells):
    table = planted(cells, {"A": 60, "B": 60})
    first = table[table.obs["fov"] == "A"].copy()
    second = table[table.obs["fov"] == "B"].copy()
    # a kind that one FOV lacks must not shift the others' places
    table.obs["kind"] = table.obs["kind"].astype(str)
    b_only = (table.obs["fov"] == "B") & (table.obs["kind"] == "b")
    table.obs.loc[b_only, "kind"] = "0 new"
    made = co_occurrence(table, "kind", reach=40, steps=2)
    alone = co_occurrence(first, "kind", reach=40, steps=2)
    names, old = made.names, alone.names
    np.testing.assert_allclose(
        made.values[names.index("b"), names.index("a")],
        alone.values[old.index("b"), old.index("a")],
    )
    assert np.isnan(made.values[names.index("0 new"), names.index("b")]).all()
    both = [co_occurrence(one, "kind", reach=40, steps=2) for one in (first, second)]
    pooled = made.values[names.index("a"), names.index("a")]
    weights = [one.kinds.counts[0] ** 2 for one in both]
    mean = np.average([one.values[0, 0] for one in both], axis=0, weights=weights)
    np.testing.assert_allclose(pooled, mean)


def test_large_fovs_are_counted_in_parts_with_the_same_scores(cells, monkeypatch):
    table = planted(cells, {"A": 80})
    whole = co_occurrence(table, "kind", reach=30, steps=5)
    # the room's name is that of its function too
    module = importlib.import_module(co_occurrence.__module__)
    monkeypatch.setattr(module, "_MEMORY", 4 * 80 * 9 * 2.0)
    told = []
    parts = co_occurrence(table, "kind", reach=30, steps=5, progress=told.append)
    np.testing.assert_array_equal(whole.values, parts.values)
    assert len(told) > 3


def test_moran_of_one_fov_is_squidpys(cells, squidpy):
    table = planted(cells, {"A": 150})
    graph = spatial_graph(table)
    made = moran(table, graph=graph)
    graph.store(table)
    depth = np.asarray(table.X.sum(axis=1))
    table.layers["levels"] = np.log1p(table.X.toarray() / depth * np.median(depth))
    theirs = squidpy.gr.spatial_autocorr(
        table, layer="levels", copy=True, show_progress_bar=False
    )
    assert list(made.index) == list(theirs.index)
    np.testing.assert_allclose(made["I"], theirs["I"], atol=1e-6)
    np.testing.assert_allclose(made["q_value"], theirs["pval_norm_fdr_bh"], atol=1e-5)
    assert made.index[0] == "G0"


def test_moran_does_not_count_what_differs_between_fovs(cells):
    table = cells({"A": 100, "B": 100})
    counts = table.X.toarray()
    counts[:, 5] += 8 * (table.obs["fov"] == "B")
    table.X = type(table.X)(counts)
    made = moran(table)
    assert abs(made.loc["G5", "I"]) < 0.15
    assert made.loc["G5", "p_value"] > 0.001


def test_measured_and_predicted_stand_side_by_side(cells):
    table = planted(cells, {"A": 150})
    smooth = np.ones(table.shape)
    smooth[:, 0] = table.obsm["spatial"][:, 0]
    smooth[:, 1] = np.nan
    table.layers["m_imputed"] = smooth
    right = pd.DataFrame({"NEW": table.obsm["spatial"][:, 1]}, index=table.obs_names)
    table.obsm["m_imputed"] = right
    told = []
    made = moran(table, layer="m_imputed", permutations=19, progress=told.append)
    assert set(made.index) == {*table.var_names, "NEW"}
    assert made.loc["G0", "I_predicted"] > made.loc["G0", "I"] > 0.2
    assert np.isnan(made.loc["NEW", "I"])
    assert made.loc["NEW", "I_predicted"] > 0.5
    assert np.isnan(made.loc["G1", "I_predicted"])
    assert made.loc["G0", "p_permuted"] == pytest.approx(1 / 20)
    assert told[-1].done == told[-1].total == 12 + 12
    store_moran(table, made, "m_imputed")
    assert list(table.uns["m_imputed_moranI"].columns) == list(table.uns["moranI"])
    with pytest.raises(ScfmError, match="no predicted counts 'absent'"):
        moran(table, layer="absent")
    with pytest.raises(ScfmError, match="holds no NOPE"):
        moran(table, ["G0", "NOPE"])


def test_pairs_between_kinds_are_squidpys_in_parts(cells, squidpy):
    table = planted(cells, {"A": 120})
    made = ligand_receptor_test(table, "kind", PAIRS, permutations=250, seed=1)
    assert made.listed == 4
    assert set(zip(made.rows["ligand"], made.rows["receptor"], strict=True)) == {
        ("G0", "G1"),
        ("G2_G3", "G4"),
    }
    assert "holds 2 of 4 pairs" in made.sentence
    assert "not evidence of communication" in made.sentence
    depth = np.asarray(table.X.sum(axis=1))
    levels = table.copy()
    levels.X = np.log1p(table.X.toarray() / depth * np.median(depth))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = squidpy.gr.ligrec(
            levels,
            "kind",
            interactions=pd.DataFrame(PAIRS[:2], columns=["source", "target"]),
            use_raw=False,
            copy=True,
            n_perms=250,
            seed=1,
            show_progress_bar=False,
        )
    rows = made.rows.set_index(["source", "target", "sender", "receiver"])
    for pair in theirs["means"].index:
        for kinds in theirs["means"].columns:
            ours = rows.loc[(*pair, *kinds)]
            mean, p = (
                theirs["means"].loc[pair, kinds],
                theirs["pvalues"].loc[pair, kinds],
            )
            assert ours["mean"] == pytest.approx(mean)
            # other shuffles of the same kind
            assert ours["p_value"] == pytest.approx(p, abs=0.15)
    again = ligand_receptor_test(table, "kind", PAIRS, permutations=250, seed=1)
    pd.testing.assert_frame_equal(again.rows, made.rows)
    with pytest.raises(ScfmError, match="both genes of none of 1 pair"):
        ligand_receptor_test(table, "kind", [("X", "Y")])


def test_squidpy_plots_what_a_file_kept(cells, squidpy, tmp_path):
    table = planted(cells, {"A": 70, "B": 50})
    table.uns["kind_colors"] = ["#000000"]
    results = [
        enrichment(table, "kind", permutations=20),
        co_occurrence(table, "kind", reach=30, steps=4),
        ligand_receptor_test(table, "kind", PAIRS, permutations=20),
    ]
    for result in results:
        result.store(table)
    store_moran(table, moran(table))
    table.write_h5ad(tmp_path / "kept.h5ad")
    read = anndata.read_h5ad(tmp_path / "kept.h5ad")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        squidpy.pl.nhood_enrichment(read, "kind")
        squidpy.pl.co_occurrence(read, "kind", clusters="a")
        squidpy.pl.ligrec(ligrec_of(read, "kind"))
        squidpy.gr.interaction_matrix(read, "kind")
    plt.close("all")
    assert read.uns["moranI"].index[0] == "G0"
    with pytest.raises(ScfmError, match="no ligand-receptor test of 'fov'"):
        ligrec_of(read, "fov")


def test_every_analysis_can_be_cancelled(cells):
    table = planted(cells, {"A": 60, "B": 40})

    def stop(_):
        raise Cancelled

    for act in (
        lambda: spatial_graph(table, progress=stop),
        lambda: enrichment(table, "kind", progress=stop),
        lambda: co_occurrence(table, "kind", progress=stop),
        lambda: moran(table, progress=stop),
        lambda: ligand_receptor_test(table, "kind", PAIRS, progress=stop),
    ):
        with pytest.raises(Cancelled):
            act()


def test_nothing_of_squidpy_is_seen_or_left_behind(cells, capfd):
    import logging

    import numba
    import scanpy

    table = planted(cells, {"A": 60})
    filters, level = list(warnings.filters), logging.getLogger("spatialdata").level
    threads, said = numba.get_num_threads(), scanpy.settings.verbosity
    enrichment(table, "kind", permutations=10)
    moran(table)
    assert capfd.readouterr() == ("", "")
    assert warnings.filters == filters
    assert logging.getLogger("spatialdata").level == level
    assert (numba.get_num_threads(), scanpy.settings.verbosity) == (threads, said)
