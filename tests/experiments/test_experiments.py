"""Experiments: what is hidden stays hidden, numbers repeat, results survive disk."""

from __future__ import annotations

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import napari_scfm as scfm
from napari_scfm.errors import ScfmError
from napari_scfm.experiments.spec import read_spec
from napari_scfm.masks.spec import MaskSpec

BASELINES = ("gene-mean", "knn-space", "knn-expression", "ridge")


def tissue(n=80, genes=12, fovs=("A", "B"), seed=0):
    """Return cells of two types in two halves of each FOV."""
    rng = np.random.default_rng(seed)
    parts = []
    for fov in fovs:
        xy = rng.uniform(0, 200, (n, 2))
        rate = np.where(
            (xy[:, :1] > 100) == (np.arange(genes) % 2 == 0), 4.0, 0.5
        ) * rng.lognormal(0, 0.4, (n, 1))
        part = ad.AnnData(sparse.csr_matrix(rng.poisson(rate).astype(np.float32)))
        part.obs_names = [f"{fov}_{i}" for i in range(n)]
        part.var_names = [f"G{i}" for i in range(genes)]
        part.obs["fov"] = fov
        part.obsm["spatial"] = xy
        parts.append(part)
    return ad.concat(parts)


@pytest.fixture(scope="module")
def halves():
    table = tissue()
    return table[table.obs["fov"] == "A"].copy(), table[table.obs["fov"] == "B"].copy()


def spec_for(table, **mask):
    return scfm.ExperimentSpec(
        model="ridge", mask=MaskSpec(**mask), baselines=BASELINES[:3], seed=1
    )


def test_summary_has_one_row_per_model_and_baseline(halves):
    table, reference = halves
    spec = spec_for(table, genes=("G1", "G4"))
    result = scfm.run_experiment(table, spec, reference)
    assert list(result.summary["model"]) == ["ridge", *BASELINES[:3]]
    assert list(result.summary["kind"]) == ["model"] + ["baseline"] * 3
    assert (result.summary["n_entries"] == 2 * table.n_obs).all()
    for column in ("rmse", "mae", "pearson", "cosine", "mcc_all", "mcc_expressed"):
        assert result.summary[column].notna().all()
    scores = result.summary.set_index("model")["pearson"]
    assert scores["ridge"] > scores["gene-mean"] + 0.2
    assert set(result.per_gene["gene"]) == {"G1", "G4"}
    assert result.notes == []


def test_truth_and_prediction_line_up_with_the_table(halves):
    table, reference = halves
    mask = scfm.mask_genes(table, ["G4"]) | scfm.mask_cells(table, ["A_7"])
    spec = scfm.ExperimentSpec(model="gene-mean", mask=mask, baselines=())
    result = scfm.run_experiment(table, spec, reference)
    counts, hidden = table.X.toarray(), mask.matrix.toarray()
    assert np.array_equal(result.truth()[hidden], counts[hidden])
    assert np.isnan(result.truth()[~hidden]).all()
    assert np.isfinite(result.matrix()[hidden]).all()
    assert list(result.per_cell["cell"]) == list(table.obs_names)


@pytest.mark.parametrize("model", BASELINES)
def test_hidden_values_never_reach_a_model(halves, model):
    table, reference = halves
    mask = scfm.mask_genes(table, ["G2"]) | scfm.mask_cells(table, table.obs_names[:5])
    changed = table.copy()
    counts = changed.X.toarray()
    hidden = mask.matrix.toarray()
    counts[hidden] = np.random.default_rng(5).integers(0, 1000, hidden.sum())
    changed.X = sparse.csr_matrix(counts)
    spec = scfm.ExperimentSpec(model=model, mask=mask, baselines=())
    before = scfm.run_experiment(table, spec, reference).prediction()
    after = scfm.run_experiment(changed, spec, reference).prediction()
    assert np.array_equal(before, after)


def test_a_result_survives_the_disk_and_repeats(halves, tmp_path):
    table, reference = halves
    spec = spec_for(table, gene_count=3, cell_fraction=0.1)
    result = scfm.run_experiment(table, spec, reference)
    again = scfm.load_result(result.save(tmp_path / "result"))
    assert again.spec == result.spec
    pd.testing.assert_frame_equal(again.summary, result.summary)
    pd.testing.assert_frame_equal(again.per_gene, result.per_gene)
    pd.testing.assert_frame_equal(again.per_cell, result.per_cell)
    for name in result.models:
        assert np.array_equal(again.prediction(name), result.prediction(name))
    repeated = scfm.run_experiment(table, again.spec, reference)
    pd.testing.assert_frame_equal(repeated.summary, result.summary)


def test_saving_never_destroys_somebody_elses_folder(halves, tmp_path):
    table, reference = halves
    result = scfm.run_experiment(table, spec_for(table, genes=("G1",)), reference)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("years of work")
    with pytest.raises(ScfmError, match="thesis"):
        result.save(tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter1.txt").read_text() == "years of work"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["thesis"]
    result.save(tmp_path / "fine")
    result.save(tmp_path / "fine")
    with pytest.raises(ScfmError, match="thesis"):
        scfm.load_result(tmp_path / "thesis")


def test_genes_that_nobody_can_learn_are_counted_and_said(halves):
    table, _ = halves
    result = scfm.run_experiment(table, spec_for(table, genes=("G1", "G2")))
    assert (result.summary["n_genes_unlearnable"] == 2).all()
    assert "no reference" in result.notes[0]


def test_a_reference_without_some_genes_or_places(halves):
    table, reference = halves
    cells = reference[:, ["G0", "G1", "G2", "G3", "G5"]].copy()
    del cells.obsm["spatial"], cells.obs["fov"]
    result = scfm.run_experiment(table, spec_for(table, genes=("G1", "G4")), cells)
    lost = result.summary.set_index("model")["n_genes_unlearnable"]
    assert (lost == 1).all()
    assert np.isfinite(result.prediction()).all()


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        ({}, "hides nothing"),
        ({"genes": ("G1", "NOPE")}, "NOPE"),
        ({"cell_fraction": 1.0}, "nothing to guess from"),
    ],
)
def test_refusals(halves, mask, words):
    table, _ = halves
    with pytest.raises(ScfmError, match=words):
        scfm.run_experiment(table, spec_for(table, **mask))


