"""Sweeps: more and more is hidden, everyone is asked, every number says of how many."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import napari_scfm as scfm
from napari_scfm.errors import ScfmError, SpecError
from napari_scfm.experiments import sweep_run
from napari_scfm.experiments.slide_experiment import run_on_slide
from napari_scfm.experiments.spec import Bags
from napari_scfm.experiments.sweep import SweepSpec, read_sweep_spec, sweep_spec
from napari_scfm.experiments.sweep_result import SweepResult
from napari_scfm.experiments.sweep_run import run_sweep
from napari_scfm.slides.samples import sample_path


@pytest.fixture(scope="module")
def slide():
    return scfm.read_slide(sample_path("cosmx"))


@pytest.fixture(scope="module")
def entries(slide):
    spec = SweepSpec(
        what="entries", values=(0.2, 0.8), models=("ridge",), seeds=(0, 1), reference=()
    )
    return run_sweep(slide, spec)


def test_every_run_is_the_experiment_it_says(slide, entries):
    table = entries.table
    assert len(table) == 2 * 2 * 3
    assert set(table["model"]) == {"ridge", "gene-mean", "knn-space"}
    run = entries.spec.experiment(0.8, 1)
    alone = run_on_slide(slide, run).summary.set_index("model")
    here = table[(table["value"] == 0.8) & (table["seed"] == 1)].set_index("model")
    for name in ("mcc_all", "mcc_expressed", "mae_counts", "pearson", "n_entries"):
        assert (here[name] == alone[name]).all(), name
    assert list(table.columns[:5]) == ["what", "value", "model", "kind", "seed"]


def test_trivial_baselines_are_always_there(slide, entries):
    kinds = entries.table.groupby("model")["kind"].first()
    assert kinds["gene-mean"] == kinds["knn-space"] == "baseline"
    assert kinds["ridge"] == "model"
    spec = SweepSpec(what="genes", values=(3,), baselines=("ridge", "gene-mean"))
    assert spec.everyone == ("gene-mean", "knn-space", "ridge")
    run = spec.experiment(3, 0)
    assert (run.model, run.also) == ("gene-mean", ())
    assert run.baselines == ("knn-space", "ridge")


def test_hiding_more_makes_guessing_harder(entries):
    curves = entries.curves.set_index(["model", "value"])
    assert curves.loc[("ridge", 0.2), "pearson"] > curves.loc[("ridge", 0.8), "pearson"]
    few, many = curves.loc[("ridge", 0.2)], curves.loc[("ridge", 0.8)]
    assert many["n_entries"] == pytest.approx(4 * few["n_entries"], rel=0.01)


def test_curves_are_mean_and_sd_over_seeds(entries):
    row = entries.curves.iloc[0]
    part = entries.table.query("model == 'ridge' and value == 0.2")["mcc_all"]
    assert row["mcc_all"] == part.mean()
    assert row["mcc_all_sd"] == part.std(ddof=1)
    assert row["mcc_all_n"] == 2


def test_cells_of_neighbourhoods(slide):
    spec = SweepSpec(
        what="cells", values=(1, 10), seeds=(0,), bags=Bags(count=2, size=20)
    )
    result = run_sweep(slide, spec)
    genes = slide.fov(slide.fovs[0]).table.n_vars
    found = result.table.set_index(["model", "value"])["n_entries"]
    assert found[("gene-mean", 1.0)] == 2 * 1 * genes
    assert found[("gene-mean", 10.0)] == 2 * 10 * genes
    assert any("2 neighbourhoods of 20 cells" in note for note in result.notes)
    assert any("One seed" in note for note in result.notes)


def test_genes_over_all_fovs(slide):
    spec = SweepSpec(what="genes", values=(2,), seeds=(3,), fovs=tuple(slide.fovs))
    result = run_sweep(slide, spec)
    assert (result.table["n_cells"] == slide.table.n_obs).all()
    assert any("pool" in note for note in result.notes)


def test_expressed_entries_only(slide):
    spec = SweepSpec(what="entries", values=(0.5,), seeds=(0,), eligible="expressed")
    result = run_sweep(slide, spec)
    assert (result.table["n_entries"] == result.table["n_entries_expressed"]).all()
    assert any("with a count only" in note for note in result.notes)


def test_a_sweep_survives_the_disk_and_repeats(slide, entries, tmp_path):
    folder = entries.save(tmp_path / "sweep")
    again = SweepResult.load(folder)
    assert again.spec == entries.spec
    assert again.notes == entries.notes
    pd.testing.assert_frame_equal(again.table, entries.table)
    pd.testing.assert_frame_equal(run_sweep(slide, again.spec).table, entries.table)
    assert again.spec.fingerprint
    assert again.spec.fovs == (slide.fovs[0],)
    written = json.loads((folder / "sweep.json").read_text("utf-8"))
    assert written["values"] == [0.2, 0.8]
    assert len(pd.read_csv(folder / "curves.csv")) == len(entries.curves)
    entries.save(folder)


def test_saving_is_whole_or_not_at_all(entries, tmp_path):
    folder = entries.save(tmp_path / "sweep")
    before = sorted(path.name for path in folder.iterdir())

    def fail(fresh):
        (fresh / "half.png").write_text("half")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        entries.save(folder, also=fail)
    assert sorted(path.name for path in folder.iterdir()) == before
    assert [path.name for path in tmp_path.iterdir()] == ["sweep"]
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    with pytest.raises(SpecError, match="thesis exists and is no earlier sweep"):
        entries.save(tmp_path / "thesis")
    with pytest.raises(SpecError, match=r"thesis is no sweep: sweep\.json"):
        SweepResult.load(tmp_path / "thesis")


def test_progress_grows_and_cancel_stops(slide):
    spec = SweepSpec(what="genes", values=(2, 4), seeds=(0,))
    seen = []
    run_sweep(slide, spec, seen.append)
    done = [one.done for one in seen]
    assert done == sorted(done)
    assert seen[-1].done == seen[-1].total
    assert any(one.message.startswith("4 genes, seed 0") for one in seen)

    def stop(progress):
        if progress.message.startswith("4 genes"):
            raise scfm.Cancelled

    with pytest.raises(scfm.Cancelled):
        run_sweep(slide, spec, stop)


def test_models_are_loaded_once(slide, monkeypatch):
    loaded = []
    original = sweep_run.load_model

    def count(name, *args, **more):
        loaded.append(name)
        return original(name, *args, **more)

    monkeypatch.setattr(sweep_run, "load_model", count)
    spec = SweepSpec(what="genes", values=(2, 3), models=("ridge",), seeds=(0, 1))
    run_sweep(slide, spec)
    assert sorted(loaded) == ["gene-mean", "knn-space", "ridge"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"what": "entries", "values": (0.2, 1.0, 40)}, "1, 40 entries: values are sh"),
        ({"what": "cells", "values": (50,)}, "whole numbers from 1 to 49, of 50 cells"),
        ({"what": "genes", "values": (1.5,)}, "1.5 genes: values are whole numbers"),
        ({"what": "genes", "values": (np.nan,)}, "nan genes"),
        ({"what": "genes", "values": ()}, "values"),
        ({"what": "tiles", "values": (1,)}, "what"),
        ({"what": "genes", "values": (1,), "seeds": ()}, "seeds"),
        ({"what": "genes", "values": (1,), "bags": Bags(count=1)}, "over cells reads"),
    ],
)
def test_impossible_sweeps_are_refused_in_words(fields, words):
    with pytest.raises(SpecError, match=words):
        sweep_spec(**fields)


def test_what_the_slide_cannot_give_is_refused_before_anything_runs(slide):
    genes = SweepSpec(what="genes", values=(3, 5000), seeds=(0,))
    with pytest.raises(SpecError, match="5000 genes cannot be hidden"):
        run_sweep(slide, genes)
    cells = SweepSpec(what="cells", values=(3,), bags=Bags(count=1, size=4000))
    with pytest.raises(SpecError, match=r"4000 cells do not fit field of view F001"):
        run_sweep(slide, cells)
    unknown = SweepSpec(what="genes", values=(3,), models=("cellplm-maxi",))
    with pytest.raises(ScfmError, match="cellplm-maxi"):
        run_sweep(slide, unknown)


def test_a_spec_file_that_is_none(tmp_path):
    path = tmp_path / "sweep.json"
    with pytest.raises(SpecError, match="cannot be read"):
        read_sweep_spec(path)
    path.write_text('{"what": "genes", "values": [2], "sead": 1}')
    with pytest.raises(SpecError, match="sead"):
        read_sweep_spec(path)
    spec = SweepSpec(what="cells", values=(1, 10, 20, 40), models=("ridge",))
    path.write_text(spec.model_dump_json())
    assert read_sweep_spec(path) == spec
