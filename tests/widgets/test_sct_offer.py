"""sCT in the Model step: card, cost and licence before its weights are loaded."""

from __future__ import annotations

import shutil

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_scfm.models.sct import kept, licence

pytestmark = pytest.mark.gui
ONE_WINDOW = True


@pytest.fixture
def weights(shared, tmp_path, monkeypatch):
    """A folder in the released layout, and nothing kept yet."""
    monkeypatch.delenv(licence.VARIABLE, raising=False)
    monkeypatch.setenv(kept.VARIABLE, str(tmp_path / "config"))
    monkeypatch.setattr(licence, "_shown", set())
    here = tmp_path / "download"
    here.mkdir()
    for name in ("params.joblib", "config.json"):
        shutil.copy(shared / "parity" / "sct" / "tiny" / "nonspatial" / name, here)
    return here


def test_sct_is_loaded_after_its_licence_was_read(
    workbench, session, finish, weights, tmp_path
):
    step = workbench.model
    step.expand(animate=False)
    QTest.qWait(100)
    step.names.setCurrentText("sct")
    QTest.mouseClick(step.load, Qt.MouseButton.LeftButton)
    assert "not part of this program" in step.offer.text.text()
    assert not step.offer.agree.isVisible()
    assert not step.card.isVisible()

    step.offer.chosen(tmp_path)
    assert "holds no sCT weights" in session.message.text
    before = session.model
    step.offer.chosen(weights)
    finish()
    told = step.offer.text.text()
    assert "not for commercial use" in told
    assert "embedded and" in told
    assert session.model is before
    QTest.mouseClick(step.offer.agree, Qt.MouseButton.LeftButton)
    finish()
    assert session.model.info.name == "sct"
    assert "CC BY-NC-SA 4.0" in step.card.text()
    assert licence.accepted(licence.RELEASED)

    # its genes are not known yet
    assert step.offer.genes.isVisible()
    table = tmp_path / "genes.csv"
    table.write_text("position,gene\n0,EPCAM\n2,KRT8\n")
    step.offer.named(table)
    assert "missing: 1" in session.message.text
    table.write_text("position,gene\n0,EPCAM\n1,KRT8\n")
    step.offer.named(table)
    finish()
    assert session.model.info.genes == ("EPCAM", "KRT8")
    assert not step.offer.isVisible()
    assert step.card.isVisible()
    assert "2 of" in step.card.text()

    # once accepted, the card comes first all the same, and is short
    QTest.mouseClick(step.load, Qt.MouseButton.LeftButton)
    finish()
    assert step.offer.agree.text() == "Load it"
    assert "not for commercial use" not in step.offer.text.text()


def test_a_damaged_configuration_is_a_sentence(workbench, session, weights):
    (weights / "config.json").write_text("{}")
    workbench.model.load_name(weights)
    assert session.message.level == "error"
    assert "is no sCT configuration" in session.message.text
