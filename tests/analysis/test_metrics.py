"""Metrics: as the libraries compute them, and what the edge cases give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr
from sklearn.metrics import (
    matthews_corrcoef,
    mean_absolute_error,
    root_mean_squared_error,
)
from sklearn.metrics.pairwise import cosine_similarity

from napari_scfm.analysis.levels import LEVELS, CellRange, confusion, mcc
from napari_scfm.analysis.metrics import (
    cell_metrics,
    gene_metrics,
    group_metrics,
    level_confusion,
    summarise,
)


def random_case(seed, cells=40, genes=7):
    rng = np.random.default_rng(seed)
    truth = rng.poisson(rng.uniform(0.5, 4, genes), (cells, genes)).astype(float)
    guess = rng.gamma(1.0, 1.5, (cells, genes))
    hidden = rng.random((cells, genes)) < 0.6
    return truth, guess, hidden


def one_gene(truth, guess):
    truth, guess = np.array([truth], float).T, np.array([guess], float).T
    return {
        name: column[0]
        for name, column in gene_metrics(
            truth, guess, np.ones_like(truth, bool)
        ).items()
    }


@pytest.mark.parametrize("seed", range(3))
def test_genes_agree_with_scipy_and_sklearn(seed):
    truth, guess, hidden = random_case(seed)
    found = gene_metrics(truth, guess, hidden)
    for gene in range(truth.shape[1]):
        rows = hidden[:, gene]
        y, x = np.log1p(truth[rows, gene]), np.log1p(guess[rows, gene])
        close = {"rtol": 1e-6, "atol": 1e-9}
        expected = pearsonr(y, x).statistic
        np.testing.assert_allclose(found["pearson"][gene], expected, **close)
        expected = cosine_similarity([y], [x])[0, 0]
        np.testing.assert_allclose(found["cosine"][gene], expected, **close)
        expected = root_mean_squared_error(y, x)
        np.testing.assert_allclose(found["rmse"][gene], expected, **close)
        expected = mean_absolute_error(y, x)
        np.testing.assert_allclose(found["mae"][gene], expected, **close)
        assert found["n_entries"][gene] == rows.sum()


def test_cells_are_genes_turned_round():
    truth, guess, hidden = random_case(5)
    by_cell = cell_metrics(truth, guess, hidden)
    turned = gene_metrics(truth.T, guess.T, hidden.T)
    for name, column in turned.items():
        np.testing.assert_array_equal(by_cell[name], column)


def test_a_gene_without_counts_is_left_out_and_says_why():
    found = one_gene([0, 0, 0], [1, 0, 2])
    assert np.isnan(found["pearson"])
    assert np.isnan(found["cosine"])
    assert found["excluded"] == "constant truth"
    assert found["rmse"] > 0


def test_a_constant_prediction_correlates_with_nothing():
    found = one_gene([0, 3, 1], [0.7, 0.7, 0.7])
    assert found["pearson"] == 0
    assert found["constant_prediction"]
    assert found["excluded"] == ""
    assert found["cosine"] > 0.5


def test_a_prediction_of_zero_has_cosine_0():
    found = one_gene([0, 3, 1], [0, 0, -4])
    assert found["cosine"] == 0
    assert found["pearson"] == 0


def test_what_is_not_predicted_is_left_out_and_counted():
    truth, guess, hidden = random_case(6)
    guess[:, 2] = np.nan
    hidden[0, 0], guess[0, 0] = True, np.nan
    found = gene_metrics(truth, guess, hidden)
    assert found["n_entries"][2] == 0
    assert found["n_unpredicted"][2] == hidden[:, 2].sum()
    assert found["n_unpredicted"][0] == 1
    assert found["excluded"][2] == "no prediction"
    assert np.isnan(found["rmse"][2])
    row = summarise(truth, guess, hidden, truth)
    assert row["n_genes"] == 7
    assert row["n_genes_defined"] == 6
    assert row["n_genes_excluded"] == 1
    assert row["n_entries"] == (hidden & ~np.isnan(guess)).sum()


def test_the_summary_averages_over_genes():
    truth, guess, hidden = random_case(7)
    truth[:, 3] = 0
    guess[:, 4] = 1
    genes, row = (
        gene_metrics(truth, guess, hidden),
        summarise(truth, guess, hidden, truth),
    )
    assert row["pearson"] == pytest.approx(np.delete(genes["pearson"], 3).mean())
    assert row["rmse"] == pytest.approx(genes["rmse"].mean())
    assert (row["n_genes_defined"], row["n_genes_flat"]) == (6, 1)
    assert row["rmse"] <= np.sqrt((genes["rmse"] ** 2).mean())
    assert row["scale"] == "log1p counts"


def test_nothing_hidden_gives_nan_and_no_warning():
    truth, guess, _ = random_case(8)
    row = summarise(truth, guess, np.zeros_like(truth, bool), truth)
    assert np.isnan(
        [row["rmse"], row["pearson"], row["mcc_all"], row["accuracy"]]
    ).all()
    assert row["n_entries"] == row["n_genes"] == row["n_cells"] == 0


counts = st.lists(st.integers(0, 30), min_size=2, max_size=30)


@given(counts, st.data())
@settings(max_examples=60)
def test_metrics_stay_in_their_bounds(truth, data):
    same = st.lists(st.floats(-2, 40), min_size=len(truth), max_size=len(truth))
    found = one_gene(truth, data.draw(same))
    assert found["mae"] <= found["rmse"] * (1 + 1e-9)
    assert np.isnan(found["pearson"]) == (len(set(truth)) == 1)
    assert np.isnan(found["cosine"]) == (not any(truth))
    if len(set(truth)) > 1:
        assert -1 <= found["pearson"] <= 1
        assert one_gene(truth, truth)["pearson"] == pytest.approx(1)


def test_one_group_pools_all_entries():
    truth, guess, hidden = random_case(9)
    y, x = truth[hidden], guess[hidden]
    pooled = group_metrics(y, x, np.zeros(len(y), int), 1)
    expected = pearsonr(np.log1p(y), np.log1p(x)).statistic
    assert pooled["pearson"][0] == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(4))
def test_mcc_agrees_with_sklearn(seed):
    rng = np.random.default_rng(seed)
    truth = rng.choice(LEVELS, 500, p=[0.6, 0.2, 0.1, 0.07, 0.03])
    guess = np.where(rng.random(500) < 0.5, truth, rng.integers(0, LEVELS, 500))
    ours = mcc(confusion(truth, guess))
    assert ours == pytest.approx(matthews_corrcoef(truth, guess), abs=1e-12)


def test_degenerate_mcc():
    assert np.isnan(mcc(confusion([2, 2, 2], [2, 2, 2])))
    assert mcc(confusion([0, 1, 2], [0, 0, 0])) == 0
    assert mcc(confusion([0, 1, 2], [0, 1, 2])) == pytest.approx(1)


def test_levels_are_left_closed_and_cut_from_the_cells_own_truth():
    low, high = np.log1p(1), np.log1p(15)
    edges = low + np.arange(4) * (high - low) / 4
    cells = CellRange.of([[0, 1, 15], [0, 2, 2], [0, 0, 0]])
    first = np.zeros(6, dtype=int)
    values = [0.0, *edges, high]
    assert list(cells.levels(values, first)) == [0, 1, 2, 3, 4, 4]
    expected = np.digitize(np.linspace(low, high, 50), np.append(edges, np.inf))
    many = np.zeros(50, dtype=int)
    assert list(cells.levels(np.linspace(low, high, 50), many)) == list(expected)
    # below half of the smallest value: level 0; a prediction beyond: level 4
    near = cells.levels([low / 2 - 1e-9, low / 2, 9], np.zeros(3, int))
    assert list(near) == [0, 1, 4]
    # one distinct value: levels 0 and 1 only
    assert list(cells.levels([0, np.log1p(2), 9], np.ones(3, int))) == [0, 1, 1]
    assert np.isnan(cells.low[2])


def test_level_scores_leave_out_cells_without_counts():
    truth, guess, hidden = random_case(11)
    truth[3] = 0
    hidden[3] = True
    row = summarise(truth, guess, hidden, truth)
    table = level_confusion(truth, guess, hidden, truth)
    assert row["n_cells_without_levels"] == 1
    assert table.sum() == hidden.sum() - truth.shape[1]
    assert row["mcc_all"] == pytest.approx(mcc(table))
    assert row["accuracy"] == pytest.approx(np.trace(table) / table.sum())


def test_expressed_only_mcc_drops_true_zeros():
    truth, guess, hidden = random_case(12)
    cells = CellRange.of(truth)
    rows, columns = np.nonzero(hidden & (truth > 0))
    true = cells.levels(np.log1p(truth[rows, columns]), rows)
    predicted = cells.levels(np.log1p(guess[rows, columns]), rows)
    expected = matthews_corrcoef(true, predicted)
    found = summarise(truth, guess, hidden, truth)["mcc_expressed"]
    assert found == pytest.approx(expected, abs=1e-12)
