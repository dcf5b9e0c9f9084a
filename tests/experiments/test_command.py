"""The command line of a spec gives the numbers of the spec, to the last digit."""

from __future__ import annotations

import shlex
import sys

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import napari_scfm as scfm
from napari_scfm.cli import main
from napari_scfm.experiments.command import command_line
from napari_scfm.experiments.spec import read_spec
from napari_scfm.slides.samples import sample_path

SLIDE = scfm.read_slide(sample_path("cosmx"))
FOVS = SLIDE.fovs
GENES = list(SLIDE.table.var_names)
CELLS = {fov: list(SLIDE.fov(fov).table.obs_names) for fov in FOVS}
SINGLE = "single cells.h5ad"


@st.composite
def masks(draw, fovs, deep=True):
    """Draw mask specs that hide something in every FOV."""
    some = st.floats(0.05, 0.3).map(lambda share: round(share, 3))
    cells = [cell for fov in fovs for cell in CELLS[fov][:40]]
    fields = {
        "genes": st.lists(st.sampled_from(GENES), min_size=1, max_size=4, unique=True),
        "cells": st.lists(st.sampled_from(cells), min_size=1, max_size=4, unique=True),
        "cell_fraction": some,
        "per_stratum": st.just(2),
        "entries": st.fixed_dictionaries({"fraction": some})
        | st.fixed_dictionaries({"fraction": some, "eligible": st.just("expressed")}),
        "dropout": st.fixed_dictionaries({"rule": st.sampled_from(["exp", "uniform"])}),
        "patterns": st.sampled_from([("KRT*",), ("CD3?",)]),
        "every_nth": st.integers(4, 20),
        "obs": st.just({"cell_type": (SLIDE.table.obs["cell_type"].iloc[0],)}),
    }
    chosen = draw(
        st.lists(st.sampled_from(sorted(fields)), min_size=1, max_size=3, unique=True)
    )
    found = {name: draw(fields[name]) for name in chosen}
    found["seed"] = draw(st.integers(0, 3))
    if set(chosen) <= {"cells", "obs"}:
        found["every_nth"] = 9
    mask = scfm.MaskSpec(**found)
    if deep and draw(st.booleans()):
        mask = mask | draw(masks(fovs, deep=False))
    if deep and draw(st.booleans()):
        mask = mask - scfm.MaskSpec(cells=tuple(cells[:3]), genes=(GENES[0],))
    return mask


@st.composite
def specs(draw):
    """Draw experiments, quick ones."""
    fovs = draw(st.sampled_from([("F004",), ("F001",), ("F004", "F001")]))
    spec = {
        "model": draw(st.sampled_from(["gene-mean", "knn-space", "cellplm-mini"])),
        "also": draw(st.sampled_from([(), ("knn-expression",)])),
        "baselines": draw(st.sampled_from([(), ("gene-mean",)])),
        "mask": draw(masks(fovs)),
        "fovs": fovs,
        "reference": draw(st.sampled_from([None, (), ("F002",), ("F002", "F003")])),
        "reference_file": draw(st.sampled_from(["", SINGLE])),
        "draws": draw(st.sampled_from([0, 0, 2])),
        "seed": draw(st.integers(0, 3)),
        "device": "cpu",
    }
    if draw(st.integers(0, 3)) == 0:
        spec["bags"] = {"count": 2, "size": draw(st.sampled_from([30, 50]))}
        spec["mask"] = spec["mask"] | scfm.MaskSpec(of_each_bag=4)
    return scfm.ExperimentSpec(**spec)


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """Single cells in a file, with half of the genes."""
    cells = SLIDE.fov("F003").table[:, ::2]
    table = ad.AnnData(cells.X.copy(), var=cells.var[[]].copy())
    table.obs_names = [f"c{place}" for place in range(cells.n_obs)]
    path = tmp_path_factory.mktemp("single") / SINGLE
    table.write_h5ad(path)
    return path


def with_file(spec, path):
    """Return a spec whose reference file is where it is in this test."""
    where = str(path) if spec.reference_file else ""
    return spec.model_copy(update={"reference_file": where})


