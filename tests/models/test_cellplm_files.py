"""Files are data: what a checkpoint may hold, and what a load reports."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from typing import TYPE_CHECKING

import anndata
import numpy as np
import pytest
import torch

import napari_scfm as scfm
from napari_scfm.errors import ModelError
from napari_scfm.models.cellplm.config import CellPLMConfig
from napari_scfm.models.cellplm.network import CellPLMNetwork
from napari_scfm.models.files import sha256

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def pair(shared: Path, tmp_path: Path) -> Path:
    """A writable copy of the original pair; returns the checkpoint."""
    source = shared / "parity" / "cellplm" / "tiny"
    for name in ("tiny_vae.best.ckpt", "tiny_vae.config.json"):
        shutil.copyfile(source / name, tmp_path / name)
    return tmp_path / "tiny_vae.best.ckpt"


def edit(path: Path, change) -> None:
    state = torch.load(path, weights_only=True)["model_state_dict"]
    torch.save({"model_state_dict": change(dict(state))}, path)


def drop(*prefixes: str):
    return lambda state: {k: v for k, v in state.items() if not k.startswith(prefixes)}


class Evil:
    """Creates a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = str(target)

    def __reduce__(self):
        return os.mkdir, (self.target,)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_checkpoint_does_not_run(pair: Path, zipped: bool) -> None:
    target = pair.parent / "was_here"
    content = {"model_state_dict": {"a": torch.zeros(2)}, "extra": Evil(target)}
    if zipped:
        torch.save(content, pair)
    else:
        pair.write_bytes(pickle.dumps(content))
    with pytest.raises(ModelError, match=r"code to be run|cannot be read"):
        scfm.load_model(pair, device="cpu")
    assert not target.exists()
    # the file is armed: an ordinary load would have made the folder
    if not zipped:
        pickle.loads(pair.read_bytes())
        assert target.exists()


def test_damaged_file(pair: Path) -> None:
    pair.write_bytes(pair.read_bytes()[:5000])
    with pytest.raises(ModelError, match="tiny_vae"):
        scfm.load_model(pair, device="cpu")


def test_missing_tensors_are_named(pair: Path) -> None:
    edit(pair, drop("encoder.layers.1.norm1", "latent"))
    with pytest.raises(ModelError, match="does not fill its network") as caught:
        scfm.load_model(pair, device="cpu")
    assert len(caught.value.problems) == 6
    assert "encoder.layers.1.norm1.weight is missing" in caught.value.problems


def test_wrong_shape_is_named(pair: Path) -> None:
    def cut(state: dict) -> dict:
        state["embedder.feat_enc.emb"] = state["embedder.feat_enc.emb"][:150]
        return state

    edit(pair, cut)
    with pytest.raises(ModelError, match=r"\(150, 64\), expected \(200, 64\)"):
        scfm.load_model(pair, device="cpu")


def test_without_decoder_it_embeds_but_does_not_impute(
    pair: Path, shared: Path
) -> None:
    edit(pair, drop("decoder."))
    model = scfm.load_model(pair, device="cpu")
    table = anndata.read_h5ad(shared / "parity/cellplm/tiny/adata.h5ad")
    assert model.embed(table).shape == (90, 32)
    assert "impute" not in model.info.capabilities
    with pytest.raises(ModelError, match=r"decoder\.out_layer\.dec_1\.weight"):
        model.impute(table, list(table.var_names[:2]))


def test_a_decoder_in_part_is_refused(pair: Path) -> None:
    edit(pair, drop("decoder.out_layer.dec_1.weight"))
    with pytest.raises(ModelError, match=r"decoder\.out_layer\.dec_1\.weight"):
        scfm.load_model(pair, device="cpu")


def test_module_prefix_and_the_table_of_sines_may_be_absent(pair: Path) -> None:
    want = scfm.load_model(pair, device="cpu").network.state_dict()
    edit(
        pair,
        lambda state: {
            f"module.{k}": v for k, v in state.items() if "pe_enc.pe_enc" not in k
        },
    )
    model = scfm.load_model(pair, device="cpu")
    got = model.network.state_dict()
    assert want.keys() == got.keys()
    assert all(torch.equal(want[k], got[k]) for k in want)
    assert model.load_report.missing == model.load_report.unexpected == []


def test_unexpected_tensors_are_reported(pair: Path) -> None:
    edit(pair, lambda state: state | {"dar.layer.weight": torch.zeros(2)})
    model = scfm.load_model(pair, device="cpu")
    assert model.load_report.unexpected == ["dar.layer.weight"]
    assert any("dar.layer.weight" in note for note in model.notes)


