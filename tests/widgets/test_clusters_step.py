"""The step Clusters in a window: a slide in classes, and what is done to them."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from napari import Viewer
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_scfm.viewer import clustering, hidden, tasks
from napari_scfm.viewer import grouping as groups
from napari_scfm.viewer.export import panels_of
from napari_scfm.viewer.hiding import masking
from napari_scfm.viewer.open import show_fov
from napari_scfm.viewer.sessions.restore import open_session
from napari_scfm.viewer.sessions.save import save_session
from napari_scfm.widgets.clusters.asking import DOMAINS

pytestmark = pytest.mark.gui
ONE_WINDOW = True

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def step(workbench, session, slow_model, finish):
    """Return the step after a press on Cluster."""
    session.model = slow_model()
    made = workbench.clusters
    made.asking.by.setCurrentIndex(0)
    made.asking.show_resolution(1.0)
    made.expand(animate=False)
    QTest.qWait(50)
    made.run()
    finish()
    assert session.message.level == "info", session.message
    return made


def choose(step, *names: str) -> None:
    """Select lines of the list."""
    table = step.classes.table
    table.clearSelection()
    mode = table.selectionModel()
    for name in names:
        line = step.session.grouping.names.index(name)
        flags = mode.SelectionFlag.Select | mode.SelectionFlag.Rows
        mode.select(table.model().index(line, 0), flags)


def legend(workbench) -> dict[str, tuple[float, ...]]:
    return dict(workbench.legend.legend.categories)


def test_classes_are_of_the_slide_and_keep_their_colours(
    step, session, workbench, viewer
):
    assert len(session.grouping.labels) == session.slide.table.n_obs
    assert "on the slide" in step.status.text()
    before, here = legend(workbench), step.classes.table.item(0, 1).text()
    assert here == str((session.clusters.values == 0).sum())
    show_fov(viewer, "F001")
    assert session.clusters.fov == "F001"
    assert legend(workbench) == before
    rows = np.flatnonzero(session.slide.table.obs["fov"].astype(str) == "F001")
    np.testing.assert_array_equal(
        session.clusters.values, session.grouping.labels[rows]
    )
    assert step.classes.table.item(0, 1).text() == str(
        (session.clusters.values == 0).sum()
    )
    shown = viewer.layers["cells F001"].features["cluster"]
    assert set(shown) <= set(session.grouping.names)


def test_the_slider_sorts_again_from_the_graph_that_is_kept(
    step, session, qtbot, finish
):
    before = session.grouping
    session.model = None  # no model is asked again
    step.asking.resolution.setValue(3.0)
    qtbot.waitUntil(lambda: session.grouping is not before, timeout=60_000)
    finish()
    made = session.grouping
    assert len(made.names) > len(before.names)
    assert session.clusters.resolution == 3.0
    shared = {tuple(colour) for colour in before.colours.tolist()}
    assert len(shared & {tuple(c) for c in made.colours.tolist()}) > 1
    QTest.mouseClick(step.classes.undo, LEFT)
    assert session.grouping == before
    assert step.asking.resolution.value() == pytest.approx(1.0)


def test_a_slow_slide_is_sorted_in_the_background(
    step, session, qtbot, finish, monkeypatch
):
    monkeypatch.setattr("napari_scfm.widgets.clusters.step.AT_ONCE", -1.0)
    before = session.grouping
    step.asking.resolution.setValue(2.0)
    qtbot.waitUntil(lambda: session.busy == "Clustering", timeout=60_000)
    step.asking.resolution.setValue(3.0)  # while the other is under way
    wanted = lambda: session.clusters.resolution == 3.0  # noqa: E731
    qtbot.waitUntil(wanted, timeout=60_000)
    finish()
    assert len(session.grouping.names) > len(before.names)
    assert step.asking.resolution.value() == pytest.approx(3.0)


def test_a_class_is_split_and_a_figure_has_its_colours(step, session, viewer, finish):
    before = session.grouping
    choose(step, "0", "1")
    assert not step.classes.split.isEnabled()
    choose(step, "0")
    QTest.mouseClick(step.classes.split, LEFT)
    finish()
    made = session.grouping
    assert {"0.1", "0.2"} <= set(made.names)
    assert made.colours[made.names.index("0.1")].tolist() == before.colours[0].tolist()
    show_fov(viewer, "F002")
    (panel,) = panels_of(session, "clusters")
    np.testing.assert_array_equal(panel.palette, made.colours)
    assert panel.names == made.names


def test_selected_cells_of_several_classes_are_split_and_put_back(
    step, session, finish
):
    before = session.grouping
    session.selection = np.arange(0)
    assert not step.classes.split_cells.isEnabled()
    session.selection = np.arange(150)
    rows = groups.rows_here(session)[:150]
    assert len(set(before.labels[rows])) > 1
    QTest.mouseClick(step.classes.split_cells, LEFT)
    finish()
    made = session.grouping
    parts = [name for name in made.names if name.startswith("part.")]
    assert len(parts) > 1
    np.testing.assert_array_equal(made.rows(*parts), np.sort(rows))
    assert "150 cells split into" in session.message.text
    QTest.mouseClick(step.classes.undo, LEFT)
    assert session.grouping == before


def test_an_unticked_class_is_hidden_and_ticked_again(step, session):
    item = step.classes.table.item(1, 0)
    item.setCheckState(Qt.CheckState.Unchecked)
    assert session.hidden_classes == {"1"}
    assert session.grouping.names[1] == "1"
    hidden.show_all(session)
    assert step.classes.table.item(1, 0).checkState() == Qt.CheckState.Checked
    hidden.toggle(session, "0", hidden.CLUSTERS)
    assert step.classes.table.item(0, 0).checkState() == Qt.CheckState.Unchecked
    step.classes.table.item(0, 0).setText("rim")  # it stays hidden under its new name
    assert session.hidden_classes == {"rim"}
    assert step.classes.table.item(0, 0).checkState() == Qt.CheckState.Unchecked


def test_classes_over_fields_of_view_lead_there_and_are_saved(
    step, session, tmp_path, viewer
):
    part = step.composition
    part.unfold()
    fovs = session.slide.table.obs["fov"].astype(str)
    shown = [part.table.item(line, 0).text() for line in range(part.table.rowCount())]
    assert shown == list(fovs.unique())
    bar = part.table.cellWidget(0, 2)
    there = session.grouping.labels[np.flatnonzero(fovs == shown[0])]
    np.testing.assert_array_equal(
        bar.counts, np.bincount(there, minlength=len(session.grouping.names))
    )
    assert bar.class_at(0.0) == np.flatnonzero(bar.counts)[0]
    assert bar.class_at(1.0) == np.flatnonzero(bar.counts)[-1]
    show_fov(viewer, shown[-1])
    where = part.table.visualItemRect(part.table.item(0, 0)).center()
    QTest.mouseClick(part.table.viewport(), LEFT, pos=where)
    assert session.fov.name == shown[0]
    part.write(tmp_path / "where")
    saved = pd.read_csv(tmp_path / "where.csv", index_col=0)
    assert list(saved.columns) == list(session.grouping.names)
    assert saved.to_numpy().sum() == session.slide.table.n_obs


def test_another_mask_is_told(step, session):
    assert clustering.STALE not in step.status.text()
    masking.hide_genes(session, [str(session.fov.table.var_names[0])])
    assert clustering.STALE in step.status.text()


def test_classes_are_merged_renamed_and_corrected_by_hand(step, session, viewer):
    first = session.grouping
    colour = first.colours[0].tolist()
    choose(step, "0", "1")
    QTest.mouseClick(step.classes.merge, LEFT)
    assert "1" not in session.grouping.names
    assert session.grouping.sizes[0] == first.sizes[:2].sum()
    step.classes.table.item(0, 0).setText("epithelium")
    assert session.grouping.names[0] == "epithelium"
    assert session.grouping.colours[0].tolist() == colour
    step.classes.table.item(1, 0).setText("epithelium")
    assert "There is a class epithelium" in session.message.text
    assert step.classes.table.item(1, 0).text() == "2"
    session.selection = np.arange(7)
    step.classes.name.setEditText("rim")
    QTest.mouseClick(step.classes.put, LEFT)
    assert (session.clusters.values[:7] == len(session.grouping.names) - 1).all()
    assert session.grouping.sizes[-1] == 7
    choose(step, "rim")
    session.selection = np.arange(0)
    QTest.mouseClick(step.classes.pick, LEFT)
    np.testing.assert_array_equal(session.selection, np.arange(7))
    assert "put 7 cells of F004 into rim" in session.grouping.about
    for _ in range(3):
        assert step.classes.undo.isEnabled()
        QTest.mouseClick(step.classes.undo, LEFT)
    assert session.grouping == first
    assert not step.classes.undo.isEnabled()
    QTest.mouseClick(step.classes.redo, LEFT)
    assert "1" not in session.grouping.names


def test_domains_markers_neighbourhoods_and_a_file(step, session, finish, tmp_path):
    step.asking.by.setCurrentText(DOMAINS)
    assert step.asking.weight.isVisible()
    step.run()
    finish()
    assert session.clusters.title == "Domains of slow"
    assert "domain" in step.status.text()
    step.markers.unfold()
    QTest.mouseClick(step.markers.find, LEFT)
    finish()
    assert session.message.level == "info", session.message
    table = step.markers.table
    assert table.isVisible()
    where = table.table.visualRect(table.sorted.index(0, 0)).center()
    QTest.mouseClick(table.table.viewport(), LEFT, pos=where)
    assert session.gene == step.markers.found["names"].iloc[0]
    assert session.colour_by == "gene"
    assert step.neighbourhoods.kinds.findText(session.grouping.key) >= 0
    assert step.neighbourhoods.kinds.findText("Domains of slow") < 0
    step.write(tmp_path / "out")
    finish()
    assert session.message.level == "info", session.message
    saved = ad.read_h5ad(tmp_path / "out.h5ad")
    key = session.grouping.key
    assert list(saved.obs[key].cat.categories) == list(session.grouping.names)
    assert len(saved.uns[f"{key}_colors"]) == len(session.grouping.names)
    assert "X_slow" in saved.obsm
    assert saved.uns["napari_scfm"]["model"] == "slow"


def test_a_session_brings_the_classes_back(step, session, viewer, tmp_path):
    groups.change(session, lambda x: x.rename("0", "rim"), "renamed 0 to rim")
    session.model = None  # it is in no file
    session.parts.pop(tasks.LOADED)
    path = save_session(viewer, tmp_path / "mine")
    fresh = Viewer(show=False)
    try:
        again = open_session(fresh, path)
        assert again.grouping == session.grouping
        assert again.grouping.about == session.grouping.about
        assert again.clusters.title == "Clusters of slow"
        show_fov(fresh, "F001")
        assert again.clusters.fov == "F001"
        assert again.clusters.names[0] == "rim"
    finally:
        fresh.close()


def test_after_a_session_is_opened_the_slider_and_split_make_the_graph_again(
    step, session, qtbot, finish
):
    found = groups.groups_of(session)
    found.cells = found.vectors = None  # as of a session that was opened
    session.parts[clustering.GRAPHS].clear()
    before, model = session.grouping, session.model
    choose(step, "0")
    QTest.mouseClick(step.classes.split, LEFT)
    finish()
    assert "0.1" in session.grouping.names
    QTest.mouseClick(step.classes.undo, LEFT)
    session.model = None
    found.cells = found.vectors = None
    step.asking.resolution.setValue(2.0)
    qtbot.waitUntil(lambda: session.message.level == "error", timeout=60_000)
    assert session.grouping == before
    session.model = model
    step.asking.resolution.setValue(3.0)
    qtbot.waitUntil(lambda: session.clusters.resolution == 3.0, timeout=60_000)
    finish()
    assert len(session.grouping.names) > len(before.names)
    QTest.mouseClick(step.classes.undo, LEFT)
    assert session.grouping == before


def test_nothing_is_done_without_classes(workbench, session):
    step = workbench.clusters
    assert step.classes.isHidden()
    assert step.save.isHidden()
    step.markers.run()
    assert "Press Cluster first" in session.message.text
    session.message = type(session.message)()
    step.write(Path("nowhere.h5ad"))
    assert "Press Cluster first" in session.message.text


def test_the_counts_are_clustered_without_a_model(workbench, session, finish):
    step = workbench.clusters
    session.model = None
    step.asking.by.setCurrentIndex(0)
    step.asking.show_resolution(1.0)
    assert step.asking.counts
    step.run()
    finish()
    assert session.message.level == "info", session.message
    assert session.grouping.key == "pca_cluster"
    assert len(session.grouping.names) > 3
    step.asking.resolution.setValue(3.0)
    before = session.grouping
    QTest.qWait(400)
    finish()
    assert len(session.grouping.names) > len(before.names)
    saved = groups.table_with(session)()
    assert saved.obsm["X_pca"].shape[0] == saved.n_obs
