"""``influence`` on the sample slide: which cells mattered for a guess."""

from __future__ import annotations

import pandas as pd
import pytest

import napari_scfm as scfm


@pytest.fixture
def ask(cli, sample, tmp_path):
    out = tmp_path / "out.csv"

    def run(*more):
        ended = cli("influence", sample, "--fov", "F004", *more, "-o", out)
        return ended, pd.read_csv(out) if out.exists() else None

    return run


def test_a_whole_cell_is_hidden_unless_something_else_is_said(ask, sample) -> None:
    ended, rows = ask("--cell", "4_179", "--neighbours", 3, "--far", 2)
    assert ended.status == 0, ended.err
    assert ended.out.startswith("Without 4_162 (tumour, 11 µm) the guess of cellplm")
    kinds = rows["hidden"].value_counts().to_dict()
    assert kinds == {
        "neighbour": 3,
        "all neighbours": 1,
        "far cell": 2,
        "all far cells": 1,
    }
    table = scfm.read_slide(sample).fov("F004").table
    found = scfm.influence(
        scfm.load_model("cellplm-mini"),
        table,
        "4_179",
        genes=list(table.var_names),
        neighbours=3,
        far=2,
    )
    assert rows["change"].tolist() == pytest.approx(found.table["change"].tolist())


def test_masking_options_and_the_reference_of_a_fitted_model(ask) -> None:
    words = ("--cell", "4_179", "--model", "ridge", "--radius", 15)
    hide = ("--mask-genes", "EPCAM,CD3E")
    ended, rows = ask(*words, *hide)
    assert ended.status == 0, ended.err
    assert (rows["distance"][rows["hidden"] == "neighbour"] <= 15).all()
    assert "fitted anew" in ended.err
    ended, alone = ask(*words, *hide, "--reference", "none")
    assert (alone["change"] == 0).all(), "the genes are visible nowhere"
    assert (rows["change"] > 0).any()
    assert "ridge ignores the neighbours" in ended.out


def test_single_genes_of_the_cell(ask) -> None:
    ended, rows = ask("--cell", "4_179", "--genes", "EPCAM", "--neighbours", 2)
    assert ended.status == 0, ended.err
    assert len(rows) == 6


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--cell", "nobody"], "no cell nobody"),
        (["--cell", "4_179", "--genes", "EPCAN"], "no gene EPCAN"),
        (["--cell", "4_179", "--radius", 0.5], "no visible neighbour within 0.5 um"),
        (["--cell", "4_179", "--mask-cells", "4_178"], "Nothing of cell 4_179"),
        (["--cell", "4_179", "--model", "nope"], "no model 'nope'"),
        (["--cell", "4_179", "--model", "ridge", "--reference", "F9"], "F9"),
    ],
)
def test_wrong_words(ask, more, sentence) -> None:
    ended, rows = ask(*more)
    assert ended.status == 1
    assert sentence in ended.err
    assert rows is None


def test_wrong_file_name_is_told_before_anything_runs(cli, sample, tmp_path) -> None:
    ended = cli("influence", sample, "--cell", "1_1", "-o", tmp_path / "out.txt")
    assert ended.status == 1
    assert ".csv" in ended.err
