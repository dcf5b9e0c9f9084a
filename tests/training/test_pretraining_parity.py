"""Training mathematics against recorded steps of the reference implementation."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import anndata
import numpy as np
import pytest
import torch

import napari_scfm as scfm
from napari_scfm.models.cellplm.checkpoint import load_network
from napari_scfm.models.cellplm.files import find_files
from napari_scfm.models.cellplm.latent import MixtureLatent, VariationalLatent
from napari_scfm.training.batches import Step, TrainingBag, whole
from napari_scfm.training.losses import (
    divergence_loss,
    imputation_loss,
    mixture_loss,
    negative_binomial,
    pretraining_loss,
    reconstruction_loss,
)
from napari_scfm.training.pretraining import (
    PretrainObjective,
    Recipe,
    draw_mask,
    kept_cells,
)
from napari_scfm.training.settings import TrainSettings

if TYPE_CHECKING:
    from pathlib import Path

    from napari_scfm.models.cellplm.network import CellPLMNetwork

STAGE = {"rtol": 1e-4, "atol": 2e-5}
PREDICTION = {"rtol": 2e-4, "atol": 1e-5}


@pytest.fixture(scope="module")
def tiny(shared: Path) -> Path:
    return shared / "parity" / "cellplm" / "tiny"


def arrays(path: Path) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(array) for name, array in np.load(path).items()}


def trainable(folder: Path) -> CellPLMNetwork:
    files = find_files(folder)
    assert files is not None
    return load_network(files)[0].requires_grad_(True)


def rows_of(folder: Path, network: CellPLMNetwork) -> torch.Tensor:
    meta = json.loads((folder / "meta.json").read_text())
    genes = meta.get("gene_list_kept_in_adata_order") or meta.get(
        "genes_kept_in_adata_order"
    )
    known = {g: i for i, g in enumerate(network.config.gene_list)}
    return torch.tensor([known[g] for g in genes])


def close_gradients(network: CellPLMNetwork, want: dict[str, torch.Tensor]) -> int:
    """Compare every recorded gradient; return how many are not empty."""
    own = dict(network.named_parameters())
    compared = 0
    for key, expected in want.items():
        if not key.startswith("grad/"):
            continue
        name = key.removeprefix("grad/")
        if not expected.numel():
            assert name not in own or own[name].grad is None, f"{name} has a gradient"
            continue
        compared += 1
        np.testing.assert_allclose(
            own[name].grad,
            expected,
            rtol=1e-3,
            atol=1e-4 * float(expected.abs().max()),
            err_msg=name,
        )
    return compared


def test_a_whole_recorded_step(tiny: Path) -> None:
    want = arrays(tiny / "train_step_fov_a.npz")
    network = trainable(tiny)
    rows = rows_of(tiny, network)
    latent = network.latent.chosen
    assert isinstance(latent, VariationalLatent)
    counts, hidden = want["x_counts"], want["input_mask"].bool()
    whole_bag = arrays(tiny / "stages_fov_a.npz")["x_counts"]
    kept = want["cell_permutation"][: int(want["n_kept"])]
    # the query has its targets set to zero in the stages, not in this step
    measured = want["gene_mask"].bool()
    np.testing.assert_array_equal(whole_bag[kept][:, measured], counts[:, measured])
    masked = counts.masked_fill(hidden, 0.0)
    np.testing.assert_array_equal(masked, want["x_masked"])

    encoded = network.encode(masked, rows)
    z, divergence = latent.sample(encoded, want["latent_eps"])
    means = network.decoder(z)
    penalty = divergence_loss(divergence, float(want["kl_weight"]))
    theta = network.decoder.out_layer.dispersion(rows)
    target = imputation_loss(counts, means[:, rows], theta, measured)
    loss = target + penalty
    loss.backward()

    with torch.no_grad():
        for name, got, tolerance in (
            ("latent_mu", latent.hid_2mu(encoded), STAGE),
            ("latent_logvar_unclamped", latent.hid_2sigma(encoded), STAGE),
            ("latent_z", z, STAGE),
            ("dec_mean", means, PREDICTION),
        ):
            np.testing.assert_allclose(got, want[name], err_msg=name, **tolerance)
    for name, value in (
        ("target_loss", target),
        ("latent_loss", penalty),
        ("loss", loss),
    ):
        assert float(value.detach()) == pytest.approx(float(want[name]), rel=1e-5), name
    assert close_gradients(network, want) == 6
    norm = torch.nn.utils.clip_grad_norm_(network.parameters(), 1e9)
    assert float(norm) == pytest.approx(float(want["grad_total_norm"]), rel=1e-4)


def test_every_gradient_at_evaluation(tiny: Path) -> None:
    want = arrays(tiny / "grads_eval_fov_a.npz")
    stages = arrays(tiny / "stages_fov_a.npz")
    network = trainable(tiny)
    rows = rows_of(tiny, network)
    measured = torch.ones(len(rows), dtype=torch.bool)
    meta = json.loads((tiny / "meta.json").read_text())
    measured[meta["target_columns"]] = False
    counts = stages["x_counts"]
    means = network.decoder(network(counts, rows), rows)
    theta = network.decoder.out_layer.dispersion(rows)
    loss = imputation_loss(counts, means, theta, measured)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(float(want["loss"]), rel=1e-5)
    assert close_gradients(network, want) == 57
    silent = set(meta["params_without_gradient"]) - {
        "embedder.norm0.weight",
        "embedder.norm0.bias",
    }
    own = {name for name, p in network.named_parameters() if p.grad is None}
    assert own == silent


def test_pretraining_loss_at_evaluation(tiny: Path) -> None:
    want = arrays(tiny / "nb_objective_eval.npz")
    measured = want["gene_mask"].bool()
    counts, means = want["x_counts"][:, measured], want["dec_mean"][:, measured]
    theta = want["dec_disp"][0, measured]
    everything = torch.ones_like(counts, dtype=torch.bool)
    got = pretraining_loss(counts, means, theta, everything, dae=False)
    assert float(got) == pytest.approx(float(want["loss"]), rel=1e-5)
    network = trainable(tiny)
    with torch.no_grad():
        rows = torch.arange(200)
        decoded = network.decoder(network(want["x_counts"], rows))
        np.testing.assert_allclose(decoded, want["dec_mean"], **PREDICTION)
        theta = network.decoder.out_layer.dispersion()
    np.testing.assert_allclose(theta.expand(12, -1), want["dec_disp"], rtol=1e-6)


@pytest.mark.parametrize("bag", ["s1", "s2"])
def test_mixture_at_evaluation(tiny: Path, bag: str) -> None:
    want = arrays(tiny / "gmvae" / f"stages_{bag}.npz")
    network = trainable(tiny / "gmvae")
    recipe = Recipe.of(network.config)
    latent = network.latent.chosen
    assert isinstance(latent, MixtureLatent)
    hidden, noise = want["enc_norm_out"], want["z_normal_noise_for_this_pass"]
    uniform = want["gumbel_uniform_for_this_pass"]
    with torch.no_grad():
        parts = latent.parts(hidden, latent.component(hidden, uniform))
        plain = latent.parts(hidden, latent.component(hidden))
        z, gaussian, categorical = latent.sample(hidden, noise, uniform, hard=True)
        got = {
            "gmvae_prob_cat": torch.softmax(latent.logits(hidden), dim=1),
            "gmvae_mean": parts.mean,
            "gmvae_var": parts.variance,
            "gmvae_y_mean": parts.component_mean,
            "gmvae_y_var": parts.component_variance,
            "gmvae_gaussian": z,
            "det_mean": plain.mean,
            "det_var": plain.variance,
        }
        for name, array in got.items():
            np.testing.assert_allclose(array, want[name], err_msg=name, **STAGE)
        penalty = mixture_loss(
            gaussian,
            categorical,
            gaussian_weight=recipe.w_li,
            categorical_weight=recipe.w_en,
            floor=recipe.lamda,
        )
        rows = rows_of(tiny / "gmvae", network)
        theta = network.decoder.out_layer.dispersion(rows)
        every = torch.ones(len(rows), dtype=torch.bool)
        means = want["dec_mean"][:, rows]
        target = imputation_loss(want["x_counts"], means, theta, every)
    assert float(penalty) == pytest.approx(float(want["latent_loss"]), rel=1e-5)
    assert float(target) == pytest.approx(float(want["target_loss"]), rel=1e-5)
    assert float(penalty + target) == pytest.approx(float(want["loss"]), rel=1e-5)


def test_soft_components_follow_the_gumbel_formula(tiny: Path) -> None:
    want = arrays(tiny / "gmvae" / "stages_s1.npz")
    network = trainable(tiny / "gmvae")
    latent = network.latent.chosen
    assert isinstance(latent, MixtureLatent)
    hidden, uniform = want["enc_norm_out"], want["gumbel_uniform_for_this_pass"]
    noise = torch.zeros_like(want["gmvae_mean"])
    z, gaussian, _ = latent.sample(hidden, noise, uniform)
    score = want["gmvae_logits"] - torch.log(-torch.log(uniform))
    soft = torch.softmax(score, dim=1)
    assert bool((soft.argmax(1) == want["gmvae_categorical"].argmax(1)).all())
    np.testing.assert_allclose(
        z.detach(), latent.parts(hidden, soft).mean.detach(), **STAGE
    )
    gaussian.backward()
    # the draw is soft, so the weights of the components learn from it
    logits = latent.inference.inference_qyx[0]["logits"]
    assert float(logits.weight.grad.abs().max()) > 0


def test_floors_of_the_latent_losses() -> None:
    divergence = torch.tensor(4.0, requires_grad=True)
    assert float(divergence_loss(divergence, 0.24)) == 0.0
    assert not divergence_loss(divergence, 0.24).requires_grad
    assert float(divergence_loss(divergence, 0.25).detach()) == 1.0
    gaussian = torch.tensor(7.0, requires_grad=True)
    categorical = torch.tensor(2.0, requires_grad=True)
    loss = mixture_loss(
        gaussian, categorical, gaussian_weight=3.0, categorical_weight=2.0, floor=5.0
    )
    loss.backward()
    assert float(loss.detach()) == 3 * 7 + 2 * 5
    assert gaussian.grad is not None
    assert categorical.grad is not None
    assert (float(gaussian.grad), float(categorical.grad)) == (3.0, 0.0)


def test_the_second_term_of_pretraining_sees_hidden_entries_only() -> None:
    rng = np.random.default_rng(0)
    counts = torch.tensor(rng.poisson(3, (6, 9)).astype(np.float32))
    means = torch.tensor(rng.gamma(2, 1, (6, 9)).astype(np.float32))
    theta = torch.tensor(rng.gamma(2, 1, 9).astype(np.float32))
    hidden = torch.tensor(rng.random((6, 9)) < 0.4)
    hidden[2] = False
    one, both = (
        float(pretraining_loss(counts, means, theta, hidden, dae=dae))
        for dae in (False, True)
    )
    first, second = [], []
    for i in (0, 1, 3, 4, 5):
        h, x, m = hidden[i], counts[i], means[i]
        first.append(negative_binomial(x, m * x.sum() / m.sum(), theta).sum())
        x, m, t = x[h], m[h], theta[h]
        second.append(negative_binomial(x, m * x.sum() / m.sum(), t).sum())
    assert one == pytest.approx(float(torch.stack(first).mean()), rel=1e-5)
    extra = float(torch.stack(second).mean())
    assert both - one == pytest.approx(extra, rel=1e-4)


def test_reconstruction_is_scaled_to_the_cell() -> None:
    counts = torch.tensor([[2.0, 2.0, 0.0], [1.0, 0.0, 9.0]])
    shares = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.2, 0.9]])
    hidden = torch.tensor([[True, False, True], [False, True, False]])
    got = reconstruction_loss(counts, shares, hidden)
    assert float(got) == pytest.approx((0.0 + 1.0 + 4.0) / 3)


def test_recipe_is_read_from_the_configuration(tiny: Path) -> None:
    recipe = Recipe.of(trainable(tiny).config)
    assert recipe == Recipe(
        drop_node_rate=0.3,
        max_batch_size=4000,
        mask_node_rate=0.75,
        mask_feature_rate=0.25,
        mask_beta=True,
        lamda=5.0,
        w_li=5.0,
        w_en=5.0,
    )
    want = np.load(tiny / "train_step_fov_a.npz")
    draw = draw_mask((32, 140), recipe, np.random.default_rng(0))
    assert len(draw.cells) == int(want["n_kept"])
    assert draw.hidden.shape == want["input_mask"].shape


def test_masks_have_the_rates_of_the_recipe() -> None:
    recipe = Recipe(0.3, 4000, 0.75, 0.25, mask_beta=True)
    rng = np.random.default_rng(0)
    draw = draw_mask((1000, 400), recipe, rng)
    assert len(set(draw.cells.tolist())) == 700
    share = draw.hidden.mean(axis=1)
    touched = share > 0
    assert touched.sum() == 525
    # Beta(5, 13): mean 5/18, variance 65 / (18^2 19), plus that of 400 draws
    assert share[touched].mean() == pytest.approx(5 / 18, abs=0.02)
    spread = np.sqrt(65 / (18**2 * 19) + (5 / 18) * (13 / 18) / 400)
    assert share[touched].std() == pytest.approx(spread, rel=0.15)

    even = draw_mask((1000, 400), replace(recipe, mask_beta=False), rng)
    share = even.hidden.mean(axis=1)
    assert share[share > 0].std() < 0.03
    few = draw_mask((1000, 400), replace(recipe, max_batch_size=50), rng)
    assert len(few.cells) == 50
    most = replace(recipe, mask_feature_rate=1.0)
    assert draw_mask((1000, 400), most, rng).hidden.mean(axis=1).max() < 0.97
    nothing = draw_mask((1000, 400), replace(recipe, mask_node_rate=0.0), rng)
    assert not nothing.hidden.any()
    assert not draw_mask((1000, 400), Recipe(mask_feature_rate=0.0), rng).hidden.any()
    assert len(draw_mask((1, 9), recipe, rng).cells) == 1


def test_kept_cells_keep_their_neighbours_among_them() -> None:
    rng = np.random.default_rng(0)
    counts = rng.poisson(2, (40, 5)).astype(np.float32)
    bag = TrainingBag("F", counts, rng.uniform(0, 100, (40, 2)))
    step = whole(bag, 4, torch.device("cpu"))
    cells = np.array([7, 3, 30, 11, 25, 2])
    few = kept_cells(step, cells)
    assert isinstance(few, Step)
    np.testing.assert_array_equal(few.truth, counts[cells])
    assert few.nearest is not None
    assert few.nearest.shape == (6, 4)
    xy = step.positions[torch.tensor(cells), :2].double()
    apart = torch.cdist(xy, xy).fill_diagonal_(np.inf)
    np.testing.assert_array_equal(few.nearest[:, 0], apart.argmin(1))


@pytest.mark.parametrize("kind", ["", "gmvae"])
def test_the_objective_trains(tiny: Path, kind: str) -> None:
    folder = tiny / kind if kind else tiny
    network = trainable(folder)
    rows = rows_of(folder, network)
    bag = "s1" if kind else "fov_b"
    counts = arrays(folder / f"stages_{bag}.npz")["x_counts"]
    step = Step(counts, counts, torch.full((len(counts), 2), -1.0), None)
    objective = PretrainObjective(TrainSettings())
    with torch.no_grad():
        before = objective.score(network.eval(), step, rows)
        assert before == objective.score(network, step, rows)
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3)
    rng = np.random.default_rng(0)
    for _ in range(30):
        torch.manual_seed(0)
        network.train()
        loss = objective.loss(network, step, rows, rng)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimiser.step()
    assert objective.forwards == 30
    with torch.no_grad():
        after = objective.score(network.eval(), step, rows)
    assert after["loss"] < before["loss"]
    assert after["loss_seen"] < before["loss_seen"]


def test_same_seed_same_loss_and_warm_up(tiny: Path) -> None:
    network = trainable(tiny).eval()
    rows = rows_of(tiny, network)
    counts = arrays(tiny / "stages_fov_a.npz")["x_counts"]
    step = Step(counts, counts, torch.full((len(counts), 2), -1.0), None)

    def loss(forwards: int) -> float:
        objective = PretrainObjective(TrainSettings(), forwards=forwards)
        rng = np.random.default_rng(5)
        return float(objective.loss(network, step, rows, rng).detach())

    assert loss(0) == loss(0)
    # the divergence counts from its 1.0 on, in proportion to the steps, up to 1
    full, half = loss(10_000) - loss(0), loss(5_000) - loss(0)
    assert full > 2
    assert half == pytest.approx(full / 2, rel=1e-3)
    assert loss(40_000) == loss(10_000)


def test_train_goes_on_from_an_original_file_and_resumes(
    tiny: Path, tmp_path: Path
) -> None:
    table = anndata.read_h5ad(tiny / "adata.h5ad")
    table.obs["fov"] = table.obs["batch"].astype(str)
    settings = TrainSettings(draws=2, learning_rate=1e-3)
    goal = {"objective": "pretrain", "validation": ["fov_c"], "epochs": 4}
    goal |= {"settings": settings, "device": "cpu"}
    whole_run = scfm.train(tiny, table, **goal)

    def stop(progress: scfm.Progress) -> None:
        if progress.done >= 5:
            raise scfm.Cancelled

    with pytest.raises(scfm.Cancelled):
        scfm.train(tiny, table, **goal, out=tmp_path / "m", progress=stop)
    resumed = scfm.train(tiny, table, **goal, out=tmp_path / "m", resume=True)
    one, other = whole_run.network.state_dict(), resumed.network.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    start = trainable(tiny).state_dict()
    assert not torch.equal(one["embedder.feat_enc.emb"], start["embedder.feat_enc.emb"])
    # tables of unknown origin have no gradient, and nothing else moves them
    name = "decoder.covariate_layers.0.batch.0.weight"
    assert torch.equal(one[name], start[name])
    scores = json.loads((tmp_path / "m" / "metrics.json").read_text())["epochs"]
    assert "loss_seen" in str(scores)
