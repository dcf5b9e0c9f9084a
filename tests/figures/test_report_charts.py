"""Charts of a report: what is drawn, and what the captions promise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from napari_scfm.errors import ScfmError
from napari_scfm.experiments.run import run_experiment
from napari_scfm.experiments.spec import ExperimentSpec
from napari_scfm.figures.furniture import DARK, LIGHT
from napari_scfm.figures.palette import series
from napari_scfm.figures.report import breakdown, genes, histogram, scatter, sweep
from napari_scfm.figures.report.charts import CALIBRATION, CHARTS, DISTANCE, LEVELS
from napari_scfm.figures.report.data import ReportData
from napari_scfm.figures.report.sheet import sweep_chart, write_chart
from napari_scfm.figures.report.style import Style, compact, number, settle
from napari_scfm.figures.report.tables import (
    best_baseline,
    explain,
    gene_table,
    summary_table,
)
from napari_scfm.masks.spec import MaskSpec
from napari_scfm.slides.read import read_slide
from napari_scfm.slides.samples import sample_path


@pytest.fixture(scope="module")
def result():
    table = read_slide(sample_path("cosmx")).fov("F004").table
    mask = MaskSpec(genes=tuple(table.var_names[:30])) | MaskSpec(cell_fraction=0.1)
    spec = ExperimentSpec(
        model="knn-space", mask=mask, baselines=("gene-mean",), slide="toy"
    )
    return run_experiment(table, spec)


@pytest.fixture(scope="module")
def data(result):
    return ReportData.of(result)


@pytest.fixture
def axes():
    figure = Figure((3.3, 2.6), dpi=96)
    FigureCanvasAgg(figure)
    return figure.add_subplot()


@pytest.mark.parametrize("theme", [LIGHT, DARK])
@pytest.mark.parametrize("key", [k for k in CHARTS if k != "calibration"])
def test_every_chart_says_how_many_items_it_holds(data, axes, key, theme):
    chart, style = CHARTS[key], Style(theme, 8)
    caption = chart.draw(axes, chart.measure(data, "knn-space"), style)
    settle(axes, style, chart.right)
    axes.figure.canvas.draw()
    items = {"cells": "cells", "genes": "genes"}.get(key, f"{data.scored.sum():,}")
    assert items in caption
    assert axes.get_xlabel()


def test_nothing_is_cut_off_in_a_narrow_dock(data, axes):
    for key in ("truth_prediction", "cells", "sparsity", "levels", "genes"):
        chart, style = CHARTS[key], Style(DARK, 9)
        axes.figure.clear()
        part = axes.figure.add_subplot()
        chart.draw(part, chart.measure(data, "knn-space"), style)
        settle(part, style, chart.right)
        axes.figure.canvas.draw()
        inside = part.get_tightbbox(axes.figure.canvas.get_renderer())
        width, height = axes.figure.canvas.get_width_height()
        assert inside.x0 >= -1, key
        assert inside.y0 >= -1, key
        assert inside.x1 <= width + 1, key
        assert inside.y1 <= height + 1, key


@settings(max_examples=60)
@given(
    st.integers(1, 3).map(lambda power: 10 ** (power + 1)),
    st.integers(0, 2**16),
    st.sampled_from([1.0, 50.0, 3e4]),
    st.booleans(),
)
def test_the_density_holds_every_entry(n, seed, mean, whole):
    rng = np.random.default_rng(seed)
    truth = rng.exponential(mean, n + scatter.MOST_POINTS)
    truth = np.round(truth) if whole else truth
    found = scatter.pairs(truth, rng.exponential(mean, len(truth)), "m")
    assert found.dense
    assert found.counts.sum() == len(truth) == found.n
    assert (np.diff(found.x_edges) > 0).all()
    if whole:  # a whole count lies in one column, never on an edge
        assert found.x_edges[0] == np.log1p(-0.5)


def test_few_entries_are_points_and_none_is_refused(axes):
    found = scatter.pairs(np.array([0.0, 3.0]), np.array([1.0, -2.0]), "m")
    np.testing.assert_allclose(found.prediction, np.log1p([1.0, 0.0]), rtol=1e-6)
    scatter.draw(axes, found, Style())
    assert len(axes.collections[0].get_offsets()) == 2
    with pytest.raises(ScfmError, match="no hidden entry"):
        scatter.pairs(np.zeros(0), np.zeros(0), "m")


def test_entries_that_a_model_cannot_predict_are_left_out_and_counted(data):
    blind = data.predictions["gene-mean"].copy()
    blind[:7] = np.nan
    less = replace(data, predictions={**data.predictions, "gene-mean": blind})
    assert "7 hidden entries that gene-mean cannot predict" in less.left_out
    found = scatter.measure(less, "knn-space")
    assert found.n == len(data.truth) - 7
    assert "Left out: 7" in found.left_out


def test_the_histogram_counts_every_cell_and_gives_back_a_span(data, axes):
    found = histogram.measure(data, "knn-space")
    table = data.of_model("per_cell", "knn-space")
    assert all(counts.sum() == len(table) for counts in found.counts.values())
    low, high = np.quantile(found.values, [0.8, 0.95])
    expected = table.loc[table["rmse"].between(low, high), "cell"]
    assert set(found.within(low, high)) == set(expected)
    histogram.draw(axes, found, Style(), selected=np.array(expected))
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["knn-space", "gene-mean", f"selected ({len(expected)})"]
    with pytest.raises(ScfmError, match="no numbers per cell"):
        histogram.measure(replace(data, per_cell=pd.DataFrame()), "knn-space")


def test_bins_of_distance_hold_all_entries_with_a_distance(data):
    found = DISTANCE.measure(data, "knn-space")
    for table in found.tables.values():
        assert table["n_entries"].sum() == data.scored.sum()
    cells = data.per_cell.copy()
    lost = cells["cell"].isin(cells["cell"].unique()[:3])
    cells.loc[lost, "distance"] = np.nan
    less = DISTANCE.measure(replace(data, per_cell=cells), "knn-space")
    gone = np.isin(data.cells[data.rows], cells.loc[lost, "cell"].unique()).sum()
    assert f"{gone:,} entries of cells without coordinates" in less.left_out
    near = replace(data, per_cell=cells.assign(distance=0.0))
    with pytest.raises(ScfmError, match="No cell is hidden whole"):
        DISTANCE.measure(near, "knn-space")
    bare = replace(data, per_cell=cells.assign(distance=np.nan))
    with pytest.raises(ScfmError, match="No coordinates, so no distances"):
        DISTANCE.measure(bare, "knn-space")


def test_binned_errors_weigh_up_to_the_error_of_all_entries(data):
    found = breakdown.measure(data, "gene-mean", breakdown.SPARSITY)
    table = found.tables["gene-mean"]
    mean = np.average(table["rmse"] ** 2, weights=table["n_entries"])
    truth = np.log1p(data.truth.astype(float))
    guess = np.log1p(np.clip(data.predictions["gene-mean"].astype(float), 0, None))
    assert mean == pytest.approx(((truth - guess) ** 2).mean(), rel=1e-5)
    assert set(found.table["model"]) == {"knn-space", "gene-mean"}


def test_levels_are_the_results_confusion(result, data, axes):
    found = LEVELS.measure(data, "gene-mean")
    own = result.confusion[result.confusion["model"] == "gene-mean"]
    assert found.counts.sum() == own["n"].sum()
    row = own[(own["true"] == 0) & (own["predicted"] == 1)]
    assert found.counts[0, 1] == row["n"].sum()
    LEVELS.draw(axes, found, Style())
    texts = [text.get_text() for text in axes.texts]
    share = found.counts[0, 0] / found.counts[0].sum()
    assert texts[0] == f"{share * 100:.0f} %"
    with pytest.raises(ScfmError, match="no levels"):
        LEVELS.measure(replace(data, confusion=pd.DataFrame()), "gene-mean")


def test_calibration_needs_repeats_and_names_both_intervals(data, axes):
    with pytest.raises(ScfmError, match="predicted every entry once"):
        CALIBRATION.measure(data, "knn-space")
    rows = [
        ("knn-space", kind, share, share * 0.9, 1200, 34)
        for kind in ("draws only", "draws and counting noise")
        for share in (0.5, 0.8)
    ]
    names = ["model", "interval", "nominal", "observed", "n_entries", "n_left_out"]
    some = replace(data, calibration=pd.DataFrame(rows, columns=names))
    caption = CALIBRATION.draw(axes, CALIBRATION.measure(some, "knn-space"), Style())
    assert "1,200 hidden entries" in caption
    assert "Left out: 34 entries" in caption
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["draws only", "draws and counting noise"]


def test_genes_stand_best_first_and_say_who_is_missing(axes):
    rng = np.random.default_rng(0)
    scores = {"demo": rng.random(60), "ridge": rng.random(60)}
    scores["demo"][:3] = np.nan
    names = [f"G{i}" for i in range(60)]
    found = genes.in_order(scores, names, "demo")
    assert found.genes[0] == f"G{np.nanargmax(scores['demo'])}"
    assert found.genes[-1] == f"G{np.nanargmin(scores['demo'])}"
    assert "17 genes between the best 20 and the worst 20" in found.left_out
    assert "3 genes for which it is not defined" in found.left_out
    errors = genes.in_order(scores, names, "demo", "rmse")
    assert errors.genes == found.genes[::-1]
    with pytest.raises(ScfmError, match="no scores"):
        genes.in_order({}, [], "demo")


def _sweep(**more) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    rows = [
        (what := "entries", value, model, kind, seed, rng.random(), rng.random())
        for value in (0.15, 0.8)
        for model, kind in (("demo", "model"), ("ridge", "baseline"))
        for seed in range(4)
    ]
    assert what
    names = ["what", "value", "model", "kind", "seed", "mcc_all", "mae_counts"]
    return pd.DataFrame(rows, columns=names).assign(**more)


def test_curves_are_means_and_bands_over_seeds(axes):
    table = _sweep()
    table.loc[0, "mcc_all"] = np.nan
    found = sweep.curves(table, "mcc_all").table.set_index(["model", "value"])
    own = table[(table["model"] == "ridge") & (table["value"] == 0.8)]["mcc_all"]
    assert found.loc[("ridge", 0.8), "mean"] == pytest.approx(own.mean())
    assert found.loc[("ridge", 0.8), "sd"] == pytest.approx(own.std())
    assert tuple(found.loc[("demo", 0.15), ["n", "lost"]]) == (3, 1)
    caption = sweep.draw(axes, sweep.curves(table, "mcc_all"), Style())
    assert "3 to 4 seeds" in caption
    assert "Left out: 1 run" in caption
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["15", "80"]
    assert {line.get_linestyle() for line in axes.get_lines()} == {"-", "--"}


def test_a_sweep_is_written_with_what_it_has(tmp_path):
    text = sweep_chart(_sweep(), tmp_path / "s.svg").read_text("utf-8")
    for word in (">MCC, all entries<", ">hidden entries, %<", ">ridge<", "4 seeds"):
        assert word in text
    alone = sweep_chart(_sweep(mae_counts=np.nan), tmp_path / "one.svg")
    assert "mean absolute error" not in alone.read_text("utf-8")
    with pytest.raises(ScfmError, match="no numbers"):
        sweep_chart(_sweep()[:0], tmp_path / "none.svg")


def test_a_chart_is_written_as_a_file_with_its_caption(data, tmp_path):
    chart = CHARTS["cells"]
    path = write_chart(chart, chart.measure(data, "knn-space"), tmp_path / "c.svg")
    text = path.read_text("utf-8")
    assert ">Error of each cell<" in text
    assert f">{len(np.unique(data.rows))} cells with" in text
    with pytest.raises(ScfmError, match="not written as"):
        write_chart(chart, chart.measure(data, "knn-space"), tmp_path / "c.doc")


def test_a_model_keeps_its_colour_whoever_is_in_front(data, axes):
    def colour(model: str) -> tuple[float, ...]:
        axes.clear()
        found = breakdown.measure(data, model, breakdown.SPARSITY)
        breakdown.draw(axes, found, Style())
        lines = {line.get_label(): line for line in axes.get_lines()}
        return tuple(lines["gene-mean"].get_color())

    assert colour("knn-space") == colour("gene-mean")


def test_colours_of_models_differ_from_one_another_and_from_the_page():
    for dark in (False, True):
        colours = series(10, dark)[:, :3]
        assert len(np.unique(colours.round(3), axis=0)) == 10
        page = 0.08 if dark else 1.0
        assert (np.abs(colours - page).max(axis=1) > 0.25).all()


def test_the_gain_is_positive_where_the_model_is_better(data):
    assert best_baseline(data, "rmse") == "gene-mean"
    assert best_baseline(data, "rmse", "gene-mean") == ""
    for measure, sign in (("rmse", -1), ("pearson", 1)):
        table = gene_table(data, "knn-space", measure).set_index("gene")
        wide = data.per_gene.pivot(index="gene", columns="model", values=measure)
        gap = sign * (wide["knn-space"] - wide["gene-mean"])
        pd.testing.assert_series_equal(
            table["gain"].sort_index(), gap.sort_index(), check_names=False
        )


def test_every_number_of_the_summary_says_what_it_averages(data):
    table = summary_table(data)
    assert list(table["model"]) == ["knn-space", "gene-mean"]
    said = explain(data, "gene-mean", "pearson")
    own = data.of_model("per_gene", "gene-mean")
    assert f"mean over {own['pearson'].notna().sum()} genes" in said
    assert f"{data.scored.sum():,} entries" in said
    level = explain(data, "gene-mean", "mcc_expressed")
    confusion = data.of_model("confusion", "gene-mean")
    n = confusion.loc[confusion["true"] > 0, "n"].sum()
    assert f"({n:,})" in level


def test_numbers_are_short_and_undefined_ones_a_dash():
    assert number(float("nan")) == "–"
    assert number(-0.25, 2) == "−0.25"
    assert [compact(n) for n in (950, 1000, 12_345, 999_999, 4.1e6)] == [
        "950",
        "1k",
        "12.3k",
        "1M",
        "4.1M",
    ]
