"""Whether a model reads coordinates, and what is said when it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata
import numpy as np
import pytest

import napari_scfm as scfm
from napari_scfm.masks.spec import MaskSpec
from napari_scfm.models.attention import Attention, Block
from napari_scfm.models.base import CellModel, ModelInfo
from napari_scfm.models.cellplm.positions import FourierPositions
from napari_scfm.models.places_probe import attention_reads_positions, reads_positions

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


@pytest.mark.parametrize(
    "asked", [{}, {"layer": 0, "head": 1}, {"layer": "rollout", "weighting": "values"}]
)
def test_attention_is_asked_too(folder, table, asked) -> None:
    model = scfm.load_model(folder / "tiny_vae.best.ckpt", device="cpu")
    assert not attention_reads_positions(model, table, **asked)
    model.network.embedder.pe_enc = FourierPositions(model.config.enc_hid)
    model.network.embedder.pe_active = True
    assert attention_reads_positions(model, table, **asked)
    del table.obsm["spatial"]
    assert not attention_reads_positions(model, table, **asked)


class Beside(CellModel):
    """Embeds places, beside an attention that may or may not see them."""

    def __init__(self, attends_to_places: bool) -> None:
        self.info = ModelInfo("beside", capabilities=frozenset({"embed", "attend"}))
        self.attends_to_places = attends_to_places

    def embed(self, table, *, mask=None, progress=None) -> np.ndarray:
        return np.asarray(table.obsm["spatial"], dtype=np.float32)

    def impute(self, table, genes, **_) -> np.ndarray:
        raise AssertionError("nothing is predicted here")

    def attend(self, table, **_) -> Attention:
        n = table.n_obs
        values = np.log1p(np.asarray(table.X.sum(axis=1)).reshape(n, 1))
        if self.attends_to_places:
            values = values + 1e-2 * table.obsm["spatial"][:, :1]
        one = np.ones((n, 1))
        query = np.hstack([one, 1e-4 * one])  # nearly all of it is even
        return Attention([Block(np.arange(n), query, np.hstack([one, values]))], n)


@pytest.mark.parametrize("sees", [True, False])
def test_an_embedding_with_places_says_nothing_of_attention(table, sees) -> None:
    model = Beside(sees)
    assert reads_positions(model, table)
    assert attention_reads_positions(model, table) is sees


def test_even_attention_does_not_read_places_for_its_rounding(table) -> None:
    class Even(Beside):
        calls = 0

        def attend(self, table, **_) -> Attention:
            self.calls += 1
            noise = np.random.default_rng(self.calls).normal(size=(table.n_obs, 1))
            key = (1 + 1e-9 * noise) / table.n_obs
            one = np.ones_like(key)
            return Attention([Block(np.arange(len(key)), one, key)], len(key))

    model = Even(False)
    assert not attention_reads_positions(model, table)
    assert model.calls == 2


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
