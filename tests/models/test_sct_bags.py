"""Which cells sCT reads together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_scfm.models.sct.bags import (
    among_visible,
    centred,
    orders,
    relative_places,
    tiles,
)


@given(st.integers(1, 160), st.integers(2, 50), st.booleans(), st.integers(0, 9))
@settings(max_examples=40)
def test_tiles_hold_every_cell_once(n, size, placed, seed):
    rng = np.random.default_rng(seed)
    cells = rng.permutation(500)[:n]
    xy = rng.integers(0, 9, (n, 2)).astype(float) if placed else None
    found = tiles(cells, xy, size, np.random.default_rng(seed) if seed % 2 else None)
    kept = np.concatenate([window.cells[window.kept] for window in found])
    assert sorted(kept) == sorted(cells)
    for window in found:
        assert len(window.cells) == min(size, n)
        assert len(set(window.cells)) == len(window.cells)
    assert sum(not window.kept.all() for window in found) <= 1


def test_tiles_are_compact_and_the_last_is_topped_up_with_near_cells():
    xy = np.stack(np.meshgrid(np.arange(15.0), np.arange(15.0)), -1).reshape(-1, 2)
    found = tiles(np.arange(225), xy, 50)
    assert [int(window.kept.sum()) for window in found] == [50, 50, 50, 50, 25]
    spread = [np.ptp(xy[window.cells], axis=0).max() for window in found]
    assert max(spread) <= 8
    assert tiles(np.arange(0), None, 50) == []


def test_other_tilings_leave_no_border_between_neighbours():
    xy = np.stack(np.meshgrid(np.arange(20.0), np.arange(20.0)), -1).reshape(-1, 2)
    together = np.zeros((400, 400))
    for number in range(30):
        for window in tiles(np.arange(400), xy, 50, np.random.default_rng(number)):
            assert np.ptp(xy[window.cells], axis=0).max() <= 16
            together[np.ix_(window.cells, window.cells)] += 1
    beside = np.arange(400) % 20 < 19
    share = together[np.arange(400)[beside], np.arange(400)[beside] + 1] / 30
    assert share.min() > 0.3
    once = tiles(np.arange(400), xy, 50)
    apart = {cell: number for number, w in enumerate(once) for cell in w.cells}
    assert any(apart[i] != apart[i + 1] for i in np.flatnonzero(beside))


def test_groups_of_a_hole_hold_a_fifth_of_it_and_the_nearest_around():
    xy = np.stack(np.meshgrid(np.arange(9.0), np.arange(9.0)), -1).reshape(-1, 2)
    inside = (np.abs(xy - 4) <= 1).all(axis=1)
    lost, shown = np.flatnonzero(inside), np.flatnonzero(~inside)
    found = among_visible(np.arange(81) + 100, xy, lost, shown, 20)
    kept = np.concatenate([window.cells[window.kept] for window in found])
    assert sorted(kept) == list(lost + 100)
    ring = np.flatnonzero(~inside & (np.abs(xy - 4) <= 2).all(axis=1)) + 100
    for window in found:
        assert len(window.cells) == 20
        assert window.kept.sum() <= 4
        others = window.cells[~window.kept]
        assert not np.isin(others, lost + 100).any()
        assert np.isin(others, ring).sum() >= 8


def test_centred_windows_are_nearest_first_with_ties_by_index():
    xy = np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [5, 5.0]])
    found = centred(np.arange(5) + 10, xy, 4)
    assert [list(window.cells) for window in found[:2]] == [
        [10, 11, 12, 13],
        [11, 10, 13, 12],
    ]
    assert list(found[0].kept) == [True, False, False, False]
    among = np.array([False, True, True, False, True])
    alone = centred(np.arange(5), xy, 3, np.array([0]), among)
    assert [list(window.cells) for window in alone] == [[0, 1, 2]]
    same = centred(np.arange(3), np.zeros((3, 2)), 3)
    assert [list(window.cells) for window in same] == [[0, 1, 2], [1, 0, 2], [2, 0, 1]]


def test_orders_hang_on_the_seed_and_the_window():
    one, two = orders(2, 30, 4, 0)
    assert sorted(one) == list(range(30))
    assert not np.array_equal(one, two)
    np.testing.assert_array_equal(one, orders(1, 30, 4, 0)[0])
    for other in (orders(1, 30, 5, 0), orders(1, 30, 4, 1)):
        assert not np.array_equal(one, other[0])


def test_places_do_not_know_the_unit_of_the_slide():
    xy = np.random.default_rng(0).uniform(0, 300, (50, 2))
    near = relative_places(xy)
    np.testing.assert_allclose(relative_places(7 * xy + 12), near, rtol=1e-4, atol=1e-5)
    assert near.mean(axis=0) == pytest.approx([0, 0], abs=1e-5)
    assert 2 < np.abs(near).max() < 8
    np.testing.assert_array_equal(relative_places(np.ones((1, 2))), [[0, 0]])
