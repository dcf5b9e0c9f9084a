"""The Train step in a real window: choices, a short run, and every wrong click."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_scfm.training.settings import TrainSettings
from napari_scfm.viewer import masking, training

pytestmark = pytest.mark.gui

NARROW = TrainSettings(
    width=16, layers=1, heads=2, latent=8, neighbours=(4,), draws=2, average=0.5
)


@pytest.fixture
def step(workbench, session, monkeypatch):
    """Return the open Train step; its models are as small as they can be."""
    monkeypatch.setattr(training, "settings_of", lambda plan: NARROW)
    workbench.model.device.setCurrentIndex(workbench.model.device.findData("cpu"))
    session.parts["device"] = "cpu"
    made = workbench.train
    made.expand(animate=False)
    made.form.epochs.setValue(2)
    QTest.qWait(50)
    return made


def press(button) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def test_without_a_slide_it_says_what_to_do(workbench):
    workbench.train.expand(animate=False)
    QTest.qWait(50)
    assert "Open a slide first" in workbench.train.status.text()
    assert not workbench.train.form.isVisible()
    press(workbench.train.train)
    assert "No slide is open" in workbench.message.text()


def test_a_model_is_trained_chosen_and_saved(
    step, session, workbench, finish, tmp_path
):
    assert step.form.ticked() == ["F004"]
    press(step.train)
    assert not step.train.isEnabled()
    assert step.cancel.isEnabled()
    finish()
    assert session.message.level == "info", session.message
    assert session.model.info.name == "trained-masked"
    assert step.train.isEnabled()
    assert workbench.model.names.currentText() == "trained-masked"
    card = workbench.model.card.text()
    assert "guess hidden genes and cells" in card
    assert "F001, F002, F003" in card
    assert "Held out F004" in card
    folder = tmp_path / "mine"
    step.save_as(folder)
    finish()
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "model.safetensors",
    ]
    assert session.model.info.name == "mine"
    assert session.model.info.sha256
    assert not step.save.isVisible()
    assert workbench.model.names.findText("trained-masked") == -1


def test_an_unsaved_model_predicts_and_the_other_one_comes_back(
    step, session, workbench, finish
):
    press(step.train)
    finish()
    masking.hide_genes(session, ["EPCAM", "CD3E"])
    for box in workbench.compare.baselines.values():
        box.setChecked(False)
    workbench.compare.run()
    finish()
    assert session.message.level == "info", session.message
    assert session.comparison.model == "trained-masked"
    assert workbench.compare.table.item(0, 0).text() == "trained-masked"
    names = workbench.model.names
    names.setCurrentText("cellplm-mini")
    workbench.model.load_chosen()
    finish()
    assert session.model.info.name == "cellplm-mini"
    names.setCurrentText("trained-masked")
    workbench.model.load_chosen()
    assert session.model.info.name == "trained-masked"
