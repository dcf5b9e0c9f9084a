from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_scfm.analysis.attention.attention_field import attention_field
from napari_scfm.analysis.streams.flow_lines import flow_lines
from napari_scfm.analysis.streams.ribbons import (
    arrow_heads,
    dashes,
    head_vectors,
    heads_along,
    ribbon_pieces,
    ribbon_polygons,
    ribbons,
)
from napari_scfm.analysis.streams.streamlines import (
    StreamLook,
    draw_streams,
    streamlines,
    strengths,
    trace,
)
from napari_scfm.models.attention import Attention


@pytest.fixture(scope="module")
def field():
    rng = np.random.default_rng(0)
    xy = rng.random((300, 2)) * (800, 400)
    return attention_field(Attention.from_matrix(rng.random((300, 300))), xy)


@pytest.mark.parametrize("name", ["flow900", "random400", "attention300"])
def test_lines_equal_the_recorded_ones(shared, name):
    folder = shared / "parity" / "stream"
    plot, recorded = np.load(folder / f"{name}.npz"), "plot3"
    wanted = np.load(folder / "streamlines_mpl.npz")
    points, offsets = (
        wanted[f"{name}_{recorded}_{part}"] for part in ("points", "offsets")
    )
    x, y, u, v = (plot[f"{recorded}_{part}"] for part in ("x", "y", "U", "V"))
    lines = trace(x, y, u, v)
    box = max(np.ptp(x), np.ptp(y))
    np.testing.assert_array_equal(np.cumsum([0, *map(len, lines)]), offsets)
    np.testing.assert_allclose(np.concatenate(lines), points, atol=1e-6 * box)


def test_lines_stay_on_the_tissue_and_follow_the_field(field):
    lines = streamlines(field)
    assert len(lines) > 10
    points = np.concatenate(lines)
    assert (points >= (field.grid_x[0], field.grid_y[0])).all()
    assert (points <= (field.grid_x[-1], field.grid_y[-1])).all()
    from scipy.interpolate import RegularGridInterpolator

    grid = (field.grid_y, field.grid_x)
    along = np.nan_to_num(np.stack([field.grid_u, field.grid_v], axis=-1))
    at = RegularGridInterpolator(grid, along)
    for line in lines:
        steps = np.diff(line, axis=0)
        assert (np.linalg.norm(steps, axis=1) > 0).all()
        there = at((line[1:] + line[:-1])[:, ::-1] / 2)
        assert np.sum(steps * there) > 0


def test_density_draws_more_lines_and_the_unit_does_not_matter(field):
    few, many = streamlines(field, 0.5), streamlines(field, 2.0)
    assert len(many) > 1.5 * len(few)
    again = streamlines(field, 0.5)
    for one, other in zip(few, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_fields_by_commots_method_have_matplotlibs_lines():
    rng = np.random.default_rng(2)
    xy = rng.random((120, 2)) * 500
    attention = Attention.from_matrix(rng.random((120, 120)))
    made = attention_field(attention, xy, method="commot", permutations=0)
    ny, nx = made.grid_u.shape
    share = nx / max(nx, ny), ny / max(nx, ny)
    wanted = trace(made.grid_x, made.grid_y, made.grid_u, made.grid_v, share)
    points = {tuple(point) for line in wanted for point in line}
    lines = streamlines(made)
    assert len(lines) > 5
    assert {tuple(point) for line in lines for point in line} <= points
    assert all((np.diff(line, axis=0) != 0).any(axis=1).all() for line in lines)


def test_an_empty_field_has_no_lines():
    nothing = attention_field(Attention.from_matrix(np.ones((2, 2))), np.ones((2, 2)))
    assert streamlines(nothing) == []
    assert strengths(nothing, []) == []


def test_lines_in_pieces_are_joined_upstream_first():
    x = y = np.linspace(0, 1, 20)
    lines = trace(x, y, np.ones((20, 20)), np.zeros((20, 20)))
    assert all((np.diff(line[:, 0]) >= 0).all() for line in lines)
    assert len(lines) > 5


def test_strength_is_the_length_of_the_field(field):
    lines = streamlines(field)
    got = strengths(field, lines)
    speed = np.hypot(field.grid_u, field.grid_v)
    assert [len(s) for s in got] == [len(line) for line in lines]
    assert 0 < max(s.max() for s in got) <= np.nanmax(speed)


def test_ribbons_swell_up_to_their_head():
    line = np.stack([np.linspace(0, 10, 21), np.zeros(21)], axis=1)
    mesh = ribbons([line, line + np.array([0, 5])], 2.0)
    assert mesh.vertices.shape == (84, 2)
    assert mesh.faces.max() == 83
    width = np.ptp(mesh.vertices[:42].reshape(21, 2, 2)[:, :, 1], axis=1)
    assert (np.diff(width)[:12] > 0).all()
    assert (np.diff(width)[12:] < 0).all()
    assert width[12] == pytest.approx(2)
    assert (mesh.values[0], mesh.values[41]) == (0, 1)
    corners = mesh.vertices[mesh.faces]
    sides = corners[:, 1:] - corners[:, :1]
    area = np.abs(sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0])
    assert (area > 0).all()
    polygon = ribbon_polygons([line], 2.0)[0]
    x, y = polygon.T
    shoelace = abs(np.sum(x * np.roll(y, 1) - y * np.roll(x, 1))) / 2
    assert shoelace == pytest.approx(area[:40].sum() / 2)


