"""Every edge case of the metrics, and what must hold whatever is scored."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy.stats import ConstantInputWarning, pearsonr, spearmanr
from sklearn.metrics import (
    matthews_corrcoef,
    mean_absolute_error,
    mean_squared_error,
    root_mean_squared_error,
)

from napari_scfm.analysis.entries import Entries
from napari_scfm.analysis.levels import LEVELS, CellRange, confusion, mcc, mcc_of
from napari_scfm.analysis.metrics import (
    gene_metrics,
    group_metrics,
    score_entries,
    summarise,
)

SHAPE = (9, 5)


@st.composite
def cases(draw):
    """Truth, prediction (some missing) and what of it is hidden."""
    counts = npst.arrays(np.int64, SHAPE, elements=st.integers(0, 40))
    truth = draw(counts).astype(float)
    values = st.floats(-3, 60, width=32) | st.sampled_from([0.0, 1.0, np.nan])
    guess = draw(npst.arrays(np.float32, SHAPE, elements=values))
    hidden = draw(npst.arrays(np.bool_, SHAPE))
    return truth, guess, hidden


def equal(one, other, **close):
    """Whether two summaries or columns hold the same numbers."""
    assert one.keys() == other.keys()
    for name, value in one.items():
        if np.asarray(value).dtype.kind in "OU":
            assert np.array_equal(value, other[name]), name
        else:
            np.testing.assert_allclose(value, other[name], err_msg=name, **close)


# --- what must hold whatever is scored ----------------------------------------------


@given(cases())
@settings(max_examples=40)
def test_bounds(case):
    row = summarise(*case, case[0])
    genes = gene_metrics(*case)
    defined = ~np.isnan(genes["rmse"])
    if defined.any():
        assert row["rmse"] <= np.sqrt(row["mse"]) * (1 + 1e-12), "RMSE first, then mean"
        assert row["mae"] <= row["rmse"] * (1 + 1e-12)
        np.testing.assert_allclose(genes["rmse"] ** 2, genes["mse"])
    for name, low in (
        *(("pearson", -1), ("cosine", 0), ("cosine_constant", 0)),
        *(("mcc_all", -1), ("mcc_expressed", -1), ("accuracy", 0)),
    ):
        assert np.isnan(row[name]) or low <= row[name] <= 1 + 1e-12, name
    assert row["n_entries"] + row["n_entries_left_out"] == case[2].sum()
    assert row["n_genes_scored"] + row["n_genes_unpredicted"] == row["n_genes"]
    assert row["n_genes_defined"] + row["n_genes_excluded"] == row["n_genes"]
    left_out = row["n_genes_constant"] + row["n_genes_unpredicted"]
    assert left_out == row["n_genes_excluded"]
    assert row["n_genes_cosine"] + row["n_genes_zero"] == row["n_genes_scored"]


@given(cases(), st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_the_order_of_cells_and_genes_does_not_matter(case, random):
    truth = case[0]
    cells, genes = list(range(SHAPE[0])), list(range(SHAPE[1]))
    random.shuffle(cells)
    random.shuffle(genes)
    turned = [part[np.ix_(cells, genes)] for part in case]
    equal(summarise(*turned, turned[0]), summarise(*case, truth), rtol=1e-9, atol=1e-12)
    columns = {name: one[genes] for name, one in gene_metrics(*case).items()}
    equal(gene_metrics(*turned), columns, rtol=1e-9, atol=1e-9)


@given(cases())
@settings(max_examples=40)
def test_what_is_below_0_counts_as_0(case):
    truth, guess, hidden = case
    equal(
        summarise(truth, np.maximum(guess, 0), hidden, truth), summarise(*case, truth)
    )


@given(cases())
@settings(max_examples=40)
def test_the_truth_itself_is_perfect(case):
    truth, _, hidden = case
    row = summarise(truth, truth, hidden, truth)
    for name, best in (("rmse", 0), ("mae", 0), ("pearson", 1), ("cosine", 1)):
        assert np.isnan(row[name]) or row[name] == pytest.approx(best), name
    for name in ("mcc_all", "mcc_expressed", "accuracy"):
        assert np.isnan(row[name]) or row[name] == pytest.approx(1), name


@given(cases())
@settings(max_examples=40)
def test_visible_entries_take_no_part(case):
    truth, guess, hidden = case
    other = np.where(hidden, guess, 17.0)
    equal(summarise(truth, other, hidden, truth), summarise(*case, truth))


# --- against the libraries ----------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_every_metric_agrees_with_its_library(seed):
    rng = np.random.default_rng(seed)
    truth = rng.poisson(2.0, (60, 4)).astype(float)
    guess = rng.gamma(1.0, 2.0, (60, 4))
    hidden = rng.random((60, 4)) < 0.7
    found, row = (
        gene_metrics(truth, guess, hidden),
        summarise(truth, guess, hidden, truth),
    )
    expected = []
    for gene in range(4):
        at = hidden[:, gene]
        y, x = np.log1p(truth[at, gene]), np.log1p(guess[at, gene])
        both = torch.tensor(y), torch.tensor(x)
        cosine = torch.nn.functional.cosine_similarity(*both, dim=0).item()
        expected.append(
            {
                "mse": mean_squared_error(y, x),
                "rmse": root_mean_squared_error(y, x),
                "mae": mean_absolute_error(y, x),
                "pearson": pearsonr(y, x).statistic,
                "cosine": cosine,
                "mae_counts": mean_absolute_error(truth[at, gene], guess[at, gene]),
                "truth_mean": y.mean(),
                "prediction_mean": x.mean(),
            }
        )
        for name, value in expected[-1].items():
            assert found[name][gene] == pytest.approx(value, rel=1e-10), name
    for name in ("mse", "rmse", "mae", "pearson", "cosine"):
        numbers = [one[name] for one in expected]
        assert row[name] == pytest.approx(np.mean(numbers)), name
        assert row[f"{name}_sd"] == pytest.approx(np.std(numbers)), name
    counts = truth[hidden], guess[hidden]
    assert row["mae_counts"] == pytest.approx(mean_absolute_error(*counts))
    some = truth[hidden] > 0
    expressed = mean_absolute_error(*(part[some] for part in counts))
    assert row["mae_counts_expressed"] == pytest.approx(expressed)
    assert row["n_entries_expressed"] == some.sum()


@given(
    npst.arrays(np.int64, 30, elements=st.integers(0, 4)),
    npst.arrays(np.int64, 30, elements=st.integers(0, 4)),
)
@settings(max_examples=50)
def test_mcc_agrees_with_sklearn_where_both_are_defined(truth, guess):
    ours = mcc(confusion(truth, guess))
    if len(set(truth)) == 1:
        assert np.isnan(ours), "sklearn says 0, even for perfect agreement"
    else:
        assert ours == pytest.approx(matthews_corrcoef(truth, guess), abs=1e-12)


def test_mcc_agrees_with_torchmetrics():
    function = pytest.importorskip(
        "torchmetrics.functional.classification", reason="torchmetrics is not installed"
    ).multiclass_matthews_corrcoef
    rng = np.random.default_rng(0)
    truth, guess = rng.integers(0, 5, (2, 400))
    theirs = function(torch.tensor(guess), torch.tensor(truth), num_classes=5).item()
    assert mcc(confusion(truth, guess)) == pytest.approx(theirs, abs=1e-6)


@given(
    npst.arrays(np.float64, 40, elements=st.floats(0, 5)),
    st.lists(st.integers(0, 30), min_size=1, max_size=12),
)
@settings(max_examples=50)
def test_levels_agree_with_digitize(values, counts):
    cells = CellRange.of([counts])
    if not any(counts):
        assert np.isnan(cells.low[0])
        return
    logs = np.log1p([count for count in counts if count])
    low, high = logs.min(), logs.max()
    edges = [low / 2, *(low + np.arange(1, 4) * (high - low) / 4)]
    expected = np.digitize(values, edges if high > low else edges[:1])
    found = cells.levels(values, np.zeros(len(values), int))
    np.testing.assert_array_equal(found, expected)


@given(cases())
@settings(max_examples=40)
def test_spearman_agrees_with_scipy(case):
    truth, guess, hidden = case
    entries = Entries.of_matrices(truth, hidden, truth)
    said = guess[entries.rows, entries.columns]
    found = score_entries(entries, said).genes["spearman"]
    for gene in range(SHAPE[1]):
        at = (entries.columns == gene) & ~np.isnan(said)
        y, x = entries.truth[at], np.maximum(said[at], 0)
        if len(set(y)) < 2:
            assert np.isnan(found[gene])
        elif len(set(x)) < 2:
            assert found[gene] == 0
        else:
            expected = spearmanr(y, np.log1p(x.astype(float)).astype(np.float32))
            assert found[gene] == pytest.approx(expected.statistic, abs=1e-12)


def test_spearman_of_fractions_and_of_too_many_entries(monkeypatch):
    rng = np.random.default_rng(0)
    truth, guess = rng.gamma(1.0, 2.0, (50, 3)), rng.gamma(1.0, 2.0, (50, 3))
    hidden = np.ones_like(truth, bool)
    row = summarise(truth, guess, hidden, truth)
    each = [spearmanr(truth[:, g], guess[:, g]).statistic for g in range(3)]
    assert row["spearman"] == pytest.approx(np.mean(each))
    assert row["n_genes_spearman"] == 3
    monkeypatch.setattr("napari_scfm.analysis.ranks.LARGEST", 149)
    row = summarise(truth, guess, hidden, truth)
    assert np.isnan(row["spearman"])
    assert row["n_genes_spearman"] == 0
    assert np.isfinite(row["pearson"])


# --- edge cases ---------------------------------------------------------------------


def columns_of(truth, guess):
    """Return the metrics of one gene."""
    truth, guess = np.array([truth], float).T, np.array([guess], float).T
    found = gene_metrics(truth, guess, np.ones_like(truth, bool))
    return {name: column[0] for name, column in found.items()}


def test_a_constant_truth_is_excluded_where_scipy_gives_nan():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantInputWarning)
        assert np.isnan(pearsonr([2, 2, 2], [1, 2, 3]).statistic)
    found = columns_of([2, 2, 2], [1, 2, 3])
    assert np.isnan(found["pearson"])
    assert found["excluded"] == "constant truth"
    assert found["cosine"] > 0, "cosine needs no variation"


@pytest.mark.parametrize("noise", [1e-3, 1e-5, 1e-7])
def test_a_nearly_constant_prediction_is_correlated_as_it_is(noise):
    rng = np.random.default_rng(0)
    truth = rng.poisson(3.0, 500).astype(float)
    guess = 40.0 * (1 + noise * rng.standard_normal(500))
    expected = pearsonr(np.log1p(truth), np.log1p(guess)).statistic
    assert columns_of(truth, guess)["pearson"] == pytest.approx(expected, abs=1e-6)


def test_a_constant_prediction_gets_the_cosine_that_is_free():
    truth = [0.0, 3, 1, 0]
    found = columns_of(truth, [0.7] * 4)
    y = np.log1p(truth)
    assert found["cosine"] == pytest.approx(y.mean() / np.sqrt((y**2).mean()))
    assert found["cosine_constant"] == pytest.approx(found["cosine"])
    assert (
        columns_of(truth, [1, 9, 2, 0])["cosine_constant"] == found["cosine_constant"]
    )


def test_zero_vectors_as_torch_and_sklearn_have_them():
    nothing = torch.zeros(3), torch.tensor([1.0, 2, 3])
    assert torch.nn.functional.cosine_similarity(*nothing, dim=0).item() == 0
    assert columns_of([1, 2, 3], [0, 0, 0])["cosine"] == 0
    assert np.isnan(columns_of([0, 0, 0], [1, 2, 3])["cosine"]), "excluded, counted"


def test_reasons_are_counted():
    rng = np.random.default_rng(1)
    truth, guess = rng.poisson(2.0, (20, 6)).astype(float), rng.gamma(1.0, 2.0, (20, 6))
    truth[:, 0], truth[:, 1], guess[:, 2], guess[:, 3] = 0, 4, 1.5, np.nan
    hidden = np.ones_like(truth, bool)
    hidden[:, 5] = False
    row = summarise(truth, guess, hidden, truth)
    assert row["n_genes"] == 5, "the visible gene is no hidden gene"
    assert (row["n_genes_scored"], row["n_genes_unpredicted"]) == (4, 1)
    assert (row["n_genes_defined"], row["n_genes_excluded"]) == (2, 3)
    assert (row["n_genes_constant"], row["n_genes_flat"]) == (2, 1)
    assert (row["n_genes_cosine"], row["n_genes_zero"]) == (3, 1)
    assert (row["n_entries"], row["n_entries_left_out"]) == (80, 20)


def test_one_true_level_is_undefined_and_still_has_an_accuracy():
    truth = np.array([[0.0, 0, 5], [0, 0, 7]])
    hidden = np.array([[True, True, False]] * 2)
    row = summarise(truth, np.zeros_like(truth), hidden, truth)
    assert np.isnan(row["mcc_all"])
    assert row["accuracy"] == 1
    assert not row["mcc_all_flat"], "undefined is not zero by rule"


def test_one_predicted_level_is_0_and_flagged():
    truth = np.array([[0.0, 2, 9], [0, 1, 7]])
    hidden = np.ones_like(truth, bool)
    row = summarise(truth, np.zeros_like(truth), hidden, truth)
    assert row["mcc_all"] == 0
    assert row["mcc_all_flat"]
    assert row["mcc_expressed"] == 0
    assert row["mcc_expressed_flat"]
    assert mcc_of(np.zeros((1, LEVELS, LEVELS)))[0] != 0, "nothing at all: NaN"


def test_a_fully_hidden_cell_that_is_said_to_be_empty():
    truth = np.array([[0.0, 3, 9, 1], [2, 1, 0, 8]])
    hidden = np.array([[True] * 4, [False] * 4])
    guess = np.zeros_like(truth)
    assert summarise(truth, guess, hidden, truth)["mcc_all"] == 0
    deep = summarise(truth, truth * 0.9, hidden, truth)
    assert deep["mcc_all"] > 0.5, "a depth of its own is no part of the metric"


def test_cells_with_one_distinct_count_have_two_levels():
    truth = np.array([[0.0, 2, 2, 0], [5, 5, 5, 5]])
    guess = np.array([[9.0, 9, 0.1, 0], [0, 1, 5, 90]])
    entries = Entries.of_matrices(truth, np.ones_like(truth, bool), truth)
    table = score_entries(entries, guess.ravel()).confusions.sum(axis=0)
    assert table[2:].sum() == table[:, 2:].sum() == 0
    assert table[0, 0] == 1
    assert table[0, 1] == 1
    assert table[1, 0] == 3, "log1p(1) is below half of log1p(5): level 0"
    assert table[1, 1] == 3


def test_cells_without_counts_are_skipped_and_counted():
    truth = np.array([[0.0, 0, 0], [0, 2, 9]])
    hidden = np.ones_like(truth, bool)
    row = summarise(truth, truth + 1, hidden, truth)
    assert row["n_cells_without_levels"] == 1
    assert row["n_entries_without_levels"] == 3
    assert row["n_cells"] == 2


def test_expressed_only_keeps_predicted_zeros():
    truth = np.array([[0.0, 0, 1, 4, 9]])
    guess = np.array([[0.0, 5, 0, 4, 9]])
    row = summarise(truth, guess, np.ones_like(truth, bool), truth)
    levels = CellRange.of(truth).levels(np.log1p([1, 4, 9]), np.zeros(3, int))
    expected = matthews_corrcoef(levels, [0, *levels[1:]])
    assert row["mcc_expressed"] == pytest.approx(expected)
    assert row["mcc_expressed"] != pytest.approx(row["mcc_all"])


def test_the_released_rmse_is_another_number():
    """The released scorer averages the running list after every gene.

    Its mean is ``sum_g (G - g + 1) RMSE_g / (G (G + 1) / 2)``, which can exceed the
    root of the mean MSE; ours never does.
    """
    rng = np.random.default_rng(3)
    sparse_last = np.array([4.0, 2.0, 0.3, 0.05, 0.01])
    truth = rng.poisson(sparse_last, (200, 5)).astype(float)
    guess = np.zeros_like(truth)
    found = gene_metrics(truth, guess, np.ones_like(truth, bool))
    running, released = [], []
    for value in found["mse"]:
        running.append(value)
        released += list(np.sqrt(running))
    genes = len(found["rmse"])
    weights = np.arange(genes, 0, -1)
    closed = (weights * found["rmse"]).sum() / (genes * (genes + 1) / 2)
    assert np.mean(released) == pytest.approx(closed)
    assert closed > np.sqrt(found["mse"].mean()), "impossible for a mean of RMSEs"
    ours = summarise(truth, guess, np.ones_like(truth, bool), truth)
    assert ours["rmse"] <= np.sqrt(ours["mse"])


def test_means_between_groups_inflate_a_pooled_correlation():
    rng = np.random.default_rng(4)
    level = np.repeat([1.0, 30.0], 100)
    truth, guess = rng.poisson(level).astype(float), rng.poisson(level).astype(float)
    group = np.repeat([0, 1], 100)
    whole = group_metrics(truth, guess, np.zeros(200, int), 1)["pearson"][0]
    each = group_metrics(truth, guess, group, 2)["pearson"]
    assert whole > 0.8
    assert (np.abs(each) < 0.3).all()


def test_unsorted_groups_and_empty_ones():
    rng = np.random.default_rng(5)
    truth, guess = rng.poisson(3.0, 50).astype(float), rng.gamma(1.0, 3.0, 50)
    group = rng.integers(0, 6, 50) * 2
    order = np.argsort(group, kind="stable")
    found = group_metrics(truth, guess, group, 12)
    again = group_metrics(truth[order], guess[order], group[order], 12)
    equal(found, again, rtol=1e-10, atol=1e-12)
    assert list(found["n_entries"][1::2]) == [0] * 6
    assert np.isnan(found["rmse"][1])
    assert found["excluded"][1] == "no prediction"
