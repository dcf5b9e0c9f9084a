"""Attention as data: what other programs read back."""

from __future__ import annotations

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from napari_scfm import attention_field
from napari_scfm.analysis.streams.streamlines import StreamLook, draw_streams
from napari_scfm.errors import ScfmError
from napari_scfm.experiments.attention.files import (
    FovStreams,
    plain,
    save_streams,
    store_attention,
    write_tables,
)
from napari_scfm.models.attention import Attention, Block

KINDS = ("tumour", "T cell")


def _attention(n: int = 200) -> tuple[Attention, np.ndarray]:
    """Return attention that leans to the left of every cell, and positions."""
    rng = np.random.default_rng(0)
    xy = rng.random((n, 2)) * [300, 200]
    key = np.stack([np.ones(n), np.exp(-xy[:, 0] / 100), rng.random(n)], axis=1)
    query = np.stack([np.ones(n), np.exp(xy[:, 0] / 100), rng.random(n)], axis=1)
    return Attention([Block(np.arange(n), query=query, key=key)], n), xy


@pytest.fixture(scope="module")
def streams() -> list[FovStreams]:
    """Return the streams of two FOVs; the second has other kinds."""
    attention, xy = _attention()
    excess = np.random.default_rng(1).random((200, 2)) - 0.5
    made = []
    for fov, kinds in (("F001", KINDS), ("F002", KINDS[::-1])):
        field = attention_field(attention, xy, permutations=19)
        lines = draw_streams(field, StreamLook(density=0.5), excess)
        made.append(FovStreams(fov, lines, field, kinds))
    return made


def test_geojson_holds_every_line_with_its_numbers(streams, tmp_path):
    path = save_streams(streams, tmp_path / "s.geojson", {"model": "m"})
    made = json.loads(path.read_text("utf-8"))
    assert made["type"] == "FeatureCollection"
    assert made["unit"] == "um"
    assert "y down" in made["axes"]
    assert "not evidence of communication" in made["caveat"]
    assert made["about"] == {"model": "m"}
    assert [row["fov"] for row in made["fields"]] == ["F001", "F002"]
    features = made["features"]
    assert len(features) == sum(len(one.lines.lines) for one in streams) > 4
    first, line = features[0], streams[0].lines.lines[0]
    assert first["geometry"]["type"] == "LineString"
    np.testing.assert_allclose(first["geometry"]["coordinates"], line, atol=1e-3)
    said = first["properties"]
    assert said["strength"] == pytest.approx(
        streams[0].lines.strength[0].mean(), abs=1e-4
    )
    assert len(said["p_value_along"]) == len(said["strength_along"]) == len(line)
    assert {one["properties"]["sender"] for one in features} <= {*KINDS, None}


def test_the_p_value_of_a_point_is_that_of_the_node_below_it(streams):
    one = streams[0]
    field = one.field
    known = np.argwhere(np.isfinite(field.grid_p))
    for line, found in zip(one.lines.lines, one.p_values, strict=True):
        # the nearest node, found the long way
        nodes = np.stack([field.grid_x[known[:, 1]], field.grid_y[known[:, 0]]], axis=1)
        nearest = np.linalg.norm(nodes - line[0][None], axis=1).argmin()
        assert np.isnan(found[0]) or found[0] == field.grid_p[tuple(known[nearest])]
    at = np.concatenate(one.p_values)
    beats = np.concatenate(one.lines.beats)
    assert beats.any()
    np.testing.assert_array_equal(beats[np.isfinite(at)], at[np.isfinite(at)] <= 0.05)


