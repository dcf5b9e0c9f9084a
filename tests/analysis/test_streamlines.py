from __future__ import annotations

import numpy as np
import pytest

from napari_scfm.analysis.attention_field import attention_field
from napari_scfm.analysis.ribbons import (
    arrow_heads,
    head_vectors,
    ribbon_polygons,
    ribbons,
)
from napari_scfm.analysis.streamlines import streamlines, strengths, trace
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
