from __future__ import annotations

import numpy as np
import pytest

from napari_scfm.analysis.attention.neighbours import pairs_of
from napari_scfm.errors import ScfmError


@pytest.fixture
def xy():
    return np.random.default_rng(0).random((120, 2)) * 500


def test_nearest_cells_of_the_same_bag_without_the_cell_itself(xy):
    homes = np.arange(120) % 2
    pairs = pairs_of(xy, homes, neighbours=12)
    assert (pairs.count == 12).all()
    assert (homes[pairs.rows] == homes[pairs.columns]).all()
    assert (pairs.rows != pairs.columns).all()
    np.testing.assert_allclose(pairs.away, xy[pairs.columns] - xy[pairs.rows])
    cell = np.flatnonzero(homes == homes[7])
    distance = np.linalg.norm(xy[cell] - xy[7], axis=1)
    nearest = cell[np.argsort(distance)[1:13]]
    assert list(pairs.columns[pairs.rows == 7]) == list(nearest)


def test_cells_within_a_radius(xy):
    pairs = pairs_of(xy, np.zeros(120, dtype=int), radius=80)
    distance = np.linalg.norm(xy[:, None] - xy, axis=-1)
    np.testing.assert_array_equal(pairs.count, (distance <= 80).sum(axis=1) - 1)
    np.testing.assert_array_equal(pairs.popularity, pairs.count)


def test_rings_hold_about_ten_partners_from_near_to_far(xy):
    pairs = pairs_of(xy, np.zeros(120, dtype=int), neighbours=30)
    assert (pairs.ring_size == 10).all()
    length = np.linalg.norm(pairs.away, axis=1).reshape(120, 3, 10)
    assert (length[:, 0].max(axis=1) <= length[:, 1].min(axis=1)).all()
    sums = np.add.reduceat(pairs.inside, np.arange(0, len(pairs.rows), 10))
    np.testing.assert_allclose(sums, 0, atol=1e-9)


def test_renumbered_pairs_are_the_same_pairs(xy):
    pairs = pairs_of(xy, np.zeros(120, dtype=int), radius=90)
    order = np.random.default_rng(1).permutation(120)
    other = pairs.renumbered(order)
    weights = {
        (order[r], order[c]) for r, c in zip(other.rows, other.columns, strict=True)
    }
    assert weights == set(zip(pairs.rows.tolist(), pairs.columns.tolist(), strict=True))
    value = np.linalg.norm(pairs.inside, axis=1)
    again = np.linalg.norm(other.inside, axis=1)
    np.testing.assert_allclose(other.sums(again), pairs.sums(value)[order])


@pytest.mark.parametrize("n", [0, 1, 4])
def test_coinciding_and_few_cells(n):
    pairs = pairs_of(np.zeros((n, 2)), np.zeros(n, dtype=int), neighbours=30)
    assert (pairs.count == max(n - 1, 0)).all()
    assert (pairs.rows != pairs.columns).all()


def test_cells_that_take_or_give_nothing_have_no_part(xy):
    takes, given = np.ones((2, 120), dtype=bool)
    takes[3], given[5] = False, False
    pairs = pairs_of(xy, np.zeros(120, dtype=int), neighbours=20, alive=(takes, given))
    assert 3 not in pairs.rows
    assert 5 not in pairs.columns


def test_one_kind_of_neighbourhood_is_asked_for(xy):
    homes = np.zeros(120, dtype=int)
    for wrong in ({}, {"neighbours": 5, "radius": 3.0}, {"radius": 0.0}):
        with pytest.raises(ScfmError, match="nearest cells or those within"):
            pairs_of(xy, homes, **wrong)