def test_npz_holds_the_same_and_needs_no_pickle(streams, tmp_path):
    path = save_streams(streams, tmp_path / "s.npz")
    with np.load(path, allow_pickle=False) as made:
        found = {name: made[name] for name in made.files}
    lines = [line for one in streams for line in one.lines.lines]
    assert len(found["first"]) == len(lines) + 1
    for number, line in enumerate(lines):
        part = slice(*found["first"][number : number + 2])
        np.testing.assert_array_equal(found["points"][part], line)
    fov = found["fovs"][found["fov"]]
    assert list(fov) == [one.fov for one in streams for _ in one.lines.lines]
    second = found["first"][len(streams[0].lines.lines)]
    codes = found["sender"][second:]
    named = np.array(["none", *KINDS[::-1]])[
        1 + np.concatenate(streams[1].lines.sender)
    ]
    assert list(np.array([*found["kinds"], "none"])[codes]) == list(named)
    assert json.loads(str(found["about"]))["unit"] == "um"


def test_the_raw_field_has_no_p_value_and_says_what_it_is(streams, tmp_path):
    one = streams[0]
    lines = draw_streams(one.field, StreamLook(raw=True, density=0.5))
    raw = FovStreams("F001", lines, one.field, KINDS, raw=True)
    made = json.loads(save_streams([raw], tmp_path / "raw.geojson").read_text("utf-8"))
    assert "mostly geometry" in made["caveat"]
    assert {f["properties"]["p_value"] for f in made["features"]} == {None}


def test_a_field_without_lines_is_a_file_without_lines(tmp_path):
    attention, xy = Attention.from_matrix(np.ones((2, 2))), np.zeros((2, 2))
    field = attention_field(attention, xy, permutations=0)
    one = FovStreams("F1", draw_streams(field, StreamLook()), field)
    path = save_streams([one], tmp_path / "none.geojson")
    assert json.loads(path.read_text("utf-8"))["features"] == []
    with np.load(save_streams([one], tmp_path / "none.npz")) as made:
        assert made["points"].shape == (0, 2)
        assert list(made["first"]) == [0]


def test_a_file_appears_whole_or_not_at_all(streams, tmp_path):
    with pytest.raises(ScfmError, match=r"\.geojson or \.npz"):
        save_streams(streams, tmp_path / "s.csv")
    path = tmp_path / "s.geojson"
    path.write_text("before")
    with pytest.raises(RecursionError):
        save_streams(streams, path, _endless())
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def _endless() -> dict:
    made: dict = {}
    made["self"] = made
    return made


def test_values_are_made_plain():
    assert plain({"a": (np.float32(1.5), np.nan), 1: {3}, "b": np.arange(2)}) == {
        "a": [1.5, None],
        "1": [3],
        "b": [0, 1],
    }


def test_a_table_holds_vectors_weights_kinds_and_tables(tmp_path):
    attention, xy = _attention()
    fields = {
        way: attention_field(attention, xy, way, permutations=0)
        for way in ("received", "sent")
    }
    table = ad.AnnData(np.ones((200, 3), np.float32))
    rows = pd.DataFrame({"receiver": ["a"], "times": [1.0]})
    store_attention(
        table,
        "my-model",
        attention,
        fields,
        5,
        kinds=np.array(KINDS)[np.arange(200) % 2],
        about={"types": rows},
    )
    table.write_h5ad(tmp_path / "t.h5ad")
    found = ad.read_h5ad(tmp_path / "t.h5ad")
    for key, way in (("my_model_flow", "received"), ("my_model_flow_sent", "sent")):
        np.testing.assert_allclose(found.obsm[key], fields[way].residual, atol=1e-3)
    top = found.obsp["my_model_attention"]
    assert (np.diff(top.indptr) == 5).all()
    np.testing.assert_allclose(top[3].max(), attention.row(3).max())
    assert list(found.obs["my_model_kind"][:2]) == list(KINDS)
    pd.testing.assert_frame_equal(
        found.uns["napari_scfm"]["types"].reset_index(drop=True), rows
    )


def test_tables_are_written_under_their_names(tmp_path):
    rows = pd.DataFrame({"receiver": ["a", "b"], "times": [1.0, np.nan]})
    (path,) = write_tables({"types": rows}, tmp_path / "deep")
    pd.testing.assert_frame_equal(pd.read_csv(path), rows)