def test_a_reference_of_another_species(halves):
    table, reference = halves
    other = reference.copy()
    other.var_names = [f"x{name}" for name in other.var_names]
    with pytest.raises(ScfmError, match="shares no gene"):
        scfm.run_experiment(table, spec_for(table, genes=("G1",)), other)


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_cells(halves, n):
    table, reference = halves
    with pytest.raises(ScfmError, match="2 cells"):
        scfm.run_experiment(table[:n], spec_for(table, genes=("G1",)), reference)


def test_spec_is_json_both_ways_and_frozen(halves, tmp_path):
    table, _ = halves
    spec = scfm.ExperimentSpec(model="ridge", mask=scfm.mask_genes(table, ["G1"]))
    path = tmp_path / "spec.json"
    path.write_text(spec.model_dump_json())
    assert read_spec(path) == spec
    assert json.loads(path.read_text())["mask"]["genes"] == ["G1"]
    with pytest.raises(ValueError, match="frozen"):
        spec.seed = 3
    path.write_text('{"model": "ridge", "mask": {"gene": ["G1"]}, "sead": 1}')
    with pytest.raises(ScfmError, match="sead") as raised:
        read_spec(path)
    assert len(raised.value.problems) == 2


def test_cancelling_stops_inside_a_model(halves):
    table, reference = halves
    seen = []

    def stop(progress):
        seen.append(progress.message)
        assert 0 <= progress.done <= progress.total
        if progress.message.startswith("gene-mean:"):
            raise scfm.Cancelled

    with pytest.raises(scfm.Cancelled):
        scfm.run_experiment(table, spec_for(table, genes=("G1",)), reference, stop)
    assert {message.split(":")[0] for message in seen} == {"ridge", "gene-mean"}


def test_progress_grows_to_its_end(halves):
    table, reference = halves
    seen = []
    scfm.run_experiment(table, spec_for(table, genes=("G1",)), reference, seen.append)
    done = [progress.done for progress in seen]
    assert done == sorted(done)
    assert seen[-1].done == seen[-1].total


def test_tested_cells_in_the_reference_are_not_seen(halves):
    table, reference = halves
    spec = spec_for(table, genes=("G1",))
    clean = scfm.run_experiment(table, spec, reference)
    both = scfm.run_experiment(table, spec, ad.concat([table, reference]))
    assert "80 of 160 reference cells" in both.notes[0]
    for name in clean.models:
        assert np.array_equal(both.prediction(name), clean.prediction(name))
    alone = scfm.run_experiment(table, spec, table)
    assert "no reference" in alone.notes[1]


def test_a_reference_with_wrong_counts_is_refused(halves):
    table, reference = halves
    wrong = reference.copy()
    wrong.X = wrong.X.toarray()
    wrong.X[3, 2] = np.nan
    with pytest.raises(ScfmError, match=r"the reference.*NaN"):
        scfm.run_experiment(table, spec_for(table, genes=("G1",)), wrong)


def test_denoising_hides_counts_and_pools_them(halves):
    table, reference = halves
    spec = spec_for(table, dropout={"rule": "exp", "fraction": 0.2})
    result = scfm.run_experiment(table, spec, reference)
    assert (result.truth_values > 0).all()
    scores = result.summary.set_index("model")
    assert (scores["n_entries"] == len(result.rows)).all()
    assert scores["pooled_pearson"].between(-1, 1).all()
    assert (scores["pooled_rmse"] >= scores["pooled_mae"]).all()
    assert (scores["pooled_mae"] > 0).all()


@pytest.mark.parametrize("model", ["ridge", "knn-space", "cellplm-mini"])
def test_visible_entries_are_predicted_too(model):
    """Denoising: without a mask every measured count gets a prediction."""
    from napari_scfm.slides.samples import sample_path

    table = scfm.read_slide(sample_path("cosmx")).fov("F004").table
    fitted = scfm.load_model(model, "cpu").fit(table)
    values = fitted.impute(table, list(table.var_names))
    assert np.isfinite(values).all()
    measured = np.asarray(table.X.sum(axis=1)).ravel()
    assert np.corrcoef(values.sum(axis=1), measured)[0, 1] > 0.5
    if model == "cellplm-mini":
        np.testing.assert_allclose(values.sum(axis=1), measured, rtol=1e-4)


def test_an_experiment_on_logarithms_says_so(halves):
    table, _reference = halves
    spec = spec_for(table, genes=("G1", "G4"))
    assert not any("whole" in n for n in scfm.run_experiment(table, spec).notes)
    logs = table.copy()
    logs.X = logs.X.log1p()
    notes = scfm.run_experiment(logs, spec).notes
    assert any("log1p of counts" in n and "taken twice" in n for n in notes)
