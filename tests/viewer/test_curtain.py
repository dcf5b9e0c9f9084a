"""The curtain: which cells show truth, what the line is called, when it hangs."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from napari.layers import Shapes

from napari_scfm.figures.palette import colour_values
from napari_scfm.viewer import acts
from napari_scfm.viewer.curtain import REACH
from napari_scfm.viewer.export import about_figure, panels_of
from napari_scfm.viewer.open import open_slide
from napari_scfm.viewer.session import Comparison

NAME = "truth | predicted by m"


def guessed(session) -> Comparison:
    """Return a comparison in which every cell's CD3E and KRT8 is guessed 2."""
    genes = ["CD3E", "KRT8"]
    truth = session.fov.table[:, genes].X.toarray()
    guess = np.full(truth.shape, 2.0, dtype=np.float32)
    hidden = np.ones(truth.shape, dtype=bool)
    summary = pd.DataFrame({"model": ["m"], "pearson": [0.5]})
    about = {"model": "m"}
    return Comparison(
        session.fov.name, "m", genes, truth, guess, hidden, summary, about=about
    )


@pytest.fixture
def session(viewer, make_slide):
    made = open_slide(viewer, make_slide(8, 6))
    made.comparison = guessed(made)
    acts.colour_by_gene(made, "KRT8")
    return made


def colours(viewer, session) -> np.ndarray:
    return np.array(
        [viewer.layers["cells F001"].get_color(row + 1) for row in range(8)]
    )


def line_of(viewer) -> Shapes | None:
    found = [layer for layer in viewer.layers if isinstance(layer, Shapes)]
    return found[0] if found else None


def test_truth_left_and_prediction_right_of_the_line(viewer, session) -> None:
    assert acts.run(viewer, "curtain")
    session.curtain = 0.5
    x = session.fov.table.obsm["spatial"][:, 0]
    wide = session.fov.shape[1] * session.fov.pixel_size
    left = x < wide / 2
    assert 0 < left.sum() < 8
    high = session.parts["painter"].legend.limits[1]
    column = session.comparison.column("KRT8")
    shown = np.where(left, session.comparison.truth[:, column], 2.0)
    expected = colour_values(shown, 0, high, "viridis")
    np.testing.assert_allclose(colours(viewer, session), expected, atol=1e-5)
    layer = line_of(viewer)
    assert layer.name == NAME
    assert not layer.editable
    assert viewer.layers.selection.active.name == "cells F001"
    assert layer.translate[-1] == wide / 2
    assert list(layer.features["word"][1:3]) == ["truth", "predicted"]
    assert session.parts["painter"].legend.note == NAME


def test_moving_the_line_recolours_what_it_passes(viewer, session) -> None:
    acts.run(viewer, "curtain")
    session.curtain = 1.0
    truth = colours(viewer, session)
    session.curtain = 0.0
    guess = colours(viewer, session)
    assert (truth != guess).any(axis=1).sum() >= 6
    assert len({tuple(colour) for colour in guess}) == 1
    session.curtain = None
    np.testing.assert_allclose(colours(viewer, session), truth)
    assert line_of(viewer) is None


def test_the_curtain_needs_a_prediction(viewer, session) -> None:
    session.comparison = None
    assert not acts.run(viewer, "curtain")
    assert "nothing to compare" in session.message.text
    assert session.curtain is None


def test_it_hangs_only_where_it_parts_something(viewer, session) -> None:
    acts.run(viewer, "curtain")
    acts.colour_by_gene(session, "EPCAM")
    assert line_of(viewer) is None, "EPCAM was not predicted"
    acts.run(viewer, "next_gene")
    assert session.gene in session.comparison.genes, "J walks the predicted genes"
    assert line_of(viewer) is not None
    acts.run(viewer, "side_by_side")
    assert line_of(viewer) is None, "the grid has tiles of its own"
    acts.run(viewer, "side_by_side")
    assert line_of(viewer) is not None
    acts.run(viewer, "next_fov")
    assert line_of(viewer) is None, "another FOV was not predicted"
    acts.run(viewer, "previous_fov")
    assert line_of(viewer) is not None


def test_deleting_the_line_takes_the_curtain_away(viewer, session) -> None:
    acts.run(viewer, "curtain")
    viewer.layers.remove(line_of(viewer))
    assert session.curtain is None
    assert session.parts["painter"].legend.note == "measured"
    acts.run(viewer, "curtain")
    assert line_of(viewer) is not None


def test_it_is_hung_where_one_looks(viewer, session) -> None:
    viewer.scene.camera.zoom *= 20
    viewer.scene.camera.center = (10.0, 4.0)
    acts.run(viewer, "curtain")
    wide = session.fov.shape[1] * session.fov.pixel_size
    assert session.curtain == pytest.approx(4.0 / wide)
    assert "predicted by m right of it" in session.message.text


def test_the_words_stay_in_sight_when_the_camera_moves(viewer, session) -> None:
    acts.run(viewer, "curtain")
    before = line_of(viewer).data[1].copy()
    viewer.scene.camera.zoom *= 8
    viewer.scene.camera.center = (12.0, 10.0)
    after = line_of(viewer).data[1]
    half = viewer.canvas.size[0] / viewer.scene.camera.zoom / 2
    assert abs(after[:, 0] - 12).max() <= half
    assert np.ptp(after[:, 0]) == pytest.approx(np.ptp(before[:, 0]) / 8, rel=1e-3)


def drag(viewer, session, start: float, *moves: float, **more) -> bool:
    """Press at x = start um, move, release; return whether the press was taken."""
    event = SimpleNamespace(
        button=1, position=(5.0, start), type="mouse_press", handled=False, **more
    )
    gesture = viewer.mouse_drag_callbacks[0](viewer, event)
    try:
        next(gesture)
    except StopIteration:
        return event.handled
    for at in moves:
        event.type, event.position = "mouse_move", (5.0, at)
        next(gesture)
    event.type = "mouse_release"
    assert next(gesture, "ended") == "ended"
    return event.handled


def test_only_a_press_near_the_line_is_taken(viewer, session) -> None:
    assert not drag(viewer, session, 10.0, 12.0), "there is no curtain"
    acts.run(viewer, "curtain")
    session.curtain = 0.5
    wide = session.fov.shape[1] * session.fov.pixel_size
    pixel = 1 / viewer.scene.camera.zoom
    far = wide / 2 + 2 * REACH * pixel
    assert not drag(viewer, session, far, far + 3)
    assert session.curtain == 0.5
    assert drag(viewer, session, wide / 2 + 2 * pixel, 0.25 * wide)
    assert session.curtain == pytest.approx(0.25)
    assert drag(viewer, session, 0.25 * wide, 5 * wide)
    assert session.curtain == 1.0, "it stays on the field of view"


def test_a_figure_shows_the_curtain_and_says_predicted(viewer, session) -> None:
    acts.run(viewer, "curtain")
    session.curtain = 0.5
    (panel,) = panels_of(session, "view")
    left = session.fov.table.obsm["spatial"][:, 0] < 10
    column = session.comparison.column("KRT8")
    np.testing.assert_allclose(panel.values[~left], 2)
    np.testing.assert_allclose(
        panel.values[left], session.comparison.truth[left, column]
    )
    assert panel.predicted
    assert "Truth left of x = 10 µm" in panel.note
    assert about_figure(session, "view")["model"] == "m"
