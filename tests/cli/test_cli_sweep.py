"""The command sweep: curves printed, notes on stderr, a folder whole or not at all."""

from __future__ import annotations

import pytest

from napari_scfm.experiments.sweep_result import SweepResult


def test_it_prints_and_writes_curves(cli, sample, tmp_path):
    out = tmp_path / "sweep"
    ended = cli(
        *("sweep", sample, "--what", "entries", "--values", "20%,0.6", "--seeds"),
        *("0,1", "--models", "ridge", "--baselines", "zeros", "--fov", "F002"),
        *("--reference", "none", "-o", out),
    )
    assert ended.status == 0, ended.err
    lines = ended.out.splitlines()
    assert len(lines) == 1 + 4 * 2
    for name in ("ridge", "gene-mean", "knn-space", "zeros"):
        assert sum(name in line for line in lines) == 2
    assert "20%" in ended.out
    assert "60%" in ended.out
    assert "±" in lines[1]
    assert "2 seeds" in ended.err
    assert str(out) in ended.err
    result = SweepResult.load(out)
    assert result.spec.values == (0.2, 0.6)
    assert result.spec.fovs == ("F002",)
    for name in ("curves.png", "curves.pdf"):
        assert (out / name).stat().st_size > 5000
    assert (out / "curves.png").read_bytes()[:4] == b"\x89PNG"


def test_its_spec_runs_again_with_the_same_numbers(cli, sample, tmp_path):
    words = ("--what", "cells", "--values", "1,4", "--bags", 2, "--bag-size", 10)
    more = ("--seeds", 0, "--models", "ridge", "--reference", "none")
    first = cli("sweep", sample, *words, *more, "-o", tmp_path / "a")
    assert first.status == 0, first.err
    spec = tmp_path / "a" / "sweep.json"
    again = cli("sweep", sample, "--spec", spec, "-o", tmp_path / "b")
    assert again.out == first.out
    one, two = (SweepResult.load(tmp_path / name) for name in "ab")
    assert one.table.equals(two.table)
    assert one.spec.reference == ()
    assert "2 neighbourhoods of 10 cells" in first.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--what", "genes"), "Add --values"),
        (("--values", "a lot"), "--values a lot is no number"),
        (("--values", "15%", "--seeds", "-1"), "--seeds -1 is no seed"),
        (("--values", "1500%"), "values are shares above 0 and below 1"),
        (("--what", "moods", "--values", "1"), "'entries', 'cells' or 'genes'"),
        (("--values", "15%", "--fov", "F999"), "F999"),
        (("--values", "15%", "--models", "nobody"), "There is no model 'nobody'"),
        (("--what", "genes", "--values", "9999"), "9999 genes cannot be hidden"),
    ],
)
def test_what_cannot_be_run_is_one_sentence_and_writes_nothing(
    cli, sample, tmp_path, words, said
):
    ended = cli("sweep", sample, *words, "-o", tmp_path / "sweep")
    assert ended.status == 1
    assert said in ended.err
    assert "Traceback" not in ended.err
    assert not (tmp_path / "sweep").exists()


def test_somebody_elses_folder_is_not_touched(cli, sample, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    ended = cli("sweep", sample, "--values", "20%", "-o", tmp_path)
    assert ended.status == 1
    assert "no earlier sweep" in ended.err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
