"""``perturb`` on the sample slide and on a real one."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest


def test_knock_out_of_a_cell_type_as_csv(cli, sample, tmp_path) -> None:
    out = tmp_path / "out.csv"
    words = ["perturb", sample, "--fov", "F004", "--gene", "MALAT1"]
    ended = cli(*words, "--cells", "cell_type=tumour", "--to", 0, "-o", out)
    assert ended.status == 0, ended.err
    assert "macrophage" in ended.out
    frame = pd.read_csv(out).set_index("gene")
    assert frame.loc["MALAT1", "in_touched"] < 0
    assert "change in macrophage" in frame.columns
    assert "change in tumour" not in frame.columns


def test_factor_in_a_share_of_the_cells_as_h5ad(cli, sample, tmp_path) -> None:
    out = tmp_path / "out.h5ad"
    words = ["perturb", sample, "--gene", "CD44,CXCL12", "--cells", "10%"]
    assert cli(*words, "--factor", 3, "-o", out).status == 0
    table = ad.read_h5ad(out)
    touched = table.obs["cellplm_mini_perturbed"].to_numpy(dtype=bool)
    assert touched.sum() == round(0.1 * table.n_obs)
    change = np.abs(np.asarray(table.layers["cellplm_mini_perturbed"])).mean(axis=1)
    assert change[touched].mean() > 5 * change[~touched].mean() > 0
    cell = table.obs["cellplm_mini_perturbed_change"]
    np.testing.assert_allclose(cell, change, rtol=1e-4)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--cells", "cell_type=tumor"], "Values are: B cell"),
        (["--cells", "kind=tumour"], "no column 'kind'"),
        (["--cells", "0%"], "no share of cells"),
        (["--cells", "c_0_0"], "no cell c_0_0"),
        (["--to", 1, "--factor", 2], "not both"),
        (["--model", "no-such"], "no model 'no-such'"),
    ],
)
def test_wrong_words(cli, sample, tmp_path, more, sentence) -> None:
    out = tmp_path / "out.csv"
    ended = cli("perturb", sample, "--gene", "CD44", "-o", out, *more)
    assert ended.status == 1
    assert sentence in ended.err
    assert not out.exists()


def test_wrong_file_name_is_told_before_anything_runs(cli, sample, tmp_path) -> None:
    out = tmp_path / "out.txt"
    ended = cli("perturb", sample, "--gene", "CD44", "-o", out)
    assert ended.status == 1
    assert ".h5ad or .csv" in ended.err


def test_a_real_breast_slide(cli, real_data, tmp_path) -> None:
    slide = real_data / "cosmx_breast_dbkero_fov16" / "DBKero"
    out = tmp_path / "out.csv"
    words = ["perturb", slide, "--gene", "EPCAM", "--cells", "20%"]
    ended = cli(*words, "-o", out)
    assert ended.status == 0, ended.err
    frame = pd.read_csv(out).set_index("gene")
    assert frame.loc["EPCAM", "in_touched"] < 0
    known = frame["change"].notna()
    assert 150 < known.sum() < len(frame)
