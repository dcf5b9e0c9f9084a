from __future__ import annotations

import math

import numpy as np
import pytest

from napari_scfm.analysis.attention.null import closed_form, p_value, stratify
from napari_scfm.models.attention import Attention, Block


@pytest.mark.parametrize("kind", ["free", "strata"])
def test_closed_forms_equal_the_recorded_ones(shared, kind):
    arrays = np.load(shared / "parity" / "stream" / "null150.npz")
    attention, xy = Attention.from_matrix(arrays["W"]), arrays["positions"]
    strata = arrays["strata"] if kind == "strata" else None
    expectation, covariance = closed_form(attention, xy, strata)
    np.testing.assert_allclose(expectation, arrays[f"{kind}_E"], rtol=1e-9)
    np.testing.assert_allclose(covariance, arrays[f"{kind}_C"], rtol=1e-9, atol=1e-9)
    away = arrays["W"] @ xy - expectation
    distance = np.einsum("ni,nij,nj->n", away, np.linalg.inv(covariance), away)
    np.testing.assert_allclose(distance, arrays[f"{kind}_d2"], rtol=1e-9)


def test_closed_forms_of_factors_and_of_bags():
    rng = np.random.default_rng(0)
    query, key, xy = rng.random((40, 5)), rng.random((40, 5)), rng.random((40, 2)) * 99
    kinds, first = rng.integers(0, 3, 40), np.arange(25)
    blocks = [
        Block(cells, query=query[cells], key=key[cells])
        for cells in (first, np.arange(25, 40))
    ]
    expectation, covariance = closed_form(Attention(blocks, 40), xy, kinds)
    alone = Attention.from_matrix(query[first] @ key[first].T)
    want = closed_form(alone, xy[first], kinds[first])
    np.testing.assert_allclose(expectation[first], want[0])
    np.testing.assert_allclose(covariance[first], want[1])


def test_cells_change_places_only_inside_bag_and_type():
    rng = np.random.default_rng(1)
    homes, kinds = rng.integers(0, 2, 60), rng.integers(0, 3, 60)
    strata = stratify(homes, rng.random((60, 2)), kinds)
    orders = list(strata.permutations(20, seed=3))
    for order in orders:
        assert sorted(order) == list(range(60))
        np.testing.assert_array_equal(homes[order], homes)
        np.testing.assert_array_equal(kinds[order], kinds)
    assert len({tuple(order) for order in orders}) == 20
    again = list(strata.permutations(20, seed=3))
    np.testing.assert_array_equal(orders, again)


def test_p_values_are_never_zero_and_ties_count():
    assert p_value(5.0, np.arange(4.0)) == 1 / 5
    assert p_value(3.0, np.arange(4.0)) == 2 / 5
    assert p_value(1e-20, np.zeros(9), noise=1e-12) == 1
    assert math.isnan(p_value(1.0, np.zeros(0)))
