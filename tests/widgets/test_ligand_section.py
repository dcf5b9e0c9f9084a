"""Ligand and receptor in the attention step: one pair, all pairs of a file."""

from __future__ import annotations

from unittest import mock

import pandas as pd
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog

from napari_scfm.viewer import tasks
from napari_scfm.viewer.attention import partners
from napari_scfm.viewer.open import show_fov

pytestmark = pytest.mark.gui
ONE_WINDOW = True

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def section(session, workbench, slow_model):
    """Return the section, with an attention to compare with at hand."""
    session.model = slow_model(steps=1, seconds=0)
    work = tasks.work_of(session, "attend")
    session.parts[partners.ATTENTION] = partners.attend(work)
    made = workbench.attention.ligands
    made.unfold()
    yield made
    made.ligand.clear()
    made.receptor.clear()


def genes(session, number: int) -> list[str]:
    """Return the genes of which most was counted."""
    table = session.fov.table
    return list(
        pd.Series(table.X.sum(axis=0).A1, table.var_names).nlargest(number).index
    )


def ours(viewer) -> list:
    return [layer.name for layer in viewer.layers if "→" in layer.name]


def test_a_pair_is_named_compared_drawn_and_removed(
    session, workbench, viewer, section, finish, tmp_path
) -> None:
    one, other = genes(session, 2)
    assert section.verdict.isHidden()
    QTest.mouseClick(section.ask, LEFT)
    assert "two genes" in session.message.text
    section.ligand.setText(one)
    section.receptor.setText(f" {other} ")
    QTest.keyClick(section.receptor, Qt.Key.Key_Return)
    finish()
    made = session.ligand
    assert section.verdict.text().startswith(made.result.sentence)
    assert "not evidence of communication" in section.verdict.text()
    assert f"{one} → {other}: rank correlation" in session.message.text
    assert section.scale.legend.title == f"{one} → {other}, received"
    assert ours(viewer) == [
        f"{one} → {other}, received",
        f"{one} → {other}, strongest pairs",
    ]
    section.side.setCurrentIndex(1)
    section.side.activated.emit(1)
    assert section.scale.legend.title == f"{one} → {other}, sent"
    assert section.minimumSizeHint().width() <= 300
    with mock.patch.object(
        QFileDialog, "getSaveFileName", return_value=(str(tmp_path / "n.csv"), "")
    ):
        QTest.mouseClick(section.cells, LEFT)
    assert len(pd.read_csv(tmp_path / "n.csv")) == session.n_cells
    QTest.mouseClick(section.remove, LEFT)
    assert ours(viewer) == []
    assert section.verdict.isHidden()


def test_names_are_completed_and_mistakes_are_one_sentence(
    session, workbench, section, finish
) -> None:
    one, _ = genes(session, 2)
    known = section.ligand.completer()
    known.setCompletionPrefix(one[1:].lower())
    found = set()
    for number in range(known.completionCount()):
        known.setCurrentRow(number)
        found.add(known.currentCompletion())
    assert one in found
    section.ligand.setText(one)
    section.receptor.setText("NOSUCH")
    section.lay()
    finish()
    assert "does not hold NOSUCH" in session.message.text
    assert session.ligand is None
    del session.parts[partners.ATTENTION]
    section.lay()
    assert "no attention of this field of view" in session.message.text


def test_pairs_of_a_file_are_ranked_drawn_and_saved(
    session, workbench, viewer, section, finish, tmp_path
) -> None:
    names = genes(session, 4)
    listed = tmp_path / "pairs.csv"
    listed.write_text(f"ligand,receptor\n{names[0]},{names[1]}\n"
                      f"{names[2]},{names[3]}\n{names[0]},ABSENT\n")  # fmt: skip
    section.rounds.setValue(19)
    assert section.table.isHidden()
    with mock.patch.object(
        QFileDialog, "getOpenFileName", return_value=(str(listed), "")
    ):
        QTest.mouseClick(section.file, LEFT)
    finish()
    assert section.table.rowCount() == 2
    assert section.found.text().startswith("2 pairs of pairs.csv on this panel")
    assert "so do" in section.found.text(), "mismatched pairs are the yardstick"
    first = section.table.item(0, 0).text()
    where = section.table.visualItemRect(section.table.item(0, 0)).center()
    QTest.mouseClick(section.table.viewport(), LEFT, pos=where)
    finish()
    assert session.ligand.result.name == first
    assert section.ligand.text() == session.ligand.result.ligand
    written = tmp_path / "ranked.csv"
    with mock.patch.object(
        QFileDialog, "getSaveFileName", return_value=(str(written), "")
    ):
        QTest.mouseClick(section.save, LEFT)
    frame = pd.read_csv(written)
    assert f"{frame['ligand'][0]} → {frame['receptor'][0]}" == first
    assert list(frame["decoy"]) == [False, False, True, True]
    show_fov(viewer, "F003")
    assert section.table.isHidden(), "ranks belong to their field of view"
    assert ours(viewer) == []
