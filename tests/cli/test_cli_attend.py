"""``attend``: attention of a slide, as the window computes it, with its checks."""

from __future__ import annotations

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import napari_scfm as scfm
from napari_scfm.analysis.streams.streamlines import StreamLook
from napari_scfm.experiments.attention.asked import FieldOptions
from napari_scfm.viewer.attention.compute import attention_stream
from napari_scfm.viewer.tasks import Work

QUICK = ["--permutations", 19]


def _work(sample, name):
    slide = scfm.read_slide(sample)
    model = scfm.load_model("cellplm-mini", "cpu")
    return Work(slide, slide.fov(name), model, "cellplm-mini", "cpu", None)


def test_attend_stores_top_k_and_the_residual(cli, sample, tmp_path):
    out = tmp_path / "attention.h5ad"
    words = ["--fov", "F003,F004", "--top-k", 5, *QUICK]
    ended = cli("attend", sample, *words, "-o", out)
    assert ended.status == 0, ended.err
    table = ad.read_h5ad(out)
    kept = table.obsp["cellplm_mini_attention"]
    assert (np.diff(kept.indptr) <= 5).all()
    rows, columns = kept.nonzero()
    fov = table.obs["fov"].to_numpy()
    assert (fov[rows] == fov[columns]).all()
    fields = table.uns["napari_scfm"]["fields"]
    assert list(fields["fov"]) == ["F003", "F004"]
    assert fields["p_value"].between(1 / 20, 1).all()
    types = table.uns["napari_scfm"]["types"]
    assert list(types["fov"].unique()) == ["F003", "F004"]
    shares = types.groupby(["fov", "receiver"])["share"].sum()
    np.testing.assert_allclose(shares, 1)
    work = _work(sample, "F003")
    stream = attention_stream(work, FieldOptions(permutations=19))
    flow = table.obsm["cellplm_mini_flow"][fov == "F003"]
    top = np.abs(stream.field.residual).max()
    np.testing.assert_allclose(flow, stream.field.residual, atol=1e-4 * top)
    assert fields["p_value"].iloc[0] == stream.field.p_value


def test_attend_among_neighbours_without_types_as_the_window_does(
    cli, sample, tmp_path
):
    table = scfm.read_slide(sample).fov("F004").table.copy()
    del table.obs["cell_type"]
    table.write_h5ad(tmp_path / "untyped.h5ad")
    out = tmp_path / "near.h5ad"
    words = ["--neighbours", 20, "--direction", "sent", "--layer", "rollout", *QUICK]
    ended = cli("attend", tmp_path / "untyped.h5ad", *words, "-o", out)
    assert ended.status == 0, ended.err
    written = ad.read_h5ad(out)
    about = written.uns["napari_scfm"]
    kinds = written.obs["cellplm_mini_kind"]
    assert all(name.startswith("cluster ") for name in kinds.cat.categories)
    assert about["layer"] == "rollout"
    assert about["neighbours"] == 20
    assert about["fields"]["strata"].iloc[0] == "embedding"
    work = _work(tmp_path / "untyped.h5ad", "F004")
    asked = FieldOptions(
        layer="rollout", neighbours=20, direction="sent", permutations=19
    )
    stream = attention_stream(work, asked)
    np.testing.assert_allclose(
        written.obsm["cellplm_mini_flow_sent"],
        stream.field.residual,
        atol=1e-4 * np.abs(stream.field.residual).max(),
    )
    assert about["fields"]["p_value"].iloc[0] == stream.field.p_value


def test_attend_checks_the_model_and_writes_tables(cli, sample, tmp_path):
    out, tables = tmp_path / "a.h5ad", tmp_path / "tables"
    words = ["--fov", "F004", "--check", "uniform,coordinates", *QUICK]
    other = ["--other", "cellplm-mini", "--tables", tables]
    ended = cli("attend", sample, *words, *other, "-o", out)
    assert ended.status == 0, ended.err
    found = pd.read_csv(tables / "checks.csv")
    names = ["uniform attention", "coordinates", "other checkpoint"]
    assert list(found["check"]) == names
    assert found["correlation"].iloc[2] == pytest.approx(1)
    for said in found["sentence"]:
        assert f"F004: {said}" in ended.out
    assert len(pd.read_csv(tables / "fields.csv")) == 1
    assert set(pd.read_csv(tables / "types.csv")["fov"]) == {"F004"}
    kept = ad.read_h5ad(out).uns["napari_scfm"]["checks"]
    assert list(kept["check"]) == names


@pytest.mark.parametrize("suffix", ["geojson", "npz"])
def test_attend_writes_the_lines_that_the_window_draws(cli, sample, tmp_path, suffix):
    out, lines = tmp_path / "a.h5ad", tmp_path / f"streams.{suffix}"
    words = ["--fov", "F004", "--streams", lines, "--density", 0.5, "--cutoff", 0.2]
    ended = cli("attend", sample, *words, "--streams-by", "sender", *QUICK, "-o", out)
    assert ended.status == 0, ended.err
    look = StreamLook(density=0.5, cutoff=0.2, colour="sender")
    work = _work(sample, "F004")
    stream = attention_stream(work, FieldOptions(permutations=19), look=look)
    drawn = np.concatenate(stream.lines)
    if suffix == "geojson":
        told = json.loads(lines.read_text("utf-8"))
        found = [one["geometry"]["coordinates"] for one in told["features"]]
        senders = {one["properties"]["sender"] for one in told["features"]}
        assert senders - {None} <= set(stream.kinds)
        assert "top left pixel" in told["about"]["origin"]
        found = np.concatenate(found)
    else:
        with np.load(lines) as told:
            found = told["points"]
            np.testing.assert_array_equal(
                told["first"], np.cumsum([0, *map(len, stream.lines)])
            )
    np.testing.assert_allclose(found, drawn, atol=0.01)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--layer", "two"], "--layer two"),
        (["--layer", 7], "no 7"),
        (["--neighbours", 9, "--radius", 20], "one of the two"),
        (["--neighbours", 9, "--null", "dice"], "'dice'"),
        (["--receiver", "tumour"], "--sender"),
        (["--receiver", "tumour", "--sender", "Q cell"], "'Q cell'"),
        (["--direction", "up"], "received or sent"),
        (["--strata", "niche"], "'niche'"),
        (["--check", "colour"], "no colour"),
        (["--check", "other"], "--other MODEL"),
        (["--streams", "lines.svg"], ".geojson or .npz"),
    ],
)
def test_attend_says_what_cannot_be_asked(cli, sample, tmp_path, words, said):
    out = tmp_path / "a.h5ad"
    ended = cli("attend", sample, "--fov", "F004", *words, *QUICK, "-o", out)
    assert ended.status == 1
    assert said in ended.err
    assert not out.exists()


def test_export_draws_the_streams_that_were_asked_for(cli, sample, tmp_path):
    out = tmp_path / "streams.svg"
    words = ["--streams", "--neighbours", 20, "--streams-by", "sender", "--raw"]
    ended = cli("export", sample, "--fov", "F004", *words, *QUICK, "-o", out)
    assert ended.status == 0, ended.err
    assert out.stat().st_size > 10_000
    ended = cli("export", sample, "--fov", "F004", "--raw", "-o", out)
    assert ended.status == 1
    assert "Add --streams" in ended.err
