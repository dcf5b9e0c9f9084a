"""The report dock in a real window: what a person clicks, and what they then see."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from matplotlib.backend_bases import MouseButton, MouseEvent
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_scfm.experiments.slide_experiment import run_on_slide
from napari_scfm.experiments.spec import ExperimentSpec
from napari_scfm.figures.report.tables import gene_table
from napari_scfm.masks.spec import MaskSpec
from napari_scfm.models.hub import load_model
from napari_scfm.viewer import acts, tasks
from napari_scfm.viewer.arrival import show_workbench
from napari_scfm.viewer.open import open_slide
from napari_scfm.viewer.report import report_folder, show_report, theme_of
from napari_scfm.widgets.report.chart import ChartPage
from napari_scfm.widgets.report.dock import ReportDock
from napari_scfm.widgets.report.table import VALUE

pytestmark = pytest.mark.gui
ONE_WINDOW = True
WAIT = 60_000


@pytest.fixture
def dock(viewer):
    made = ReportDock(viewer)
    viewer.window.add_dock_widget(made, name="Report", area="right")
    return made


@pytest.fixture
def session(viewer, slide):
    """Session of a window without a workbench: the report stands alone."""
    return open_slide(viewer, copy.copy(slide), "F004")


@pytest.fixture(scope="module")
def result(slide):
    """Two guesses of the sample's last FOV."""
    genes = tuple(slide.table.var_names[:25])
    spec = ExperimentSpec(
        model="knn-space",
        mask=MaskSpec(genes=genes) | MaskSpec(cell_fraction=0.1),
        baselines=("gene-mean",),
        fovs=("F004",),
    )
    return run_on_slide(slide, spec)


@pytest.fixture
def compared(session, dock, result, qtbot):
    """The session with the two guesses in it, and the dock open."""
    session.model = load_model("knn-space")
    work = tasks.work_of(session, "impute")
    acts.show_comparison(session, tasks.compared(work, result))
    qtbot.waitUntil(lambda: dock.stack.isVisible(), timeout=WAIT)
    return session


def _counted(dock, name, qtbot):
    """Open a page and wait until its chart is there."""
    dock.show_page(name)
    page = dock.pages[name]
    qtbot.waitUntil(lambda: page.axes is not None, timeout=WAIT)
    return page


def _genes(page) -> list[str]:
    rows = range(page.sorted.rowCount())
    return [page.sorted.index(row, 0).data() for row in rows]


def test_without_a_prediction_it_says_what_to_do(dock):
    assert "press Predict" in dock.title.text()
    assert not dock.stack.isVisible()
    assert not dock.head.isVisible()


def test_the_report_leaves_half_of_the_column_to_the_workbench(viewer, session, qtbot):
    bench = show_workbench(viewer)
    report = show_report(viewer)
    qtbot.waitUntil(
        lambda: abs(bench.height() - report.height()) < 0.1 * bench.height(),
        timeout=WAIT,
    )


def test_only_pages_that_were_opened_are_made(dock, compared):
    assert len(dock.findChildren(ChartPage)) == 0
    dock.show_page("Scatter")
    made = [page.chart.key for page in dock.findChildren(ChartPage)]
    assert made == ["truth_prediction"]
    assert dock.stack.currentIndex() == list(dock.pages).index("Scatter")


def test_every_model_is_in_the_summary_with_what_it_averages(dock, compared):
    rows = dock.pages["Summary"].scores.rows
    texts = [rows.index(row, 0).data() for row in range(rows.rowCount())]
    assert [text for text in texts if text] == ["knn-space", "gene-mean"]
    numbers = {
        rows.index(row, 1).data(Qt.ItemDataRole.DisplayRole)
        for row in range(rows.rowCount())
    }
    for value in compared.comparison.summary["pearson"]:
        assert f"{value:.3f}".replace("-", "−") in numbers
    tip = rows.index(rows.rowCount() - 1, 1).data(Qt.ItemDataRole.ToolTipRole)
    assert "mean over" in tip
    assert "F004" in dock.title.text()


