"""Masking options of ``experiment``: what they hide is what was written."""

from __future__ import annotations

import json

import pytest

import napari_scfm as scfm
from napari_scfm.masks.spec import MaskSpec


@pytest.fixture
def hidden(cli, sample, tmp_path):
    """Return a function that runs an experiment and gives its mask."""

    def run(*words: object) -> MaskSpec:
        out = tmp_path / "result"
        given = ["experiment", sample, "--fov", "F002", "--model", "gene-mean"]
        ended = cli(*given, "--baselines", "", *words, "-o", out)
        assert ended.status == 0, ended.err
        written = json.loads((out / "spec.json").read_text())["mask"]
        return MaskSpec.model_validate(written)

    return run


def test_options_add_up_and_some_stay_visible(hidden, sample):
    spec = hidden(
        *("--mask-genes", "KRT*", "--mask-cells", "every:9"),
        *("--mask-cells", "5%", "--mask-disc", "60,60,20", "--seed", 3),
        *("--unmask-genes", "KRT8", "--mask-seed", 4),
    )
    meant = MaskSpec(
        patterns=("KRT*",),
        every_nth=9,
        cell_fraction=0.05,
        discs=({"x": 60, "y": 60, "radius": 20},),
        seed=4,
    )
    table = scfm.read_slide(sample).fov("F002").table
    mask = spec.resolve(table)
    assert mask == (meant - MaskSpec(genes=("KRT8",))).resolve(table)
    assert not mask.hidden_in("KRT8").any()


def test_expressed_entries_and_a_share_of_the_genes(hidden):
    spec = hidden("--mask-entries", "0.15", "--eligible", "expressed")
    assert spec.entries.model_dump() == {"fraction": 0.15, "eligible": "expressed"}
    few = hidden("--mask-genes", "10%")
    assert len(few.genes) >= 2
    assert hidden("--mask-genes", "10%") == few
    assert hidden("--mask-genes", "10%", "--seed", 1) != few


def test_a_mask_as_json_or_in_a_file(hidden, tmp_path):
    spec = MaskSpec(gene_count=3, seed=5) - MaskSpec(cells=("F002_1",))
    assert MaskSpec.from_json(spec.to_json()) == spec
    text = MaskSpec(gene_count=3, seed=5).to_json()
    path = tmp_path / "mask.json"
    path.write_text(text)
    assert hidden("--mask", text) == hidden("--mask", path) == MaskSpec.from_json(text)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--mask", "nowhere.json"], "--mask nowhere.json cannot be read"),
        (["--mask", '{"gene":1}'], "This is no mask (gene"),
        (["--mask-genes", "KRT8,XIST9"], "XIST9"),
        (["--mask-genes", "QQ*"], "No gene of the table fits QQ*"),
        (["--mask-cells", "type:nobody"], "no cell_type nobody"),
        (["--mask-disc", "1,2"], "--mask-disc 1,2 is no place"),
        (["--mask-genes", "KRT8", "--unmask-genes", "KRT8"], "hides nothing"),
        (["--mask-genes", "-5", "--mask-cells", "200%"], "2 masking options"),
    ],
)
def test_what_cannot_be_hidden_is_one_sentence(cli, sample, tmp_path, words, found):
    out = tmp_path / "out"
    ended = cli("experiment", sample, "--model", "gene-mean", *words, "-o", out)
    assert ended.status == 1
    assert ended.err.startswith("napari-scfm: ")
    assert found in ended.err
    assert not out.exists()


def test_a_file_that_holds_no_mask_is_named(cli, sample, tmp_path):
    path = tmp_path / "mask.json"
    path.write_text("[]")
    ended = cli("experiment", sample, "--mask", path, "-o", tmp_path / "out")
    assert ended.status == 1
    assert "mask.json" in ended.err
    assert "This is no mask" in ended.err
