"""Experiments on fields of view of a slide: what is tested, with what, and recorded."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import napari_scfm as scfm
from napari_scfm.errors import ScfmError
from napari_scfm.experiments.fingerprint import fingerprint
from napari_scfm.masks.parts import Disc

FOVS = ("F001", "F002", "F004")


def spec_of(model="knn-expression", baselines=("gene-mean",), **fields):
    fields.setdefault("mask", {"genes": ("EPCAM", "CD3E")})
    return scfm.ExperimentSpec(model=model, baselines=baselines, **fields)


def part_of(result, fov):
    """Return what a result holds of one FOV, as a table of entries."""
    table = pd.DataFrame(
        {
            "cell": result.cells[result.rows],
            "gene": np.array(result.genes)[result.columns],
        }
    )
    for one in result.predictions:
        table[one.name] = one.values
    home = result.per_cell.drop_duplicates("cell").set_index("cell")["fov"]
    return table[(home.reindex(table["cell"]) == fov).to_numpy()].reset_index(drop=True)


def test_the_first_fov_is_tested_with_all_others_as_reference(slides):
    slide = slides()
    result = scfm.run_on_slide(slide, spec_of())
    assert result.spec.fovs == ("F001",)
    assert result.spec.fov == "F001"
    table = slide.fov("F001").table
    others = slide.table[slide.table.obs["fov"] != "F001"].copy()
    alone = scfm.run_experiment(table, spec_of(), others)
    assert np.array_equal(alone.prediction(), result.prediction())
    none = scfm.run_on_slide(slide, spec_of(reference=()))
    assert any("no reference" in note for note in none.notes)
    one = scfm.run_on_slide(slide, spec_of(reference=("F002",)))
    assert not np.array_equal(one.prediction(), result.prediction())


def test_every_fov_is_tested_as_if_it_were_the_only_one(slides):
    slide = slides()
    mask = {"genes": ("EPCAM",), "cell_fraction": 0.2, "entries": {"fraction": 0.1}}
    whole = scfm.run_on_slide(slide, spec_of(fovs=FOVS, mask=mask))
    for fov in FOVS:
        alone = scfm.run_on_slide(slide, spec_of(fovs=(fov,), mask=mask))
        pd.testing.assert_frame_equal(part_of(whole, fov), part_of(alone, fov))
        row = whole.per_fov.query("fov == @fov and model == 'knn-expression'").iloc[0]
        mine = alone.summary.iloc[0]
        for name in ("rmse", "mae", "pearson", "mcc_all", "n_entries"):
            assert row[name] == pytest.approx(mine[name], nan_ok=True)
    assert whole.summary["n_entries"][0] == whole.per_fov["n_entries"][:3].sum()
    assert any("pool 3 fields of view" in note for note in whole.notes)


def test_cells_are_hidden_where_they_are(slides):
    cells = ("1_3", "4_5")
    spec = spec_of(fovs=FOVS, mask={"cells": cells})
    result = scfm.run_on_slide(slides(), spec)
    assert set(result.cells[result.rows]) == set(cells)
    assert any("F002 (The experiment hides nothing)" in note for note in result.notes)
    assert result.spec.fovs == FOVS
    with pytest.raises(ScfmError, match=r"no cell 9_9, 9_8"):
        scfm.run_on_slide(slides(), spec_of(fovs=FOVS, mask={"cells": ("9_9", "9_8")}))


def test_places_and_values_are_looked_for_where_they_are(slides):
    disc = Disc(x=20, y=20, radius=1000, fov="F002")
    mask = scfm.MaskSpec(discs=(disc,)) - scfm.MaskSpec(every_nth=2)
    result = scfm.run_on_slide(slides(), spec_of(fovs=FOVS, mask=mask))
    assert {name[0] for name in result.cells[result.rows]} == {"2"}
    kinds = slides.table.obs["cell_type"]
    rare = kinds.value_counts().index[-1]
    where = set(slides.table.obs["fov"][kinds == rare])
    mask = scfm.MaskSpec(obs={"cell_type": (rare,)})
    result = scfm.run_on_slide(slides(), spec_of(fovs=FOVS, mask=mask))
    assert set(result.per_cell["fov"]) == where
    wrong = scfm.MaskSpec(obs={"cell_type": ("Unicorn",)})
    with pytest.raises(ScfmError, match="no cell_type Unicorn"):
        scfm.run_on_slide(slides(), spec_of(fovs=FOVS, mask=wrong))


def test_nothing_hidden_anywhere_is_refused(slides):
    mask = scfm.MaskSpec(cells=("1_1",)) - scfm.MaskSpec(every_nth=1)
    with pytest.raises(ScfmError, match="hides nothing"):
        scfm.run_on_slide(slides(), spec_of(fovs=FOVS, mask=mask))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"fovs": ("F009", "F001", "F008")}, "F009, F008"),
        ({"fovs": ("F001",), "reference": ("F001",)}, "own reference"),
        ({"fovs": ("F001",), "reference": ("F77",)}, "F77"),
        ({"mask": {"genes": ("NOPE",)}}, "NOPE"),
        ({"mask": {"genes": ("NOPE",)}, "fovs": FOVS}, "NOPE"),
        ({"mask": {"cell_fraction": 1.0}, "reference": ()}, "nothing to guess from"),
    ],
)
def test_refusals(slides, fields, words):
    with pytest.raises(ScfmError, match=words):
        scfm.run_on_slide(slides(), spec_of(**fields))


def test_all_cells_can_be_hidden_where_a_reference_is_given(slides, networks):
    spec = spec_of(model="vae", baselines=("gene-mean",), mask={"cell_fraction": 1.0})
    result = scfm.run_on_slide(slides(), spec, models={"vae": networks["vae"]})
    assert result.models == ["gene-mean"]
    assert np.isfinite(result.prediction()).all()
    assert any(note.startswith("vae can predict none") for note in result.notes)
    alone = spec.model_copy(update={"baselines": ()})
    with pytest.raises(ScfmError, match="vae can predict none"):
        scfm.run_on_slide(slides(), alone, models={"vae": networks["vae"]})


def test_several_models_are_told_apart(slides, networks):
    spec = spec_of(model="a", also=("b", "gmvae", "ridge"), baselines=("ridge",))
    models = {"a": networks["vae"], "b": networks["vae"], "gmvae": networks["gmvae"]}
    result = scfm.run_on_slide(slides(), spec, models=models)
    assert result.models == ["vae", "vae (2)", "gmvae", "ridge"]
    assert list(result.summary["kind"]) == ["model"] * 4
    assert np.array_equal(result.prediction("vae"), result.prediction("vae (2)"))
    assert not np.array_equal(result.prediction("vae"), result.prediction("gmvae"))


def test_progress_of_several_fovs_grows_to_its_end(slides):
    seen = []
    spec = spec_of(fovs=FOVS, in_turn=True, draws=2, mask={"genes": ("EPCAM", "VIM")})
    scfm.run_on_slide(slides(), spec, seen.append)
    done = [now.done / now.total for now in seen]
    assert done == sorted(done)
    assert done[-1] == 1
    assert any("F002 (2 of 3)" in now.message for now in seen)
    assert any("without VIM, draw 2" in now.message for now in seen)


def test_cancelling_stops_between_fovs(slides):
    def stop(now):
        if "F002" in now.message:
            raise scfm.Cancelled

    with pytest.raises(scfm.Cancelled):
        scfm.run_on_slide(slides(), spec_of(fovs=FOVS), stop)


def test_a_fingerprint_is_of_counts_and_names(slides):
    table = slides.table
    first = fingerprint(table)
    assert len(first) == 64
    assert set(first) <= set("0123456789abcdef")
    counts = sparse.csr_matrix(table.X)
    unsorted = counts[:, ::-1].tocsc()[:, ::-1].tocsr()
    dense = counts.toarray()
    for same in (counts.tocsc(), dense, dense.astype(np.float64), unsorted):
        other = table.copy()
        other.X = same
        other.obsm["spatial"] = other.obsm["spatial"] + 5
        assert fingerprint(other) == first
    other = table.copy()
    other.X = counts + sparse.eye(*counts.shape, format="csr", dtype=np.float32)
    renamed = table.copy()
    renamed.obs_names = [f"x{name}" for name in table.obs_names]
    genes = table.copy()
    genes.var_names = [f"x{name}" for name in table.var_names]
    moved = table.copy()
    moved.obs["fov"] = "F001"
    prints = {fingerprint(one) for one in (table, other, renamed, genes, moved)}
    assert len(prints) == 5


def test_a_fingerprint_stays_what_it_was():
    """Stored specs name it, so it must not change from version to version."""
    import anndata as ad

    table = ad.AnnData(sparse.csr_matrix(np.arange(6, dtype=np.float32).reshape(2, 3)))
    table.obs_names, table.var_names = ["a", "b"], ["X", "Y", "Z"]
    table.obs["fov"] = ["F1", "F2"]
    assert fingerprint(table) == PINNED


PINNED = "284ece64fd83d6022e340193f22726f14474a928e2d6221904117c3969b9d73e"


def test_another_slide_is_noticed(slides):
    spec = scfm.run_on_slide(slides(), spec_of()).spec
    assert spec.fingerprint == fingerprint(slides.table)
    again = scfm.run_on_slide(slides(), spec)
    assert again.notes == []
    counts = slides.table.X.copy()
    counts.data[0] += 1
    other = slides(counts)
    notes = scfm.run_on_slide(other, spec).notes
    now = fingerprint(other.table)
    assert spec.fingerprint[:12] in notes[0]
    assert now[:12] in notes[0]
    lost = spec.model_copy(update={"mask": scfm.MaskSpec(genes=("EPCAM", "LOST"))})
    with pytest.raises(ScfmError, match=r"other counts or names.*LOST"):
        scfm.run_on_slide(other, lost)


def test_other_weights_and_versions_are_noticed(slides):
    spec = spec_of(model="cellplm-mini", device="cpu")
    result = scfm.run_on_slide(slides(), spec)
    sha = result.spec.model_sha256["cellplm-mini"]
    assert sha == scfm.load_model("cellplm-mini", "cpu").info.sha256
    assert {"napari-scfm", "numpy", "torch"} <= set(result.spec.versions)
    old = result.spec.model_copy(
        update={
            "model_sha256": {"cellplm-mini": "f" * 64},
            "versions": {**result.spec.versions, "numpy": "0.9"},
        }
    )
    again = scfm.run_on_slide(slides(), old)
    assert any("f" * 12 in note and sha[:12] in note for note in again.notes)
    assert any("numpy 0.9, now" in note for note in again.notes)
    assert again.spec == result.spec
