"""Scores of told types are those of scikit-learn, and what it leaves open is said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    precision_score,
    recall_score,
)

from napari_scfm.analysis.celltypes.agreement import agreement, confusion
from napari_scfm.errors import SpecError


@pytest.fixture
def both():
    rng = np.random.default_rng(0)
    truth = rng.choice(["a", "b", "c", "rare"], 300, p=[0.6, 0.25, 0.13, 0.02])
    said = np.where(rng.random(300) < 0.6, truth, rng.choice(["a", "b", "c", "z"], 300))
    return truth, said


def test_scores_are_those_of_scikit_learn_over_the_union(both):
    truth, said = both
    found = agreement(truth, said)
    union = sorted({*truth, *said})
    told = found.scores
    f1 = {"average": "macro", "labels": union, "zero_division": 0}
    assert told["accuracy"] == pytest.approx(accuracy_score(truth, said))
    known = {"average": "macro", "labels": sorted(set(truth)), "zero_division": 0}
    recall = recall_score(truth, said, **known)
    assert told["balanced_accuracy"] == pytest.approx(recall)
    assert told["macro_f1"] == pytest.approx(f1_score(truth, said, **f1))
    np.testing.assert_array_equal(
        found.confusion, confusion_matrix(truth, said, labels=union)
    )
    each = {"average": None, "labels": union, "zero_division": 0}
    per_class = found.per_class
    np.testing.assert_allclose(per_class["f1"], f1_score(truth, said, **each))
    np.testing.assert_allclose(
        per_class["precision"], precision_score(truth, said, **each)
    )
    np.testing.assert_allclose(per_class["recall"], recall_score(truth, said, **each))


def test_accuracy_and_balanced_accuracy_are_not_the_same():
    truth = ["a"] * 95 + ["b"] * 5
    found = agreement(truth, ["a"] * 100)
    assert found.scores["accuracy"] == pytest.approx(0.95)
    assert found.scores["balanced_accuracy"] == pytest.approx(0.5)
    pd.testing.assert_series_equal(
        found.summary.loc["told"],
        found.summary.loc["majority class"],
        check_names=False,
    )


def test_unknown_is_wrong_and_no_class_of_its_own():
    truth = ["a", "a", "b", "b"]
    found = agreement(truth, ["a", "unknown", "b", "unknown"], ["a", "b"])
    assert list(found.confusion.columns) == ["a", "b", "unknown"]
    assert found.scores["accuracy"] == pytest.approx(0.5)
    assert found.scores["accuracy_told"] == pytest.approx(1.0)
    # precision 1, recall 1/2 for both classes; a third class would lower the mean
    assert found.scores["macro_f1"] == pytest.approx(2 / 3)
    assert found.summary.loc["told", "n_unknown"] == 2
    assert "2 are told unknown" in found.sentence


def test_classes_that_cannot_be_told_lower_only_the_f1_of_all():
    truth = ["a"] * 5 + ["b"] * 5 + ["new"] * 5
    said = ["a"] * 5 + ["b"] * 5 + ["a"] * 5
    found = agreement(truth, said, ["a", "b", "never"])
    a, b = 2 * 5 / 15, 1.0
    assert found.scores["macro_f1"] == pytest.approx((a + b) / 3)
    assert found.scores["macro_f1_shared"] == pytest.approx((a + b) / 2)
    assert list(found.per_class.index[found.per_class["shared"]]) == ["a", "b"]


def test_cells_without_a_label_are_left_out_and_counted():
    truth = np.array(["a", None, "Unknown", np.nan, "b", ""], dtype=object)
    found = agreement(truth, ["a", "a", "b", "b", "b", "a"])
    assert found.n_unlabelled == 4
    assert found.scores["accuracy"] == 1
    assert found.summary.loc["told", "n_cells"] == 2


def test_labels_and_told_types_may_be_categorical():
    truth = pd.Series(pd.Categorical(["a", "b", "a"], categories=["b", "a", "empty"]))
    table = confusion(truth, pd.Categorical(["a", "a", "b"]))
    assert table.loc["a", "a"] == table.loc["b", "a"] == table.loc["a", "b"] == 1
    assert "empty" not in table.index


def test_types_under_other_names_are_not_scored_by_name():
    found = agreement(["T cell", "B cell"], ["T", "B"], ["T", "B"])
    assert not found.comparable
    assert "say nothing" in found.sentence


def test_nothing_known_and_unequal_lengths_are_refused():
    with pytest.raises(SpecError, match="nothing to score"):
        agreement([None, "unknown"], ["a", "b"])
    with pytest.raises(SpecError, match="2 known labels cannot be compared with 1"):
        agreement(["a", "b"], ["a"])
