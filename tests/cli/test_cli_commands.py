"""Every command on the sample slide, as the README has it."""

from __future__ import annotations

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import napari_scfm as scfm
from napari_scfm.cli.export import spread_colors

COMMANDS = [
    *("demo", "view", "inspect", "models", "experiment", "embed"),
    *("impute", "perturb", "cluster", "attend", "ligands", "train", "export"),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_with_an_example(cli, command):
    ended = cli(command, "--help")
    assert ended.status == 0
    assert f"Example: napari-scfm {command}" in " ".join(ended.out.split())


def test_root_help_lists_every_command(cli):
    ended = cli("--help")
    assert all(command in ended.out for command in COMMANDS)
    assert cli("--version").out.strip() == f"napari-scfm {scfm.__version__}"


def test_inspect_as_text_and_as_json(cli, sample):
    text = cli("inspect", sample)
    assert text.status == 0
    assert "F004" in text.out
    found = json.loads(cli("inspect", sample, "--json").out)
    assert found["format"] == "cosmx"
    assert {"found", "skipped", "guessed"} <= set(found["report"])


def test_models_as_text_and_as_json(cli):
    assert "cellplm-mini" in cli("models").out
    names = {info["name"] for info in json.loads(cli("models", "--json").out)}
    assert {"gene-mean", "knn-space", "knn-expression", "ridge"} <= names


def test_experiment_writes_what_it_prints(cli, sample, tmp_path):
    out = tmp_path / "result"
    ended = cli(
        "experiment",
        sample,
        "--fov",
        "F004",
        "--mask-genes",
        20,
        "-o",
        out,
        "--seed",
        2,
    )
    assert ended.status == 0, ended.err
    result = scfm.load_result(out)
    assert list(result.summary["model"]) == [
        "cellplm-mini",
        "gene-mean",
        "knn-space",
        "ridge",
    ]
    assert len(result.genes) == 20
    assert "cellplm-mini" in ended.out
    again = tmp_path / "again"
    assert result.spec.fov == "F004"
    spec = out / "spec.json"
    assert cli("experiment", sample, "--spec", spec, "-o", again).status == 0
    pd.testing.assert_frame_equal(scfm.load_result(again).summary, result.summary)


def test_experiment_with_hidden_cells(cli, sample, tmp_path):
    out = tmp_path / "result"
    words = ["--fov", "F004", "--mask-cells", "10%", "--baselines", "knn-space"]
    ended = cli("experiment", sample, *words, "-o", out)
    assert ended.status == 0, ended.err
    table = scfm.read_slide(sample).fov("F004").table
    assert scfm.load_result(out).summary["n_cells"][0] == round(table.n_obs * 0.1)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "hides nothing"),
        (["--mask-cells", "200%"], "200%"),
        (["--mask-genes", "EPCAM", "--reference", "F004"], "own reference"),
        (["--mask-genes", "EPCAM", "--fov", "F999"], "F999"),
    ],
)
def test_experiment_refuses(cli, sample, tmp_path, words, sentence):
    fov = [] if "--fov" in words else ["--fov", "F004"]
    ended = cli("experiment", sample, *fov, *words, "-o", tmp_path / "r")
    assert ended.status == 1
    assert sentence in ended.err


def test_embed_and_cluster(cli, sample, tmp_path):
    out = tmp_path / "clusters.h5ad"
    ended = cli("cluster", sample, "-o", out)
    assert ended.status == 0, ended.err
    table = ad.read_h5ad(out)
    assert table.obsm["X_cellplm_mini"].shape[0] == table.n_obs
    assert table.obs["cellplm_mini_cluster"].nunique() > 2
    assert table.uns["napari_scfm"]["model"] == "cellplm-mini"
    embedded = tmp_path / "embedded.h5ad"
    assert cli("embed", sample, "--fov", "F004", "-o", embedded).status == 0
    part = table[table.obs["fov"] == "F004"].obsm["X_cellplm_mini"]
    one = ad.read_h5ad(embedded).obsm["X_cellplm_mini"]
    np.testing.assert_allclose(one, part, rtol=1e-4, atol=1e-5)


