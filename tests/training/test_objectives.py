"""The likelihood and its gradients against the reference; what a step hides."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from scipy import sparse

from napari_scfm.models.cellplm.checkpoint import load_network
from napari_scfm.models.cellplm.config import CellPLMConfig
from napari_scfm.models.cellplm.files import find_files
from napari_scfm.models.cellplm.local import LocalEmbedder
from napari_scfm.models.cellplm.network import CellPLMNetwork
from napari_scfm.training.batches import TrainingBag, Views, parts, varied, whole
from napari_scfm.training.losses import negative_binomial
from napari_scfm.training.objectives.guess import count_loss, mean_pearson, predict
from napari_scfm.training.objectives.masked import random_mask

if TYPE_CHECKING:
    from pathlib import Path

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tiny(shared: Path) -> Path:
    return shared / "parity" / "cellplm" / "tiny"


def test_likelihood_of_the_pretraining_objective(tiny: Path) -> None:
    want = {
        k: torch.tensor(v) for k, v in np.load(tiny / "nb_objective_eval.npz").items()
    }
    x, mask = want["x_counts"], want["gene_mask"].bool()
    mean = want["dec_mean"][:, mask]
    mean = mean * x[:, mask].sum(1, keepdim=True) / mean.sum(1, keepdim=True)
    theta = want["dec_disp"].reshape(-1, len(mask))[0][mask]
    got = negative_binomial(x[:, mask], mean, theta).sum(1).mean()
    assert float(got) == pytest.approx(float(want["loss"]), rel=1e-5)


def test_gradients_of_the_imputation_loss(tiny: Path) -> None:
    files = find_files(tiny)
    assert files is not None
    network = load_network(files)[0].requires_grad_(True)
    meta = json.loads((tiny / "meta.json").read_text())
    stages = np.load(tiny / "stages_fov_a.npz")
    known = {g: i for i, g in enumerate(network.config.gene_list)}
    rows = torch.tensor([known[g] for g in meta["gene_list_kept_in_adata_order"]])
    seen = torch.ones(len(rows), dtype=torch.bool)
    seen[meta["target_columns"]] = False
    counts = torch.tensor(stages["x_counts"])
    means = network.decoder(network(counts, rows), rows)
    factor = counts[:, seen].sum(1, keepdim=True) / means[:, seen].sum(1, keepdim=True)
    theta = network.decoder.out_layer.dispersion(rows)
    each = negative_binomial(counts, means * factor, theta)[:, seen]
    loss = each.sum(1).mean()
    loss.backward()
    want = np.load(tiny / "grads_eval_fov_a.npz")
    assert float(loss.detach()) == pytest.approx(float(want["loss"]), rel=1e-5)
    compared = 0
    for name, parameter in network.named_parameters():
        expected = want[f"grad/{name}"]
        if expected.size == 0 or parameter.grad is None:
            continue
        compared += 1
        largest = np.abs(expected).max()
        np.testing.assert_allclose(
            parameter.grad, expected, rtol=1e-3, atol=1e-4 * largest, err_msg=name
        )
    assert compared > 40


def small_network() -> CellPLMNetwork:
    torch.manual_seed(0)
    config = CellPLMConfig(
        gene_list=tuple("abcdefgh"),
        enc_hid=16,
        enc_layers=1,
        post_latent_dim=8,
        enc_head=4,
        latent_mod="ae",
        pe_type="fourier",
        pe_active=True,
        neighbours=(2,),
    )
    return CellPLMNetwork(config).eval()


def test_hidden_truth_cannot_reach_a_prediction() -> None:
    rng = np.random.default_rng(0)
    counts = rng.poisson(3, (12, 8)).astype(np.float32)
    network, rows = small_network(), torch.arange(8)
    hidden = rng.random((12, 8)) < 0.3
    hidden[4] = True
    xy = rng.uniform(0, 9, (12, 2))
    with torch.no_grad():
        got = [
            predict(
                network,
                whole(
                    TrainingBag("F", counts + np.float32(extra) * hidden, xy), 2, CPU
                ),
                rows,
                torch.tensor(hidden),
            )
            for extra in (0.0, 40.0)
        ]
    torch.testing.assert_close(got[0], got[1], rtol=0, atol=0)
    assert float(got[0][4].sum()) > 0


def test_visible_predictions_sum_to_what_was_seen() -> None:
    rng = np.random.default_rng(1)
    counts = rng.poisson(3, (12, 8)).astype(np.float32) + 1
    hidden = torch.tensor(rng.random((12, 8)) < 0.3)
    step = whole(TrainingBag("F", counts, None), 2, CPU)
    with torch.no_grad():
        got = predict(small_network(), step, torch.arange(8), hidden)
    torch.testing.assert_close(
        got.masked_fill(hidden, 0).sum(1),
        torch.tensor(counts).masked_fill(hidden, 0).sum(1),
    )


def test_steps_differ_and_stay_inside_their_fov() -> None:
    rng = np.random.default_rng(0)
    counts = rng.poisson(3, (60, 8)).astype(np.float32)
    bag = TrainingBag("F", counts, rng.uniform(0, 9, (60, 2)))
    sizes = set()
    for _ in range(20):
        step = varied(bag, 3, CPU, rng, crop=0.5, thinning=0.3)
        sizes.add(len(step.truth))
        assert 30 <= len(step.truth) <= 60
        assert bool((step.shown <= step.truth).all())
        assert float(step.positions[:, :2].min()) >= 0
        assert float(step.positions[:, :2].max()) <= 1
        assert step.nearest is not None
        assert int(step.nearest.max()) < len(step.truth)
    assert len(sizes) > 5


def test_masks_hide_genes_cells_and_entries() -> None:
    rng = np.random.default_rng(0)
    masks = [random_mask((40, 30), rng) for _ in range(60)]
    shares = [mask.mean() for mask in masks]
    assert 0.1 < np.mean(shares) < 0.6
    assert sum(mask.all(axis=0).any() for mask in masks) > 15
    assert sum(mask.all(axis=1).any() for mask in masks) > 15


def test_mean_pearson_leaves_constant_genes_out() -> None:
    truth = torch.tensor([[1.0, 2.0, 5.0], [1.0, 4.0, 1.0], [1.0, 8.0, 3.0]])
    assert mean_pearson(truth, truth) == pytest.approx(1.0)
    assert np.isnan(mean_pearson(torch.ones(3, 2), torch.ones(3, 2)))


def test_large_fovs_are_read_in_compact_parts() -> None:
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, 1, (500, 2)) * [30, 10]
    counts = rng.poisson(1, (500, 4)).astype(np.float32)
    bag = TrainingBag("F", counts, xy, labels=np.arange(500))
    found = parts(bag, 100)
    np.testing.assert_array_equal(np.sort(np.concatenate(found)), np.arange(500))
    assert max(map(len, found)) <= 100
    areas = [np.ptp(xy[cells], axis=0).prod() for cells in found]
    assert sum(areas) <= 30 * 10
    steps = list(Views([bag], 3, CPU, 100))
    assert len(steps) == len(found)
    for step in steps:
        assert step.labels is not None
        np.testing.assert_array_equal(step.truth, counts[step.labels])
    assert [len(cells) for cells in parts(bag, 0)] == [500]
    nowhere = TrainingBag("R", counts, None)
    assert [len(cells) for cells in parts(nowhere, 200)] == [167, 167, 166]


def test_windows_are_never_larger_than_allowed() -> None:
    rng = np.random.default_rng(0)
    sparse_counts = sparse.csr_array(rng.poisson(1, (90, 4)).astype(np.float32))
    for xy in (rng.uniform(0, 9, (90, 2)), None):
        bag = TrainingBag("F", sparse_counts, xy)
        for _ in range(5):
            step = varied(bag, 3, CPU, rng, crop=0.9, thinning=0.0, largest=20)
            assert step.truth.shape == (20, 4)
            torch.testing.assert_close(step.truth, step.shown)


def test_the_loss_of_counts_is_chosen_by_its_name() -> None:
    config = CellPLMConfig(
        gene_list=("A", "B", "C"),
        enc_hid=8,
        enc_layers=1,
        post_latent_dim=4,
        latent_mod="ae",
        neighbours=(2,),
        own_width=4,
        near_width=2,
    )
    network, rows = CellPLMNetwork(config), torch.arange(3)
    network.learn(torch.poisson(torch.full((50, 3), 4.0)))
    truth = torch.tensor([[0.0, 3.0, 8.0]])
    guess = torch.tensor([[1.0, 3.0, 2.0]])
    kinds = {
        kind: count_loss(network, rows, truth, guess, kind)
        for kind in ("squared_log", "negative_binomial", "both")
    }
    assert isinstance(network.embedder, LocalEmbedder)
    variance = network.embedder.scale.variance
    expected = (torch.log1p(guess) - torch.log1p(truth)) ** 2 / variance
    torch.testing.assert_close(kinds["squared_log"], expected)
    assert kinds["squared_log"][0, 1] == 0
    torch.testing.assert_close(
        kinds["both"], (kinds["squared_log"] + kinds["negative_binomial"]) / 2
    )
