"""Bad input ends as one sentence and exit status 1; nothing is half written."""

from __future__ import annotations

import json
import pickle
import shutil
import sys

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import tifffile

CONFIG = {
    "gene_list": ["ENSG00000119888"],
    **{"enc_mod": "flowformer", "enc_hid": 16, "enc_layers": 1, "cat_pe": False},
    **{"post_latent_dim": 8, "dec_mod": "nbmlp", "dec_hid": 8, "dec_layers": 2},
    "out_dim": 1,
}


def _sentence(ended, *words):
    assert ended.status == 1, ended
    assert ended.err.startswith("napari-scfm: ")
    assert "Traceback" not in ended.err
    for word in words:
        assert word in ended.err, ended.err


def _table(n=12, genes=("EPCAM", "CD3E", "KRT8", "PECAM1")):
    rng = np.random.default_rng(0)
    table = ad.AnnData(rng.poisson(2.0, (n, len(genes))).astype(np.float32))
    table.obs_names = [f"cell{i}" for i in range(n)]
    table.var_names = list(genes)
    table.obs["fov"] = pd.Categorical(["F001"] * n)
    table.obsm["spatial"] = rng.uniform(0, 100, (n, 2))
    return table


@pytest.fixture
def slide_copy(sample, tmp_path):
    copy = tmp_path / "slide"
    shutil.copytree(sample, copy)
    return copy


