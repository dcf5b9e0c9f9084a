"""What is told of cells: thresholds, columns of a table, a trained head."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest

import napari_scfm as scfm
from napari_scfm.analysis.groups.grouping import Grouping
from napari_scfm.errors import ModelError, SpecError
from napari_scfm.training.settings import TrainSettings


@pytest.fixture
def told(cells, markers):
    return scfm.annotate(cells, by="markers", markers=markers)


def test_a_threshold_only_takes_types_away(told):
    cut = float(np.median(told.confidence))
    half = told.above(cut)
    assert np.array_equal(half.told, told.confidence >= cut)
    labels = np.asarray(half.labels)
    assert (labels[~half.told] == "unknown").all()
    np.testing.assert_array_equal(labels[half.told], np.asarray(told.labels)[half.told])
    assert f"{int((~half.told).sum())} are unknown" in half.sentence
    assert "unknown" not in told.labels.categories
    with pytest.raises(SpecError, match=r"in 0\.\.1"):
        told.above(1.5)


def test_thresholds_weigh_how_many_are_told_against_how_many_are_right(told, cells):
    truth = cells.obs["cell_type"].astype(object)
    truth.iloc[:5] = None
    found = told.thresholds(truth)
    assert list(found.index) == [step / 10 for step in range(10)]
    assert found.loc[0.0, "told"] == 1
    assert (np.diff(found["told"]) <= 0).all()
    scores = told.above(0.8).agreement(truth).scores
    assert found.loc[0.8, "right"] == pytest.approx(scores["accuracy_told"])
    told_share = 1 - scores["n_unknown"] / scores["n_cells"]
    assert found.loc[0.8, "told"] == pytest.approx(told_share)


def test_types_of_one_name_become_one(cells, labelled):
    told = scfm.annotate(cells, by="reference", reference=labelled)
    one = told.renamed({"alpha": "ab", "beta": "ab", "nobody": "x"})
    assert one.classes == ("ab", "gamma")
    np.testing.assert_allclose(one.shares[:, 0], told.shares[:, :2].sum(1), atol=1e-6)
    np.testing.assert_allclose(one.scores, one.shares)
    assert (one.confidence >= told.confidence - 1e-6).all()
    less = told.renamed({"alpha": "unknown"})
    assert (less.told == (np.asarray(told.labels) != "alpha")).all()
    assert set(less.labels[~less.told]) == {"unknown"}


def test_renamed_marker_scores_keep_the_larger(told):
    one = told.renamed({"alpha": "ab", "beta": "ab"})
    np.testing.assert_array_equal(one.scores[:, 0], told.scores[:, :2].max(1))
    assert one.shares.sum(1).max() <= 1


def test_a_table_keeps_what_was_told(told, cells, tmp_path):
    half = told.above(float(np.median(told.confidence)))
    half.to_obs(cells, "types")
    cells.write_h5ad(tmp_path / "a.h5ad")
    back = ad.read_h5ad(tmp_path / "a.h5ad")
    assert list(back.obs["types"].astype(str)) == list(half.labels)
    assert back.obs["types"].cat.categories[-1] == "unknown"
    assert list(back.uns["types_colors"])[-1] == "#999999"
    np.testing.assert_array_equal(back.obs["types_confidence"], half.confidence)
    best = back.obsm["types_scores"].argmax(1)
    names = np.array(back.uns["types_classes"])[best]
    assert list(names) == [half.classes[i] for i in half.best]
    with pytest.raises(SpecError, match="told of 90 cells"):
        half.to_obs(cells[:4].copy(), "types")


def test_told_types_are_classes_to_correct_by_hand(told, cells):
    wrong = np.arange(3)
    grouping = told.grouping("types").assign(wrong, "delta")
    grouping.to_obs(cells)
    assert list(cells.obs["types"][:3]) == ["delta"] * 3
    again = Grouping.from_obs(cells, "types")
    assert set(again.names) == {"alpha", "beta", "gamma", "delta"}


def test_a_trained_head_tells_types(make_section):
    small = TrainSettings(width=32, layers=1, heads=4, latent=16, neighbours=(4,))
    table = ad.concat([make_section(seed=s, cells=80) for s in (5, 6)], merge="same")
    # identifiers in the style of Ensembl, so that no table of symbols is needed
    table.var_names = [f"ENSG{90000000000 + i:011d}" for i in range(table.n_vars)]
    model = scfm.train(
        "cellplm",
        table[table.obs["fov"] == "S5"].copy(),
        objective="annotate",
        labels="cell_type",
        epochs=12,
        settings=small,
        device="cpu",
    )
    cells = table[table.obs["fov"] == "S6"].copy()
    told = scfm.annotate(cells, by="head", model=model, threshold=0.4)
    assert told.agreement(cells.obs["cell_type"]).scores["accuracy"] > 0.9
    np.testing.assert_allclose(told.scores.sum(1), 1, atol=1e-5)
    said = model.annotate(cells)
    np.testing.assert_allclose(told.confidence, said["probability"], atol=1e-6)
    assert list(said["label"]) == [told.classes[i] for i in told.best]


def test_a_model_without_a_head_is_refused(cells):
    with pytest.raises(ModelError, match=r"cannot annotate.*--objective annotate"):
        scfm.annotate(cells, by="head", model="cellplm-mini")


def test_everything_that_is_missing_is_told_at_once(cells):
    with pytest.raises(SpecError) as refused:
        scfm.annotate(cells, by="reference", k=0, threshold=2)
    assert len(refused.value.problems) == 3
    with pytest.raises(SpecError, match="by 'guess'"):
        scfm.annotate(cells, by="guess")
    with pytest.raises(SpecError, match="needs lists of marker genes"):
        scfm.annotate(cells, by="markers")
