"""``experiment``: FOVs, models, turns, repeats and neighbourhoods by option."""

from __future__ import annotations

import json

import anndata as ad
import pytest

import napari_scfm as scfm
from napari_scfm.experiments.sweep_result import SweepResult

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
        (["--bags", "3", "--bag-size", "5000"], "5,000"),
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


@pytest.fixture
def single(sample, tmp_path):
    """Cells of the sample's third FOV as single cells of a file, under other names."""
    cells = scfm.read_slide(sample).fov("F003").table
    table = ad.AnnData(cells.X.copy(), var=cells.var[[]].copy())
    table.obs_names = [f"single {place}" for place in range(cells.n_obs)]
    table.write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside a FOV"])
def test_single_cells_of_a_file(cli, sample, tmp_path, single, beside, monkeypatch):
    monkeypatch.chdir(tmp_path)
    reference = "F002,cells.h5ad" if beside else "cells.h5ad"
    words = ["--model", "ridge", "--mask-genes", "EPCAM", *QUICK]
    words += ["--reference", reference]
    ended = cli("experiment", sample, *words, "-o", tmp_path / "r")
    assert ended.status == 0, ended.err
    assert "The reference cells.h5ad has" in ended.err
    spec = scfm.load_result(tmp_path / "r").spec
    assert spec.reference == (("F002",) if beside else ())
    assert spec.reference_file == str(single)
    again = cli("experiment", sample, "--spec", "r/spec.json", "-o", "again")
    assert again.status == 0, again.err
    assert again.out == ended.out
    fovs = ["--spec", "r/spec.json", "--reference", "F002", "-o", "fovs"]
    assert cli("experiment", sample, *fovs).status == 0
    assert scfm.load_result("fovs").spec.reference_file == ""


def test_a_path_with_a_comma(cli, sample, tmp_path, single):
    path = single.rename(tmp_path / "a, b.h5ad")
    words = ["--model", "ridge", "--mask-genes", "EPCAM", *QUICK, "--reference", path]
    assert cli("experiment", sample, *words, "-o", tmp_path / "r").status == 0
    assert scfm.load_result(tmp_path / "r").spec.reference_file == str(path)


@pytest.mark.parametrize(
    ("reference", "said"),
    [("lost.h5ad", "lost.h5ad is not there"), ("a.h5ad,b.h5ad", "names 2 files")],
)
def test_references_that_cannot_be_used(cli, sample, tmp_path, reference, said):
    words = ["--mask-genes", "EPCAM", *QUICK, "--reference", reference]
    ended = cli("experiment", sample, *words, "-o", tmp_path / "r")
    assert ended.status == 1
    assert said in ended.err
    assert not (tmp_path / "r").exists()


def test_a_sweep_learns_from_single_cells(cli, sample, tmp_path, single):
    words = ["--what", "genes", "--values", "3", "--seeds", "0", "--models", "ridge"]
    ended = cli("sweep", sample, *words, "--reference", single, "-o", tmp_path / "file")
    assert ended.status == 0, ended.err
    assert "The reference cells.h5ad has" in ended.err
    result = SweepResult.load(tmp_path / "file")
    assert result.spec.reference_file == str(single)
    none = ["--reference", "none", "-o", tmp_path / "none"]
    assert cli("sweep", sample, *words, *none).status == 0
    table = SweepResult.load(tmp_path / "none").table
    assert not result.table["rmse"].equals(table["rmse"])