def test_a_folder_that_is_no_slide(cli, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    _sentence(cli("inspect", tmp_path), str(tmp_path))


def test_a_path_that_does_not_exist(cli, tmp_path):
    _sentence(cli("inspect", tmp_path / "nowhere"), "nowhere")


def test_a_csv_cut_in_the_middle_of_a_row(cli, slide_copy):
    (counts,) = slide_copy.glob("*exprMat_file.csv*")
    text = counts.read_bytes()
    counts.write_bytes(text[: len(text) - 150])
    _sentence(cli("inspect", slide_copy), counts.name, "row")


def test_a_label_image_of_another_size(cli, slide_copy):
    image = sorted((slide_copy / "CellLabels").glob("*F002*"))[0]
    tifffile.imwrite(image, np.ones((50, 70), np.uint16))
    _sentence(cli("inspect", slide_copy), image.name, "50", "70")


@pytest.mark.parametrize("bad", [np.nan, -3.0])
def test_counts_that_are_no_counts(cli, tmp_path, bad):
    table = _table()
    table.X[3, 1] = bad
    table.write_h5ad(tmp_path / "bad.h5ad")
    _sentence(cli("inspect", tmp_path / "bad.h5ad"), "bad.h5ad", "CD3E")


def test_duplicate_gene_names(cli, tmp_path):
    table = _table(genes=("EPCAM", "CD3E", "CD3E", "KRT8"))
    table.write_h5ad(tmp_path / "twice.h5ad")
    _sentence(cli("inspect", tmp_path / "twice.h5ad"), "CD3E")


def test_a_table_without_coordinates(cli, tmp_path):
    table = _table()
    del table.obsm["spatial"]
    table.write_h5ad(tmp_path / "nowhere.h5ad")
    _sentence(cli("inspect", tmp_path / "nowhere.h5ad"), "spatial")


@pytest.mark.parametrize("n", [0, 1])
def test_a_fov_with_hardly_a_cell(cli, tmp_path, n):
    path = tmp_path / "few.h5ad"
    _table(n).write_h5ad(path)
    assert cli("inspect", path).status == 0
    out = tmp_path / "out"
    ended = cli(
        "experiment", path, "--model", "gene-mean", "--mask-genes", 1, "-o", out
    )
    _sentence(ended)
    assert not out.exists()


def test_a_spec_that_names_an_unknown_gene(cli, sample, tmp_path):
    spec = tmp_path / "spec.json"
    mask = {"genes": ["EPCAM", "NOSUCHGENE"]}
    spec.write_text(json.dumps({"model": "gene-mean", "mask": mask}))
    out = tmp_path / "out"
    _sentence(cli("experiment", sample, "--spec", spec, "-o", out), "NOSUCHGENE")
    assert not out.exists()


def test_a_spec_that_is_no_json(cli, sample, tmp_path):
    spec = tmp_path / "spec.json"
    spec.write_text("{ not json")
    _sentence(cli("experiment", sample, "--spec", spec, "-o", tmp_path / "o"), "spec")


def test_an_unknown_model_lists_the_known(cli, sample, tmp_path):
    ended = cli("embed", sample, "--model", "cellplm-maxi", "-o", tmp_path / "o.h5ad")
    _sentence(ended, "cellplm-maxi", "cellplm-mini")


@pytest.mark.parametrize("part", ["query_projection", "decoder.out_layer.dec_1"])
def test_a_checkpoint_with_missing_tensors(cli, sample, shared, tmp_path, part):
    import torch

    tiny = shared / "parity" / "cellplm" / "tiny"
    path = tmp_path / "tiny_vae.best.ckpt"
    shutil.copy(tiny / "tiny_vae.config.json", tmp_path)
    state = torch.load(tiny / "tiny_vae.best.ckpt", weights_only=True)
    name = next(key for key in state["model_state_dict"] if part in key)
    del state["model_state_dict"][name]
    torch.save(state, path)
    ended = cli("embed", sample, "--model", path, "-o", tmp_path / "o.h5ad")
    _sentence(ended, name)


class _Trap:
    """A pickle that would create a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_a_checkpoint_that_carries_code(cli, sample, tmp_path):
    trap = tmp_path / "ran"
    path = tmp_path / "evil.best.ckpt"
    path.write_bytes(pickle.dumps({"model_state_dict": _Trap(str(trap))}))
    (tmp_path / "evil.config.json").write_text(json.dumps(CONFIG))
    ended = cli("embed", sample, "--model", path, "-o", tmp_path / "o.h5ad")
    _sentence(ended, "evil.best.ckpt")
    assert not trap.exists()


def test_an_h5ad_with_text_in_place_of_counts(cli, tmp_path):
    path = tmp_path / "text.h5ad"
    _table(5).write_h5ad(path)
    with h5py.File(path, "a") as file:
        del file["X"]
        text = np.full((5, 4), "x", dtype=object)
        file["X"] = text.astype(h5py.string_dtype())
        file["X"].attrs.update(
            {"encoding-type": "string-array", "encoding-version": "0.2.0"}
        )
    _sentence(cli("inspect", path), "text.h5ad", "X")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--mask-genes", "-5"], "--mask-genes -5"),
        (["--mask-genes", "3.5"], "--mask-genes 3.5"),
        (["--mask-cells", "10"], "10%"),
        (["--mask-strata", 500], "genes are hidden"),
    ],
)
def test_masks_that_hide_nothing_sensible(cli, tmp_path, words, found):
    path, out = tmp_path / "few.h5ad", tmp_path / "out"
    _table().write_h5ad(path)
    ended = cli("experiment", path, "--model", "gene-mean", *words, "-o", out)
    _sentence(ended, found)
    assert not out.exists()


def test_a_fault_of_every_fov_is_told_once(cli, slide_copy):
    (counts,) = slide_copy.glob("*exprMat_file.csv")
    pd.read_csv(counts).drop(columns="fov").to_csv(counts, index=False)
    ended = cli("inspect", slide_copy)
    _sentence(ended, "no column 'fov'")
    assert ended.err.count("no column") == 1


@pytest.mark.parametrize(
    ("command", "name", "found"),
    [
        ("embed", "e.csv", ".h5ad"),
        ("cluster", "folder.h5ad", "folder"),
        ("embed", "notes.txt/e.h5ad", "written"),
        ("train", "notes.txt", "folder"),
        ("train", "notes.txt/mine", "written"),
        ("export", "folder.png", "folder"),
        ("export", "a.jpeg", ".png"),
    ],
)
def test_an_output_that_cannot_be_is_refused_first(
    cli, sample, tmp_path, monkeypatch, command, name, found
):
    (tmp_path / "notes.txt").write_text("kept")
    (tmp_path / "folder.h5ad").mkdir()
    (tmp_path / "folder.png").mkdir()

    def read(path):
        raise AssertionError(path)

    monkeypatch.setattr("napari_scfm.slides.read.read_slide", read)
    ended = cli(command, sample, "-o", tmp_path / name)
    _sentence(ended, found)
    assert name.split("/")[0] in ended.err or ".jpeg" in ended.err
    assert (tmp_path / "notes.txt").read_text() == "kept"


def test_a_result_below_a_file(cli, sample, tmp_path):
    (tmp_path / "notes.txt").write_text("kept")
    out = tmp_path / "notes.txt" / "result"
    _sentence(cli("experiment", sample, "--mask-genes", 3, "-o", out), "notes.txt")


def test_usage_errors_have_status_2(cli, sample):
    assert cli("experiment", sample).status == 2
    assert cli("no-such-command").status == 2


def test_no_qt_names_the_extra(cli, sample, monkeypatch):
    monkeypatch.setattr("napari_scfm.cli.window.BINDINGS", ("NoSuchQt",))
    _sentence(cli("view", sample), "napari-scfm[qt]")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only")
def test_no_screen_is_said(cli, sample, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    _sentence(cli("view", sample), "no screen", "xvfb-run")
