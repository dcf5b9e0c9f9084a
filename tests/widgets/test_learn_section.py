"""Learn these in a window: examples are added, learned, undone, kept in a session."""

from __future__ import annotations

import numpy as np
import pytest
from napari import Viewer

from napari_scfm.viewer import examples, tasks
from napari_scfm.viewer.open import show_fov
from napari_scfm.viewer.refined import refined_of
from napari_scfm.viewer.sessions.restore import open_session
from napari_scfm.viewer.sessions.save import save_session

pytestmark = pytest.mark.gui
ONE_WINDOW = True

KINDS = ("tumour", "T cell", "macrophage")


@pytest.fixture
def section(workbench, session, slow_model):
    """Return the open section, with a model and nothing learned yet."""
    session.model = slow_model()
    workbench.clusters.expand(animate=False)
    made = workbench.clusters.learn
    made.unfold()
    return made


def rows_of(session, kind: str) -> np.ndarray:
    names = session.fov.table.obs["cell_type"].astype(str)
    return np.flatnonzero(names == kind)


def kinds_here(session) -> list[str]:
    """Return the commonest types of the field of view."""
    return list(session.fov.table.obs["cell_type"].astype(str).value_counts().index[:3])


def add(section, kind: str, rows) -> None:
    """Select cells, write the kind's name and press the button."""
    section.session.selection = np.sort(np.asarray(rows))
    section.kind.setEditText(kind)
    section.put.click()


def choose(section, line: int) -> None:
    section.table.clearSelection()
    section.table.selectRow(line)


@pytest.fixture
def taught(section, session):
    """Return the section with five examples of three kinds."""
    for kind in kinds_here(session):
        add(section, kind, rows_of(session, kind)[:5])
    return section


@pytest.fixture
def learned(taught, finish):
    taught.run_.click()
    finish()
    assert taught.session.message.level == "info", taught.session.message
    return taught


def test_examples_are_added_counted_selected_and_removed(section, session, viewer):
    assert section.about.isVisible()
    assert not section.run_.isEnabled()
    section.kind.setEditText("")
    section.put.click()
    assert "The kind has no name" in session.message.text
    session.selection = np.arange(0)
    section.kind.setEditText("rim")
    section.put.click()
    assert "No cell is selected" in session.message.text
    add(section, "rim", [1, 2, 3])
    add(section, "core", [3, 4])
    assert section.run_.isEnabled()
    lines = [[section.table.item(i, j).text() for j in range(3)] for i in range(2)]
    assert lines == [["rim", "2", "2"], ["core", "2", "2"]], "a cell is of one kind"
    show_fov(viewer, "F001")
    add(section, "rim", [0])
    assert [section.table.item(0, j).text() for j in range(3)] == ["rim", "1", "3"]
    session.selection = np.arange(0)
    choose(section, 0)
    section.pick.click()
    np.testing.assert_array_equal(session.selection, [0])
    assert "2 in other fields of view" in session.message.text
    section.drop.click()
    assert list(examples.kinds_of(session)) == ["core"]
    assert not section.run_.isEnabled()


def test_kinds_are_learned_shown_and_undone(learned, session, workbench):
    grouping = session.grouping
    assert grouping.key == "examples_cell_type"
    assert len(grouping.labels) == session.slide.table.n_obs
    assert session.colour_by == "clusters"
    assert "predicted" in workbench.legend.legend.note
    for kind, cells in examples.kinds_of(session).items():
        rows = session.slide.table.obs_names.get_indexer(cells)
        assert {grouping.names[code] for code in grouping.labels[rows]} == {kind}
        assert (grouping.confidence[rows] == 1).all()
    truth = session.slide.table.obs["cell_type"].astype(str).to_numpy()
    said = np.array([*grouping.names, ""])[grouping.labels]
    tested = np.isin(truth, grouping.names)
    assert (said == truth)[tested].mean() > 0.6
    assert "are told one of" in learned.said.text()
    assert learned.use.isChecked()


def test_clusters_come_back_by_undo_and_are_made_of_the_refined_embedding(
    taught, session, workbench, finish
):
    step = workbench.clusters
    step.run()
    finish()
    before = session.grouping
    taught.run_.click()
    finish()
    assert session.grouping.key == "examples_cell_type"
    step.classes.undo.click()
    assert session.grouping == before
    step.classes.redo.click()
    assert session.grouping.key == "examples_cell_type"
    step.run()
    finish()
    assert session.grouping.key == "slow_refined_cluster"
    taught.use.setChecked(False)
    step.run()
    finish()
    assert session.grouping.key == "slow_cluster"


def test_a_mask_makes_the_refined_embedding_stale(learned, session, workbench):
    from napari_scfm.viewer.hiding.masking import hide_genes

    assert refined_of(session) is not None
    hide_genes(session, [str(session.fov.table.var_names[0])])
    assert refined_of(session) is None
    assert not learned.use.isChecked()
    assert "learn again" in learned.said.text()


def test_it_is_cancelled_without_a_trace(taught, session, workbench, finish, qtbot):
    before = session.grouping
    taught.run_.click()
    workbench.jobs.cancel()
    finish()
    assert "cancelled" in session.message.text
    assert session.grouping is before
    assert session.refined is None


def test_a_session_and_a_file_bring_the_examples_back(
    taught, session, viewer, tmp_path
):
    wanted = examples.kinds_of(session)
    session.model = None  # it is in no file
    session.parts.pop(tasks.LOADED, None)
    path = save_session(viewer, tmp_path / "mine")
    taught.write(tmp_path / "mine")
    examples.remove(session, list(wanted))
    taught.read(tmp_path / "mine.csv")
    assert examples.kinds_of(session) == wanted
    fresh = Viewer(show=False)
    try:
        assert examples.kinds_of(open_session(fresh, path)) == wanted
    finally:
        fresh.close()
