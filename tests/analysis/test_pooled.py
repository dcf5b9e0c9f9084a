"""Pooled denoising metrics against scikit-learn and scipy on whole cells."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import (
    mean_absolute_error,
    mean_squared_error,
    root_mean_squared_error,
)
from sklearn.metrics.pairwise import cosine_similarity

from napari_scfm.analysis.pooled import pooled_metrics


def case() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = rng.poisson(4.0, (30, 20)).astype(float)
    guess = rng.gamma(2.0, 2.0, (30, 20))
    return truth, guess, rng.random((30, 20)) < 0.15


def test_equal_to_metrics_of_normalised_profiles() -> None:
    truth, guess, hidden = case()
    profile = np.where(hidden, guess, truth)
    y, x = (
        np.log1p(1e4 * one / one.sum(axis=1, keepdims=True))[hidden]
        for one in (truth, profile)
    )
    found = pooled_metrics(
        truth, np.where(hidden, guess, np.nan), hidden, truth.sum(axis=1)
    )
    assert found["pooled_rmse"] == pytest.approx(root_mean_squared_error(y, x))
    assert found["pooled_mse"] == pytest.approx(mean_squared_error(y, x))
    assert found["pooled_mae"] == pytest.approx(mean_absolute_error(y, x))
    assert found["pooled_pearson"] == pytest.approx(pearsonr(y, x).statistic)
    assert found["pooled_cosine"] == pytest.approx(cosine_similarity([y], [x])[0, 0])


def test_perfect_and_missing_predictions() -> None:
    truth, guess, hidden = case()
    totals = truth.sum(axis=1)
    assert pooled_metrics(truth, truth, hidden, totals)["pooled_rmse"] < 1e-12
    part = np.where(np.arange(20) < 10, guess, np.nan)
    some = pooled_metrics(truth, part, hidden, totals)
    left = hidden & (np.arange(20) < 10)
    assert some["n_entries_pooled"] == left.sum()
    assert some == pooled_metrics(truth, guess, left, totals)
    nothing = pooled_metrics(truth, np.full_like(guess, np.nan), hidden, totals)
    assert nothing.pop("n_entries_pooled") == 0
    assert nothing.pop("n_entries_without_depth") == 0
    assert np.isnan(list(nothing.values())).all()


def test_cells_without_counts_are_left_out_and_counted() -> None:
    truth, guess, hidden = case()
    truth[4] = 0
    found = pooled_metrics(truth, guess, hidden, truth.sum(axis=1))
    rest = hidden.copy()
    rest[4] = False
    again = pooled_metrics(truth, guess, rest, truth.sum(axis=1))
    assert found["n_entries_without_depth"] == hidden[4].sum() > 0
    assert found["n_entries_pooled"] == rest.sum()
    assert found["pooled_rmse"] == pytest.approx(again["pooled_rmse"])


def test_constant_sides() -> None:
    truth, guess, hidden = case()
    flat = np.ones_like(truth)
    totals = np.full(len(truth), 20.0)
    only = np.zeros_like(hidden)
    only[:, 0] = True
    found = pooled_metrics(flat, guess, only, totals)
    assert np.isnan(found["pooled_pearson"])
    assert 0 < found["pooled_cosine"] <= 1
    found = pooled_metrics(np.zeros_like(truth), guess, only, totals)
    assert np.isnan(found["pooled_cosine"])
    found = pooled_metrics(truth, np.zeros_like(guess), only, truth.sum(axis=1))
    assert found["pooled_pearson"] == 0
    assert found["pooled_cosine"] == 0
