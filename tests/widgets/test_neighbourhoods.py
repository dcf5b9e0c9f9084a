"""Neighbourhoods in a window: asked in the background, answered by clicks."""

from __future__ import annotations

from types import SimpleNamespace
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog

from napari_scfm.analysis.neighbourhoods import moran, spatial_graph
from napari_scfm.viewer.open import show_fov
from napari_scfm.viewer.session import Clusters, Comparison
from napari_scfm.widgets.neighbourhoods import NeighbourhoodSection
from napari_scfm.widgets.step import Context

pytestmark = pytest.mark.gui
ONE_WINDOW = True

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def groupings():
    """Groupings of the slide that the section is offered."""
    return []


@pytest.fixture
def section(session, workbench, viewer, groupings):
    """Return the section in a dock of its own."""
    context = Context(workbench.context.viewer, session, workbench.jobs)
    made = NeighbourhoodSection(context, lambda: groupings)
    viewer.window.add_dock_widget(made, name="neighbourhoods", area="left")
    made.unfold()
    made.shuffles.setValue(99)
    yield made
    context.release()


def click_pair(section, kind: str, neighbour: str) -> None:
    """Click the square of two kinds."""
    heat = section.map.map
    square = heat.square(heat.names.index(kind), heat.names.index(neighbour))
    QTest.mouseClick(heat, LEFT, pos=square.center().toPoint())


def click_row(table, row: int) -> None:
    index = table.sorted.index(row, 0)
    where = table.table.visualRect(index).center()
    QTest.mouseClick(table.table.viewport(), LEFT, pos=where)


def beside(session, one: str, other: str, kinds=None) -> set[int]:
    """Return the rows of two kinds that are neighbours, counted one by one."""
    if kinds is None:
        kinds = session.fov.table.obs["cell_type"].to_numpy()
    edges = spatial_graph(session.fov.table).connectivities.tocoo()
    found = set()
    for row, column in zip(edges.row, edges.col, strict=True):
        if {kinds[row], kinds[column]} == {one, other}:
            found |= {row, column}
    return found


def test_a_square_selects_the_cells_that_lie_beside_one_another(
    session, section, finish, tmp_path
) -> None:
    assert section.map.isHidden()
    assert section.save.isHidden()
    assert section.kinds.currentText() == "cell_type"
    QTest.mouseClick(section.find, LEFT)
    finish()
    assert session.message.level == "info", session.message.text
    assert "pairs of kinds in F004" in session.message.text
    assert section.map.isVisible()
    click_pair(section, "tumour", "macrophage")
    assert set(session.selection.tolist()) == beside(session, "tumour", "macrophage")
    assert session.colour_by == "type"
    assert "tumour beside macrophage" in session.message.text
    assert "macrophage lies beside tumour" in section.map.said.text()
    click_pair(section, "tumour", "tumour")
    assert set(session.selection.tolist()) == beside(session, "tumour", "tumour")
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Up, Qt.Key.Key_Left, Qt.Key.Key_Return):
        QTest.keyClick(section.map.map, key)
    # tumour is the last kind: down leads nowhere
    assert section.map.map.chosen == ("plasma cell", "plasma cell")
    there = beside(session, "plasma cell", "plasma cell")
    assert set(session.selection.tolist()) == there
    assert section.minimumSizeHint().width() <= 300
    with mock.patch.object(
        QFileDialog, "getExistingDirectory", return_value=str(tmp_path)
    ):
        QTest.mouseClick(section.save, LEFT)
    assert [path.name for path in tmp_path.iterdir()] == ["enrichment.csv"]
    rows = pd.read_csv(tmp_path / "enrichment.csv").set_index(["kind", "neighbour"])
    assert rows.loc[("tumour", "tumour"), "z"] > 5


def test_distances_have_a_slider_and_the_map_keeps_both(
    session, section, finish
) -> None:
    section.enrich()
    finish()
    assert section.map.which.isHidden()
    QTest.mouseClick(section.measure, LEFT)
    finish()
    assert section.map.which.isVisible()
    click_pair(section, "tumour", "T cell")
    said = section.map.said.text()
    assert said.startswith("tumour is ")
    assert "within 30 um of T cell" in said
    section.map.slider.setValue(section.map.slider.maximum())
    assert "within 150 um of T cell" in section.map.said.text()
    section.map.which.setCurrentIndex(0)
    assert "T cell lies beside tumour" in section.map.said.text()
    assert section.map.slider.isHidden()


def test_the_whole_slide_stays_when_fields_of_view_change(
    session, viewer, section, finish
) -> None:
    section.enrich()
    finish()
    show_fov(viewer, "F003")
    assert section.map.isHidden(), "what was asked of F004 alone is gone"
    section.where.setCurrentIndex(1)
    section.enrich()
    finish()
    assert "in the whole slide" in session.message.text
    counts = section.map.enrichment.kinds.counts
    assert counts.sum() == len(session.slide.table)
    show_fov(viewer, "F004")
    assert section.map.isVisible()
    click_pair(section, "tumour", "macrophage")
    assert set(session.selection.tolist()) == beside(session, "tumour", "macrophage")


