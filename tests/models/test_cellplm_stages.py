"""Every stage of the network against arrays of the public reference implementation."""

from __future__ import annotations

import json
from collections import OrderedDict
from functools import cache
from typing import TYPE_CHECKING

import anndata
import numpy as np
import pytest
import torch
from scipy import sparse

from napari_scfm.models.cellplm.checkpoint import load_network
from napari_scfm.models.cellplm.config import CellPLMConfig
from napari_scfm.models.cellplm.files import find_files
from napari_scfm.models.cellplm.latent import VariationalLatent
from napari_scfm.models.cellplm.network import CellPLMNetwork
from napari_scfm.models.cellplm.positions import GridPositions
from napari_scfm.models.cellplm.scaling import cell_factors

if TYPE_CHECKING:
    from pathlib import Path


STAGE = {"rtol": 1e-4, "atol": 2e-5}
PREDICTION = {"rtol": 2e-4, "atol": 1e-5}
BAGS = [
    ("", "fov_a"),
    ("", "fov_b"),
    ("", "fov_c"),
    ("gmvae", "s1"),
    ("gmvae", "s2"),
    ("annotation", "d1"),
    ("annotation", "d3"),
]
CHECKPOINT = {
    "": "tiny_vae.best.ckpt",
    "gmvae": "tiny_gmvae.best.ckpt",
    "annotation": "tiny_pre.finetuned.ckpt",
}


@pytest.fixture(scope="module")
def tiny(shared: Path) -> Path:
    return shared / "parity" / "cellplm" / "tiny"


@cache
def network_of(path: Path) -> CellPLMNetwork:
    files = find_files(path)
    assert files is not None
    return load_network(files)[0]


def table_of(folder: Path) -> anndata.AnnData:
    zeroed = folder / "adata_query_targets_zeroed.h5ad"
    return anndata.read_h5ad(zeroed if zeroed.exists() else folder / "adata.h5ad")


def genes_of(folder: Path) -> list[str]:
    meta = json.loads((folder / "meta.json").read_text())
    for key in (
        "gene_list_kept_in_adata_order",
        "genes_kept_in_adata_order",
        "genes_used_adata_order",
    ):
        if key in meta:
            return list(meta[key])
    raise AssertionError(sorted(meta))


class Stages:
    """One bag through our network, with every intermediate array kept."""

    def __init__(self, folder: Path, bag: str) -> None:
        self.want = np.load(folder / f"stages_{bag}.npz")
        self.network = network_of(folder / CHECKPOINT[folder.name.replace("tiny", "")])
        table, genes = table_of(folder), genes_of(folder)
        cells = table.obs_names[self.want["cell_index"]]
        counts = sparse.csr_array(table[cells, genes].X).toarray()
        self.counts = torch.tensor(counts, dtype=torch.float32)
        known = {g: i for i, g in enumerate(self.network.config.gene_list)}
        self.rows = torch.tensor([known[g] for g in genes])
        self.got: OrderedDict[str, torch.Tensor] = OrderedDict()
        self._run()

    def _run(self) -> None:
        net, got = self.network, self.got
        with torch.inference_mode():
            coo = self.counts.to_sparse_coo()
            got["feat"] = net.embedder.feat_enc(coo, self.rows)
            x = got["embedder_out"] = net.embedder(coo, self.rows)
            for i, layer in enumerate(net.encoder.layers):
                got[f"layer{i}_in"] = x
                norm = got[f"layer{i}_norm1_out"] = layer.norm1(x)
                flows = layer.self_attn.flows(norm)
                got[f"layer{i}_attn_preproj"] = layer.self_attn.move(flows)
                got[f"layer{i}_attn_out"] = layer.self_attn(norm)
                got[f"layer{i}_I"], got[f"layer{i}_O"] = flows.sink, flows.source
                got[f"layer{i}_cons_sink"] = flows.conserved_sink
                got[f"layer{i}_cons_source"] = flows.conserved_source
                got[f"layer{i}_alloc"] = flows.allocation
                got[f"layer{i}_comp"] = flows.competition
                x = got[f"layer{i}_out"] = layer(x)
            hidden = got["enc_norm_out"] = net.encode(coo, self.rows)
            uniform = None
            if "gumbel_uniform_for_this_pass" in self.want:
                uniform = torch.tensor(self.want["gumbel_uniform_for_this_pass"])
                latent = net.latent.chosen
                got["gmvae_logits"] = latent.logits(hidden)
                got["gmvae_categorical"] = latent.component(hidden, uniform)
                got["det_y"] = latent.component(hidden)
                got["det_mean"] = latent(hidden)
            z = got["latent_out"] = net.latent(hidden, uniform)
            if hasattr(net, "head"):
                got["head_logits"] = net.head(z)
            else:
                got["dec_layer0_out_before_cov"] = net.decoder.layers[0](z)
                got["dec_hidden"] = net.decoder.hidden(z)
                got["dec_mean"] = net.decoder(z)


@pytest.fixture(scope="module", params=BAGS, ids=lambda p: "-".join(p).lstrip("-"))
def stages(request: pytest.FixtureRequest, tiny: Path) -> Stages:
    kind, bag = request.param
    return Stages(tiny / kind if kind else tiny, bag)


def test_every_stage_equals_the_reference(stages: Stages) -> None:
    compared = [name for name in stages.got if name in stages.want]
    assert {"feat", "embedder_out", "layer1_out", "latent_out"} <= set(compared)
    assert len(compared) >= 25
    for name in compared:
        tolerance = PREDICTION if name == "dec_mean" else STAGE
        np.testing.assert_allclose(
            stages.got[name], stages.want[name], err_msg=name, **tolerance
        )


