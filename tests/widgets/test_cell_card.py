"""The cell card in a real window: clicks on the tissue, tables, knock-outs, curtain."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from vispy.scene import SceneCanvas

from napari_scfm.models.base import CellModel, ModelInfo
from napari_scfm.models.hub import load_model
from napari_scfm.viewer import acts, card, tasks
from napari_scfm.viewer.attention.partners import TOP as TOP_PARTNERS
from napari_scfm.viewer.hiding import masking
from napari_scfm.widgets.attention.partners import PartnerSection
from napari_scfm.widgets.cell_tables import TOP
from napari_scfm.widgets.step import Context

pytestmark = pytest.mark.gui
ONE_WINDOW = True

LEFT = Qt.MouseButton.LeftButton


class Mute(CellModel):
    """Can do nothing that a card asks for."""

    info = ModelInfo("mute", capabilities=frozenset({"embed"}))

    def impute(self, table, genes, *, mask=None, progress=None):
        raise NotImplementedError


@pytest.fixture
def canvas(viewer):
    """Return the native widget that the layers are drawn in."""
    from qtpy.QtWidgets import QApplication

    natives = [
        widget
        for widget in QApplication.allWidgets()
        if isinstance(getattr(widget, "_vispy_canvas", None), SceneCanvas)
    ]
    return natives[-1]


@pytest.fixture
def predicted(session, workbench, finish):
    """Return the session after 20 hidden genes were predicted by two models."""
    session.model = load_model("cellplm-mini", "cpu")
    masking.hide_random_genes(session, 20)
    work = tasks.work_of(session, "impute")
    made = tasks.predict(work, tasks.Asked(baselines=("gene-mean",)))
    session.comparison = made
    return session


def middle(session) -> int:
    xy = session.fov.table.obsm["spatial"]
    return int(np.argmin(np.linalg.norm(xy - xy.mean(axis=0), axis=1)))


def pixel_of(viewer, canvas, yx) -> QPoint:
    camera = viewer.scene.camera
    size = np.array([canvas.height(), canvas.width()])
    y, x = (np.asarray(yx) - np.asarray(camera.center)[-2:]) * camera.zoom + size / 2
    return QPoint(round(x), round(y))


def click_cell(viewer, canvas, session, row: int) -> None:
    yx = session.fov.table.obsm["spatial"][row][::-1]
    QTest.mouseClick(canvas, LEFT, pos=pixel_of(viewer, canvas, yx))


def line(table, row: int) -> list[str]:
    items = [table.item(row, column) for column in range(table.columnCount())]
    return ["" if item is None else item.text() for item in items]


def click_row(table, row: int) -> None:
    where = table.visualItemRect(table.item(row, 0)).center()
    QTest.mouseClick(table.viewport(), LEFT, pos=where)


def test_a_click_on_a_cell_opens_its_card(session, workbench, viewer, canvas) -> None:
    row = middle(session)
    view = workbench.cell
    assert not view.isVisible()
    click_cell(viewer, canvas, session, row)
    assert not view.isVisible(), "pan and zoom select nothing"
    acts.run(viewer, "tool_click")
    click_cell(viewer, canvas, session, row)
    assert session.cell == row
    assert view.isVisible()
    kind = session.fov.table.obs["cell_type"].iloc[row]
    assert view.head.text() == f"▾  Cell 4_{row + 1} · {kind} · F004"
    assert "counts of" in view.facts.text()
    assert "hide it (H)" in view.no_guess.text()
    assert view.near.rowCount() == 8
    assert view.minimumSizeHint().width() <= 300
    QTest.mouseClick(view.head, LEFT)
    assert not view.body.isVisible(), "the title folds the card"
    QTest.mouseClick(view.head, LEFT)
    assert view.body.isVisible(), "and unfolds it"
    QTest.mouseClick(view.close_button, LEFT)
    assert not view.isVisible()
    assert len(session.selection) == 0


def test_hidden_genes_with_truth_and_guesses(predicted, workbench) -> None:
    view, row = workbench.cell, middle(predicted)
    card.select(predicted, row)
    expected = card.card_of(predicted, row)
    assert view.guesses.rowCount() == TOP
    assert view.all.text() == "Show all 20"
    first = expected.guesses[0]
    assert line(view.guesses, 0)[0] == first.gene
    tip = view.guesses.item(0, 1).toolTip()
    assert "cellplm-mini" in tip
    assert "gene-mean" in tip
    view.all.click()
    assert view.guesses.rowCount() == 20
    shown = [line(view.guesses, number)[0] for number in range(20)]
    assert shown == [guess.gene for guess in expected.guesses]
    click_row(view.guesses, 2)
    assert predicted.gene == shown[2], "a click paints the gene"
    card.select(predicted, row + 1)
    assert view.guesses.rowCount() == TOP, "another cell starts with the worst"


def test_hidden_but_not_predicted_is_said(session, workbench) -> None:
    masking.hide_genes(session, ["EPCAM"])
    card.select(session, 3)
    assert "press Predict" in workbench.cell.no_guess.text()
    assert "1 of 214 genes are hidden" in workbench.cell.facts.text()


def test_a_click_on_a_neighbour_goes_to_its_card(session, workbench) -> None:
    card.select(session, middle(session))
    view = workbench.cell
    name = line(view.near, 1)[0]
    click_row(view.near, 1)
    assert view.head.text().startswith(f"▾  Cell {name}")
    assert len(session.selection) == 1


def test_which_cells_mattered_is_asked_and_drawn(
    predicted, workbench, viewer, finish
) -> None:
    view, row = workbench.cell, middle(predicted)
    card.select(predicted, row)
    assert not view.remove.isVisible()
    QTest.mouseClick(view.ask, LEFT)
    finish()
    made = predicted.influence
    assert made.row == row
    assert view.verdict.text().startswith(made.sentence)
    assert view.scale.legend.limits[1] > 0
    moved = made.per_neighbour.set_index("cell")["change"]
    assert float(line(view.near, 0)[3]) == pytest.approx(
        moved[f"4_{card.card_of(predicted, row).neighbours[0].row + 1}"], rel=0.06
    )
    assert any("mattered for 4_" in layer.name for layer in viewer.layers)
    click_row(view.near, 0)
    assert made.cell in view.verdict.text(), "the drawing stays, and says whose it is"
    QTest.mouseClick(view.remove, LEFT)
    assert not any("mattered" in layer.name for layer in viewer.layers)
    assert not view.verdict.isVisible()


def test_attention_partners_are_looked_up_and_painted(
    session, workbench, viewer, canvas, slow_model, finish
) -> None:
    session.model = slow_model()
    acts.run(viewer, "tool_click")
    row = middle(session)
    cells = viewer.layers["cells F004"]
    before = np.array(cells.get_color(row + 2))
    click_cell(viewer, canvas, session, row)
    view = workbench.cell.partners
    assert view.table.rowCount() == 0, "the model has not been asked yet"
    assert not view.controls.attends.isChecked()
    QTest.mouseClick(view.controls.attends, LEFT)
    finish()
    assert view.controls.attends.isChecked()
    assert workbench.legend.legend.title == f"Whom 4_{row + 1} attends to"
    assert view.table.rowCount() == TOP_PARTNERS
    assert float(line(view.table, 0)[3]) > 1
    near = {line(workbench.cell.near, number)[0] for number in range(8)}
    assert line(view.table, 0)[0] in near, "this model attends to what is near"
    assert "cells." in view.said.text()
    links = [layer for layer in viewer.layers if "attends to" in layer.name]
    assert len(links) == 1
    # the next cell is shown at once, the model is not asked again
    click_row(view.table, 0)
    assert session.partners.row == session.cell != row
    assert not workbench.jobs.running
    QTest.mouseClick(view.controls.attended, LEFT)
    assert not view.controls.attends.isChecked()
    assert session.partners.look.way == "by"
    view.controls.scale.setCurrentIndex(1)
    view.controls.scale.activated.emit(1)
    assert session.partners.look.scale == "usual"
    acts.run(viewer, "clear")
    assert session.partners is None
    assert np.array_equal(cells.get_color(row + 2), before), "the colours are back"
    assert not any("attend" in layer.name for layer in viewer.layers)


def test_the_step_arms_the_click_that_shows_partners(
    session, workbench, viewer, canvas, slow_model, finish
) -> None:
    session.model = slow_model()
    context = Context(viewer, session, workbench.jobs)
    section = PartnerSection(context)
    QTest.mouseClick(section.controls.attended, LEFT)
    finish()
    assert session.tool == "click"
    assert "Click the cell" in session.message.text
    row = middle(session)
    click_cell(viewer, canvas, session, row)
    assert (session.partners.row, session.partners.look.way) == (row, "by")
    assert section.controls.attended.isChecked()
    QTest.mouseClick(section.controls.attended, LEFT)
    assert session.partners is None, "a second press takes it off"
    assert session.cell == row
    context.release()


@pytest.mark.parametrize(
    ("model", "ask", "sentence"),
    [
        (None, "run_influence", "No model is loaded"),
        (Mute, "run_influence", "mute cannot impute"),
    ],
)
def test_what_a_model_cannot_do_is_one_sentence(
    session, workbench, model, ask, sentence
) -> None:
    session.model = None if model is None else model()
    card.select(session, 3)
    getattr(workbench.cell, ask)()
    assert sentence in session.message.text
    assert session.message.level == "error"
    assert not workbench.jobs.running


def test_a_model_without_attention_is_one_sentence(session, workbench) -> None:
    session.model = Mute()
    card.select(session, 3)
    controls = workbench.cell.partners.controls
    QTest.mouseClick(controls.attends, LEFT)
    assert "mute cannot attend" in session.message.text
    assert not controls.attends.isChecked(), "nothing is on show"


def test_a_cancelled_question_changes_nothing(
    session, workbench, viewer, slow_model, finish, qtbot
) -> None:
    session.model = slow_model(steps=2000, seconds=0.01)
    masking.hide_genes(session, ["EPCAM"])
    card.select(session, 3)
    layers = list(viewer.layers)
    workbench.cell.run_influence()
    qtbot.waitUntil(lambda: workbench.bar.maximum() > 0, timeout=60_000)
    QTest.mouseClick(workbench.cancel, LEFT)
    finish()
    assert "cancelled; nothing was changed" in session.message.text
    assert session.influence is None
    assert list(viewer.layers) == layers


def test_the_fov_changes_while_the_card_is_open(
    session, workbench, viewer, slow_model, finish
) -> None:
    session.model = slow_model()
    card.select(session, 3)
    workbench.cell.run_influence()
    acts.run(viewer, "previous_fov")
    assert not workbench.cell.isVisible()
    finish()
    assert session.influence is None
    assert "no longer on show" in session.message.text
    assert not any("mattered" in layer.name for layer in viewer.layers)


def test_the_curtain_is_dragged_with_the_mouse(
    predicted, viewer, canvas, workbench
) -> None:
    acts.run(viewer, "tool_box")
    assert acts.run(viewer, "curtain")
    centre = tuple(viewer.scene.camera.center)
    fov = predicted.fov
    tall, wide = np.array(fov.shape) * fov.pixel_size
    start = pixel_of(viewer, canvas, (tall / 3, predicted.curtain * wide))
    goal = pixel_of(viewer, canvas, (tall / 2, 0.7 * wide))
    QTest.mousePress(canvas, LEFT, pos=start)
    for point in ((start + goal) / 2, goal):
        QTest.mouseMove(canvas, point)
        QTest.qWait(20)
    QTest.mouseRelease(canvas, LEFT, pos=goal)
    assert predicted.curtain == pytest.approx(0.7, abs=0.02)
    assert tuple(viewer.scene.camera.center) == centre
    assert len(predicted.selection) == 0, "no tool hears a drag of the curtain"
    made, at = predicted.comparison, predicted.comparison.column(predicted.gene)
    row = int(np.abs(made.truth[:, at] - made.prediction[:, at]).argmax())
    x = fov.table.obsm["spatial"][row, 0]
    seen = viewer.layers["cells F004"].get_color
    predicted.curtain = (x - 1) / wide
    guess = np.array(seen(row + 1))
    predicted.curtain = (x + 1) / wide
    assert (guess != np.array(seen(row + 1))).any(), "the cell shows its truth now"
