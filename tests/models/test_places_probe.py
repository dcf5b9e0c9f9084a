"""Whether a model reads coordinates, and what is said when it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata
import numpy as np
import pytest

import napari_scfm as scfm
from napari_scfm.masks.spec import MaskSpec
from napari_scfm.models.cellplm.positions import FourierPositions

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(shared: Path) -> Path:
    return shared / "parity" / "cellplm" / "tiny"


@pytest.fixture
def table(folder: Path) -> anndata.AnnData:
    table = anndata.read_h5ad(folder / "adata.h5ad")
    table.obsm["spatial"] = np.random.default_rng(0).uniform(0, 99, (table.n_obs, 2))
    return table


def test_an_original_does_not_read_positions_and_says_so_once(folder, table) -> None:
    model = scfm.load_model(folder / "tiny_vae.best.ckpt", device="cpu")
    model.notes.clear()
    assert not model.reads_positions(table)
    assert not model.reads_positions(table)
    assert sum("Coordinates play no part" in note for note in model.notes) == 1


def test_a_model_with_positions_reads_them(folder, table) -> None:
    model = scfm.load_model(folder / "tiny_vae.best.ckpt", device="cpu")
    embedder = model.network.embedder
    embedder.pe_enc = FourierPositions(model.config.enc_hid)
    embedder.pe_active = True
    model.notes.clear()
    assert model.reads_positions(table)
    assert not any("no part" in note for note in model.notes)
    del table.obsm["spatial"]
    assert not model.reads_positions(table)


def experiment(folder, table, **more) -> scfm.ExperimentResult:
    spec = scfm.ExperimentSpec(
        model=str(folder / "tiny_vae.best.ckpt"),
        mask=MaskSpec(cells=tuple(table.obs_names[[3, 40]])),
        baselines=(),
        device="cpu",
        **more,
    )
    return scfm.run_experiment(table, spec)


def test_an_experiment_tells_and_a_neighbourhood_helps(folder, table) -> None:
    table.obs["fov"] = "one"
    alike = experiment(folder, table)
    assert any("one and the same prediction" in note for note in alike.notes)
    apart = experiment(folder, table, neighbourhood=10)
    assert not any("one and the same prediction" in note for note in apart.notes)
    assert any("Coordinates play no part" in note for note in apart.notes)
    one, two = (r.predictions[0].values.reshape(2, -1) for r in (alike, apart))
    np.testing.assert_array_equal(one[0], one[1])
    known = ~np.isnan(two).any(axis=0)
    assert np.abs(two[0] - two[1])[known].max() > 1e-3
    assert apart.predictions[0].provenance["neighbourhood"] == 10


def test_baselines_refuse_a_neighbourhood(table) -> None:
    with pytest.raises(scfm.ScfmError, match="reads no bags"):
        scfm.load_model("knn-space").impute(table, ["A"], neighbourhood=5)