def test_impute_puts_measured_genes_in_layers_and_others_in_obsm(cli, sample, tmp_path):
    table = scfm.read_slide(sample).fov("F004").table
    gene = table.var_names[0]
    less = table[:, table.var_names != gene].copy()
    less.write_h5ad(tmp_path / "less.h5ad")
    out = tmp_path / "imputed.h5ad"
    genes = f"{gene},{table.var_names[1]}"
    ended = cli("impute", tmp_path / "less.h5ad", "--genes", genes, "-o", out)
    assert ended.status == 0, ended.err
    found = ad.read_h5ad(out)
    layer = found.layers["cellplm_mini_imputed"]
    assert np.isfinite(layer[:, found.var_names == table.var_names[1]]).all()
    assert np.isnan(layer[:, found.var_names == table.var_names[2]]).all()
    assert list(found.obsm["cellplm_mini_imputed"].columns) == [gene]


def test_impute_refuses_genes_that_nobody_knows(cli, sample, tmp_path):
    out = tmp_path / "imputed.h5ad"
    words = ["--fov", "F004", "--genes", "NOSUCHGENE", "-o", out]
    ended = cli("impute", sample, *words)
    assert ended.status == 1
    assert "NOSUCHGENE" in ended.err
    assert not out.exists()
    words[3] = "NOSUCHGENE,EPCAM"
    ended = cli("impute", sample, *words)
    assert ended.status == 0
    assert "NOSUCHGENE" in ended.err


def test_train_then_use_the_model(cli, sample, tmp_path):
    out = tmp_path / "mine"
    words = ["--epochs", 2, "--fov", "F001,F004", "--validation", "F004"]
    ended = cli("train", sample, *words, "-o", out)
    assert ended.status == 0, ended.err
    embedded = tmp_path / "e.h5ad"
    words = ["--model", out, "--fov", "F004", "-o", embedded]
    assert cli("embed", sample, *words).status == 0
    assert embedded.exists()


@pytest.mark.parametrize("suffix", ["png", "tif", "pdf", "svg"])
def test_export_every_format(cli, sample, tmp_path, suffix):
    out = tmp_path / f"figure.{suffix}"
    words = ["--fov", "F004", "--color", "EPCAM", "cell_type", "--dpi", 100]
    ended = cli("export", sample, *words, "-o", out)
    assert ended.status == 0, ended.err
    assert out.stat().st_size > 10_000
    if suffix in ("png", "tif"):
        assert np.asarray(Image.open(out)).std() > 5


def test_export_clusters_and_attention(cli, sample, tmp_path):
    out = tmp_path / "figure.png"
    words = ["--fov", "F004", "--clusters", "--attention", "--dpi", 80]
    ended = cli("export", sample, *words, "-o", out)
    assert ended.status == 0, ended.err
    assert out.exists()


def test_export_refuses_what_is_not_there(cli, sample, tmp_path):
    out = tmp_path / "figure.png"
    ended = cli("export", sample, "--color", "NOSUCHGENE", "-o", out)
    assert ended.status == 1
    assert "NOSUCHGENE" in ended.err
    assert not out.exists()


def test_one_color_option_takes_several_names():
    words = ["export", "p", "--color", "A", "B", "--color", "C", "-o", "f.png"]
    assert spread_colors(words) == [
        *["export", "p", "--color", "A", "--color", "B", "--color", "C"],
        *["-o", "f.png"],
    ]


def test_a_scheduler_gives_the_same_numbers(cli, sample, tmp_path):
    from distributed import LocalCluster

    embed = ["embed", sample, "--fov", "F001,F004"]
    attend = ["attend", *embed[1:], "--layer", "rollout", "--permutations", 0]
    asked = {"X_cellplm_mini": embed, "cellplm_mini_flow": attend}
    for key, words in asked.items():
        assert cli(*words, "-o", tmp_path / f"{key}.h5ad").status == 0
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as workers:
        where = ["--scheduler", workers.scheduler_address]
        for key, words in asked.items():
            ended = cli(*words, *where, "-o", tmp_path / f"{key}_there.h5ad")
            assert ended.status == 0, ended.err
    for key in asked:
        here, there = (
            ad.read_h5ad(tmp_path / f"{key}{end}.h5ad").obsm[key]
            for end in ("", "_there")
        )
        np.testing.assert_array_equal(here, there)
