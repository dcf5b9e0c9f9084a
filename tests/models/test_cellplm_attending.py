"""Attention of a network against what its layers really move at inference."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
import torch
from scipy import sparse

from napari_scfm.errors import ModelError
from napari_scfm.masks.mask import Mask
from napari_scfm.models.bags import bags
from napari_scfm.models.cellplm.config import CellPLMConfig
from napari_scfm.models.cellplm.info import model_info
from napari_scfm.models.cellplm.model import CellPLM
from napari_scfm.models.cellplm.network import CellPLMNetwork
from napari_scfm.models.hub import load_model

CELLS, GENES, WIDTH, HEADS, LAYERS = 40, 12, 24, 4, 3
NAMES = tuple(f"G{i}" for i in range(GENES))
CLOSE = {"rtol": 2e-5, "atol": 2e-6}
KINDS = {
    "original": {"latent_mod": "vae"},
    "positions": {"latent_mod": "ae", "pe_active": True},
    "local": {
        "latent_mod": "ae",
        "neighbours": (2, 4),
        "bandwidths": (10.0,),
        "own_width": 8,
        "near_width": 4,
        "linear_path": True,
    },
}


def network(kind: str) -> CellPLM:
    torch.manual_seed(1)
    config = CellPLMConfig(
        gene_list=NAMES,
        enc_hid=WIDTH,
        enc_layers=LAYERS,
        enc_head=HEADS,
        post_latent_dim=6,
        dec_hid=12,
        out_dim=GENES,
        model_dropout=0.0,
        **KINDS[kind],
    )
    made = CellPLMNetwork(config)
    for weights in made.parameters():
        weights.data.normal_(0, 0.4)
    return CellPLM(made, model_info(config, None, kind, 1), device="cpu")


@pytest.fixture(scope="module")
def table() -> ad.AnnData:
    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.gamma(1, 2, (CELLS, 1)) * rng.gamma(1, 1, GENES)) + 0.0
    table = ad.AnnData(sparse.csr_matrix(counts.astype(np.float32)))
    table.obs_names = [f"c{i}" for i in range(CELLS)]
    table.var_names = NAMES
    table.obs["fov"] = rng.choice(["A", "B", "C"], CELLS)
    table.obsm["spatial"] = rng.uniform(0, 100, (CELLS, 2))
    return table


class Watched:
    """What every layer's values were, and what its heads made of them."""

    def __init__(self, model: CellPLM, table: ad.AnnData, mask: Mask | None) -> None:
        self.values = np.zeros((LAYERS, CELLS, WIDTH))
        self.moved = np.zeros((LAYERS, CELLS, WIDTH))
        seen: list[list[np.ndarray]] = [[] for _ in range(2 * LAYERS)]
        hooks = []
        for number, layer in enumerate(model.network.encoder.layers):
            attention = layer.self_attn
            values, moved = seen[2 * number], seen[2 * number + 1]
            hooks += [
                attention.value_projection.register_forward_hook(
                    lambda _, __, out, to=values: to.append(out.reshape(-1, WIDTH))
                ),
                attention.out_projection.register_forward_hook(
                    lambda _, got, __, to=moved: to.append(got[0].reshape(-1, WIDTH))
                ),
            ]
        model.embed(table, mask=mask)
        for hook in hooks:
            hook.remove()
        for number, cells in enumerate(bags(table)):
            for layer in range(LAYERS):
                self.values[layer, cells] = seen[2 * layer][number].numpy()
                self.moved[layer, cells] = seen[2 * layer + 1][number].numpy()

    @staticmethod
    def head(part: np.ndarray, head: int) -> np.ndarray:
        wide = WIDTH // HEADS
        return part[:, head * wide : (head + 1) * wide]


@pytest.fixture(scope="module", params=list(KINDS))
def model(request) -> CellPLM:
    return network(request.param)