def test_missing_config_names_the_expected_path(pair: Path) -> None:
    expected = pair.with_name("tiny_vae.config.json")
    expected.unlink()
    with pytest.raises(ModelError, match="does not exist") as caught:
        scfm.load_model(pair, device="cpu")
    assert str(expected) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"enc_mod": "performer"}, "encoder 'performer'"),
        ({"latent_mod": "split"}, "latent 'split'"),
        ({"enc_hid": "wide"}, "no CellPLM configuration"),
    ],
)
def test_configurations_that_are_refused(pair: Path, change, sentence) -> None:
    path = pair.with_name("tiny_vae.config.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ModelError, match=sentence):
        scfm.load_model(pair, device="cpu")


def test_config_that_is_no_json(pair: Path) -> None:
    pair.with_name("tiny_vae.config.json").write_text("{")
    with pytest.raises(ModelError, match="is not JSON"):
        scfm.load_model(pair, device="cpu")


def test_several_checkpoints_in_a_folder(pair: Path) -> None:
    shutil.copyfile(pair, pair.with_name("other.best.ckpt"))
    with pytest.raises(ModelError, match="several checkpoints: other"):
        scfm.load_model(pair.parent, device="cpu")


def test_save_and_load_give_the_same_numbers(
    pair: Path, tmp_path: Path, shared: Path
) -> None:
    table = anndata.read_h5ad(shared / "parity/cellplm/tiny/adata.h5ad")
    model = scfm.load_model(pair, device="cpu")
    folder = model.save(tmp_path / "saved")
    assert sorted(p.name for p in folder.iterdir()) == [
        "config.json",
        "model.safetensors",
    ]
    again = scfm.load_model(folder, device="cpu")
    np.testing.assert_array_equal(again.embed(table), model.embed(table))
    genes = list(table.var_names[:9])
    np.testing.assert_array_equal(
        again.impute(table, genes), model.impute(table, genes)
    )
    assert again.info.sha256 == sha256(folder / "model.safetensors")


@pytest.mark.parametrize("latent", ["gmvae", "vae"])
def test_a_small_file_of_the_released_layout(
    shared: Path, tmp_path: Path, latent: str
) -> None:
    """The released configuration, narrow and with few genes; every tensor arrives."""
    reference = shared / "reference"
    values = json.loads((reference / "cellplm_20230926_85M.config.json").read_text())
    genes = values["gene_list"][::40]
    values |= {"latent_mod": latent, "gene_list": genes, "out_dim": len(genes)}
    values |= {"enc_hid": 64, "dec_hid": 48, "post_latent_dim": 24}
    values |= {"batch_num": 9, "dataset_num": 4}
    torch.manual_seed(3)
    network = CellPLMNetwork(CellPLMConfig.from_dict(values, "small"))
    tensors = {k: torch.randn_like(v) for k, v in network.state_dict().items()}
    names = json.loads((reference / "cellplm_85M_keys.json").read_text())["variants"]
    (want,) = (v["keys"] for v in names.values() if v["latent_mod"] == latent)
    unread = {
        "embedder.norm0.weight": torch.ones(64),
        "embedder.norm0.bias": torch.zeros(64),
        "embedder.pe_enc.pe_enc.weight": torch.zeros(10_000, 64),
    }
    assert (tensors | unread).keys() == want.keys()
    path = tmp_path / "small.best.ckpt"
    content = {"model_state_dict": tensors | unread, "epoch": 3, "loss": 0.5}
    torch.save(content, path)
    path.with_name("small.config.json").write_text(json.dumps(values))

    model = scfm.load_model(path, device="cpu")
    report = model.load_report
    assert report.missing == report.unexpected == [] == list(report.wrong_shape)
    assert sorted(report.unused) == sorted(unread)
    again = scfm.load_model(model.save(tmp_path / "saved"), device="cpu")
    for one in (model, again):
        state = one.network.state_dict()
        assert state.keys() == tensors.keys()
        assert all(torch.equal(state[k], tensors[k]) for k in tensors)
    assert again.config.to_dict() == model.config.to_dict()
    for name in ("lamda", "mask_beta", "mask_node_rate", "drop_node_rate"):
        assert again.config.extra[name] == values[name]


def test_verdict_on_positions(pair: Path) -> None:
    def untouched(state: dict) -> dict:
        torch.manual_seed(0)
        state["embedder.pe_enc.missing_pe"] = torch.randn(64) * 0.01
        return state

    assert any(
        "may have been trained with it" in n
        for n in scfm.load_model(pair, device="cpu").notes
    )
    edit(pair, untouched)
    assert any(
        "its weights were trained so" in n
        for n in scfm.load_model(pair, device="cpu").notes
    )
