"""The model that ships with the package, on the FOV of the sample it never saw."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import napari_scfm as scfm
from napari_scfm.masks.mask import Mask
from napari_scfm.models.cellplm.info import MINI_FOLDER
from napari_scfm.models.cellplm.model import CellPLM

if TYPE_CHECKING:
    import anndata

SLIDE = Path(__file__).parents[2] / "sample_data" / "cosmx_synthetic"


@pytest.fixture(scope="module")
def slide() -> anndata.AnnData:
    return scfm.read_slide(SLIDE).table


@pytest.fixture(scope="module")
def table(slide: anndata.AnnData) -> anndata.AnnData:
    return slide[slide.obs["fov"] == "F004"].copy()


@pytest.fixture(scope="module")
def model() -> CellPLM:
    found = scfm.load_model("cellplm-mini", device="cpu")
    assert isinstance(found, CellPLM)
    return found


def hide(table: anndata.AnnData, rows, columns) -> Mask:
    hidden = np.zeros(table.shape, dtype=bool)
    hidden[np.ix_(rows, columns)] = True
    return Mask(hidden, table.obs_names, table.var_names)


def pearson(truth: np.ndarray, made: np.ndarray) -> float:
    x, y = np.log1p(truth), np.log1p(made)
    good = (x.std(0) > 0) & (y.std(0) > 0)
    return float(
        np.mean([np.corrcoef(x[:, g], y[:, g])[0, 1] for g in np.flatnonzero(good)])
    )


def test_it_ships_small_and_says_where_it_comes_from(model, slide) -> None:
    assert (MINI_FOLDER / "model.safetensors").stat().st_size < 3e6
    info = next(i for i in scfm.list_models() if i.name == "cellplm-mini")
    assert info == model.info
    assert info.licence == "BSD-3-Clause"
    assert len(info.sha256) == 64
    assert all(gene.startswith("ENSG") for gene in info.genes[:50])
    card = (MINI_FOLDER / "README.md").read_text("utf-8")
    assert "--seed 0" in card
    assert info.sha256 in card
    assert "F004" not in model.config.extra["training"]["fovs"]


def test_hidden_genes(model, table) -> None:
    rng = np.random.default_rng(1)
    columns = rng.permutation(table.n_vars)[: table.n_vars // 5]
    mask = hide(table, np.arange(table.n_obs), columns)
    genes = list(table.var_names[columns])
    truth = table.X.toarray()[:, columns]
    made = model.impute(table, genes, mask=mask)
    assert pearson(truth, made) > 0.6
    space = scfm.load_model("knn-space").fit(table, mask=mask)
    assert np.isfinite(made).all()
    other = np.nan_to_num(space.impute(table, genes, mask=mask))
    assert pearson(truth, made) > pearson(truth, other) + 0.1


def test_hidden_cells(model, table) -> None:
    order = np.random.default_rng(1).permutation(table.n_obs)
    genes, truth = list(table.var_names), table.X.toarray()
    made = {"cellplm-mini": np.zeros(table.shape), "knn-space": np.zeros(table.shape)}
    for fold in range(10):
        rows = order[fold::10]
        mask = hide(table, rows, np.arange(table.n_vars))
        for name in made:
            one = model if name == "cellplm-mini" else scfm.load_model(name)
            got = one.fit(table, mask=mask).impute(table, genes, mask=mask)
            made[name][rows] = got[rows]
    scores = {name: pearson(truth, guess) for name, guess in made.items()}
    assert scores["cellplm-mini"] > 0.28
    assert scores["cellplm-mini"] > scores["knn-space"] + 0.05
    # predictions of log1p counts lie below the mean count
    ratio = made["cellplm-mini"].sum() / truth.sum()
    assert 0.6 < ratio < 1.1


def test_coordinates_matter(model, table) -> None:
    shuffled = table.copy()
    rng = np.random.default_rng(0)
    shuffled.obsm["spatial"] = rng.permutation(table.obsm["spatial"])
    before, after = model.embed(table), model.embed(shuffled)
    assert np.abs(before - after).max() > 0.1
    turned = table.copy()  # another origin, another direction
    turned.obsm["spatial"] = table.obsm["spatial"][:, ::-1] * [-1.0, 1.0] + 7000.0
    close = np.abs(model.embed(turned) - before).max(axis=1) < 1e-2
    assert close.mean() > 0.98  # rounding may swap two equally near cells


def test_hidden_values_do_not_reach_the_neighbours(model, table) -> None:
    rows = np.arange(0, table.n_obs, 9)
    mask = hide(table, rows, np.arange(table.n_vars))
    genes = list(table.var_names[:40])
    changed = table.copy()
    counts = table.X.toarray()
    counts[rows] += 30
    changed.X = counts
    np.testing.assert_array_equal(
        model.impute(table, genes, mask=mask), model.impute(changed, genes, mask=mask)
    )


def test_attention_is_spatial_but_never_formed(model, table) -> None:
    attention = model.attend(table)
    assert attention.shape == (table.n_obs, table.n_obs)
    assert attention.blocks[0].matrix is None
    rows = attention.apply(np.ones(table.n_obs))
    assert rows.min() > 0


def test_one_cell_and_an_unmeasured_gene(model, table) -> None:
    one = table[:1, 10:].copy()
    got = model.impute(one, [*table.var_names[:2], "NOT_A_GENE"])
    assert np.isfinite(got[:, :2]).all()
    assert np.isnan(got[:, 2]).all()
    assert model.embed(one).shape == (1, model.config.post_latent_dim)


def test_a_panel_that_shares_few_genes(model, table) -> None:
    few = table[:, ::7].copy()
    assert np.isfinite(model.embed(few)).all()
    made = model.impute(few, list(table.var_names))
    assert np.isfinite(made).all()
