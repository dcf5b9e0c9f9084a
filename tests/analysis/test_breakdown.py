"""Error in bins of distance, sparsity or expression."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from napari_scfm.analysis.breakdown import binned_error, round_edges


def case(n=400, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.poisson(2.0, n).astype(float)
    return rng.exponential(20.0, n), truth, rng.gamma(1.0, 2.0, n)


def test_bins_agree_with_sklearn_on_the_entries_they_hold():
    x, truth, guess = case()
    found = binned_error(x, truth, guess, bins=5)
    assert len(found) == 5
    assert found["n_entries"].sum() == len(x)
    assert found["n_entries"].between(79, 81).all()
    for row in found.itertuples():
        last = row.high == found["high"].max()
        inside = (x >= row.low) & ((x <= row.high) if last else (x < row.high))
        y, p = np.log1p(truth[inside]), np.log1p(guess[inside])
        assert row.n_entries == inside.sum()
        assert row.rmse == pytest.approx(root_mean_squared_error(y, p))
        assert row.mae == pytest.approx(mean_absolute_error(y, p))
        assert row.error_mean == pytest.approx((p - y).mean())
        assert row.middle == pytest.approx(x[inside].mean())


def test_what_cannot_be_placed_or_scored_is_counted_with_its_reason():
    x, truth, guess = case()
    x[:3], guess[3:5] = np.nan, np.nan
    x[5:9], x[9:] = 500.0, np.clip(x[9:], 0, 99)
    found = binned_error(x, truth, guess, bins=[0, 50, 100])
    assert found["n_entries"].sum() == len(x) - 9
    assert found["n_left_out"].sum() == 2
    assert found.attrs["n_left_out"] == 9
    assert found.attrs["left_out"] == {
        "value unknown": 3,
        "outside the bins": 4,
        "no prediction": 2,
    }


def test_an_empty_bin_has_no_error_and_says_0_entries():
    found = binned_error([1.0, 2.0], [1, 2], [1, 2], bins=[0, 3, 6])
    assert list(found["n_entries"]) == [2, 0]
    assert np.isnan(found["rmse"][1])
    assert found["middle"][1] == 4.5


@pytest.mark.parametrize("x", [np.zeros(6), np.full(6, np.nan), np.zeros(0)])
def test_one_value_or_none_gives_one_bin(x):
    found = binned_error(x, np.arange(len(x)), np.arange(len(x)))
    assert len(found) == 1
    assert found["n_entries"][0] == np.isfinite(x).sum()
    assert found.attrs["n_left_out"] == np.isnan(x).sum()


def test_many_equal_values_share_a_bin():
    x = np.repeat([0.0, 1.0, 2.0], [80, 10, 10])
    found = binned_error(x, x, x, bins=10)
    assert found["n_entries"].sum() == 100
    assert (found["n_entries"] > 0).all()
    assert found["n_entries"][0] == 80


@given(
    st.lists(st.floats(-1e6, 1e6) | st.just(np.nan), max_size=40), st.integers(1, 12)
)
@settings(max_examples=80)
def test_every_entry_is_in_one_bin_or_counted(x, bins):
    values = np.asarray(x, float)
    found = binned_error(values, np.ones(len(x)), np.zeros(len(x)), bins)
    assert found["n_entries"].sum() + found.attrs["n_left_out"] == len(x)
    assert (found["high"] >= found["low"]).all()
    edges = round_edges(values, bins)
    assert (np.diff(edges) >= 0).all()
    again = binned_error(values, np.ones(len(x)), np.zeros(len(x)), edges)
    assert again["n_entries"].sum() == np.isfinite(values).sum()


def test_round_edges():
    assert list(round_edges([3.0, 187.0, np.nan])) == [*range(0, 201, 20)]
    assert list(round_edges([0.02, 0.98], about=5)) == pytest.approx(
        [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    )
    assert list(round_edges([7.0])) == [7.0, 7.0]
