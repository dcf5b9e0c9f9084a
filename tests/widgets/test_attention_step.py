"""The attention step in a real window: what is asked, drawn, looked at and checked."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog

from napari_scfm.experiments.attention.asked import FieldOptions
from napari_scfm.models.attention import Attention
from napari_scfm.models.base import CellModel, ModelInfo
from napari_scfm.models.hub import load_model
from napari_scfm.viewer.open import show_fov
from napari_scfm.viewer.tasks import LOADED
from napari_scfm.widgets.attention.words import BLIND, CAVEAT, RAW, REFUSED
from napari_scfm.widgets.workbench import WIDTH

pytestmark = pytest.mark.gui
ONE_WINDOW = True
LEFT = Qt.MouseButton.LeftButton


class Blind(CellModel):
    """Attends by expression, wherever cells lie."""

    info = ModelInfo("blind", capabilities=frozenset({"embed", "attend"}))

    def embed(self, table, *, mask=None, progress=None):
        return np.log1p(table.X[:, :20].toarray()).astype(np.float32)

    def impute(self, table, genes, *, mask=None, progress=None):
        raise NotImplementedError

    def attend(self, table, *, mask=None, progress=None, **_):
        seen = self.embed(table)
        weights = np.exp(seen @ seen.T / 20)
        return Attention.from_matrix(weights / weights.sum(axis=1, keepdims=True))


@pytest.fixture
def step(workbench, session):
    """Return the attention step, open, with what it was asked first."""
    step = workbench.attention
    step.expand(animate=False)
    step.asking.shuffles.setValue(19)
    step.asking.null.setCurrentIndex(0)
    step.asking.partners.setCurrentIndex(step.asking.partners.findData("nearest"))
    step.look.density.setValue(1)
    step.look.cutoff.setValue(0)
    step.look.animate.setChecked(False)
    return step


@pytest.fixture(scope="module")
def mini():
    return load_model("cellplm-mini", "cpu")


@pytest.fixture
def drawn(step, session, mini, finish):
    """Return the session with streams of the small model."""
    session.model = mini
    step.draw.click()
    finish()
    assert session.message.level == "info", session.message
    return session


def looks(qtbot, session, wanted) -> None:
    qtbot.waitUntil(lambda: wanted(session.stream), timeout=60_000)


def test_nothing_is_asked_of_a_slide_or_a_model_that_is_not_there(
    step, session, finish
):
    step.draw.click()
    assert "No model is loaded" in session.message.text
    session.model = load_model("gene-mean")
    step.draw.click()
    assert "cannot attend" in session.message.text
    assert not step.drawn.isVisible()
    assert not step.remove.isVisible()


def test_what_is_drawn_says_what_it_is_worth(step, drawn):
    assert drawn.stream.options.neighbours == 30
    assert drawn.stream.field.regime == "local"
    text = step.result.text()
    assert "(1 + " in text
    assert "/ (1 + 19)" in text
    assert "Chance: " in text
    assert "geometry" in step.shares.toolTip()
    assert not step.banner.isVisible()
    assert step.drawn.isVisible()
    shown = [label.text() for label in step.findChildren(type(step.result))]
    assert CAVEAT in shown
    step.remove.click()
    assert drawn.stream is None
    assert not step.drawn.isVisible()


def test_a_selected_region_is_tested_and_a_few_cells_are_not(step, drawn, qtbot):
    x = drawn.stream.xy[:, 0]
    left = np.flatnonzero(x < np.median(x))
    drawn.selection = left
    said = f"The region of {len(left)} selected cells"
    qtbot.waitUntil(lambda: step.region.text().startswith(said), timeout=60_000)
    assert "p = " in step.region.text()
    assert step.region.isVisible()
    drawn.selection = left[:3]
    qtbot.waitUntil(lambda: not step.region.isVisible(), timeout=60_000)


def test_sliders_draw_the_same_attention_in_another_way(
    step, drawn, viewer, qtbot, finish
):
    before = drawn.stream
    ribbon = next(layer for layer in viewer.layers if "cellplm-mini" in layer.name)
    step.look.density.setValue(2.5)
    looks(qtbot, drawn, lambda stream: stream.look.density == 2.5)
    assert len(drawn.stream.lines) > len(before.lines)
    assert drawn.stream.attention is before.attention
    step.look.cutoff.setValue(70)
    looks(qtbot, drawn, lambda stream: stream.look.cutoff == 0.7)
    assert sum(map(len, drawn.stream.lines)) < sum(map(len, before.lines))
    wide = step.look.smoothing.maximum()
    step.look.smoothing.setValue(wide)
    looks(qtbot, drawn, lambda stream: stream.look.smoothing_um == wide)
    assert drawn.stream.field.smoothing_um == pytest.approx(wide)
    assert f"p = {drawn.stream.field.p_value:.2g}" in step.result.text()
    assert ribbon in viewer.layers
    assert not drawn.busy
    # the next drawing looks the same
    step.draw.click()
    finish()
    assert drawn.stream.look.density == 2.5
    assert drawn.stream.look.smoothing_um == wide


def test_arrows_turn_are_coloured_by_sender_and_shown_raw(step, drawn):
    received = drawn.stream
    step.look.sent.click()
    assert drawn.stream.field.direction == "sent"
    step.look.received.click()
    for one, two in zip(drawn.stream.lines, received.lines, strict=True):
        np.testing.assert_array_equal(one, two)
    step.look.colour.setCurrentIndex(step.look.colour.findData("sender"))
    assert drawn.stream.look.colour == "sender"
    assert step.look.key.isVisible()
    step.look.raw.click()
    assert drawn.stream.look.raw
    assert step.look.caveat.isVisible()
    assert step.look.caveat.text() == RAW
    assert "mostly geometry" in step.look.key.names[0]
    step.look.raw.click()
    step.look.colour.setCurrentIndex(0)
    assert not step.look.caveat.isVisible()


def test_a_click_on_the_map_restricts_the_streams_and_another_frees_them(
    step, drawn, finish, qtbot
):
    heat = step.map
    kinds = list(drawn.stream.kinds)
    places = kinds.index("tumour"), kinds.index("T cell")
    sentence = heat.sentence(*places)
    assert sentence.startswith("tumour (receiver) to T cell (sender): ")
    assert "times an even share" in sentence

    def click() -> None:
        where = heat.square(*places).center()
        QTest.mouseClick(heat, LEFT, pos=QPoint(int(where.x()), int(where.y())))
        finish()

    whole = drawn.stream
    click()
    assert drawn.stream.pair == ("tumour", "T cell")
    assert heat.chosen == ("tumour", "T cell")
    assert "Only what tumour (receiver) takes" in step.pair.text()
    click()
    assert drawn.stream.pair is None
    for one, two in zip(drawn.stream.lines, whole.lines, strict=True):
        np.testing.assert_array_equal(one, two)
    heat.setFocus()
    QTest.keyClick(heat, Qt.Key.Key_Right)
    QTest.keyClick(heat, Qt.Key.Key_Return)
    finish()
    assert drawn.stream.pair == (kinds[0], kinds[1])


def test_near_partners_are_refused_where_places_play_no_part(step, session, finish):
    session.model = Blind()
    step.draw.click()
    finish()
    assert session.stream.field.regime == "global"
    assert step.banner.isVisible()
    assert step.banner.text() == f"{BLIND} {REFUSED}"
    step.asking.partners.setCurrentIndex(step.asking.partners.findData("all"))
    step.draw.click()
    finish()
    assert step.banner.text() == BLIND


def test_partners_are_counted_before_anything_is_drawn(step, session, qtbot):
    asking = step.asking
    qtbot.waitUntil(lambda: "30 partners per cell" in asking.reach.text())
    asking.partners.setCurrentIndex(asking.partners.findData("within"))
    asking.radius.setValue(1)
    cells = session.n_cells
    qtbot.waitUntil(lambda: f"{cells} cells have none" in asking.reach.text())
    assert not asking.near.isVisible()
    assert asking.options().radius == 1


def test_layers_and_heads_are_those_of_the_model(step, session, slow_model):
    asking = step.asking

    def choices(box):
        return [box.itemText(place) for place in range(box.count())]

    model = slow_model()
    session.model = model
    assert not asking.layer.isEnabled()
    session.model = type("Deep", (slow_model,), {"attention_shape": (3, 2)})()
    assert choices(asking.layer)[1:] == ["Layer 0", "Layer 1", "Layer 2", "Rollout"]
    asking.layer.setCurrentIndex(4)
    asking.head.setCurrentIndex(2)
    asked = asking.options()
    assert (asked.layer, asked.head) == ("rollout", 1)
    session.model = model
    assert (asking.options().layer, asking.options().head) == (-1, None)


def test_what_was_asked_for_streams_is_shown_with_them(step, drawn):
    asked = FieldOptions(radius=45.0, permutations=39, seed=3, null="keys")
    drawn.stream = replace(drawn.stream, options=asked, whole={})
    assert step.asking.options() == asked
    step.asking.radius.setValue(50)
    drawn.stream = replace(drawn.stream)
    assert step.asking.options().radius == 50


def test_another_field_of_view_or_a_cancel_leaves_nothing_half_done(
    step, session, slow_model, finish, qtbot, workbench
):
    session.model = slow_model(steps=50)
    step.draw.click()
    show_fov(workbench.context.viewer, "F002")
    finish()
    assert session.stream is None
    assert "are not drawn on another one" in session.message.text
    step.draw.click()
    workbench.cancel.click()
    finish()
    assert session.stream is None
    assert "was cancelled" in session.message.text


def test_heads_travel_while_there_are_streams(step, drawn, viewer, qtbot):
    heads = next(layer for layer in viewer.layers if layer.name.endswith("direction"))
    before = heads.data.copy()
    step.look.animate.setChecked(True)
    qtbot.waitUntil(lambda: not np.array_equal(heads.data, before), timeout=60_000)
    assert step.travel.moving
    step.look.animate.setChecked(False)
    assert not step.travel.moving
    np.testing.assert_array_equal(heads.data, before)
    step.look.animate.setChecked(True)
    step.remove.click()
    assert not step.travel.moving


def test_checks_say_what_of_the_picture_is_the_models(step, drawn, finish):
    checks = step.checks
    checks.unfold()
    drawn.parts.pop(LOADED, None)
    for box in checks.boxes.values():
        box.setChecked(False)
    checks.go.click()
    assert "No check is ticked" in drawn.message.text
    checks.boxes["other checkpoint"].setChecked(True)
    checks.go.click()
    assert "no other model" in drawn.message.text
    checks.boxes["other checkpoint"].setChecked(False)
    checks.boxes["uniform attention"].setChecked(True)
    checks.go.click()
    finish()
    assert "1 check was made" in drawn.message.text
    assert checks.lines.count() == 1
    assert "uniform attention" in checks.lines.itemAt(0).widget().text()
    step.look.sent.click()
    assert checks.lines.count() == 0
    drawn.model = load_model("gene-mean")
    checks.go.click()
    assert "cannot attend" in drawn.message.text


def test_the_attention_is_exported_as_data_and_as_a_figure(
    step, drawn, workbench, tmp_path, finish, monkeypatch
):
    export = workbench.export
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    step.look.colour.setCurrentIndex(step.look.colour.findData("sender"))
    export.data.click()
    finish()
    assert drawn.message.level == "info", drawn.message
    (folder,) = tmp_path.iterdir()
    assert str(folder) in drawn.message.text
    lines = json.loads((folder / "streams.geojson").read_text())["features"]
    assert len(lines) == len(drawn.stream.lines)
    export.what.value = "attention"
    export.save(tmp_path / "streams.svg")
    finish()
    svg = (tmp_path / "streams.svg").read_text()
    assert "Model attention" in svg
    step.remove.click()
    export.data.click()
    assert "no model attention to export" in drawn.message.text
    step.look.colour.setCurrentIndex(0)


def test_all_of_it_fits_a_narrow_dock_and_can_be_reached_by_tab(step, drawn):
    for section in (step.kinds, step.partners, step.checks, step.asking.chance):
        section.unfold()
    assert step.minimumSizeHint().width() <= WIDTH - 28
    reached = [step.asking.partners]
    while len(reached) < 400:
        reached.append(reached[-1].nextInFocusChain())
    order = [step.draw, step.look.received, step.look.density, step.map, step.checks.go]
    at = [reached.index(widget) for widget in order]
    assert at == sorted(at)
