"""``neighbours`` on the sample slide, what it writes, and what it refuses."""

from __future__ import annotations

import warnings

import anndata
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from napari_scfm.analysis.neighbourhoods import ligrec_of
from napari_scfm.analysis.neighbourhoods.quiet import quiet_squidpy

ALL = "enrichment,co-occurrence,moran,ligrec"


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("ligand,receptor\nCXCL12,CXCR4\nCCL21,CCR7\nNOT,HERE\n")
    return path


def test_everything_is_written_under_squidpys_keys(cli, sample, pairs, tmp_path):
    out = tmp_path / "near.h5ad"
    ended = cli(
        *("neighbours", sample, "--what", ALL, "--pairs", pairs, "-o", out),
        *("--permutations", 60, "--seed", 4),
    )
    assert ended.status == 0, ended.err
    assert "epithelium lies beside epithelium" in ended.out
    assert "holds 2 of 3 pairs" in ended.out
    assert "not evidence of communication" in ended.out
    assert "Creating graph" not in ended.out + ended.err
    read = anndata.read_h5ad(out)
    names = list(read.obs["cell_type"].cat.categories)
    at = names.index("tumour")
    assert read.uns["cell_type_nhood_enrichment"]["zscore"][at, at] > 10
    assert "I" in read.uns["moranI"]
    about = read.uns["napari_scfm"]["neighbours"]
    assert (about["graph"], about["seed"]) == ("the 6 nearest cells", 4)
    with quiet_squidpy() as squidpy, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        squidpy.pl.nhood_enrichment(read, "cell_type")
        squidpy.pl.co_occurrence(read, "cell_type", clusters="tumour")
        squidpy.pl.ligrec(ligrec_of(read, "cell_type"))
        again = squidpy.gr.nhood_enrichment(
            read.copy(),
            "cell_type",
            n_perms=60,
            seed=4,
            copy=True,
            show_progress_bar=False,
        )
    plt.close("all")
    counts = read.uns["cell_type_nhood_enrichment"]["count"]
    np.testing.assert_array_equal(again.counts, counts)


def test_a_folder_gets_one_table_each(cli, sample, tmp_path):
    out = tmp_path / "near"
    ended = cli(
        *("neighbours", sample, "--fov", "F001", "--what", "moran,co-occurrence"),
        *("--radius", 25, "--reach", 60, "-o", out),
    )
    assert ended.status == 0, ended.err
    assert "cells within 25 um" in ended.out
    assert {path.name for path in out.iterdir()} == {"moran.csv", "co_occurrence.csv"}
    genes = pd.read_csv(out / "moran.csv")
    assert (np.diff(genes["I"].dropna()) <= 0).all()
    assert pd.read_csv(out / "co_occurrence.csv")["within_um"].max() == 60


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--what", "enrichment,everything"), "--what cannot be everything"),
        (("--key", "absent"), "no column 'absent'"),
        (("--key", "AspectRatio"), "no kinds of cells"),
        (("--pairs", "absent.csv"), "--pairs is for ligrec"),
        (("--what", "ligrec", "--pairs", "absent.csv"), "cannot be read"),
        (("--layer", "m_imputed"), "--layer is for moran"),
        (("--what", "moran", "--layer", "absent"), "no predicted counts 'absent'"),
        (("--nearest", 4, "--radius", 9), "one of them, above 0"),
    ],
)
def test_what_does_not_fit_is_told_in_a_sentence(cli, sample, tmp_path, words, said):
    ended = cli("neighbours", sample, *words, "-o", tmp_path / "out.h5ad")
    assert ended.status == 1
    assert said in ended.err
    assert not (tmp_path / "out.h5ad").exists()


def test_the_result_is_a_folder_or_a_table(cli, sample, tmp_path):
    ended = cli("neighbours", sample, "-o", tmp_path / "out.csv")
    assert ended.status == 1
    assert "neither a folder nor a table" in ended.err