def test_weak_stretches_are_narrow_and_no_lines_make_no_mesh():
    line = np.stack([np.linspace(0, 10, 21), np.zeros(21)], axis=1)
    strong = np.ones(21)
    strong[9:] = 0.01
    mesh = ribbons([line], 2.0, [strong])
    width = np.ptp(mesh.vertices.reshape(21, 2, 2)[:, :, 1], axis=1)
    assert width[10] < width[8]
    np.testing.assert_allclose(mesh.values[::2], strong)
    assert ribbons([], 1.0).vertices.shape == (0, 2)


def test_heads_point_downstream_past_the_middle():
    line = np.stack([np.linspace(0, 10, 21), np.full(21, 3.0)], axis=1)
    heads = arrow_heads([line, line[:2]], 1.0)
    assert heads.shape == (1, 3, 2)
    np.testing.assert_allclose(heads[0], [(6.5, 3), (5.5, 3.4), (5.5, 2.6)])
    np.testing.assert_allclose(head_vectors(heads)[0], [(5.5, 3), (1, 0)])
    assert arrow_heads([], 1.0).shape == (0, 3, 2)


def vortex(count: int = 40):
    """Return a field that runs around the middle of a square."""
    at = np.linspace(-1, 1, count)
    x, y = np.meshgrid(at, at)
    return at, at, -y, x


def test_lines_follow_a_known_flow():
    lines = flow_lines(*vortex())
    assert len(lines) > 5
    for line in lines:
        radius = np.linalg.norm(line, axis=1)
        assert np.ptp(radius) < 0.03, "round and round at one distance"
        turns = line[:-1, 0] * line[1:, 1] - line[:-1, 1] * line[1:, 0]
        assert (turns > 0).all(), "the way the field runs"


def test_lines_keep_their_distance_and_never_bite_their_tail():
    from scipy.spatial import cKDTree

    lines = flow_lines(*vortex(), density=1.0)
    apart = 2 / 38
    for number, line in enumerate(lines):
        others = np.concatenate(lines[:number] + lines[number + 1 :])
        nearest, _ = cKDTree(others).query(line)
        assert nearest.min() > 0.3 * apart
        turned = np.unwrap(np.arctan2(line[:, 1], line[:, 0]))
        assert turned[-1] - turned[0] < 2.1 * np.pi


def test_lines_stop_where_there_is_no_tissue():
    x, y, u, v = vortex()
    u = np.where(x[None] > 0.3, np.nan, u)
    lines = flow_lines(x, y, u, v)
    step = x[1] - x[0]
    assert max(line[:, 0].max() for line in lines) <= 0.3 + step / 2
    assert flow_lines(x, y, u * np.nan, v) == []
    assert flow_lines(x, y, 0 * v, 0 * v) == []
    assert flow_lines(x, y, *vortex()[2:], density=0) == []


def test_wide_pixels_do_not_bend_the_lines():
    x, y, u, v = vortex()
    for line in flow_lines(x * 3, y, u * 3, v):
        assert np.ptp(np.hypot(line[:, 0] / 3, line[:, 1])) < 0.03