def test_genes_sort_by_number_with_undefined_ones_last(dock, compared, qtbot):
    dock.show_page("Genes")
    page = dock.pages["Genes"]
    qtbot.waitUntil(lambda: page.sorted.rowCount() > 0, timeout=WAIT)
    table = gene_table(dock.data, "knn-space", "pearson").set_index("gene")
    table.iloc[3, table.columns.get_loc("value")] = np.nan
    page.rows.show_frame(table.reset_index(), page.rows.columns)
    for order in (Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder):
        page.table.sortByColumn(1, order)
        shown = [page.sorted.index(i, 1).data(VALUE) for i in range(len(table))]
        known = [value for value in shown if value == value]
        down = order == Qt.SortOrder.DescendingOrder
        assert known == sorted(known, reverse=down)
        assert all(value != value for value in shown[len(known) :])
        assert len(known) < len(shown)


def test_a_clicked_gene_is_painted_and_a_painted_gene_is_marked(
    dock, compared, qtbot, viewer
):
    dock.show_page("Genes")
    page = dock.pages["Genes"]
    qtbot.waitUntil(lambda: page.sorted.rowCount() > 0, timeout=WAIT)
    page.filter.setText(compared.comparison.genes[4])
    assert _genes(page)[0] == compared.comparison.genes[4]
    page.filter.clear()
    place = page.sorted.index(5, 0)
    page.table.scrollToTop()
    spot = page.table.visualRect(place).center()
    QTest.mouseClick(page.table.viewport(), Qt.MouseButton.LeftButton, pos=spot)
    qtbot.waitUntil(lambda: compared.gene == place.data(), timeout=WAIT)
    QTest.keyClick(page.table, Qt.Key.Key_Down)
    below = page.sorted.index(6, 0).data()
    qtbot.waitUntil(lambda: compared.gene == below, timeout=WAIT)
    other = page.sorted.index(2, 0).data()
    acts.colour_by_gene(compared, other)
    assert page.table.currentIndex().siblingAtColumn(0).data() == other
    assert compared.gene == other


def test_genes_can_be_compared_by_another_measure(dock, compared, qtbot):
    dock.show_page("Genes")
    page = dock.pages["Genes"]
    page.measures.setCurrentIndex(page.measures.findData("rmse"))
    table = gene_table(dock.data, "knn-space", "rmse")
    best = table.loc[table["value"].idxmin(), "gene"]
    assert _genes(page)[0] == best
    better = int((table["gain"] > 0).sum())
    assert f"Better than gene-mean on {better} of" in page.caption.text()


def _drag(page, low: float, high: float) -> None:
    axes, canvas = page.axes, page.canvas
    canvas.draw()
    for event, value in (("press", low), ("motion", high), ("release", high)):
        x, y = axes.transData.transform((value, axes.get_ylim()[1] / 2))
        name = f"{'motion_notify' if event == 'motion' else f'button_{event}'}_event"
        made = MouseEvent(name, canvas, x, y, MouseButton.LEFT)
        canvas.callbacks.process(name, made)


def test_a_dragged_span_selects_the_cells_between(dock, compared, qtbot):
    page = _counted(dock, "Cells", qtbot)
    found = page.measured
    low, high = np.quantile(found.values, [0.6, 0.9])
    _drag(page, low, high)
    names = np.asarray(compared.fov.table.obs_names)[compared.selection]
    inside = found.within(page.low.value(), page.high.value())
    assert len(names) > 10
    assert len(set(names) ^ set(inside)) <= 2
    assert f"{len(names)} cells with RMSE" in dock.message.text()
    qtbot.waitUntil(lambda: "selected" in _legend(page), timeout=WAIT)
    compared.selection = np.arange(7)
    qtbot.waitUntil(lambda: "selected (7)" in _legend(page), timeout=WAIT)


