"""The attention on show as a folder of data."""

from __future__ import annotations

import json
from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc

from napari_scfm.errors import SlideError
from napari_scfm.experiments.attention.asked import FieldOptions
from napari_scfm.models.hub import load_model
from napari_scfm.progress import Cancelled
from napari_scfm.slides.read import read_slide
from napari_scfm.slides.samples import sample_path
from napari_scfm.viewer.attention.compute import attention_stream, turned
from napari_scfm.viewer.attention.files import attention_folder, write_attention
from napari_scfm.viewer.session import Session
from napari_scfm.viewer.tasks import Work

NAMES = {
    *("about.json", "cells.h5ad", "fields.csv"),
    *("streams.geojson", "streams.npz", "types.csv"),
}


@pytest.fixture(scope="module")
def shown():
    slide = read_slide(sample_path("cosmx"))
    work = Work(
        slide, slide.fov("F001"), load_model("cellplm-mini", "cpu"), "", "cpu", None
    )
    return work, attention_stream(work, FieldOptions(permutations=19))


@pytest.fixture
def session(shown):
    work, stream = shown
    made = Session()
    made.slide, made.fov, made.stream = work.slide, work.fov, stream
    return made


def test_everything_of_the_stream_is_in_the_folder(session, tmp_path):
    told = []
    session.stream = turned(session.stream, "sent")
    folder = attention_folder(session, tmp_path)
    assert write_attention(session, folder)(told.append) == folder
    assert {path.name for path in folder.iterdir()} == NAMES
    assert told[-1].done == told[-1].total
    stream = session.stream
    lines = json.loads((folder / "streams.geojson").read_text("utf-8"))
    assert len(lines["features"]) == len(stream.lines)
    assert {one["properties"]["direction"] for one in lines["features"]} == {"sent"}
    types = pd.read_csv(folder / "types.csv")
    pd.testing.assert_frame_equal(types, stream.table, check_dtype=False)
    fields = pd.read_csv(folder / "fields.csv", index_col="direction")
    assert set(fields.index) == {"received", "sent"}
    assert fields["p_value"]["sent"] == pytest.approx(stream.fields["sent"].p_value)
    about = json.loads((folder / "about.json").read_text("utf-8"))
    assert set(about["files"]) == NAMES - {"about.json"}
    assert "not evidence of communication" in about["caveat"]
    assert about["drawn"]["direction"] == "sent"
    assert about["asked"]["permutations"] == 19
    assert about["made"]["model"] == "cellplm-mini"


def test_scanpy_opens_the_cells(session, tmp_path):
    folder = write_attention(session, tmp_path / "data")()
    about = json.loads((folder / "about.json").read_text("utf-8"))
    cells = sc.read_h5ad(folder / "cells.h5ad")
    stream = session.stream
    assert cells.n_obs == session.fov.table.n_obs
    for way, key in (
        ("received", "cellplm_mini_flow"),
        ("sent", "cellplm_mini_flow_sent"),
    ):
        np.testing.assert_allclose(
            cells.obsm[key], stream.fields[way].residual, atol=1e-3
        )
        assert f"obsm[{key!r}]" in about["keys"]
    best = cells.obsp["cellplm_mini_attention"]
    assert best[0].argmax() == stream.attention.row(0).argmax()
    kinds = cells.obs["cellplm_mini_kind"].astype(str)
    assert list(kinds) == [stream.kinds[code] for code in stream.codes]
    assert json.loads(cells.uns["napari_scfm"]["how"])["model"] == "cellplm-mini"
    assert "cellplm_mini_flow" not in session.fov.table.obsm, "the slide stays as it is"


def test_a_stream_from_a_saved_session_has_no_weights_to_write(session, tmp_path):
    session.stream = replace(session.stream, attention=None)
    folder = write_attention(session, tmp_path / "data")()
    about = json.loads((folder / "about.json").read_text("utf-8"))
    assert "cellplm_mini_attention" not in ad.read_h5ad(folder / "cells.h5ad").obsp
    assert not any("obsp" in key for key in about["keys"])


def test_checks_of_the_model_are_written_too(session, tmp_path):
    rows = pd.DataFrame({"check": ["a", "b"], "warns": [None, True]})
    session.stream = replace(session.stream, checks=rows)
    folder = write_attention(session, tmp_path / "data")()
    pd.testing.assert_frame_equal(
        pd.read_csv(folder / "checks.csv").astype(str).replace("nan", "None"),
        rows.astype(str),
    )


def test_the_folder_appears_whole_or_not_at_all(session, tmp_path):
    def stop(progress):
        if progress.done == 2:
            raise Cancelled

    folder = tmp_path / "data"
    with pytest.raises(Cancelled):
        write_attention(session, folder)(stop)
    assert not list(tmp_path.iterdir())
    write_attention(session, folder)()
    with pytest.raises(Cancelled):
        write_attention(session, folder)(stop)
    assert {path.name for path in folder.iterdir()} == NAMES
    assert list(tmp_path.iterdir()) == [folder]


def test_other_folders_are_left_alone_and_a_free_name_is_found(session, tmp_path):
    other = attention_folder(session, tmp_path)
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(SlideError, match="holds no attention data"):
        write_attention(session, other)
    free = attention_folder(session, tmp_path)
    assert free.name == f"{other.name}-2"
    write_attention(session, free)()
    assert (other / "thesis.txt").read_text() == "mine"


def test_without_a_stream_it_says_what_to_do(session, tmp_path):
    session.stream = None
    with pytest.raises(SlideError, match="Press Draw streams first"):
        attention_folder(session, tmp_path)
    with pytest.raises(SlideError, match="Press Draw streams first"):
        write_attention(session, tmp_path / "data")