@pytest.mark.parametrize("layer", [0, 1, -1])
def test_every_head_moves_its_values_by_its_attention(model, table, layer) -> None:
    hidden = np.zeros(table.shape, dtype=bool)
    hidden[::3, 2] = hidden[5] = True
    for mask in (None, Mask(hidden, table.obs_names, table.var_names)):
        watched = Watched(model, table, mask)
        for head in range(HEADS):
            attention = model.attend(table, mask=mask, layer=layer, head=head)
            values = watched.head(watched.values[layer], head)
            assert np.abs(values).max() > 0.1
            want = watched.head(watched.moved[layer], head)
            np.testing.assert_allclose(attention.apply(values), want, **CLOSE)
            np.testing.assert_allclose(attention.dense() @ values, want, **CLOSE)


def test_without_a_head_it_is_the_mean_of_the_heads(model, table) -> None:
    for weighting in ("weights", "values"):
        heads = [
            model.attend(table, layer=1, head=head, weighting=weighting).dense()
            for head in range(HEADS)
        ]
        mean = model.attend(table, layer=1, weighting=weighting)
        np.testing.assert_allclose(mean.dense(), np.mean(heads, axis=0), **CLOSE)
        assert mean.has_factors
        assert mean.blocks[0].query.shape[1] == WIDTH
        assert np.std(heads, axis=0).max() > 1e-3


def test_value_weighting_is_the_length_of_what_a_key_moves(model, table) -> None:
    watched = Watched(model, table, None)
    for layer in range(LAYERS):
        projection = model.network.encoder.layers[layer].self_attn.out_projection
        weight = projection.weight.detach().numpy().astype(float)
        for head in range(HEADS):
            plain = model.attend(table, layer=layer, head=head)
            got = model.attend(table, layer=layer, head=head, weighting="values")
            values = watched.head(watched.values[layer], head)
            moved = values @ watched.head(weight, head).T
            length = np.linalg.norm(moved, axis=1)
            np.testing.assert_allclose(got.dense(), plain.dense() * length, **CLOSE)


@pytest.mark.parametrize("weighting", ["weights", "values"])
def test_a_rollout_is_the_product_over_all_layers(model, table, weighting) -> None:
    product = np.eye(CELLS)
    for layer in range(LAYERS):
        dense = model.attend(table, layer=layer, weighting=weighting).dense()
        rows = dense / dense.sum(axis=1, keepdims=True)
        product = (rows + np.eye(CELLS)) / 2 @ product
    got = model.attend(table, layer="rollout", weighting=weighting)
    np.testing.assert_allclose(got.dense(), product, **CLOSE)
    np.testing.assert_allclose(got.row_sums(), 1, rtol=1e-6)
    assert got.has_factors


def test_cells_of_other_bags_weigh_nothing(model, table) -> None:
    apart = np.asarray(table.obs["fov"])[:, None] != np.asarray(table.obs["fov"])
    for asked in ({}, {"layer": 0, "head": 2}, {"layer": "rollout"}):
        dense = model.attend(table, **asked).dense()
        assert not dense[apart].any()
        assert (dense[~apart] > 0).all()


def test_what_is_not_there_is_said_all_at_once(table) -> None:
    model = network("original")
    assert model.attention_shape == (LAYERS, HEADS)
    with pytest.raises(ModelError) as caught:
        model.attend(table, layer=3, head=-1, weighting="norms")
    text = str(caught.value)
    for said in ("3 layers", "no 3", "4 heads", "head -1", "'norms'", '"rollout"'):
        assert said in text
    assert len(caught.value.problems) == 3
    with pytest.raises(ModelError, match="no last"):
        model.attend(table, layer="last")
    with pytest.raises(ModelError, match="follows all heads"):
        model.attend(table, layer="rollout", head=1)


def test_a_model_without_attention_has_no_layers(table) -> None:
    model = load_model("knn-space")
    assert model.attention_shape == (0, 0)
    with pytest.raises(ModelError, match="cannot attend"):
        model.attend(table, layer="rollout", head=None, weighting="values")
