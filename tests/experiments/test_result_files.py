"""Results on disk: whole or not at all, old and new, large."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import napari_scfm as scfm
from napari_scfm.errors import ScfmError
from napari_scfm.experiments.result import ExperimentResult, Prediction


@pytest.fixture(scope="module")
def result(slides):
    spec = scfm.ExperimentSpec(
        model="knn-expression",
        also=("ridge",),
        baselines=("gene-mean",),
        mask={"genes": ("EPCAM", "VIM"), "cells": ("1_3",)},
        fovs=("F001", "F002"),
        draws=2,
    )
    return scfm.run_on_slide(slides(), spec)


def frames(result):
    names = ("summary", "per_gene", "per_cell", "per_fov", "per_stratum")
    return {
        name: getattr(result, name) for name in (*names, "confusion", "calibration")
    }


def test_everything_comes_back(result, tmp_path):
    again = scfm.load_result(result.save(tmp_path / "r"))
    for name, table in frames(result).items():
        assert len(table)
        pd.testing.assert_frame_equal(getattr(again, name), table, check_exact=True)
    assert again.spec == result.spec
    assert again.notes == result.notes
    assert again.genes == result.genes
    assert np.array_equal(again.cells, result.cells)
    assert np.array_equal(again.rows, result.rows)
    assert np.array_equal(again.columns, result.columns)
    for mine, theirs in zip(result.predictions, again.predictions, strict=True):
        assert np.array_equal(mine.values, theirs.values, equal_nan=True)
        assert np.array_equal(mine.spread, theirs.spread, equal_nan=True)
        assert mine.provenance == theirs.provenance


def test_entries_are_a_table_that_others_can_read(result, tmp_path):
    table = pd.read_parquet(result.save(tmp_path / "r") / "entries.parquet")
    assert list(table.columns[:3]) == ["cell", "gene", "truth"]
    at = (table["cell"] == "1_5") & (table["gene"] == "VIM")
    place = (result.cells[result.rows] == "1_5") & (
        np.array(result.genes)[result.columns] == "VIM"
    )
    assert table.loc[at, "truth"].tolist() == result.truth_values[place].tolist()
    for one in result.predictions:
        assert table.loc[at, f"predicted {one.name}"].tolist() == (
            one.values[place].tolist()
        )
        assert f"spread {one.name}" in table


def written_by_0_1(result, folder):
    """Write a result as version 0.1 did."""
    folder.mkdir()
    spec = json.loads(result.spec.model_dump_json())
    kept = ("model", "baselines", "seed", "device", "precision", "neighbourhood")
    old = {name: spec[name] for name in (*kept, "slide")} | {"fov": "F001"}
    fields = ("genes", "cells", "gene_count", "cell_fraction", "per_stratum", "single")
    more = {"entries": None, "dropout": None, "seed": 0}
    old["mask"] = {name: spec["mask"][name] for name in fields} | more
    (folder / "spec.json").write_text(json.dumps(old))
    said = [
        {"name": p.name, "kind": p.kind, "unlearnable": [], "provenance": {}}
        for p in result.predictions
    ]
    about = {"cells": list(result.cells), "genes": result.genes, "notes": ["old"]}
    (folder / "about.json").write_text(json.dumps(about | {"predictions": said}))
    arrays = {f"prediction_{i}": p.values for i, p in enumerate(result.predictions)}
    np.savez_compressed(
        folder / "entries.npz",
        rows=result.rows,
        columns=result.columns,
        truth=result.truth_values,
        **arrays,
    )
    result.summary.to_csv(folder / "summary.csv", index=False)
    result.per_gene.to_parquet(folder / "per_gene.parquet", index=False)
    result.per_cell.to_parquet(folder / "per_cell.parquet", index=False)


def test_results_of_version_0_1_still_load(result, tmp_path):
    written_by_0_1(result, tmp_path / "old")
    old = scfm.load_result(tmp_path / "old")
    assert old.spec.fov == "F001"
    assert old.spec.fovs == ("F001",)
    assert old.models == result.models
    assert np.array_equal(old.prediction("ridge"), result.prediction("ridge"))
    assert np.array_equal(old.matrix(), result.matrix(), equal_nan=True)
    assert old.predictions[0].spread is None
    assert old.per_fov.empty
    assert old.confusion.empty
    result.save(tmp_path / "old")
    assert not (tmp_path / "old" / "entries.npz").exists()
    assert len(scfm.load_result(tmp_path / "old").per_fov)


@pytest.mark.parametrize("at", ["to_csv", "to_parquet"])
def test_a_crash_while_writing_leaves_what_was_there(result, tmp_path, monkeypatch, at):
    folder = result.save(tmp_path / "r")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def crash(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(pd.DataFrame, at, crash)
    other = replace(result, notes=["other"])
    with pytest.raises(KeyboardInterrupt):
        other.save(folder)
    with pytest.raises(KeyboardInterrupt):
        other.save(tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["r"]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("nth", [1, 2])
def test_a_crash_while_changing_places_leaves_what_was_there(
    result, tmp_path, monkeypatch, nth
):
    folder = result.save(tmp_path / "r")
    real, calls = Path.rename, []

    def crash(self, target):
        calls.append(target)
        if len(calls) == nth:
            raise OSError("the disk went away")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", crash)
    with pytest.raises(OSError, match="went away"):
        replace(result, notes=["other"]).save(folder)
    assert scfm.load_result(folder).notes == result.notes
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


def test_missing_parts_are_named(result, tmp_path):
    folder = result.save(tmp_path / "r")
    (folder / "entries.parquet").unlink()
    (folder / "about.json").unlink()
    with pytest.raises(ScfmError, match=r"about\.json, entries\.parquet missing"):
        scfm.load_result(folder)
    with pytest.raises(ScfmError, match="no earlier result"):
        result.save(folder)


def test_names_that_look_like_nothing_come_back(result, tmp_path):
    """A model called NA is not a missing value."""
    first = replace(result.predictions[0], name="NA")
    summary = result.summary.assign(model=["NA", *result.models[1:]])
    odd = replace(result, predictions=(first, *result.predictions[1:]), summary=summary)
    again = scfm.load_result(odd.save(tmp_path / "r"))
    assert again.models[0] == "NA"
    pd.testing.assert_frame_equal(again.summary, summary)


def test_many_entries(tmp_path):
    """Rows, columns and values of a large result come back in their places."""
    cells, genes, models = 4000, 50, 5
    rng = np.random.default_rng(0)
    at = np.sort(rng.choice(cells * genes, 150_000, replace=False))
    rows, columns = np.divmod(at, genes)
    tables = {name: pd.DataFrame({"model": ["m"]}) for name in ("a", "b", "c")}
    large = ExperimentResult(
        scfm.ExperimentSpec(model="m", mask={"gene_count": 1}),
        np.array([f"cell {i}" for i in rng.permutation(cells)], dtype=object),
        [f"G{i}" for i in range(genes)],
        rows,
        columns,
        rng.poisson(2, len(at)).astype(np.float32),
        tuple(
            Prediction(f"m{i}", "model", rng.random(len(at), dtype=np.float32))
            for i in range(models)
        ),
        *tables.values(),
        notes=[],
    )
    again = scfm.load_result(large.save(tmp_path / "r"))
    assert np.array_equal(again.rows, rows)
    assert np.array_equal(again.columns, columns)
    for one, other in zip(large.predictions, again.predictions, strict=True):
        assert np.array_equal(one.values, other.values)
