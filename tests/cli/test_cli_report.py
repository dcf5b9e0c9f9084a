"""``napari-scfm report``: from a saved result to a page."""

from __future__ import annotations

import pytest


@pytest.fixture
def saved(cli, sample, tmp_path):
    """Folder of a small result."""
    folder = tmp_path / "result"
    ended = cli(
        "experiment", sample, "--fov", "F004", "--model", "knn-space",
        "--baselines", "gene-mean", "--mask-genes", "EPCAM,CD3E", "-o", folder,
    )  # fmt: skip
    assert ended.status == 0, ended.err
    return folder


def test_report_writes_a_page_and_prints_where(cli, saved, tmp_path):
    out = tmp_path / "report"
    ended = cli("report", saved, "-o", out, "--format", "png", "--dark")
    assert ended.status == 0, ended.err
    assert ended.out.strip() == str(out / "report.html")
    text = (out / "report.html").read_text("utf-8")
    assert "napari-scfm experiment" in text
    assert "EPCAM" in text
    assert (out / "charts" / "cells.png").stat().st_size > 1000
    assert not list((out / "charts").glob("*.svg"))


def test_report_refuses_in_one_sentence(cli, saved, tmp_path):
    ended = cli("report", tmp_path, "-o", tmp_path / "r")
    assert ended.status == 1
    assert str(tmp_path) in ended.err
    ended = cli("report", saved, "-o", tmp_path / "r", "--model", "ridge")
    assert ended.status == 1
    assert "no prediction by 'ridge'" in ended.err
    assert "knn-space, gene-mean" in ended.err
    assert not (tmp_path / "r").exists()
    ended = cli("report", saved, "-o", saved)
    assert ended.status == 1
    assert "holds something else" in ended.err
    assert (saved / "spec.json").is_file()