def test_genes_are_ranked_and_painted_with_their_predictions(
    session, section, finish
) -> None:
    table = session.fov.table
    genes = list(table.var_names[:3])
    place = table.obsm["spatial"]
    truth = table.X[:, :3].toarray()
    guess = np.stack([place[:, 0], place[:, 1], np.ones(len(place))], axis=1)
    session.comparison = Comparison(
        "F004", "m", genes, truth, guess, np.ones(truth.shape, bool), pd.DataFrame()
    )
    QTest.mouseClick(section.rank, LEFT)
    finish()
    assert session.message.text.startswith("Most spatial in F004: ")
    ranked = section.ranked.set_index("gene")
    alone = moran(table)
    np.testing.assert_allclose(ranked.loc[alone.index, "I"], alone["I"])
    assert ranked["I_predicted"].notna().sum() == 3
    assert ranked.loc[genes[0], "I_predicted"] > ranked.loc[genes[0], "I"]
    assert "not a better prediction" in section.genes_said.text()
    assert "m_imputed" not in table.layers, "the slide's own table is left as it is"
    assert not table.layers
    section.genes.filter.setText(alone.index[4][:4])
    click_row(section.genes, 0)
    assert session.colour_by == "gene"
    assert session.gene.startswith(alone.index[4][:4])
    show_name = section.genes.sorted.index(0, 0).data()
    assert show_name == session.gene


def test_pairs_of_a_file_are_tested_and_clicked(
    session, section, finish, tmp_path
) -> None:
    listed = tmp_path / "pairs.csv"
    listed.write_text("ligand,receptor\nCXCL12,CXCR4\nCCL21,CCR7\nNOT,HERE\n")
    with mock.patch.object(
        QFileDialog, "getOpenFileName", return_value=(str(listed), "")
    ):
        QTest.mouseClick(section.file, LEFT)
    finish()
    assert "holds 2 of 3 pairs" in section.pairs_said.text()
    assert "not evidence of communication" in section.pairs_said.text()
    assert section.tested["p_value"].min() == pytest.approx(0.01)
    click_row(section.pairs, 0)
    found = section.tested.iloc[0]
    expected = beside(session, found["sender"], found["receiver"])
    assert set(session.selection.tolist()) == expected


def test_clusters_and_groupings_are_kinds_too(
    session, section, groupings, finish
) -> None:
    # as many as there are cell types: numba compiles anew for every number of kinds
    stripe = (session.fov.table.obsm["spatial"][:, 0] / 25).astype(int) % 8
    stripe[:8] = range(8)
    session.clusters = Clusters("F004", "m", stripe, 1.0)
    assert section.kinds.findText("Clusters of m") == 1
    section.choose("Clusters of m")
    section.enrich()
    finish()
    names = np.array(list("01234567"))
    assert section.map.enrichment.names == tuple(names)
    click_pair(section, "0", "1")
    kinds = names[stripe]
    assert set(session.selection.tolist()) == beside(session, "0", "1", kinds)
    assert len(session.selection) > 1
    assert session.colour_by == "clusters"
    section.where.setCurrentIndex(1)
    section.enrich()
    assert "known of F004 only" in session.message.text
    fovs = session.slide.table.obs["fov"].to_numpy()
    labels = np.full(len(fovs), -1)
    labels[fovs == "F004"] = stripe
    labels[fovs == "F001"] = 7
    groupings.append(SimpleNamespace(key="mine", labels=labels, names=tuple(names)))
    section.refresh()
    section.choose("mine")
    section.enrich()
    finish()
    assert section.map.enrichment.kinds.counts.sum() == (labels >= 0).sum()
    click_pair(section, "2", "1")
    assert set(session.selection.tolist()) == beside(session, "2", "1", kinds)


def test_mistakes_are_one_sentence_and_cancelling_changes_nothing(
    session, section, workbench, finish, tmp_path
) -> None:
    listed = tmp_path / "pairs.csv"
    listed.write_text("ligand,receptor\nNOT,HERE\n")
    section.test_pairs(listed)
    finish()
    assert "both genes of none of 1 pair" in session.message.text
    assert section.pairs.isHidden()
    section.enrich()
    workbench.jobs.cancel()
    finish()
    assert "was cancelled" in session.message.text
    assert section.map.isHidden()
    with mock.patch.object(section.kinds, "currentData", return_value=None):
        section.enrich()
    assert "names no kinds" in session.message.text
    session.fov = None
    section.rank.click()
    assert "No slide is open" in session.message.text
