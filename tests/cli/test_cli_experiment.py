"""``experiment``: FOVs, models, turns, repeats and neighbourhoods by option."""

from __future__ import annotations

import json

import pytest

import napari_scfm as scfm

QUICK = ("--baselines", "gene-mean", "--device", "cpu")


def test_all_fovs_and_two_models(cli, sample, tmp_path):
    out = tmp_path / "r"
    words = ["--fov", "all", "--model", "cellplm-mini", "--model", "knn-space"]
    ended = cli(
        "experiment", sample, *words, "--mask-genes", "EPCAM", *QUICK, "-o", out
    )
    assert ended.status == 0, ended.err
    result = scfm.load_result(out)
    assert result.models == ["cellplm-mini", "knn-space", "gene-mean"]
    assert result.spec.fovs == ("F001", "F002", "F003", "F004")
    assert result.spec.also == ("knn-space",)
    lines = ended.out.splitlines()
    assert sum("knn-space" in line for line in lines) == 1 + 4
    assert "pool 4 fields of view" in ended.err


def test_some_fovs_by_name(cli, sample, tmp_path):
    out = tmp_path / "r"
    words = ["--fov", "F004,F002", "--reference", "F001", "--mask-cells", "5%"]
    ended = cli("experiment", sample, *words, *QUICK, "-o", out)
    assert ended.status == 0, ended.err
    spec = scfm.load_result(out).spec
    assert spec.fovs == ("F004", "F002")
    assert spec.reference == ("F001",)
    assert spec.slide_path == str(sample)
    again = tmp_path / "again"
    words = ["--spec", out / "spec.json", "--fov", "F002"]
    assert cli("experiment", sample, *words, "-o", again).status == 0
    assert scfm.load_result(again).spec.fovs == ("F002",)
    assert json.loads((again / "spec.json").read_text())["reference"] == ["F001"]


def test_turns_draws_and_bags(cli, sample, tmp_path):
    words = ["--fov", "F004", "--model", "knn-space", "--seed", 4, *QUICK]
    out = tmp_path / "turns"
    more = ["--mask-genes", "EPCAM,CD3E", "--in-turn", "--draws", 2]
    ended = cli("experiment", sample, *words, *more, "-o", out)
    assert ended.status == 0, ended.err
    result = scfm.load_result(out)
    assert (result.spec.in_turn, result.spec.draws, result.spec.seed) == (True, 2, 4)
    assert len(result.calibration)
    out = tmp_path / "bags"
    more = ["--mask-cells", "each:10", "--bags", 3, "--bag-size", 40]
    ended = cli("experiment", sample, *words, *more, "-o", out)
    assert ended.status == 0, ended.err
    result = scfm.load_result(out)
    assert result.summary["n_cells"][0] == 30
    assert len(result.cells) == 120
    assert set(result.per_fov["fov"]) == {f"F004_bag{i}" for i in (1, 2, 3)}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--draws", "1"], "--draws 1 cannot be used"),
        (["--draws", "2", "--spread", "wild"], "--spread wild cannot be used"),
        (["--draws", "2", "--spread", "latent"], "no latent to draw from"),
        (["--fov", "F001,F777"], "F777"),
        (["--fov", "all", "--reference", "F001"], "own reference"),
        (["--bags", "3", "--bag-size", "5000"], "5000"),
        (["--model", "cellplm-mini", "--model", "nobody"], "nobody"),
        (["--mask", "{]"], "This is no mask"),
        (["--spec", "nowhere.json"], "nowhere.json cannot be read"),
        (["--neighbourhood", "50", "--model", "ridge"], "reads no bags"),
    ],
)
def test_one_sentence_where_it_cannot_be_done(cli, sample, tmp_path, words, sentence):
    out = tmp_path / "r"
    ended = cli(
        "experiment", sample, "--mask-genes", "EPCAM", *words, *QUICK[:2], "-o", out
    )
    assert ended.status == 1
    assert sentence in ended.err
    assert "Traceback" not in ended.err
    assert not out.exists()


def test_a_fov_that_is_not_there_is_told_before_genes_are_drawn(cli, sample, tmp_path):
    words = ["--fov", "F001,F777,F888", "--mask-genes", "20"]
    ended = cli("experiment", sample, *words, "-o", tmp_path / "r")
    assert ended.status == 1
    assert "no field of view F777, F888" in ended.err
