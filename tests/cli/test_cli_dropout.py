"""``experiment --mask-dropout``: denoising from the command line."""

from __future__ import annotations

import json

import pandas as pd


def test_denoising_prints_pooled_metrics(cli, sample, tmp_path) -> None:
    out = tmp_path / "result"
    words = ["experiment", sample, "--fov", "F002", "--baselines", "gene-mean"]
    ended = cli(*words, "--mask-dropout", "exp", "-o", out)
    assert ended.status == 0, ended.err
    assert "pooled_pearson" in ended.out
    summary = pd.read_csv(out / "summary.csv").set_index("model")
    pearson = summary["pooled_pearson"]
    assert pearson["cellplm-mini"] > pearson["gene-mean"]
    spec = json.loads((out / "spec.json").read_text())
    assert spec["mask"]["dropout"] == {"rule": "exp", "fraction": 0.1}
    again = cli("experiment", sample, "--spec", out / "spec.json", "-o", out)
    assert again.out == ended.out


def test_an_unknown_rule_is_refused(cli, sample, tmp_path) -> None:
    out = tmp_path / "result"
    ended = cli("experiment", sample, "--mask-dropout", "10%", "-o", out)
    assert ended.status == 1
    assert "Give exp or uniform." in ended.err
    assert not out.exists()