def _legend(page) -> str:
    made = page.axes.get_legend() if page.axes else None
    return "; ".join(t.get_text() for t in made.get_texts()) if made else ""


def test_cells_can_be_selected_from_the_keyboard(dock, compared, qtbot):
    page = _counted(dock, "Cells", qtbot)
    middle = float(np.round(np.median(page.measured.values), 3))
    page.low.setValue(middle)
    page.high.setValue(page.high.maximum())
    page.select.setFocus()
    QTest.keyClick(page.select, Qt.Key.Key_Space)
    share = len(compared.selection) / len(page.measured.values)
    assert 0.4 < share < 0.6
    page.measures.setCurrentIndex(page.measures.findData("mae"))
    page.measures.activated.emit(page.measures.currentIndex())
    qtbot.waitUntil(lambda: page.measured.measure == "mae", timeout=WAIT)


def test_only_the_page_that_is_looked_at_is_counted(dock, compared, qtbot):
    pages = dock.pages
    _counted(dock, "Scatter", qtbot)
    assert pages["Distance"].measured is None
    assert pages["Levels"].measured is None
    page = _counted(dock, "Levels", qtbot)
    assert "level predicted by knn-space" in page.axes.get_xlabel()
    assert "hidden entries" in page.caption.text()


def test_a_chart_without_data_says_why(dock, compared, qtbot):
    dock.show_page("Calibration")
    page = dock.pages["Calibration"]
    qtbot.waitUntil(lambda: "predicted every entry once" in page.caption.text())
    assert not page.canvas.isVisible()


def test_another_model_is_shown_here_and_on_the_tissue(dock, compared, qtbot):
    page = _counted(dock, "Scatter", qtbot)
    dock.models.setCurrentText("gene-mean")
    dock.models.textActivated.emit("gene-mean")
    assert compared.comparison.model == "gene-mean"
    qtbot.waitUntil(lambda: page.measured.model == "gene-mean", timeout=WAIT)
    qtbot.waitUntil(lambda: "gene-mean" in page.axes.get_ylabel(), timeout=WAIT)
    acts.show_model(compared, "knn-space")
    qtbot.waitUntil(lambda: dock.models.currentText() == "knn-space", timeout=WAIT)
    qtbot.waitUntil(lambda: page.measured.model == "knn-space", timeout=WAIT)


def test_charts_follow_the_theme(dock, compared, viewer, qtbot):
    page = _counted(dock, "Scatter", qtbot)
    for theme in ("light", "dark"):
        viewer.theme = theme
        page_colour = page.canvas.figure.get_facecolor()[:3]
        assert page_colour == pytest.approx(theme_of(viewer).page)
    assert page.style_.dark


def test_it_fits_a_narrow_dock(dock, compared, qtbot):
    for name in dock.pages:
        dock.show_page(name)
        assert dock.minimumSizeHint().width() <= 320, name


def test_the_report_is_written_in_the_background(dock, compared, qtbot, tmp_path):
    folder = report_folder(dock.data, tmp_path)
    dock.save(folder)
    qtbot.waitUntil(lambda: not dock.jobs.running, timeout=WAIT)
    assert compared.message.level == "info", compared.message
    assert str(folder / "report.html") in compared.message.text
    text = (folder / "report.html").read_text("utf-8")
    assert "Charts: predicted by knn-space" in text
    assert "napari-scfm experiment" in text
    assert report_folder(dock.data, tmp_path) != folder


def test_a_closed_dock_lets_go(dock, compared, viewer, qtbot):
    _counted(dock, "Cells", qtbot)
    before = len(compared.events.comparison)
    themes = len(viewer.events.theme.callbacks)
    viewer.window.remove_dock_widget(dock)
    dock.deleteLater()
    qtbot.waitUntil(lambda: len(compared.events.comparison) < before, timeout=WAIT)
    assert len(viewer.events.theme.callbacks) < themes
    compared.selection = np.arange(3)
    viewer.theme = "light"
    QTest.qWait(150)
