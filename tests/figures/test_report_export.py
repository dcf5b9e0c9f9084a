"""The written report: a folder that is whole, a page that says everything."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import numpy as np
import pandas as pd
import pytest

from napari_scfm.errors import ScfmError
from napari_scfm.experiments.run import run_experiment
from napari_scfm.experiments.spec import ExperimentSpec
from napari_scfm.figures.report.data import ReportData
from napari_scfm.figures.report.export import MARK, export_report
from napari_scfm.masks.spec import MaskSpec
from napari_scfm.progress import Cancelled
from napari_scfm.slides.read import read_slide
from napari_scfm.slides.samples import sample_path


@pytest.fixture(scope="module")
def result():
    table = read_slide(sample_path("cosmx")).fov("F004").table
    mask = MaskSpec(genes=tuple(table.var_names[:12])) | MaskSpec(cell_fraction=0.1)
    spec = ExperimentSpec(
        model="knn-space",
        mask=mask,
        baselines=("gene-mean",),
        slide="<toy>",
        fovs=("F004",),
        seed=7,
    )
    return run_experiment(table, spec)


@pytest.fixture(scope="module")
def data(result):
    return ReportData.of(result)


def test_the_folder_holds_page_charts_and_tables(data, tmp_path):
    folder = export_report(
        data, tmp_path / "out" / "report", formats=("svg",), command="napari-scfm x"
    )
    names = {str(path.relative_to(folder)) for path in folder.rglob("*.*")}
    assert {MARK, "charts/cells.svg", "charts/levels.svg"} <= names
    assert {"tables/per_gene.csv", "tables/error_by_distance.csv"} <= names
    assert not any("calibration" in name for name in names)
    written = pd.read_csv(folder / "tables/per_gene.csv", float_precision="round_trip")
    np.testing.assert_array_equal(written["rmse"], data.per_gene["rmse"])
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report"]


def test_the_page_needs_nothing_else_and_says_what_is_predicted(data, tmp_path):
    folder = export_report(data, tmp_path / "r", formats=(), command="napari-scfm <x>")
    page = (folder / MARK).read_text("utf-8")
    assert not re.findall(r"(?:src|href)=\"(?!data:)", page)
    assert "<toy>" not in page
    text = " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())
    assert "<toy>, F004" in text
    assert "Everything called predicted was computed by a model" in text
    assert "predicted every entry once" in text
    assert "12 named genes and 10 % of the cells (seed 0)" in text
    assert "napari-scfm <x>" in text
    assert page.count("data:image/svg+xml;base64,") == 7
    for row in data.summary.itertuples():
        assert f"{row.rmse:.3f}" in text
    assert f"{len(data.truth):,} hidden entries" in text


def test_charts_are_of_the_chosen_model(data, tmp_path):
    folder = export_report(data, tmp_path / "r", model="gene-mean", formats=("svg",))
    chart = (folder / "charts" / "levels.svg").read_text("utf-8")
    assert "level predicted by gene-mean" in chart
    assert "Charts: predicted by gene-mean" in (folder / MARK).read_text("utf-8")
    with pytest.raises(ScfmError, match="no prediction by 'ridge'"):
        export_report(data, tmp_path / "other", model="ridge")


def test_a_dark_report_is_dark(data, tmp_path):
    folder = export_report(data, tmp_path / "r", dark=True, formats=("svg",))
    assert "color-scheme: dark" in (folder / MARK).read_text("utf-8")
    assert "#131417" in (folder / "charts" / "cells.svg").read_text("utf-8")


def test_an_earlier_report_is_replaced_and_anything_else_refused(data, tmp_path):
    folder = tmp_path / "r"
    export_report(data, folder, formats=())
    (folder / "charts").mkdir()
    (folder / "charts" / "old.png").write_bytes(b"")
    export_report(data, folder, formats=())
    assert not (folder / "charts").exists()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("years of work")
    with pytest.raises(ScfmError, match="holds something else"):
        export_report(data, mine, formats=())
    assert (mine / "thesis.tex").read_text() == "years of work"
    with pytest.raises(ScfmError, match="not written as bmp"):
        export_report(data, tmp_path / "new", formats=("bmp",))


def test_a_cancelled_report_leaves_nothing(data, tmp_path):
    folder = tmp_path / "r"
    export_report(data, folder, formats=())
    before = (folder / MARK).read_bytes()

    def stop(progress):
        if progress.done == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        export_report(data, folder, formats=("svg",), progress=stop)
    assert (folder / MARK).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


def test_the_same_numbers_give_the_same_bytes(data, tmp_path):
    pages = [
        (export_report(data, tmp_path / name, formats=()) / MARK).read_bytes()
        for name in ("one", "two")
    ]
    assert pages[0] == pages[1]


def test_a_result_of_an_older_version_is_still_reported(data, tmp_path):
    none = pd.DataFrame()
    genes = data.per_gene.drop(columns=["sparsity", "expression"])
    cells = data.per_cell.drop(columns=["distance", "fov"])
    old = replace(
        data, confusion=none, calibration=none, per_fov=none, per_gene=genes,
        per_cell=cells,
    )  # fmt: skip
    folder = export_report(old, tmp_path / "r", formats=("svg",))
    text = (folder / MARK).read_text("utf-8")
    assert "No coordinates, so no distances." in text
    assert "no levels of expression" in text
    there = {path.stem for path in (folder / "charts").iterdir()}
    assert there == {"cells", "genes", "truth_prediction"}


def test_several_fields_of_view_have_rows_of_their_own(data, tmp_path):
    parts = [data.per_fov.assign(fov=name) for name in ("F1", "F2")]
    more = replace(data, per_fov=pd.concat(parts, ignore_index=True))
    text = (export_report(more, tmp_path / "r", formats=()) / MARK).read_text("utf-8")
    assert "Each field of view" in text
    assert text.count("<td>F2</td>") == 2


def test_where_the_numbers_come_from(result, data):
    assert data.about["seed"] == 7
    assert set(data.about["models"]) == {"knn-space", "gene-mean"}
    assert "napari-scfm" in data.about["versions"]
    assert data.title == "<toy>, F004"
    assert data.truth is not None
    assert len(data.truth) == len(result.truth_values)
