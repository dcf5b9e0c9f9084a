"""Every stage of the network against arrays of the public reference implementation."""

from __future__ import annotations

import json
import math
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
from napari_scfm.training.losses import imputation_loss

if TYPE_CHECKING:
    from pathlib import Path

    from napari_scfm.models.cellplm.flow import Flows

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

        self.got["x_counts"] = self.counts

    def _attention(self, layer: int, flows: Flows) -> None:
        """Keep each head's matrix, and what it makes of the coordinates."""
        if f"layer{layer}_A" not in self.want:
            return
        receive = (flows.allocation * flows.sink).unsqueeze(-1) * flows.query
        send = flows.competition.unsqueeze(-1) * flows.key
        self.got[f"layer{layer}_A"] = receive @ send.transpose(1, 2)
        xy = torch.tensor(self.want["coord"], dtype=torch.float32)
        self.got[f"layer{layer}_A_coord"] = receive @ (send.transpose(1, 2) @ xy)

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
                self._attention(i, flows)
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
            if isinstance(net.latent.chosen, VariationalLatent):
                got["latent_mu"] = net.latent.chosen.hid_2mu(hidden)
                got["latent_logvar_unclamped"] = net.latent.chosen.hid_2sigma(hidden)
            z = got["latent_out"] = net.latent(hidden, uniform)
            if hasattr(net, "head"):
                got["head_logits"] = net.head(z)
                got["pred"] = got["head_logits"].argmax(1)
            else:
                got["dec_disp"] = net.decoder.out_layer.dispersion().expand(len(z), -1)
                got["dec_layer0_out_before_cov"] = net.decoder.layers[0](z)
                got["dec_hidden"] = net.decoder.hidden(z)
                got["dec_mean"] = net.decoder(z)


@pytest.fixture(scope="module", params=BAGS, ids=lambda p: "-".join(p).lstrip("-"))
def stages(request: pytest.FixtureRequest, tiny: Path) -> Stages:
    kind, bag = request.param
    return Stages(tiny / kind if kind else tiny, bag)


TOLERANCE = {
    "dec_mean": PREDICTION,
    "A": {"rtol": 0, "atol": 1e-6},
    "A_coord": {"rtol": 1e-5},
}
ELSEWHERE = (
    # predictions and losses: below; the mixture's distributions: with the losses
    *("pred", "det_pred", "pred_measured_mask", "loss", "loss_measured_mask"),
    *("latent_loss", "target_loss", "gumbel_uniform", "z_normal_noise", "alt_"),
    *("gmvae_", "det_var", "cell_index", "coord"),
)


def test_every_stage_equals_the_reference(stages: Stages) -> None:
    compared = [name for name in stages.got if name in stages.want]
    left = set(stages.want) - set(compared)
    assert not [name for name in left if not name.startswith(ELSEWHERE)]
    for name in compared:
        tolerance = TOLERANCE.get(name.partition("_")[2], STAGE)
        tolerance = TOLERANCE.get(name, tolerance)
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
    if "det_pred" in stages.want:
        with torch.inference_mode():
            means = stages.network.decoder(stages.got["det_mean"], stages.rows).numpy()
        factor = cell_factors(counts.sum(1), means.sum(1), compat=True)
        np.testing.assert_allclose(
            factor[:, None] * means, stages.want["det_pred"], **PREDICTION
        )


@pytest.mark.parametrize("bag", ["fov_a", "fov_b", "fov_c"])
def test_losses_and_scalings_equal_the_recorded_ones(tiny: Path, bag: str) -> None:
    stages = Stages(tiny, bag)
    seen = np.ones(len(stages.rows), dtype=bool)
    seen[json.loads((tiny / "meta.json").read_text())["target_columns"]] = False
    means = stages.got["dec_mean"][:, stages.rows]
    theta = stages.network.decoder.out_layer.dispersion(stages.rows).detach()
    for name, measured in (
        ("target_loss", np.ones_like(seen)),
        ("loss_measured_mask", seen),
    ):
        got = imputation_loss(stages.counts, means, theta, torch.tensor(measured))
        assert float(got) == pytest.approx(float(stages.want[name]), rel=1e-5), name
    # a variational latent has no loss at evaluation
    assert stages.want["latent_loss"] == 0
    assert stages.want["loss"] == stages.want["target_loss"]
    observed = stages.counts.numpy()[:, seen].sum(1)
    expected = means.numpy()[:, seen].sum(1)
    full = observed > 0
    factors = {
        "pred_measured_mask": cell_factors(observed, expected, compat=True),
        "alt_pred_scale_cell_fallback_set": cell_factors(observed, expected),
        "alt_pred_scale_set_literal": np.full(
            len(full), observed.sum() / expected.sum()
        ),
        "alt_pred_scale_set_observed": np.full(
            len(full), observed[full].sum() / expected[full].sum()
        ),
    }
    for name, factor in factors.items():
        np.testing.assert_allclose(
            factor[:, None] * means.numpy(),
            stages.want[name],
            err_msg=name,
            **PREDICTION,
        )


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
        counts, means = stages.counts.numpy(), means[:, stages.rows].numpy()
        factor = cell_factors(counts.sum(1), means.sum(1), compat=True)
        np.testing.assert_allclose(
            factor[:, None] * means, want[f"pred_{tag}"], **PREDICTION
        )


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


PARAMETERS = {"20230926_85M": 82_402_543, "20231027_85M": 82_360_031}


@pytest.mark.parametrize("version", list(PARAMETERS))
def test_names_shapes_and_count_at_full_size(shared: Path, version: str) -> None:
    folder = shared / "reference"
    variants = json.loads((folder / "cellplm_85M_keys.json").read_text())["variants"]
    values = json.loads((folder / "cellplm_20230926_85M.config.json").read_text())
    values["latent_mod"] = variants[version]["latent_mod"]
    config = CellPLMConfig.from_dict(values, "released")
    with torch.device("meta"):
        network = CellPLMNetwork(config)
    own = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    # two tensors that nothing reads, and one that is computed, are not built
    unbuilt = {
        "embedder.norm0.weight": [1024],
        "embedder.norm0.bias": [1024],
        "embedder.pe_enc.pe_enc.weight": [10_000, 1024],
    }
    assert own | unbuilt == variants[version]["keys"]
    total = sum(math.prod(shape) for shape in (own | unbuilt).values())
    assert total == PARAMETERS[version]
    built = sum(parameter.numel() for parameter in network.parameters())
    assert built == PARAMETERS[version] - 10_000 * 1024 - 2 * 1024
    assert all(parameter.is_meta for parameter in network.parameters())
