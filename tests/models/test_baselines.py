"""Baselines: known answers, odd tables, a real slide."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, concat
from scipy import sparse

import napari_scfm as scfm
from napari_scfm.errors import ModelError
from napari_scfm.masks.mask import Mask
from napari_scfm.models.baselines.registry import BASELINES

NAMES = tuple(name for name in BASELINES if name != "zeros")


def make(counts, fov="a", xy=None, names=None) -> AnnData:
    counts = np.asarray(counts, dtype=np.float32)
    n, genes = counts.shape
    table = AnnData(
        sparse.csr_matrix(counts),
        obs=pd.DataFrame(
            {"fov": np.broadcast_to(fov, n)},
            index=[f"c{i}" for i in range(n)] if names is None else names,
        ),
        var=pd.DataFrame(index=[f"g{i}" for i in range(genes)]),
    )
    if xy is None:
        xy = np.column_stack([np.arange(n) * 10.0, np.zeros(n)])
    table.obsm["spatial"] = np.asarray(xy, dtype=float)
    return table


def simulated(n=160, genes=30, seed=0, fovs=("a", "b")) -> AnnData:
    """Two programs in two halves of each FOV; depth varies tenfold."""
    rng = np.random.default_rng(seed)
    fov = np.repeat(fovs, n // len(fovs))
    xy = rng.uniform(0, 200, (n, 2))
    left = (xy[:, 0] < 100) ^ (rng.random(n) < 0.1)
    program = np.where(np.arange(genes) % 2 == 0, 4.0, 0.5)
    rates = np.where(left[:, None], program, program[::-1])
    depth = rng.uniform(0.3, 3, n)
    return make(rng.poisson(rates * depth[:, None]), fov, xy)


def hide(table, cells=slice(None), genes=slice(None)) -> Mask:
    hidden = np.zeros(table.shape, dtype=bool)
    hidden[np.ix_(np.arange(table.n_obs)[cells], np.arange(table.n_vars)[genes])] = True
    return Mask(hidden, table.obs_names, table.var_names)


def log_pearson(truth, prediction):
    return np.corrcoef(np.log1p(truth), np.log1p(prediction))[0, 1]


# --- names -------------------------------------------------------------------------


def test_the_baselines_are_listed_with_what_a_menu_shows():
    listed = {info.name: info for info in scfm.list_models()}
    assert NAMES == ("gene-mean", "knn-space", "knn-expression", "ridge")
    assert "zeros" in listed
    for name in NAMES:
        info = listed[name]
        assert info.description.endswith(".")
        assert info.licence == "BSD-3-Clause"
        assert info.parameters == 0
        assert "impute" in info.capabilities
        assert "attend" not in info.capabilities


def test_what_a_baseline_cannot_do_is_said():
    with pytest.raises(ModelError, match="ridge cannot embed; it can impute"):
        scfm.load_model("ridge").embed(simulated())
    with pytest.raises(ModelError, match="no weights to save"):
        scfm.load_model("gene-mean").save("nowhere")


# --- known answers -----------------------------------------------------------------


def test_gene_mean_is_depth_times_the_share_of_the_gene():
    # shares 1/2, 1/4, 1/4; depths 8, 16, 4
    table = make([[4, 2, 2], [8, 4, 4], [2, 1, 1]])
    mask = hide(table, slice(1, 2), slice(0, 1))
    found = scfm.load_model("gene-mean").impute(table, ["g0", "g2"], mask=mask)
    np.testing.assert_allclose(found, [[4, 2], [8, 4], [2, 1]], rtol=1e-4)


def test_a_hidden_cell_has_the_median_depth_of_its_own_bag():
    table = make(
        [[2, 2], [4, 4], [6, 6], [9, 9], [50, 50], [7, 7]],
        ["a", "a", "a", "a", "b", "b"],
    )
    mask = hide(table, [3, 5])
    found = scfm.load_model("gene-mean").impute(table, ["g0"], mask=mask)[:, 0]
    np.testing.assert_allclose(found[[3, 5]], [4, 50], rtol=1e-5)


def test_knn_space_averages_the_five_nearest_that_show_the_gene():
    # g1 makes all depths equal; g0 is hidden in the first two cells
    g0 = np.array([9, 99, 2, 4, 6, 8, 10, 70, 80])
    table = make(np.column_stack([g0, np.full(9, 100_000)]))
    mask = hide(table, slice(0, 2), slice(0, 1))
    found = scfm.load_model("knn-space").impute(table, ["g0"], mask=mask)
    assert found[0, 0] == pytest.approx(6, rel=1e-2)


def test_neighbours_in_space_never_leave_their_bag():
    # both bags lie on the same spots; only b shows g0 = 30
    counts = np.tile([[1, 20]], (20, 1))
    counts[10:, 0] = 30
    xy = np.tile(np.column_stack([np.arange(10.0), np.zeros(10)]), (2, 1))
    table = make(counts, np.repeat(["a", "b"], 10), xy)
    mask = hide(table, [3])
    found = scfm.load_model("knn-space").impute(table, ["g0"], mask=mask)
    assert found[3, 0] == pytest.approx(1, rel=1e-4)


def test_a_cell_is_not_its_own_neighbour():
    counts = np.tile([[5, 5]], (12, 1))
    counts[4] = [90, 5]
    table = make(counts)
    model = scfm.load_model("knn-space").fit(table)
    seen = model.impute(table, ["g0"])[:, 0]
    assert seen[4] / counts[4].sum() < 0.6  # its own share is .95


def test_a_gene_no_cell_of_the_bag_shows_is_read_from_the_reference():
    table = simulated(400, fovs=("a", "b"))
    query = table[table.obs.fov == "a"].copy()
    mask = hide(table, slice(0, 200), slice(0, 4))
    truth = query.X[:, :4].toarray()
    genes = list(table.var_names[:4])
    score = {}
    for name in NAMES:
        model = scfm.load_model(name).fit(table, mask=mask)
        assert model.unlearnable == []
        found = model.impute(query, genes, mask=mask)
        score[name] = np.mean([log_pearson(truth[:, g], found[:, g]) for g in range(4)])
    # which of two programs a cell follows is only in its expression
    assert score["knn-expression"] > score["gene-mean"] + 0.1
    assert score["ridge"] > score["gene-mean"] + 0.1
    assert score["knn-space"] == pytest.approx(score["gene-mean"])


def test_hidden_cells_are_read_from_their_surroundings():
    table = simulated(600, fovs=("a",))
    rows = np.arange(0, 600, 10)
    mask = hide(table, rows)
    truth = table.X.toarray()[rows]
    for name in ("knn-space", "knn-expression", "ridge"):
        model = scfm.load_model(name).fit(table, mask=mask)
        found = model.impute(table, list(table.var_names), mask=mask)[rows]
        score = np.mean([log_pearson(truth[:, g], found[:, g]) for g in range(30)])
        assert score > 0.1, name


def test_knn_expression_embeds_cells_by_program():
    table = simulated(200)
    model = scfm.load_model("knn-expression")
    vectors = model.embed(table)
    assert vectors.dtype == np.float32
    assert vectors.shape == (200, 30)
    program = table.X[:, ::2].sum(axis=1) > table.X[:, 1::2].sum(axis=1)
    side = vectors[:, 0] > 0
    agree = (side == np.asarray(program).ravel()).mean()
    assert max(agree, 1 - agree) > 0.9


# --- its own value -----------------------------------------------------------------


def test_a_gene_does_not_predict_itself_from_its_own_visible_value():
    # g0 is noise: nothing else knows it, so ridge must not find it out
    rng = np.random.default_rng(0)
    table = simulated(1500, fovs=("a",))
    counts = table.X.toarray()
    counts[:, 0] = rng.poisson(3, 1500)
    table.X = sparse.csr_matrix(counts)
    found = scfm.load_model("ridge").fit(table).impute(table, ["g0"])[:, 0]
    assert abs(log_pearson(counts[:, 0], found)) < 0.5


# --- odd tables --------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_gene_hidden_everywhere_is_unlearnable_and_gets_the_mean_rate(name):
    table = simulated(80)
    mask = hide(table, slice(None), [3])
    model = scfm.load_model(name).fit(table, mask=mask)
    assert model.unlearnable == ["g3"]
    found = model.impute(table, ["g3"], mask=mask)[:, 0]
    visible = mask.visible(table).toarray()
    np.testing.assert_allclose(found, visible.sum(axis=1) / 29, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_unknown_genes_are_nan_and_repeats_are_equal(name):
    table = simulated(40)
    found = scfm.load_model(name).impute(table, ["g1", "nothing", "g1"])
    assert found.dtype == np.float32
    assert np.isnan(found[:, 1]).all()
    np.testing.assert_array_equal(found[:, 0], found[:, 2])
    assert scfm.load_model(name).impute(table, []).shape == (40, 0)


@pytest.mark.parametrize("name", NAMES)
def test_bags_of_one_cell_empty_cells_and_unseen_genes(name):
    table = simulated(41, fovs=("a",))
    fov = np.array(["a"] * 40 + ["alone"])
    counts = table.X.toarray()
    counts[5] = 0
    counts[:, 7] = 0
    table = make(counts, fov, table.obsm["spatial"])
    found = scfm.load_model(name).impute(table, list(table.var_names))
    assert np.isfinite(found).all()
    assert not found[:, 7].any()
    none = table[:0].copy()
    assert scfm.load_model(name).impute(none, ["g0"]).shape == (0, 1)
    one = table[:1].copy()
    assert np.isfinite(scfm.load_model(name).impute(one, ["g0"])).all()


@pytest.mark.parametrize("name", NAMES)
def test_everything_hidden_gives_finite_numbers(name):
    table = simulated(20)
    found = scfm.load_model(name).impute(table, ["g0"], mask=hide(table))
    assert np.isfinite(found).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_reference_without_places_and_with_other_genes(name):
    query = simulated(60, fovs=("a",))
    cells = simulated(80, fovs=("scrna",), seed=3)[:, 5:].copy()
    cells.obs_names = [f"r{i}" for i in range(80)]
    cells.obsm["spatial"][:] = np.nan
    both = concat([query, cells], join="outer", fill_value=0)
    both.obsm["spatial"] = np.concatenate(
        [query.obsm["spatial"], np.full((80, 2), np.nan)]
    )
    hidden = np.zeros(both.shape, dtype=bool)
    hidden[60:, :5] = True
    hidden[:60, 10:12] = True
    mask = Mask(hidden, both.obs_names, both.var_names)
    model = scfm.load_model(name).fit(both, mask=mask)
    found = model.impute(query, ["g10", "g11", "g0"], mask=mask)
    assert np.isfinite(found).all()
    assert (found[:, :2].mean(axis=0) > 0).all()


def test_knn_space_says_that_it_needs_places():
    table = simulated(20)
    del table.obsm["spatial"]
    with pytest.raises(ModelError, match="knn-space needs the places"):
        scfm.load_model("knn-space").impute(table, ["g0"])


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_cells_and_genes_does_not_matter(name):
    table = simulated(90)
    mask = hide(table, slice(0, 90, 7), slice(0, 5))
    rng = np.random.default_rng(0)
    rows, columns = rng.permutation(90), rng.permutation(30)
    other = table[rows][:, columns].copy()
    genes = ["g0", "g4", "g9"]
    one = scfm.load_model(name).impute(table, genes, mask=mask)
    two = scfm.load_model(name).impute(other, genes, mask=mask)
    np.testing.assert_allclose(two, one[rows], rtol=1e-3, atol=1e-4)


# --- real data ---------------------------------------------------------------------


def test_a_whole_real_slide_and_ridge_ahead_of_the_mean(real_data):
    import anndata

    path = "cosmx_nsclc_lung5_rep3/cosmx_nsclc_lung5_rep3_4fov.h5ad"
    slide = anndata.read_h5ad(real_data / path)
    slide.obs["fov"] = slide.obs["fov"].astype(str)
    rows = np.flatnonzero(slide.obs["fov"] == "22")
    columns = np.arange(3, 960, 10)[:100]
    mask = hide(slide, rows, columns)
    fov, genes = slide[rows].copy(), list(slide.var_names[columns])
    truth = np.log1p(fov.X[:, columns].toarray())
    score = {}
    for name in NAMES:
        model = scfm.load_model(name).fit(slide, mask=mask)
        found = np.log1p(model.impute(fov, genes, mask=mask))
        varies = (truth.std(axis=0) > 0) & (found.std(axis=0) > 0)
        score[name] = np.mean(
            [
                np.corrcoef(truth[:, g], found[:, g])[0, 1]
                for g in np.flatnonzero(varies)
            ]
        )
    assert score["ridge"] > score["knn-expression"] > score["gene-mean"] + 0.02
