"""Training as a user meets it: what is learned, kept, repeated and refused."""

from __future__ import annotations

import json

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import napari_scfm as scfm
from napari_scfm.errors import ModelError, SpecError
from napari_scfm.masks.mask import Mask
from napari_scfm.progress import Cancelled
from napari_scfm.training.settings import TrainSettings

SMALL = TrainSettings(width=32, layers=1, heads=4, latent=16, neighbours=(4,), draws=6)
GENES = 24


def tissue(fovs: int = 3, cells: int = 80, seed: int = 0) -> anndata.AnnData:
    """Two cell types, one on each side of every FOV, with 12 markers each."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, 200, (fovs * cells, 2))
    kind = (xy[:, 0] > 100).astype(int)
    rate = np.where(np.arange(GENES)[None, :] % 2 == kind[:, None], 6.0, 0.5)
    counts = rng.poisson(rate * rng.gamma(4, 0.25, (len(xy), 1)))
    obs = pd.DataFrame(
        {"fov": np.repeat([f"F{i + 1:03d}" for i in range(fovs)], cells)},
        index=[f"cell{i}" for i in range(len(xy))],
    )
    # identifiers in the style of Ensembl, so that no table of symbols is needed
    var = pd.DataFrame(index=[f"ENSG{90000000000 + i:011d}" for i in range(GENES)])
    table = anndata.AnnData(sparse.csr_matrix(counts, dtype=np.float32), obs, var)
    table.obsm["spatial"] = xy
    return table


@pytest.fixture(scope="module")
def table() -> anndata.AnnData:
    return tissue()


@pytest.fixture(scope="module")
def folder(table, tmp_path_factory):
    out = tmp_path_factory.mktemp("models") / "two-types"
    scfm.train(
        "cellplm",
        table,
        validation=["F003"],
        epochs=12,
        out=out,
        settings=SMALL,
        device="cpu",
    )
    return out


def test_hidden_genes_are_learned(folder, table) -> None:
    model = scfm.load_model(folder, device="cpu")
    test = table[table.obs["fov"] == "F003"].copy()
    hidden = np.zeros(test.shape, dtype=bool)
    hidden[:, :6] = True
    mask = Mask(hidden, test.obs_names, test.var_names)
    got = model.impute(test, list(test.var_names[:6]), mask=mask)
    truth = test.X.toarray()[:, :6]
    for gene in range(6):
        r = np.corrcoef(np.log1p(got[:, gene]), np.log1p(truth[:, gene]))[0, 1]
        assert r > 0.6
    assert 0.5 < got.sum() / truth.sum() < 2


def test_hidden_cells_are_guessed_from_where_they_are(folder, table) -> None:
    model = scfm.load_model(folder, device="cpu")
    test = table[table.obs["fov"] == "F003"].copy()
    xy = test.obsm["spatial"]
    rows = np.flatnonzero(np.abs(xy[:, 0] - 100) > 25)[::6]
    hidden = np.zeros(test.shape, dtype=bool)
    hidden[rows] = True
    mask = Mask(hidden, test.obs_names, test.var_names)
    got = model.impute(test, list(test.var_names), mask=mask)[rows]
    right = xy[rows, 0] > 100
    odd = got[:, 1::2].sum(1) > got[:, ::2].sum(1)
    assert (odd == right).mean() > 0.8


def test_files_and_history(folder) -> None:
    assert {p.name for p in folder.iterdir()} == {
        "config.json",
        "metrics.json",
        "model.safetensors",
    }
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["validation"] == ["F003"]
    assert metrics["fovs"] == ["F001", "F002"]
    losses = [epoch["loss"] for epoch in metrics["epochs"]]
    assert losses[metrics["best_epoch"]] == min(losses) < losses[0]
    info = scfm.load_model(folder, device="cpu").info
    assert info.name == "two-types"
    assert (
        info.parameters
        == json.loads((folder / "config.json").read_text())["parameters"]
    )


def test_coordinates_matter_to_a_model_that_reads_them(folder, table) -> None:
    model = scfm.load_model(folder, device="cpu")
    test = table[table.obs["fov"] == "F001"].copy()
    first = model.embed(test)
    test.obsm["spatial"] = np.random.default_rng(0).permutation(test.obsm["spatial"])
    assert np.abs(model.embed(test) - first).max() > 1e-3
    test.obsm["spatial"] = test.obsm["spatial"] * 3.0 + 1000.0
    again = model.embed(test)
    test.obsm["spatial"] = (test.obsm["spatial"] - 1000.0) / 3.0
    np.testing.assert_allclose(model.embed(test), again, atol=1e-3)
    del test.obsm["spatial"]
    assert np.isfinite(model.embed(test)).all()
    assert any("no obsm['spatial']" in note for note in model.notes)


def test_the_same_seed_gives_the_same_weights(table) -> None:
    def run(seed: int) -> np.ndarray:
        model = scfm.train(
            "cellplm", table, epochs=1, seed=seed, settings=SMALL, device="cpu"
        )
        return model.embed(table)

    first = run(3)
    np.testing.assert_array_equal(run(3), first)
    assert np.abs(run(4) - first).max() > 1e-3


def test_going_on_from_a_model_leaves_it_as_it_was(folder, table) -> None:
    model = scfm.load_model(folder, device="cpu")
    before = model.embed(table)
    more = scfm.train(model, table, epochs=1, settings=SMALL, device="cpu")
    np.testing.assert_array_equal(model.embed(table), before)
    assert np.abs(more.embed(table) - before).max() > 1e-4


def test_cancelled_training_writes_nothing(table, tmp_path) -> None:
    seen = []

    def stop(progress) -> None:
        seen.append(progress)
        if progress.done == 4:
            raise Cancelled

    with pytest.raises(Cancelled):
        scfm.train(
            "cellplm",
            table,
            epochs=2,
            out=tmp_path / "m",
            settings=SMALL,
            device="cpu",
            progress=stop,
        )
    assert [p.done for p in seen] == [0, 1, 2, 3, 4]
    assert seen[0].total == 2 * 3 * SMALL.draws
    assert not (tmp_path / "m").exists()


def test_what_cannot_be_trained(table) -> None:
    with pytest.raises(SpecError, match="no training objective 'clip'") as caught:
        scfm.train("cellplm", table, objective="clip")
    assert "masked" in str(caught.value)
    with pytest.raises(SpecError, match="no FOV F009"):
        scfm.train("cellplm", table, validation=["F009"])
    with pytest.raises(SpecError, match="left to train on"):
        scfm.train("cellplm", table, validation=["F001", "F002", "F003"])
    with pytest.raises(SpecError, match="left to train on"):
        scfm.train("cellplm", table[:5].copy())
    with pytest.raises(ModelError, match="fitted to a table, not trained"):
        scfm.train("gene-mean", table)
