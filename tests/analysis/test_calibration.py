"""Calibration: a right model holds what it promises, a too narrow one does not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from napari_scfm.analysis.calibration import (
    DRAWS_ONLY,
    LARGEST,
    NOMINAL,
    WITH_NOISE,
    calibration,
    overdispersion_of,
    randomised_pit,
)

ENTRIES = 20_000
DRAWS = 19


def gammas(rng, size, spread=1.0):
    """Rates around a mean of 3, between entries as between the draws of one."""
    shape = 4.0 / spread
    return rng.gamma(shape, 3.0 / shape, size)


def within_chance(table, interval):
    """Whether observed is nominal, within four standard errors of a share."""
    part = table[table["interval"] == interval]
    error = np.sqrt(part["nominal"] * (1 - part["nominal"]) / part["n_entries"])
    return (part["observed"] - part["nominal"]).abs() <= 4 * error


def test_counts_drawn_from_the_draws_are_held_exactly():
    rng = np.random.default_rng(0)
    draws = gammas(rng, (DRAWS, ENTRIES))
    truth = rng.poisson(draws[rng.integers(0, DRAWS, ENTRIES), np.arange(ENTRIES)])
    found = calibration(truth, draws)
    assert within_chance(found, WITH_NOISE).all()
    noise = found[found["interval"] == WITH_NOISE]
    assert list(noise["nominal"]) == list(NOMINAL)
    assert (found["n_entries"] == ENTRIES).all()
    # intervals of rates are no intervals of counts: too narrow
    only = found[found["interval"] == DRAWS_ONLY]
    assert (only["observed"] < only["nominal"]).all()


def test_a_truth_like_one_more_draw_is_held_by_the_draws():
    rng = np.random.default_rng(1)
    draws = gammas(rng, (DRAWS, ENTRIES))
    found = calibration(gammas(rng, ENTRIES), draws)
    assert within_chance(found, DRAWS_ONLY).all()
    only = found[found["interval"] == DRAWS_ONLY]
    assert only["nominal"].max() == 0.9, "19 draws can promise 90 %, not 95 %"


def test_negative_binomial_counts_need_their_overdispersion():
    rng = np.random.default_rng(2)
    draws = gammas(rng, (DRAWS, ENTRIES))
    rate = draws[rng.integers(0, DRAWS, ENTRIES), np.arange(ENTRIES)]
    truth = rng.negative_binomial(2.0, 2.0 / (2.0 + rate))
    given = calibration(truth, draws, overdispersion=0.5)
    assert within_chance(given, WITH_NOISE).all()
    each = calibration(truth, draws, overdispersion=np.full(ENTRIES, 0.5))
    pd.testing.assert_frame_equal(each, given)
    poisson = calibration(truth, draws)
    eighty = poisson[(poisson["interval"] == WITH_NOISE) & (poisson["nominal"] == 0.8)]
    assert eighty["observed"].item() < 0.75
    assert overdispersion_of(truth, rate) == pytest.approx(0.5, abs=0.05)
    assert overdispersion_of(rng.poisson(rate), rate) < 0.03
    assert overdispersion_of(np.zeros(3), np.zeros(3)) == 0


def test_a_model_that_is_too_sure_holds_less_than_it_promises():
    rng = np.random.default_rng(3)
    wide, sure = (gammas(rng, (DRAWS, ENTRIES), spread) for spread in (4.0, 0.01))
    truth = rng.poisson(wide[0])
    for interval in (DRAWS_ONLY, WITH_NOISE):
        found = calibration(truth, sure)
        part = found[(found["interval"] == interval) & (found["nominal"] >= 0.3)]
        assert (part["observed"] < part["nominal"] - 0.05).all()


def test_the_transform_is_that_of_the_mixture():
    rng = np.random.default_rng(4)
    draws = np.array([[1.0, 4.0], [3.0, 0.0]])
    truth = np.array([2.0, 0.0])
    zero = np.zeros(2)

    class Top:
        def random(self, n):
            return np.ones(n)

    top = randomised_pit(truth, draws, zero, Top())
    expected = stats.poisson.cdf(truth, draws).mean(axis=0)
    np.testing.assert_allclose(top, expected, rtol=1e-12)
    size = 1 / 0.3
    top = randomised_pit(truth, draws, zero + 0.3, Top())
    expected = stats.nbinom.cdf(truth, size, size / (size + draws)).mean(axis=0)
    np.testing.assert_allclose(top, expected, rtol=1e-10)
    for _ in range(20):
        low = stats.poisson.cdf(truth - 1, draws).mean(axis=0)
        inside = randomised_pit(truth, draws, zero, rng)
        assert ((inside >= low) & (inside <= 1)).all()


def test_entries_without_all_draws_are_left_out_and_counted():
    rng = np.random.default_rng(5)
    draws = gammas(rng, (5, 300))
    draws[2, :7] = np.nan
    truth = rng.poisson(3.0, 300)
    found = calibration(truth, draws)
    assert (found["n_left_out"] == 7).all()
    assert (found["n_entries"] == 293).all()
    pd.testing.assert_frame_equal(
        found.drop(columns="n_left_out"),
        calibration(truth[7:], draws[:, 7:]).drop(columns="n_left_out"),
    )
    nothing = calibration(truth, np.full_like(draws, np.nan))
    assert nothing["observed"].isna().all()
    assert (nothing["n_left_out"] == 300).all()


def test_a_seed_repeats_and_large_sets_are_drawn_from():
    rng = np.random.default_rng(6)
    draws = gammas(rng, (3, LARGEST + 10))
    truth = rng.poisson(3.0, LARGEST + 10)
    one = calibration(truth, draws, seed=1)
    pd.testing.assert_frame_equal(one, calibration(truth, draws, seed=1))
    assert (one["n_not_drawn"] == 10).all()
    assert (one["n_entries"] == LARGEST).all()
    assert not one.equals(calibration(truth, draws, seed=2))
