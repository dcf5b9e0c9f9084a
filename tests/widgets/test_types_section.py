"""Cell types in a window: told of the whole slide, corrected, compared, saved."""

from __future__ import annotations

import sys
from contextlib import suppress

import anndata as ad
import numpy as np
import pytest
from napari import Viewer
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_scfm.viewer import grouping as groups
from napari_scfm.viewer import tasks
from napari_scfm.viewer.hiding import masking
from napari_scfm.viewer.open import show_fov
from napari_scfm.viewer.sessions.restore import open_session
from napari_scfm.viewer.sessions.save import save_session

pytestmark = pytest.mark.gui
ONE_WINDOW = True

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture(scope="module")
def labelled(slide, tmp_path_factory):
    """Write cells of one field of view with their types to a file.

    Few genes are measured in it, so that not every cell is sure.
    """
    path = tmp_path_factory.mktemp("reference") / "labelled.h5ad"
    table = slide.fov("F001").table[:, ::12].copy()
    table.obs["other"] = np.where(np.arange(table.n_obs) % 2, "odd", "even")
    table.write_h5ad(path)
    return path


@pytest.fixture
def types(workbench, session, finish, labelled):
    """Return the section, with a file of labelled cells chosen."""
    workbench.clusters.expand(animate=False)
    made = workbench.clusters.types
    made.unfold()
    made.by.setCurrentText("Labelled cells")
    made.least.setValue(0)
    made.choose_reference(labelled)
    finish()
    return made


@pytest.fixture
def told(types, finish):
    """Return the section after a press on its button."""
    QTest.mouseClick(types.tell, LEFT)
    finish()
    assert types.session.message.level == "info", types.session.message
    return types


def test_types_of_the_slide_are_told_as_by_the_command_line(
    told, session, workbench, viewer, labelled, tmp_path, monkeypatch, sample, finish
):
    from napari_scfm.cli import main

    assert told.labels.itemText(0) == "cell_type"
    legend = workbench.legend.legend
    assert legend.title == "Cell types told by reference labelled.h5ad"
    assert legend.predicted
    assert "predicted type" in workbench.clusters.status.text()
    workbench.clusters.write(tmp_path / "window.h5ad")
    finish()
    line = ["annotate", str(sample), "--by", "reference", "--reference", str(labelled)]
    argv = ["napari-scfm", *line, "-o", str(tmp_path / "line.h5ad")]
    monkeypatch.setattr(sys, "argv", argv)
    with suppress(SystemExit):
        main()
    one, other = (ad.read_h5ad(tmp_path / f"{n}.h5ad") for n in ("window", "line"))
    key = "reference_cell_type"
    assert one.obs_names.equals(other.obs_names)
    assert list(one.obs[key].astype(str)) == list(other.obs[key].astype(str))
    np.testing.assert_array_equal(
        one.obs[f"{key}_confidence"], other.obs[f"{key}_confidence"]
    )
    np.testing.assert_array_equal(
        one.obsm[f"{key}_scores"], other.obsm[f"{key}_scores"]
    )
    assert list(one.uns[f"{key}_classes"]) == list(other.uns[f"{key}_classes"])
    about = [x.uns["napari_scfm"][f"{key}_about"] for x in (one, other)]
    assert about[0]["scores"] == about[1]["scores"]
    assert about[0]["reference"] == "labelled.h5ad"


def test_types_are_undone_redone_and_keep_the_colours_of_known_ones(
    types, session, workbench, viewer, slow_model, finish
):
    session.model = slow_model()
    workbench.clusters.run()
    finish()
    clusters = session.grouping
    QTest.mouseClick(types.tell, LEFT)
    finish()
    told = session.grouping
    assert told.key == "reference_cell_type"
    session.colour_by = "type"
    known = dict(workbench.legend.legend.categories)
    session.colour_by = "clusters"
    shown = dict(workbench.legend.legend.categories)
    both = set(shown) & set(known)
    assert len(both) > 3
    for name in both:
        assert shown[name] == pytest.approx(known[name], abs=1 / 255)
    classes = workbench.clusters.classes
    QTest.mouseClick(classes.undo, LEFT)
    assert session.grouping == clusters
    assert session.clusters.title == "Clusters of slow"
    assert groups.groups_of(session).cells is not None  # the slider works again
    assert types.fade.isHidden()
    QTest.mouseClick(classes.redo, LEFT)
    assert session.grouping == told
    assert session.clusters.title.startswith("Cell types told by")


def test_a_threshold_and_a_hand_change_what_is_told(told, session, viewer, workbench):
    first = session.grouping
    told.least.setValue(0.7)
    second = session.grouping
    unknown = second.rows("unknown")
    np.testing.assert_array_equal(unknown, np.flatnonzero(first.confidence < 0.7))
    features = viewer.layers["cells F004"].features
    assert "unknown" in set(features["label predicted"])
    assert features["confidence"].min() < 0.7
    session.selection = np.flatnonzero(
        session.clusters.values == session.clusters.names.index("unknown")
    )
    groups.assign_selected(session, "looked at")
    sure = session.clusters.confidence
    assert np.isnan(sure[session.selection]).all()
    assert np.isnan(sure).sum() == len(session.selection) > 0
    groups.change(session, lambda x: x.rename("looked at", "odd ones"), "renamed")
    assert np.isnan(session.clusters.confidence).sum() == len(session.selection)
    told.least.setValue(0.5)
    assert "Undo brings back what was done by hand" in session.message.text
    for _ in range(4):
        QTest.mouseClick(workbench.clusters.classes.undo, LEFT)
    assert session.grouping == first
    assert told.least.value() == 0


