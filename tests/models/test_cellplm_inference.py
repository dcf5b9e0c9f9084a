"""Inference in blocks: same numbers at any block size, precision, scarce memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata
import numpy as np
import pytest
import torch

import napari_scfm as scfm
from napari_scfm.errors import ModelError
from napari_scfm.models.cellplm import passes
from napari_scfm.models.cellplm.flow import FlowEncoder
from napari_scfm.progress import Cancelled, Progress

if TYPE_CHECKING:
    from pathlib import Path

CLOSE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture(scope="module")
def tiny(shared: Path) -> Path:
    return shared / "parity" / "cellplm" / "tiny"


@pytest.fixture
def table(tiny: Path) -> anndata.AnnData:
    table = anndata.read_h5ad(tiny / "adata.h5ad")
    table.obsm["spatial"] = np.random.default_rng(0).uniform(0, 99, (table.n_obs, 2))
    return table


@pytest.mark.parametrize("kind", ["tiny_vae.best.ckpt", "gmvae", "mini"])
def test_blocked_and_unblocked_runs_agree(tiny, table, kind) -> None:
    name = "cellplm-mini" if kind == "mini" else tiny / kind
    if kind != "tiny_vae.best.ckpt":
        source = tiny / "gmvae" / "adata.h5ad"
        table = anndata.read_h5ad(source) if kind == "gmvae" else table
    whole, parts = (scfm.load_model(name, device="cpu") for _ in range(2))
    if kind == "mini":
        table.var_names = list(whole.info.genes[: table.n_vars])
    whole.network.encoder.block = 10**6
    parts.network.encoder.block = 7
    np.testing.assert_allclose(parts.embed(table), whole.embed(table), **CLOSE)
    genes = list(table.var_names[::3])
    np.testing.assert_allclose(
        parts.impute(table, genes), whole.impute(table, genes), **CLOSE
    )
    np.testing.assert_allclose(
        parts.attend(table).dense(), whole.attend(table).dense(), **CLOSE
    )


@pytest.mark.parametrize("width", [64, 512])
def test_blocks_equal_the_layers_of_training(width: int) -> None:
    torch.manual_seed(0)
    encoder = FlowEncoder(width, heads=4, layers=3, dropout=0.2).eval()
    encoder.requires_grad_(False)
    x = torch.randn(150, width)
    want = encoder(x)
    encoder.block = 64
    with torch.inference_mode():
        torch.testing.assert_close(encoder(x.clone()), want, rtol=1e-4, atol=2e-5)


def test_several_bags_at_once_equal_one_by_one() -> None:
    torch.manual_seed(0)
    encoder = FlowEncoder(32, heads=4, layers=2, dropout=0.0).eval()
    bags = torch.randn(6, 11, 32)
    with torch.inference_mode():
        one_by_one = torch.stack([encoder(bag.clone()) for bag in bags])
        torch.testing.assert_close(encoder(bags.clone()), one_by_one)


def test_training_mode_still_drops_out() -> None:
    torch.manual_seed(0)
    encoder = FlowEncoder(32, heads=4, layers=1, dropout=0.5)
    x = torch.randn(20, 32)
    with torch.inference_mode():
        assert not torch.equal(encoder(x), encoder(x))


def test_bfloat16_is_close_to_float32(tiny, table) -> None:
    path = tiny / "tiny_vae.best.ckpt"
    exact = scfm.load_model(path, device="cpu")
    quick = scfm.load_model(path, device="cpu", precision="bfloat16")
    assert (exact.precision, quick.precision) == ("float32", "bfloat16")
    one, two = exact.embed(table), quick.embed(table)
    assert not np.array_equal(one, two)
    assert np.sqrt(np.mean((one - two) ** 2)) < 0.02 * one.std()
    assert two.dtype == np.float32
    genes = list(table.var_names[:20])
    one, two = exact.impute(table, genes), quick.impute(table, genes)
    known = ~np.isnan(one)
    assert np.corrcoef(one[known], two[known])[0, 1] > 0.999


def test_precision_is_checked_and_baselines_ignore_it(tiny) -> None:
    with pytest.raises(ModelError, match="no precision 'half'"):
        scfm.load_model(tiny / "tiny_vae.best.ckpt", device="cpu", precision="half")
    assert scfm.load_model("gene-mean", precision="bfloat16").info.name == "gene-mean"


class Scarce:
    """An encoder that runs out of memory above some block size."""

    def __init__(self, encoder: FlowEncoder, fits: int) -> None:
        self.real, self.encoder, self.fits = encoder.forward, encoder, fits

    def __call__(self, *given):
        if self.encoder.block > self.fits:
            raise torch.OutOfMemoryError("no room")
        return self.real(*given)


@pytest.mark.parametrize("halvings", [1, 2])
def test_out_of_memory_halves_the_block_and_says_so(
    tiny, table, monkeypatch, halvings
) -> None:
    model = scfm.load_model(tiny / "tiny_vae.best.ckpt", device="cpu")
    want = model.embed(table)
    encoder = model.network.encoder
    encoder.block = 1024
    scarce = Scarce(encoder, 1024 // 2**halvings)
    monkeypatch.setattr(encoder, "forward", scarce)
    np.testing.assert_allclose(model.embed(table), want, **CLOSE)
    assert encoder.block == 1024 // 2**halvings
    assert any(f"{encoder.block} cells are now read" in note for note in model.notes)


def test_too_little_memory_is_an_error_with_a_way_out(tiny, table, monkeypatch) -> None:
    model = scfm.load_model(tiny / "tiny_vae.best.ckpt", device="cpu")
    scarce = Scarce(model.network.encoder, 1)
    monkeypatch.setattr(model.network.encoder, "forward", scarce)
    with pytest.raises(ModelError, match="does not fit into the memory"):
        model.embed(table)


def test_a_large_bag_tells_its_layers_and_can_be_stopped(
    tiny, table, monkeypatch
) -> None:
    monkeypatch.setattr(passes, "LARGEST_BAG", 50)
    model = scfm.load_model(tiny / "tiny_vae.best.ckpt", device="cpu")
    seen: list[Progress] = []
    model.embed(table, progress=seen.append)
    assert [p.message.rpartition(", ")[2] for p in seen[1:-1]] == [
        "layer 1 of 2",
        "layer 2 of 2",
    ]

    def stop(progress: Progress) -> None:
        if "layer 2" in progress.message:
            raise Cancelled

    with pytest.raises(Cancelled):
        model.embed(table, progress=stop)