def test_attention_factors_equal_the_head_mean(stages: Stages) -> None:
    for layer in (0, 1):
        if f"layer{layer}_A" not in stages.want:
            pytest.skip("this bag has no recorded attention matrix")
        with torch.inference_mode():
            receive, send = stages.network.flows(
                stages.counts, stages.rows, layer=layer
            ).factors()
        want = stages.want[f"layer{layer}_A"].mean(axis=0)
        np.testing.assert_allclose(receive @ send.T, want, rtol=0, atol=1e-6)
        if f"layer{layer}_A_coord" in stages.want:
            xy = torch.tensor(stages.want["coord"], dtype=torch.float32)
            moved = receive @ (send.T @ xy)
            want = stages.want[f"layer{layer}_A_coord"].mean(axis=0)
            np.testing.assert_allclose(moved, want, rtol=1e-5)


def test_predictions_equal_the_reference(stages: Stages) -> None:
    if "dec_mean" not in stages.want:
        pytest.skip("an annotation model has no decoder")
    with torch.inference_mode():
        means = stages.network.decoder(stages.got["latent_out"], stages.rows).numpy()
    counts = stages.counts.numpy()
    factor = cell_factors(counts.sum(1), means.sum(1), compat=True)
    np.testing.assert_allclose(
        factor[:, None] * means, stages.want["pred"], **PREDICTION
    )


def test_repaired_scaling_equals_the_recorded_formula(tiny: Path) -> None:
    for bag in ("fov_a", "fov_b", "fov_c"):
        stages = Stages(tiny, bag)
        seen = np.ones(len(stages.rows), dtype=bool)
        seen[json.loads((tiny / "meta.json").read_text())["target_columns"]] = False
        means = stages.got["dec_mean"][:, stages.rows].numpy()
        counts = stages.counts.numpy()
        factor = cell_factors(counts[:, seen].sum(1), means[:, seen].sum(1))
        want = stages.want["alt_pred_scale_cell_fallback_set"]
        np.testing.assert_allclose(factor[:, None] * means, want, **PREDICTION)


def test_covariate_codes(tiny: Path) -> None:
    want = np.load(tiny / "covariates_fov_a.npz")
    stages = Stages(tiny, "fov_a")
    decoder = stages.network.decoder
    codes = {
        name: torch.tensor(want[f"{name}_code"], dtype=torch.long)
        for name in ("batch", "dataset")
    }
    for tag, known in (
        ("batch_and_dataset", codes),
        ("batch_only", {"batch": codes["batch"]}),
    ):
        with torch.inference_mode():
            z = stages.got["latent_out"]
            hidden = decoder.hidden(z, known)
            means = decoder(z, codes=known)
        np.testing.assert_allclose(hidden, want[f"dec_hidden_{tag}"], **STAGE)
        np.testing.assert_allclose(means, want[f"dec_mean_{tag}"], **PREDICTION)


def test_dormant_positions(tiny: Path) -> None:
    want = np.load(tiny / "pe.npz")
    network = network_of(tiny / CHECKPOINT[""])
    grid = network.embedder.pe_enc
    assert isinstance(grid, GridPositions)
    with torch.inference_mode():
        got = grid(torch.tensor(want["coords"], dtype=torch.float64))
        np.testing.assert_allclose(got, want["pe"], **STAGE)
        got = grid(torch.tensor(want["coords_missing"], dtype=torch.float64))
        np.testing.assert_allclose(got, want["pe_missing"], **STAGE)


def test_asked_rows_equal_columns_of_a_full_decode(tiny: Path) -> None:
    stages = Stages(tiny, "fov_b")
    rows = torch.tensor([7, 3, 150])
    with torch.inference_mode():
        some = stages.network.decoder(stages.got["latent_out"], rows)
    np.testing.assert_allclose(some, stages.got["dec_mean"][:, rows], rtol=1e-6)


def test_a_recorded_training_step(tiny: Path) -> None:
    arrays = np.load(tiny / "train_step_fov_a.npz")
    want = {name: torch.tensor(array) for name, array in arrays.items()}
    network = network_of(tiny / CHECKPOINT[""])
    known = {g: i for i, g in enumerate(network.config.gene_list)}
    rows = torch.tensor([known[g] for g in genes_of(tiny)])
    latent = network.latent.chosen
    assert isinstance(latent, VariationalLatent)
    with torch.inference_mode():
        hidden = network.encode(want["x_masked"], rows)
        z, divergence = latent.sample(hidden, want["latent_eps"])
        means = network.decoder(z)
    np.testing.assert_allclose(latent(hidden).detach(), want["latent_mu"], **STAGE)
    np.testing.assert_allclose(z, want["latent_z"], **STAGE)
    np.testing.assert_allclose(means, want["dec_mean"], **PREDICTION)
    weighted = float(want["kl_weight"] * divergence)
    assert weighted == pytest.approx(float(want["latent_loss"]), rel=1e-3)


@pytest.mark.parametrize("version", ["20230926_85M", "20231027_85M"])
def test_names_and_shapes_at_full_size(shared: Path, version: str) -> None:
    folder = shared / "reference"
    variants = json.loads((folder / "cellplm_85M_keys.json").read_text())["variants"]
    values = json.loads((folder / "cellplm_20230926_85M.config.json").read_text())
    chosen = next(v for k, v in variants.items() if k.startswith(version))
    values["latent_mod"] = chosen["latent_mod"]
    config = CellPLMConfig.from_dict(values, "released")
    with torch.device("meta"):
        own = CellPLMNetwork(config).state_dict()
    theirs = dict(chosen["keys"])
    for name in ("embedder.norm0.weight", "embedder.norm0.bias"):
        del theirs[name]
    del theirs["embedder.pe_enc.pe_enc.weight"]
    assert {k: list(v.shape) for k, v in own.items()} == theirs