def test_unsure_cells_fade(told, session, viewer, workbench):
    session.selection = np.arange(0)
    before = np.array(viewer.layers["cells F004"].colormap.colors)[1:, 3]
    told.fade.setChecked(True)
    after = np.array(viewer.layers["cells F004"].colormap.colors)[1:, 3]
    ids = session.fov.table.obs["label"].to_numpy() - 1
    unsure = ids[session.clusters.confidence < 0.99]
    assert (after[unsure] < before[unsure]).all()
    sure = ids[session.clusters.confidence >= 0.999]
    np.testing.assert_allclose(after[sure], before[sure], atol=1e-3)
    assert len(unsure) > 0
    assert len(sure) > 0
    assert "faint = unsure" in workbench.legend.legend.note


def test_what_is_hidden_tells_no_type(told, session, slide, finish):
    """Hidden counts are others in a copy of the slide; types and confidence are not."""
    import copy

    from napari_scfm.viewer import annotating

    show = session.fov.name
    masking.hide_genes(session, list(session.fov.table.var_names[::3]))
    asked = annotating.question_of(session, told.options())
    assert list(asked.masks) == [show]
    first = annotating.annotate(asked)
    changed = copy.copy(slide)
    table = slide.table.copy()
    mask = annotating.slide_mask(table, asked.masks)
    dense = table.X.toarray()
    dense[mask.dense()] += 11
    table.X = type(slide.table.X)(dense)
    vars(changed)["table"] = table
    again = annotating.annotate(
        annotating.Question(changed, asked.options, masks=asked.masks)
    )
    np.testing.assert_array_equal(first.told.scores, again.told.scores)
    plain = groups.groups_of(session).told
    assert (first.told.scores != plain.scores).any()


def test_known_types_are_compared_and_a_square_selects_its_cells(
    told, session, workbench, viewer, finish, tmp_path
):
    scores = workbench.clusters.scores
    scores.unfold()
    scores.column.setCurrentText("cell_type")
    QTest.mouseClick(scores.compare, LEFT)
    finish()
    assert "are right (always the most common" in session.message.text
    table = scores.match.table
    assert int(table.to_numpy().sum()) == session.slide.table.n_obs
    known = session.slide.table.obs["cell_type"].astype(str).to_numpy()
    kind = table.index[int(table.to_numpy().sum(axis=1).argmax())]
    at = table.index.get_loc(kind), list(table.columns).index(kind)
    place = scores.map.square(*at).center().toPoint()
    QTest.mouseClick(scores.map, LEFT, pos=place)
    here = session.fov.table.obs["cell_type"].astype(str).to_numpy() == kind
    assert 0 < len(session.selection) <= here.sum()
    assert here[session.selection].all()
    more = int(table.loc[kind, kind]) - len(session.selection)
    assert f"{more:,} more in other fields of view" in session.message.text
    before = scores.said.text()
    groups.assign_selected(session, "something else")
    assert scores.said.text() != before
    assert "something else" in scores.match.table.columns
    scores.write(tmp_path / "confusion")
    assert (tmp_path / "confusion.csv").read_text().startswith("known,")
    assert len(known) == len(scores.match.known)


def test_clusters_are_compared_without_names(
    workbench, session, slow_model, finish, viewer
):
    session.model = slow_model()
    workbench.clusters.run()
    finish()
    scores = workbench.clusters.scores
    scores.column.setCurrentText("cell_type")
    scores.run()
    finish()
    assert session.message.text.startswith("ARI ")
    assert "rename them to score by name" in scores.note.text()
    assert len(scores.map.names) == session.slide.table.obs["cell_type"].nunique()


def test_types_come_back_with_a_session(told, session, viewer, tmp_path):
    session.selection = np.arange(5)
    groups.assign_selected(session, "rim")
    session.model = None
    session.parts.pop(tasks.LOADED, None)  # models of other tests are in no file
    path = save_session(viewer, tmp_path / "typed")
    fresh = Viewer(show=False)
    try:
        again = open_session(fresh, path)
        assert again.grouping == session.grouping
        assert again.clusters.said
        assert again.clusters.title == session.clusters.title
        np.testing.assert_array_equal(
            again.clusters.confidence, session.clusters.confidence
        )
        show_fov(fresh, "F001")
        assert len(again.clusters.confidence) == again.n_cells
    finally:
        fresh.close()


def test_files_of_no_use_are_refused_and_nothing_is_told(
    types, session, finish, tmp_path, labelled
):
    bad = tmp_path / "bad.csv"
    bad.write_text("cluster,marker\n0,EPCAM\n")
    types.by.setCurrentText("Marker genes")
    types.markers.asked.emit(str(bad))
    assert "not type and gene" in session.message.text
    assert types.markers.path == ""
    types.run()
    assert "No marker genes are chosen" in session.message.text
    types.by.setCurrentText("Labelled cells")
    types.choose_reference(bad)
    finish()
    assert "no .h5ad file" in session.message.text
    assert types.reference.path == str(labelled)
    types.by.setCurrentText("Trained model")
    session.model = None
    types.run()
    assert "No model here tells types" in session.message.text
    assert "Train one in step 8" in types.said.text()
    assert session.grouping is None


def test_marker_genes_tell_types(types, session, finish, tmp_path):
    path = tmp_path / "markers.csv"
    path.write_text("type,gene\ntumour,EPCAM\ntumour,KRT8\nT cell,CD3E\nT cell,CD3D\n")
    types.by.setCurrentText("Marker genes")
    types.choose_markers(path)
    QTest.mouseClick(types.tell, LEFT)
    finish()
    assert session.grouping.key == "markers_cell_type"
    assert set(session.grouping.names) <= {"tumour", "T cell", "unknown"}
    assert "markers markers.csv" in session.clusters.title
    types.choose_markers("")
    assert types.markers.path == ""
