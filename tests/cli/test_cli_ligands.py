"""``ligands`` on the sample slide, and what it refuses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

FEW = ("--fov", "F004", "--permutations", 9)


def test_one_pair_is_told_in_a_sentence_and_written_by_cell(cli, sample, tmp_path):
    out = tmp_path / "pair.csv"
    ended = cli(
        *("ligands", sample, *FEW, "--ligand", "CXCL12", "--receptor", "CXCR4"),
        *("--radius", 30, "-o", out),
    )
    assert ended.status == 0
    assert "CXCL12 → CXCR4: rank correlation with model attention" in ended.out
    assert "9 shifts of the map of keys" in ended.out
    assert "not evidence of communication" in ended.err
    rows = pd.read_csv(out)
    assert len(rows) == rows["cell"].nunique() > 300
    quiet = rows[(rows["receptor"] == 0) & (rows["neighbours"] > 0)]
    assert (quiet["received"] == 0).all()
    assert rows["received"].max() > 0
    assert np.isnan(rows.loc[rows["neighbours"] == 0, "received"]).all()


def test_all_pairs_of_a_file_are_ranked(cli, sample, tmp_path):
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("ligand,receptor\nCXCL12,CXCR4\nCCL21,CCR7\nNOT,HERE\n")
    out = tmp_path / "ranked.csv"
    ended = cli("ligands", sample, *FEW, "--all", "--resource", pairs, "-o", out)
    assert ended.status == 0
    assert "pairs.csv: the panel holds 2 of 3 pairs" in ended.out
    rows = pd.read_csv(out)
    assert set(rows["ligand"]) == {"CXCL12", "CCL21"}
    assert "mismatched pairs" in ended.out
    assert rows["decoy"].sum() == 2
    rows = rows[~rows["decoy"]]
    assert (np.diff(rows["p_value"]) >= 0).all()
    assert (rows["q_value"] >= rows["p_value"]).all()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--ligand", "CXCL12"), "needs a ligand and a receptor"),
        (("--all", "--ligand", "CXCL12"), "--all ranks every pair"),
        (
            ("--ligand", "A", "--receptor", "B", "--resource", "f.csv"),
            "one pair is asked for",
        ),
        (("--ligand", "NOPE1", "--receptor", "NOPE2"), "NOPE1, NOPE2"),
        (("--all", "--null", "rings"), "shift or keys"),
        (("--all", "--resource", "absent.csv"), "cannot be read"),
        (("--all", "--layer", "x", "--resource", "absent.csv"), "no layer"),
    ],
)
def test_options_that_do_not_fit_are_told_before_the_model_runs(
    cli, sample, tmp_path, words, said
):
    ended = cli("ligands", sample, *words, "-o", tmp_path / "out.csv")
    assert ended.status == 1
    assert said in ended.err
    assert not list(tmp_path.iterdir())


def test_the_table_must_be_a_csv(cli, sample, tmp_path):
    ended = cli("ligands", sample, "--all", "-o", tmp_path / "out.h5ad")
    assert ended.status == 1
    assert ".csv" in ended.err
