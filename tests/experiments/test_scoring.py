"""Scoring: the tables of a result, each number with what it averages and leaves out."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import confusion_matrix

import napari_scfm as scfm
from napari_scfm.analysis.levels import CellRange
from napari_scfm.analysis.metrics import gene_metrics, summarise
from napari_scfm.experiments.result import Prediction
from napari_scfm.experiments.scoring import score
from napari_scfm.experiments.tested import cell_facts, gene_facts, hidden_entries
from napari_scfm.masks.mask import Mask
from napari_scfm.masks.spec import MaskSpec

CELLS, GENES = 60, 8


def tissue(seed=0, fovs=("A", "B")):
    rng = np.random.default_rng(seed)
    rate = rng.uniform(0.05, 3, GENES) * rng.lognormal(0, 0.4, (CELLS, 1))
    table = ad.AnnData(sparse.csr_matrix(rng.poisson(rate).astype(np.float32)))
    table.obs_names = [f"c{i}" for i in range(CELLS)]
    table.var_names = [f"G{i}" for i in range(GENES)]
    table.obs["fov"] = np.repeat(fovs, CELLS // len(fovs))
    table.obsm["spatial"] = rng.uniform(0, 100, (CELLS, 2))
    return table


def guesses(mask, *names, seed=0):
    rng = np.random.default_rng(seed)
    return [
        Prediction(
            name,
            "baseline" if number else "model",
            rng.gamma(1.0, 1.5, mask.n_hidden).astype(np.float32),
        )
        for number, name in enumerate(names)
    ]


def masked(table, genes=(), cells=(), share=0.0):
    hidden = np.random.default_rng(1).random(table.shape) < share
    hidden[:, list(genes)] = True
    hidden[list(cells)] = True
    return Mask(hidden, table.obs_names, table.var_names)


def scored(table, mask, said, **more):
    spec = scfm.ExperimentSpec(model="one", mask=MaskSpec.from_mask(mask))
    return score(spec, table, mask, said, **more)


@pytest.fixture
def case():
    table = tissue()
    mask = masked(table, genes=(2,), cells=(5, 6), share=0.3)
    said = guesses(mask, "one", "two")
    said[1].values[7] = np.nan
    return table, mask, said, scored(table, mask, said)


def test_every_row_agrees_with_the_metrics_of_matrices(case):
    table, mask, said, result = case
    truth, hidden = table.X.toarray(), mask.dense()
    everybody = np.isfinite(said[0].values) & np.isfinite(said[1].values)
    for one, row in zip(said, result.summary.to_dict("records"), strict=True):
        guess = np.full(truth.shape, np.nan)
        guess[hidden] = np.where(everybody, one.values, np.nan)
        for name, value in summarise(truth, guess, hidden, truth).items():
            assert row[name] == pytest.approx(value, nan_ok=True), name
        genes = result.per_gene[result.per_gene["model"] == one.name]
        expected = gene_metrics(truth, guess, hidden)
        for name in ("rmse", "pearson", "cosine", "n_entries", "n_unpredicted"):
            np.testing.assert_allclose(genes[name], expected[name], err_msg=name)
    assert list(result.summary["n_entries_left_out"]) == [1, 1]
    assert list(result.summary["n_entries_unpredicted"]) == [0, 1]


def test_confusion_counts_every_entry_with_a_level(case):
    table, mask, said, result = case
    hidden = mask.dense()
    cells = CellRange.of(table.X)
    rows = np.nonzero(hidden)[0]
    keep = np.isfinite(said[1].values) & ~np.isnan(cells.low[rows])
    levels = [
        cells.levels(np.log1p(values[keep]), rows[keep])
        for values in (table.X.toarray()[hidden], said[1].values)
    ]
    expected = confusion_matrix(*levels, labels=range(5))
    part = result.confusion[result.confusion["model"] == "two"]
    found = part.pivot(index="true", columns="predicted", values="n")
    np.testing.assert_array_equal(found, expected)
    assert list(result.confusion.columns) == ["model", "true", "predicted", "n"]


def test_genes_know_their_sparsity_and_expression(case):
    table, _mask, _, result = case
    genes = result.per_gene[result.per_gene["model"] == "one"].set_index("gene")
    truth = table.X.toarray()
    at = table.var_names.get_indexer(genes.index)
    np.testing.assert_allclose(genes["sparsity"], (truth == 0).mean(axis=0)[at])
    np.testing.assert_allclose(
        genes["expression"], np.log1p(truth).mean(axis=0)[at], rtol=1e-6
    )
    assert set(genes["stratum"]) <= {"low", "moderate", "high", "very high", ""}


def test_cells_know_how_far_the_next_visible_cell_is():
    table = tissue()
    table.obsm["spatial"][:, 0] = np.arange(CELLS) * 10.0
    table.obsm["spatial"][:, 1] = 0
    mask = masked(table, cells=(0, 1, 2, 10, 29))
    facts = cell_facts(table, mask)
    found = dict(zip(table.obs_names, facts["distance"], strict=True))
    assert (found["c0"], found["c1"], found["c2"]) == (30, 20, 10)
    assert found["c10"] == 10
    assert found["c29"] == 10, "the nearer cell is of another field of view"
    assert found["c3"] == 0
    result = scored(table, mask, guesses(mask, "one"))
    assert list(result.per_cell["cell"]) == ["c0", "c1", "c2", "c10", "c29"]
    assert list(result.per_cell["distance"]) == [30, 20, 10, 10, 10]
    assert list(result.per_cell["fov"].unique()) == ["A"]


def test_no_places_no_distance():
    table = tissue()
    table.obsm["spatial"][4] = np.nan
    mask = masked(table, cells=(4, 5))
    distance = cell_facts(table, mask)["distance"]
    assert np.isnan(distance[4])
    assert distance[5] > 0
    del table.obsm["spatial"]
    assert np.isnan(cell_facts(table, mask)["distance"]).all()
    alone = tissue()
    everything = masked(alone, cells=range(CELLS))
    assert np.isnan(cell_facts(alone, everything)["distance"]).all()


def test_each_fov_has_a_row_of_its_own():
    table = tissue()
    mask = masked(table, genes=(1, 2), share=0.2)
    said = guesses(mask, "one", "two")
    result = scored(table, mask, said)
    assert list(result.per_fov["fov"]) == ["A", "B"] * 2
    in_b = np.asarray(table.obs["fov"] == "B")
    rows = np.nonzero(mask.dense())[0]
    part = table[in_b].copy()
    own = Mask(mask.dense()[in_b], part.obs_names, part.var_names)
    values = said[1].values[in_b[rows]]
    alone = scored(part, own, [Prediction("two", "model", values)])
    row = result.per_fov.query("fov == 'B' and model == 'two'").iloc[0]
    for name, value in alone.summary.iloc[0].items():
        if name in row and name not in ("model", "kind"):
            assert row[name] == pytest.approx(value, nan_ok=True), name
    assert list(alone.per_fov["fov"]) == ["B"]
    both = result.per_fov.query("model == 'one'")["n_entries"].sum()
    assert both == result.summary["n_entries"][0]


def test_strata_add_up():
    table = tissue()
    mask = masked(table, genes=range(6))
    result = scored(table, mask, guesses(mask, "one"))
    strata = result.per_stratum
    assert strata["n_entries"].sum() == result.summary["n_entries"][0]
    assert strata["n_genes"].sum() == result.summary["n_genes"][0]
    genes = result.per_gene
    for row in strata.itertuples():
        inside = genes[genes["stratum"] == row.stratum]
        assert row.pearson == pytest.approx(inside["pearson"].mean(), nan_ok=True)
        assert row.rmse == pytest.approx(inside["rmse"].mean())
        assert row.n_genes_defined == inside["pearson"].notna().sum()


def test_repeats_are_calibrated():
    table = tissue()
    mask = masked(table, genes=(1, 2, 3))
    truth = hidden_entries(table, mask).truth
    rng = np.random.default_rng(2)
    draws = {"one": rng.gamma(1.0, 1.5, (7, len(truth)))}
    said = guesses(mask, "one", "two")
    result = scored(table, mask, said, draws=draws)
    assert list(result.calibration["model"].unique()) == ["one"]
    assert set(result.calibration["interval"]) == {
        "draws only",
        "draws and counting noise",
    }
    assert (result.calibration["n_entries"] == len(truth)).all()
    assert scored(table, mask, said).calibration.empty


def test_new_tables_survive_the_disk(case, tmp_path):
    import pandas as pd

    *_, result = case
    again = scfm.load_result(result.save(tmp_path / "result"))
    for name in (
        *("summary", "per_gene", "per_cell", "per_fov", "per_stratum"),
        *("confusion", "calibration"),
    ):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(result, name))


def test_truth_is_read_from_large_tables_in_blocks(monkeypatch):
    from napari_scfm.experiments import tested

    table = tissue()
    mask = masked(table, genes=(1,), share=0.4)
    monkeypatch.setattr(tested, "_BLOCK", 3 * GENES)
    found = hidden_entries(table, mask)
    np.testing.assert_array_equal(found.truth, table.X.toarray()[mask.dense()])
    dense = table.copy()
    dense.X = dense.X.toarray()
    np.testing.assert_array_equal(hidden_entries(dense, mask).truth, found.truth)


def test_a_table_without_fovs_and_a_gene_without_counts():
    table = tissue()
    del table.obs["fov"]
    table.X = sparse.csr_matrix(table.X.toarray() * (np.arange(GENES) != 3))
    mask = masked(table, genes=(3, 4))
    result = scored(table, mask, guesses(mask, "one"))
    assert list(result.per_fov["fov"]) == [""]
    facts = gene_facts(table)
    assert facts["sparsity"][3] == 1
    assert facts["stratum"][3] == ""
    assert "no counts" in set(result.per_stratum["stratum"])
    assert result.summary["n_genes_constant"][0] == 1
