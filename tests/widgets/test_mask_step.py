"""Step 4 by clicking: genes, cells, entries; what is hidden and how it is told."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_scfm.viewer.hiding import masking
from napari_scfm.widgets.steps.paste_genes import PasteGenes

pytestmark = pytest.mark.gui
ONE_WINDOW = True


@pytest.fixture
def step(workbench, session):
    made = workbench.mask
    made.expand(animate=False)
    made.choose("Genes")
    made.genes.checks.search.clear()
    made.genes.checks.mark(made.genes.checked, on=False)
    made.genes.checks.offer(list(session.fov.table.var_names))
    QTest.qWait(20)
    return made


def check(step, row: int) -> None:
    """Tick the check mark of a row of the gene list."""
    model = step.genes.checks.model
    checked = Qt.CheckState.Checked
    model.setData(model.index(row), checked.value, Qt.ItemDataRole.CheckStateRole)


def test_genes_are_checked_from_a_search_and_hidden(step, session):
    genes = step.genes
    QTest.keyClicks(genes.checks.search, "epc")
    assert genes.checks.shown[0] == "EPCAM"
    check(step, 0)
    genes.checks.search.setText("krt8")
    QTest.keyClick(genes.checks.search, Qt.Key.Key_Return)
    assert genes.checked == ["EPCAM", "KRT8"]
    assert genes.hide_checked.text() == "Hide 2 genes"
    QTest.mouseClick(genes.hide_checked, Qt.MouseButton.LeftButton)
    assert set(session.mask.hidden_genes) == {"EPCAM", "KRT8"}
    assert genes.checked == []
    assert step.modes.buttons()[0].text() == "Genes  2"
    assert "Recipe: EPCAM, KRT8." in step.status.text()
    place = genes.checks.shown.index("EPCAM")
    index = genes.checks.model.index(place)
    assert genes.checks.model.data(index) == "EPCAM  · hidden"


def test_a_pattern_is_hidden_as_a_pattern(step, session):
    genes = step.genes
    assert not genes.pattern.isVisible()
    genes.checks.search.setText("KRT*")
    assert all(name.startswith("KRT") for name in genes.checks.shown)
    assert f"({len(genes.checks.shown)})" in genes.pattern.text()
    QTest.mouseClick(genes.pattern, Qt.MouseButton.LeftButton)
    assert session.recipe.patterns == ("KRT*",)
    assert all(name.startswith("KRT") for name in session.mask.hidden_genes)
    assert step.clear.isEnabled()
    QTest.mouseClick(step.clear, Qt.MouseButton.LeftButton)
    assert "Nothing is hidden." in step.status.text()


def test_a_pasted_list_names_all_that_is_unknown(step, session):
    genes = step.genes
    genes.checks.search.setText("EPCAM; krt8, NOSUCH1 NOSUCH2")
    QTest.keyClick(genes.checks.search, Qt.Key.Key_Return)
    assert genes.checked == ["EPCAM", "KRT8"]
    assert session.message.level == "error"
    assert "NOSUCH1" in session.message.text
    assert "NOSUCH2" in session.message.text
    dialog = PasteGenes(genes._told, step)
    assert not dialog.take.isEnabled()
    dialog.text.setPlainText("CD3E\nCD3E\nNOPE")
    assert dialog.take.isEnabled()
    assert "1 gene" in dialog.found.text()
    assert "NOPE" in dialog.found.text()


def test_families_are_checked_at_once(step):
    families = step.genes.families
    stems = [families.itemText(i) for i in range(families.count())]
    place = next(i for i, text in enumerate(stems) if text.startswith("KRT"))
    families.activated.emit(place)
    assert all(name.startswith("KRT") for name in step.genes.checked)
    assert len(step.genes.checked) >= 3
    assert families.currentIndex() == 0


def test_a_panel_of_many_genes_is_searched_as_it_is_typed(step):
    names = [f"GENE{number}" for number in range(18_000)]
    step.genes.checks.offer(names)
    step.genes.checks.search.setText("gene17999")
    assert step.genes.checks.shown == ["GENE17999"]
    step.genes.checks.search.setText("")
    assert len(step.genes.checks.shown) == 18_000
    step.genes.checks.mark(names)
    assert step.genes.hide_checked.text() == "Hide 18,000 genes"


def test_strata_random_and_one_at_a_time(step, session):
    step.genes.each.setValue(2)
    step.genes.hide_of_each()
    assert session.recipe.per_stratum == 2
    masking.clear(session)
    step.genes.unit.setCurrentIndex(1)
    step.genes.share.setValue(10)
    step.genes.hide_random()
    assert session.recipe.gene_fraction == 0.1
    step.genes.turn.click()
    assert session.in_turn
    session.in_turn = False
    assert not step.genes.turn.isChecked()


def test_selecting_never_hides(step, session):
    step.choose("Cells")
    cells = step.cells
    assert cells.isVisible()
    assert not step.genes.isVisible()
    QTest.mouseClick(cells.everything, Qt.MouseButton.LeftButton)
    assert len(session.selection) == session.n_cells
    assert f"{session.n_cells} of {session.n_cells}" in cells.selected.text()
    cells.rules.unfold()
    cells.nth.setValue(10)
    cells.by_nth.click()
    assert len(session.selection) == -(-session.n_cells // 10)
    cells.others.click()
    cells.none.click()
    assert session.mask is None
    cells.column.setCurrentText("cell_type")
    cells.value.setCurrentText("T cell")
    cells.by_group.click()
    kinds = session.fov.table.obs["cell_type"]
    assert (kinds.iloc[session.selection] == "T cell").all()
    QTest.mouseClick(cells.hide, Qt.MouseButton.LeftButton)
    assert session.recipe.obs == {"cell_type": ("T cell",)}
    assert step.modes.buttons()[1].text() == f"Cells  {len(session.selection)}"
    QTest.mouseClick(cells.show_again, Qt.MouseButton.LeftButton)
    assert session.mask.n_hidden == 0


def test_the_radius_is_one_for_box_keys_and_session(step, session):
    step.cells.radius.setValue(45)
    assert session.radius == 45
    session.radius = 75
    assert step.cells.radius.value() == 75


def test_entries_by_share_dropout_and_block(step, session):
    step.choose("Entries")
    entries = step.entries
    QTest.mouseClick(entries.presets[2], Qt.MouseButton.LeftButton)
    assert entries.share.value() == 40
    QTest.mouseClick(entries.random, Qt.MouseButton.LeftButton)
    drawn = session.recipe.entries
    assert (drawn.fraction, drawn.eligible) == (0.4, "expressed")
    expressed = session.fov.table.X.nnz
    assert session.mask.n_hidden == pytest.approx(0.4 * expressed, abs=1)
    assert "single entries" in step.status.text()
    masking.clear(session)
    entries.rule.setCurrentIndex(1)
    entries.hide_dropout()
    assert session.recipe.dropout.rule == "uniform"
    masking.clear(session)
    entries.hide_block()
    assert "A block needs genes and cells" in session.message.text
    step.genes.checks.mark(["EPCAM", "KRT8"])
    session.selection = np.arange(5)
    assert "= 10 entries" in entries.size.text()
    entries.hide_block()
    assert session.mask.n_hidden == 10


def test_presets_and_recipe_files(step, session, tmp_path):
    step.presets.unfold()
    buttons = {
        made.property("preset"): made
        for made in step.presets.findChildren(type(step.undo))
    }
    buttons["tenth"].click()
    assert session.recipe.gene_fraction == 0.1
    buttons["neighbourhood"].click()
    assert "No cell is selected" in session.message.text
    step.save(str(tmp_path / "hidden.json"))
    mask = session.mask
    step.undo.click()
    assert session.mask.n_hidden == 0
    step.open(str(tmp_path / "hidden.json"))
    assert session.mask == mask
