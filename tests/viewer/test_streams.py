"""Streams on the canvas: colours, changes in place, zoom, hover, travelling heads."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from napari_scfm.analysis.attention.attention_field import attention_field
from napari_scfm.analysis.streams.streamlines import StreamLook, draw_streams
from napari_scfm.figures.stream_colours import GREY, RAW, rgb
from napari_scfm.models.attention import Attention
from napari_scfm.viewer.attention import hover, motion
from napari_scfm.viewer.attention.drawing import drawn, width_at
from napari_scfm.viewer.fov_layers import OPACITY
from napari_scfm.viewer.open import open_slide
from napari_scfm.viewer.session import Stream

KINDS = ("left", "right")
PALETTE = np.array([[0.0, 0.45, 0.7, 1], [0.9, 0.6, 0.0, 1]])


@pytest.fixture(scope="module")
def field():
    """Return a field that runs to the right, and beats chance on its left half."""
    rng = np.random.default_rng(1)
    xy = rng.random((200, 2)) * 100
    weights = np.exp(-0.05 * (xy[:, None, 0] - xy[None, :, 0]))
    made = attention_field(Attention.from_matrix(weights), xy, permutations=19)
    p = np.where(made.grid_x[None] < 50, 0.01, 0.8) + np.zeros_like(made.grid_u)
    residual = np.array([1.0, 0.0]) * (1 + xy[:, :1] / 100)
    u, v = made.grid_u * 0 + 1, made.grid_u * 0
    return replace(made, grid_p=p, residual=residual, grid_u=u, grid_v=v, p_value=0.01)


def stream_of(field, **look) -> Stream:
    excess = np.where(field.xy[:, :1] < 50, [[2.0, 0.5]], [[0.5, 2.0]])
    how = StreamLook(**look)
    made = draw_streams(field, how, excess)
    drawn_ = {n: getattr(made, n) for n in ("lines", "strength", "beats", "sender")}
    return Stream("F001", "m", field, kinds=KINDS, palette=PALETTE, look=how, **drawn_)


@pytest.fixture
def session(viewer, make_slide):
    """Return the session of a viewer with a slide."""
    return open_slide(viewer, make_slide(20, 20))


def ribbon_and_heads(viewer):
    return [x for x in viewer.layers if "model attention" in x.name]


def over(viewer, xy):
    """Move the mouse over a position (x, y)."""
    event = SimpleNamespace(position=(xy[1], xy[0]))
    for told in viewer.mouse_move_callbacks:
        told(viewer, event)
    return viewer.tooltip.text if viewer.tooltip.visible else ""


def test_regions_that_do_not_beat_chance_are_grey_and_thin(viewer, session, field):
    session.stream = stream_of(field)
    ribbon, heads = ribbon_and_heads(viewer)
    inks, x = heads.edge_color[:, :3], heads.data[:, 0, 1]
    grey = np.abs(inks - rgb((GREY,))).max(axis=1) < 0.01
    assert grey[x > 55].all()
    assert not grey[x < 45].any()
    assert len(ribbon.vertex_colors) == len(ribbon.data[0])
    count = sum(map(len, session.stream.lines))
    ribbons = slice(2 * count, 4 * count)  # after their rims
    across = ribbon.data[0][ribbons, 1]
    seen = ribbon.vertex_colors[ribbons, 3]
    assert seen[across > 55].max() < seen[across < 45].min()


def test_colour_by_sender_shows_the_kinds_colours(viewer, session, field):
    everywhere = replace(field, grid_p=np.full_like(field.grid_p, 0.01))
    session.stream = stream_of(everywhere, colour="sender")
    _, heads = ribbon_and_heads(viewer)
    x = heads.data[:, 0, 1]
    for side, wanted in ((x < 40, PALETTE[0]), (x > 60, PALETTE[1])):
        np.testing.assert_allclose(
            heads.edge_color[side], np.tile(wanted, (side.sum(), 1)), atol=1e-6
        )


def test_raw_arrows_are_dashed_blue_and_named_so(viewer, session, field):
    session.stream = stream_of(field)
    ribbon, heads = ribbon_and_heads(viewer)
    whole = len(ribbon.data[0])
    session.stream = stream_of(field, raw=True)
    assert ribbon_and_heads(viewer) == [ribbon, heads], "the layers stay"
    assert "raw: mostly geometry" in ribbon.name
    assert "whatever the model does" in ribbon.metadata["description"]
    np.testing.assert_allclose(
        heads.edge_color[:, :3], rgb((RAW,)).repeat(len(heads.data), 0), atol=1e-6
    )
    assert len(ribbon.data[0]) != whole
    session.stream = stream_of(field)
    assert "raw" not in ribbon.name


def test_another_look_keeps_what_a_person_set_by_hand(viewer, session, field):
    session.stream = stream_of(field)
    ribbon, heads = ribbon_and_heads(viewer)
    ribbon.opacity, heads.visible = 0.4, False
    few = len(ribbon.data[0])
    session.stream = stream_of(field, density=2.0)
    assert (ribbon.opacity, heads.visible) == (0.4, False)
    assert len(ribbon.data[0]) > 1.5 * few
    session.stream = replace(session.stream, lines=[], strength=[], beats=[], sender=[])
    assert len(heads.data) == 0
    assert ribbon in viewer.layers


def test_cells_step_back_under_streams_and_come_forward_again(viewer, session, field):
    cells, outlines = viewer.layers["cells F001"], viewer.layers["outlines F001"]
    session.stream = stream_of(field)
    assert cells.opacity < OPACITY
    assert outlines.opacity < 0.5
    fading = cells.opacity
    session.stream = stream_of(field, colour="sender")
    assert cells.opacity < fading, "the colours of kinds are on both"
    cells.opacity = 0.8
    session.stream = stream_of(field)
    assert cells.opacity == 0.8, "set by hand"
    session.stream = None
    assert (cells.opacity, outlines.opacity) == (OPACITY, 1.0)
    assert not ribbon_and_heads(viewer)


def test_ribbons_keep_their_width_on_the_screen(viewer, session, field):
    session.stream = stream_of(field)
    _, heads = ribbon_and_heads(viewer)
    camera = viewer.scene.camera
    far = heads.edge_width * camera.zoom
    camera.zoom *= 10
    near = heads.edge_width * camera.zoom
    assert far < near < 4 * far
    assert width_at(10, 100) < width_at(1, 100)


def test_a_light_canvas_gets_the_colours_of_paper(viewer, session, field):
    session.stream = stream_of(replace(field, grid_p=field.grid_p * 0 + 0.01))
    _, heads = ribbon_and_heads(viewer)
    dark = heads.edge_color.copy()
    viewer.theme = "light"
    assert (heads.edge_color[:, :3].mean(axis=1) < dark[:, :3].mean(axis=1)).all()


def test_a_stream_says_its_numbers_under_the_mouse(viewer, session, field):
    session.stream = stream_of(field)
    line = session.stream.lines[0]
    left, right = (line[np.argmin(np.abs(line[:, 0] - x))] for x in (30, 80))
    words = over(viewer, left)
    assert "received, from key (sender) to query (receiver)" in words
    assert "to the right" in words
    assert "Region beats chance: p = 0.01" in words
    assert "Senders beyond their share: left" in words
    viewer.tooltip.text = "napari's own"
    assert viewer.tooltip.text == words, "put back as long as the mouse is there"
    assert "does not beat chance: p = 0.8" in over(viewer, right)
    assert over(viewer, (-500.0, -500.0)) == ""
    viewer.tooltip.text = "napari's own"
    assert viewer.tooltip.text == "napari's own"
    ribbon_and_heads(viewer)[0].visible = False
    assert over(viewer, left) == ""


def test_the_mouse_finds_a_stream_that_was_moved_by_hand(viewer, session, field):
    session.stream = stream_of(field, raw=True)
    ribbon, _ = ribbon_and_heads(viewer)
    ribbon.scale, ribbon.translate = (2.0, 2.0), (7.0, 3.0)
    x, y = session.stream.lines[0][5]
    assert "not tested" in over(viewer, (2 * x + 3, 2 * y + 7))


def test_between_two_points_the_mouse_is_on_the_line():
    line = np.array([[0.0, 0.0], [10.0, 0.0], [20.0, 0.0]])
    near = hover.Near(Stream("F001", "m", None, [line, line + np.array([0, 4])]))
    assert near.at(np.array([4.9, 0.4]), 0.5) == hover.Found(0, 0)
    assert near.at(np.array([15.5, 3.8]), 0.5) == hover.Found(1, 2)
    assert near.at(np.array([5.0, 1.9]), 0.5) is None
    assert hover.Near(Stream("F001", "m", None)).at(np.zeros(2), 1) is None


def test_streams_in_motion_leave_all_other_layers_alone(viewer, session, field):
    session.stream = stream_of(field)
    sliced = []
    viewer.layers["cells F001"].events.set_data.connect(sliced.append)
    ranges = viewer.dims.range
    for phase in (0.1, 0.5, 0.9):
        motion.step(viewer, session, phase)
    session.stream = stream_of(field, density=2.0)
    assert not sliced
    assert viewer.dims.range == ranges


def test_heads_travel_along_their_lines_and_come_round():
    line = np.stack([np.linspace(0, 100, 51), np.full(51, 3.0)], axis=1)
    start, later, round_ = (
        motion.heads_at([line], phase, 4.0, every=25) for phase in (0.0, 0.2, 1.0)
    )
    assert start.shape == later.shape == (4, 2, 2)
    np.testing.assert_allclose(later[:, 0, 0] - start[:, 0, 0], 5.0)
    np.testing.assert_allclose(later[:, :, 1], [[3.0, 0.0]] * 4)
    np.testing.assert_allclose(round_, start)


def test_a_step_moves_the_heads_and_their_rims_alone(viewer, session, field):
    motion.step(viewer, session, 0.5)  # nothing to move
    session.stream = stream_of(field)
    ribbon, heads = ribbon_and_heads(viewer)
    vertices, before = ribbon.data[0].copy(), heads.data.copy()
    motion.step(viewer, session, 0.3)
    moved = np.any(ribbon.data[0] != vertices, axis=1)
    assert not np.allclose(heads.data, before)
    assert moved.sum() <= 3 * len(heads.data)
    assert moved[-1]
    motion.step(viewer, session, 0.0)
    np.testing.assert_allclose(heads.data, before)


def test_a_stream_of_an_older_session_takes_the_fields_word(field):
    old = replace(stream_of(field), beats=[], sender=[])
    for p, grey in ((0.01, False), (0.5, True)):
        inks = drawn(replace(old, field=replace(field, p_value=p)), 1.0).inks[:, :3]
        assert bool((np.ptp(inks, axis=1) < 0.01).all()) is grey