def same_numbers(one, other):
    """Assert that two results hold the same, to the last digit."""
    pd.testing.assert_frame_equal(one.summary, other.summary, check_exact=True)
    pd.testing.assert_frame_equal(one.per_gene, other.per_gene, check_exact=True)
    assert one.models == other.models
    assert np.array_equal(one.cells, other.cells)
    assert np.array_equal(one.rows, other.rows)
    assert np.array_equal(one.columns, other.columns)
    assert np.array_equal(one.truth_values, other.truth_values)
    for mine, theirs in zip(one.predictions, other.predictions, strict=True):
        assert np.array_equal(mine.values, theirs.values, equal_nan=True)
        if mine.spread is None:
            assert theirs.spread is None
        else:
            assert np.array_equal(mine.spread, theirs.spread, equal_nan=True)


def ran(spec):
    """Return a result, or the sentence why there is none."""
    try:
        return scfm.run_on_slide(SLIDE, spec)
    except scfm.ScfmError as error:
        return str(error)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spec=specs())
def test_json_and_the_command_line_give_the_same_numbers(
    spec, single, tmp_path_factory, monkeypatch
):
    spec = with_file(spec, single)
    folder = tmp_path_factory.mktemp("run")
    again = scfm.ExperimentSpec.model_validate_json(spec.model_dump_json())
    assert again == spec
    assert again.model_dump_json() == spec.model_dump_json()
    first = ran(again)
    line = command_line(spec, SLIDE.path)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", shlex.split(line))
    status = 0
    try:
        main()
    except SystemExit as stop:
        status = int(stop.code or 0)
    assert "\n" not in line
    if isinstance(first, str):
        assert status == 1
        return
    assert status == 0, line
    same_numbers(scfm.load_result(folder / "result"), first)
    mine = first.save(folder / "mine")
    for name in ("summary.csv", "entries.parquet"):
        one, other = (folder / at / name for at in ("result", mine.name))
        assert one.read_bytes() == other.read_bytes(), line
    repeated = scfm.run_on_slide(SLIDE, read_spec(mine / "spec.json"))
    same_numbers(repeated, first)
    assert repeated.spec == first.spec
    assert repeated.notes == first.notes


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"mask": {"genes": ("EPCAM", "CD3E")}}, "--mask-genes EPCAM,CD3E"),
        ({"mask": {"cells": ("1_1", "1_2")}}, "--mask-cells 1_1,1_2"),
        ({"mask": {"single": {"A": ("c1",)}}}, """--mask '{"single":{"A":["c1"]}}'"""),
        ({"mask": {"per_stratum": 3, "seed": 0}}, "--mask-strata 3"),
        ({"mask": {"per_stratum": 3, "seed": 5}}, "--mask-strata 3 --mask-seed 5"),
        ({"mask": {"genes": ("A",), "seed": 5}}, "--mask-genes A"),
        ({"fovs": ("F1", "F2")}, "--fov F1 --fov F2"),
        ({"reference": ()}, "--reference none"),
        ({"reference_file": "my cells.h5ad"}, "--reference 'my cells.h5ad'"),
        (
            {"reference": ("F1",), "reference_file": "c.h5ad"},
            "--reference F1 --reference c.h5ad",
        ),
        ({"also": ("my models/b",)}, "--model ridge --model 'my models/b'"),
        ({"baselines": ()}, "--baselines ''"),
        ({"in_turn": True, "draws": 3}, "--in-turn --draws 3"),
        ({"bags": {"count": 4}}, "--bags 4 "),
        ({"bags": {"count": 4, "size": 20}}, "--bags 4 --bag-size 20"),
        ({"neighbourhood": 50}, "--neighbourhood 50"),
    ],
)
def test_the_line_says_what_the_spec_says(fields, words):
    spec = {"model": "ridge", "mask": {"genes": ("G1",)}, **fields}
    line = command_line(scfm.ExperimentSpec(**spec), "my slide")
    assert line.startswith("napari-scfm experiment 'my slide'")
    assert words in line
