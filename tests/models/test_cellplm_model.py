"""CellPLM end to end, through load_model, against the reference's pipelines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

import napari_scfm as scfm
from napari_scfm.errors import ModelError
from napari_scfm.masks.mask import Mask
from napari_scfm.progress import Cancelled, Progress

if TYPE_CHECKING:
    from pathlib import Path

EMBEDDING = {"rtol": 1e-4, "atol": 2e-5}
PREDICTION = {"rtol": 2e-4, "atol": 1e-5}


@pytest.fixture(scope="module")
def tiny(shared: Path) -> Path:
    return shared / "parity" / "cellplm" / "tiny"


@pytest.fixture(scope="module")
def pipeline(tiny: Path) -> dict[str, np.ndarray]:
    return dict(np.load(tiny / "pipeline.npz"))


@pytest.fixture
def table(tiny: Path) -> anndata.AnnData:
    return anndata.read_h5ad(tiny / "adata.h5ad")


@pytest.fixture(scope="module")
def meta(tiny: Path) -> dict[str, list]:
    import json

    return json.loads((tiny / "meta.json").read_text())


def hide_genes(table: anndata.AnnData, genes: list[str]) -> Mask:
    hidden = np.zeros(table.shape, dtype=bool)
    hidden[:, table.var_names.isin(genes)] = True
    return Mask(hidden, table.obs_names, table.var_names)


def hide_cells(table: anndata.AnnData, rows: list[int]) -> Mask:
    hidden = np.zeros(table.shape, dtype=bool)
    hidden[rows] = True
    return Mask(hidden, table.obs_names, table.var_names)


def test_embedding_as_in_the_original(tiny, table, pipeline) -> None:
    model = scfm.load_model(tiny / "tiny_vae.best.ckpt", device="cpu", compat=True)
    np.testing.assert_allclose(model.embed(table), pipeline["embedding"], **EMBEDDING)
    del table.obs["batch"]
    np.testing.assert_allclose(
        model.embed(table), pipeline["embedding_no_batch_column"], **EMBEDDING
    )


def test_fov_makes_the_bags(tiny, table, pipeline) -> None:
    model = scfm.load_model(tiny, device="cpu")
    table.obs["fov"] = table.obs.pop("batch")
    np.testing.assert_allclose(model.embed(table), pipeline["embedding"], **EMBEDDING)
    alone = table[table.obs["fov"] == "fov_b"].copy()
    rows = np.flatnonzero(table.obs["fov"] == "fov_b")
    np.testing.assert_allclose(
        model.embed(alone), pipeline["embedding"][rows], **EMBEDDING
    )


def test_imputation_as_in_the_original(tiny, table, pipeline, meta) -> None:
    model = scfm.load_model(tiny / "tiny_vae.best.ckpt", device="cpu", compat=True)
    mask = hide_genes(table, meta["target_genes"])
    kept = meta["gene_list_kept_in_adata_order"]
    got = model.impute(table, kept, mask=mask)
    np.testing.assert_allclose(got, pipeline["imputation_pred"], **PREDICTION)
    got = model.impute(table, meta["target_genes"], mask=mask)
    np.testing.assert_allclose(got, pipeline["imputation_pred_targets"], **PREDICTION)


def test_default_scaling_leaves_hidden_entries_out(tiny, table, meta) -> None:
    model = scfm.load_model(tiny / "tiny_vae.best.ckpt", device="cpu")
    table.obs["fov"] = table.obs.pop("batch")
    got = model.impute(
        table,
        meta["gene_list_kept_in_adata_order"],
        mask=hide_genes(table, meta["target_genes"]),
    )
    for bag in ("fov_a", "fov_b", "fov_c"):
        want = np.load(tiny / f"stages_{bag}.npz")
        np.testing.assert_allclose(
            got[want["cell_index"]],
            want["alt_pred_scale_cell_fallback_set"],
            **PREDICTION,
        )


def test_hidden_counts_cannot_leak(tiny, table, meta) -> None:
    model = scfm.load_model(tiny / "tiny_vae.best.ckpt", device="cpu")
    mask = hide_genes(table, meta["target_genes"]) | hide_cells(table, [1, 2, 5])
    genes = meta["target_genes"]
    before = model.impute(table, genes, mask=mask), model.embed(table, mask=mask)
    changed = table.copy()
    changed.X = sparse.csr_matrix(
        table.X.toarray() + 50 * mask.matrix.toarray(), dtype=np.float32
    )
    np.testing.assert_array_equal(model.impute(changed, genes, mask=mask), before[0])
    np.testing.assert_array_equal(model.embed(changed, mask=mask), before[1])


def test_hidden_cells_get_the_depth_of_their_bag(tiny, table) -> None:
    table.obs["fov"] = table.obs.pop("batch")
    genes = list(table.var_names)
    mask = hide_cells(table, [0, 4, 8])
    model = scfm.load_model(tiny / "tiny_vae.best.ckpt", device="cpu")
    got = model.impute(table, genes, mask=mask)
    assert np.nansum(got[[0, 4, 8]], axis=1).min() > 1
    original = scfm.load_model(tiny / "tiny_vae.best.ckpt", device="cpu", compat=True)
    assert np.nansum(original.impute(table, genes, mask=mask)[[0, 4, 8]]) == 0


def test_a_whole_hidden_bag_takes_the_depth_of_the_others(tiny, table) -> None:
    table.obs["fov"] = table.obs.pop("batch")
    rows = np.flatnonzero(table.obs["fov"] == "fov_a")
    genes = list(table.var_names)
    model = scfm.load_model(tiny / "tiny_vae.best.ckpt", device="cpu")
    got = model.impute(table, genes, mask=hide_cells(table, list(rows)))
    assert np.nansum(got[rows], axis=1).min() > 1
    assert any("no visible counts" in note for note in model.notes)


def test_mixture_latent(tiny) -> None:
    folder = tiny / "gmvae"
    table = anndata.read_h5ad(folder / "adata.h5ad")
    want = np.load(folder / "pipeline.npz")
    stages = [np.load(folder / f"stages_{bag}.npz") for bag in ("s1", "s2")]
    original = scfm.load_model(folder, device="cpu", compat=True)
    queue = [s["gumbel_uniform_in_pipeline_embedding"] for s in stages]
    original.draws = lambda cells, clusters: torch.tensor(queue.pop(0))
    got = original.embed(table)
    np.testing.assert_allclose(got, want["embedding_sampled"], **EMBEDDING)
    queue += [want[f"gumbel_uniform_imputation_batch{i}"] for i in (0, 1)]
    import json

    genes = json.loads((folder / "meta.json").read_text())["genes_kept_in_adata_order"]
    got = original.impute(table, genes)
    np.testing.assert_allclose(got, want["imputation_sampled"], **PREDICTION)

    ours = scfm.load_model(folder, device="cpu")
    table.obs["fov"] = table.obs["batch"]
    np.testing.assert_allclose(ours.embed(table), want["embedding_argmax"], **EMBEDDING)
    full = table.X.sum(axis=1).A1 > 0 if hasattr(table.X, "A1") else None
    full = np.asarray(table.X.sum(axis=1)).ravel() > 0 if full is None else full
    got = ours.impute(table, genes)
    np.testing.assert_allclose(got[full], want["imputation_argmax"][full], **PREDICTION)
    assert got[~full].min() > 0


def test_drawn_components_repeat_with_the_seed(tiny) -> None:
    folder = tiny / "gmvae"
    table = anndata.read_h5ad(folder / "adata.h5ad")
    model = scfm.load_model(folder, device="cpu", compat=True)
    first = model.embed(table)
    np.testing.assert_array_equal(model.embed(table), first)
    model.seed = 1
    assert np.abs(model.embed(table) - first).max() > 0.01


def test_annotation_model(tiny) -> None:
    folder = tiny / "annotation"
    want = np.load(folder / "pipeline.npz")
    import json

    genes = json.loads((folder / "meta.json").read_text())["genes_used_adata_order"]
    table = anndata.read_h5ad(folder / "adata.h5ad")[:, genes].copy()
    model = scfm.load_model(
        folder / "tiny_pre.finetuned.ckpt", device="cpu", compat=True
    )
    assert model.info.capabilities == {"embed", "attend"}
    np.testing.assert_allclose(model.embed(table), want["latent"], **EMBEDDING)
    scores = model.class_scores(table)
    np.testing.assert_allclose(scores, want["logits"], **EMBEDDING)
    np.testing.assert_array_equal(scores.argmax(1), want["pred_class_index"])
    with pytest.raises(ModelError, match="cannot impute"):
        model.impute(table, genes[:2])


def test_attention_of_the_last_layer(tiny, table, meta) -> None:
    model = scfm.load_model(tiny / "tiny_vae.best.ckpt", device="cpu", compat=True)
    mask = hide_genes(table, meta["target_genes"])
    attention = model.attend(table, mask=mask)
    for bag in ("fov_a", "fov_c"):
        want = np.load(tiny / f"stages_{bag}.npz")
        rows = want["cell_index"]
        np.testing.assert_allclose(
            attention.dense()[np.ix_(rows, rows)],
            want["layer1_A"].mean(axis=0),
            atol=1e-6,
            rtol=0,
        )
        xy = np.zeros((table.n_obs, 2), dtype=np.float32)
        xy[rows] = want["coord"]
        np.testing.assert_allclose(
            attention.apply(xy)[rows], want["layer1_A_coord"].mean(axis=0), rtol=1e-5
        )
    np.testing.assert_array_equal(
        model.attend(table, layer=-1).row(3), model.attend(table, layer=1).row(3)
    )
    with pytest.raises(ModelError, match="has 2 layers"):
        model.attend(table, layer=2)


def test_coordinates_change_nothing_in_an_original(tiny, table) -> None:
    model = scfm.load_model(tiny / "tiny_vae.best.ckpt", device="cpu")
    rng = np.random.default_rng(0)
    table.obsm["spatial"] = rng.uniform(0, 500, (table.n_obs, 2))
    first = model.embed(table)
    table.obsm["spatial"] = rng.permutation(table.obsm["spatial"])
    np.testing.assert_array_equal(model.embed(table), first)
    assert any("play no part" in note for note in model.notes)


def test_genes_the_model_cannot_predict_are_nan(tiny, table) -> None:
    model = scfm.load_model(tiny / "tiny_vae.best.ckpt", device="cpu")
    unmeasured = next(g for g in model.info.genes if g not in table.var_names)
    got = model.impute(table, ["NOT_A_GENE", model.info.genes[0], unmeasured])
    assert np.isnan(got[:, 0]).all()
    assert np.isfinite(got[:, 1:]).all()
    assert got.dtype == np.float32


@pytest.mark.parametrize("cells", [0, 1, 2])
def test_tiny_bags(tiny, table, cells) -> None:
    model = scfm.load_model(tiny / "tiny_vae.best.ckpt", device="cpu")
    few = table[:cells].copy()
    few.obs["fov"] = "one"
    assert model.embed(few).shape == (cells, 32)
    assert np.isfinite(model.embed(few)).all()
    assert model.impute(few, list(few.var_names[:3])).shape == (cells, 3)
    assert model.attend(few).dense().shape == (cells, cells)


def test_progress_and_cancel(tiny, table) -> None:
    model = scfm.load_model(tiny / "tiny_vae.best.ckpt", device="cpu")
    table.obs["fov"] = table.obs["batch"]
    seen: list[Progress] = []
    model.embed(table, progress=seen.append)
    assert [(p.done, p.total) for p in seen] == [(0, 3), (1, 3), (2, 3), (3, 3)]

    def stop(progress: Progress) -> None:
        if progress.done == 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        model.impute(table, ["A"], progress=stop)


def test_counts_are_checked(tiny, table) -> None:
    model = scfm.load_model(tiny / "tiny_vae.best.ckpt", device="cpu")
    for bad in (-1.0, np.nan):
        wrong = table.copy()
        wrong.X = wrong.X.toarray()
        known = next(i for i, g in enumerate(wrong.var_names) if g in model.info.genes)
        wrong.X[2, known] = bad
        with pytest.raises(ModelError, match=wrong.var_names[known]):
            model.embed(wrong)
    table.X = table.X * 0.5
    model.embed(table)
    assert any("not whole numbers" in note for note in model.notes)


def test_large_bags_are_noted(tiny, table) -> None:
    model = scfm.load_model(tiny / "tiny_vae.best.ckpt", device="cpu")
    many = anndata.AnnData(
        sparse.vstack([table.X] * 23, format="csr"),
        var=table.var,
        obs=pd.DataFrame(index=[f"c{i}" for i in range(23 * 90)]),
    )
    model.embed(many)
    assert any("2,070 cells" in note for note in model.notes)