def test_cut_off_leaves_the_strong_stretches_of_the_same_lines(field):
    whole = draw_streams(field, StreamLook())
    part = draw_streams(field, StreamLook(cutoff=0.6))
    speed = np.hypot(field.grid_u, field.grid_v)
    least = np.nanquantile(speed, 0.6) / whole.top
    assert part.lines
    assert np.concatenate(part.strength).min() >= min(least, 1) - 1e-9
    points = {tuple(point) for line in whole.lines for point in line}
    assert {tuple(point) for line in part.lines for point in line} < points
    assert sum(map(len, part.lines)) < 0.7 * sum(map(len, whole.lines))
    assert draw_streams(field, StreamLook(cutoff=1.0)).lines == []


def test_what_is_known_along_the_lines_is_that_of_the_place(field):
    p = np.where(field.grid_x[None] < 400, 0.01, 0.9) + 0 * field.grid_u
    halves = replace(field, grid_p=p)
    kinds = np.where(field.xy[:, :1] < 400, [[3.0, 0.1]], [[0.1, 3.0]])
    drawn = draw_streams(halves, StreamLook(), kinds)
    x = np.concatenate(drawn.lines)[:, 0]
    beats, sender = np.concatenate(drawn.beats), np.concatenate(drawn.sender)
    assert beats[x < 370].all()
    assert not beats[x > 430].any()
    assert (sender[x < 300] == 0).all()
    assert (sender[x > 500] == 1).all()
    raw = draw_streams(halves, StreamLook(raw=True), kinds)
    assert not np.concatenate(raw.beats).any(), "the raw field is not what is tested"
    alone = draw_streams(halves, StreamLook())
    assert (np.concatenate(alone.sender) == -1).all()
    nobody = draw_streams(halves, StreamLook(), np.ones((300, 2)))
    assert (np.concatenate(nobody.sender) == -1).all()
    rare = np.full((300, 2), [1.0, np.nan])
    rare[::10, 1] = 1.5  # few cells have partners of the kind, and attend to them
    found = np.concatenate(draw_streams(halves, StreamLook(), rare).sender)
    assert set(found) == {1}


def test_raw_arrows_point_outwards_as_geometry_makes_them(field):
    raw = draw_streams(field, StreamLook(raw=True))
    middle = field.xy.mean(axis=0)
    ends = np.array([line[[0, -1]] for line in raw.lines])
    gone = np.linalg.norm(ends - middle, axis=2)
    assert np.mean(gone[:, 1] > gone[:, 0]) > 0.95


def test_another_smoothing_draws_other_lines(field):
    fine = draw_streams(field, StreamLook())
    smooth = draw_streams(field, StreamLook(smoothing_um=4 * field.smoothing_um))
    assert smooth.top < fine.top
    again = field.resmoothed(4 * field.smoothing_um)
    for one, other in zip(
        smooth.lines, draw_streams(again, StreamLook()).lines, strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_long_lines_have_several_heads_and_small_ones_where_asked():
    line = np.stack([np.linspace(0, 100, 101), np.zeros(101)], axis=1)
    heads = heads_along([line, line[:11]], 2.0, every=25.0)
    assert len(heads.triangles) == 5
    assert (heads.point[:4] < 101).all()
    assert heads.point[4] > 101
    scale = np.where(np.arange(112) < 50, 0.5, 1.0)
    length = np.ptp(
        heads_along([line, line[:11]], 2.0, 25.0, scale=scale).triangles[..., 0], axis=1
    )
    np.testing.assert_allclose(length, [1, 1, 2, 2, 2])


def test_dashes_cover_their_share_of_a_line():
    line = np.stack([np.linspace(0, 10, 11), np.full(11, 2.0)], axis=1)
    pieces, points = dashes([line, line], 2.5, 0.6)
    assert len(pieces) == 8
    covered = sum(np.ptp(piece[:, 0]) for piece in pieces)
    assert covered == pytest.approx(2 * 10 * 0.6)
    assert all(len(a) == len(b) for a, b in zip(pieces, points, strict=True))
    assert points[4].min() == 11


def test_pieces_of_a_ribbon_reach_into_the_next_one():
    line = np.stack([np.linspace(0, 10, 11), np.zeros(11)], axis=1)
    parts = np.r_[np.zeros(4), np.ones(7), np.ones(11)]
    outlines, point = ribbon_pieces([line, line + 5], 1.0, None, parts)
    assert list(point) == [0, 4, 11]
    reach = [(outline[:, 0].min(), outline[:, 0].max()) for outline in outlines]
    np.testing.assert_allclose(reach, [(0, 4), (4, 10), (5, 15)])
