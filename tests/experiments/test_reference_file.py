"""Single cells of a file as what baselines learn from."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

import napari_scfm as scfm
from napari_scfm.errors import ScfmError
from napari_scfm.experiments.reference_file import read_reference
from napari_scfm.experiments.spec import read_spec
from napari_scfm.genes.identity import to_ensembl
from napari_scfm.slides.samples import sample_path

HIDDEN = ("EPCAM", "CD3E")


def spec_of(**fields):
    fields.setdefault("mask", {"genes": HIDDEN})
    return scfm.ExperimentSpec(
        model="knn-expression", baselines=("ridge", "gene-mean"), **fields
    )


@pytest.fixture(scope="module")
def cells(slides):
    """Cells that the slide does not hold, with its genes and others, in another order.

    Every second count of a gene that the slide lacks is there too.
    """
    whole = scfm.read_slide(sample_path("cosmx")).fov("F003").table[:60]
    names = [*reversed(slides.table.var_names), "CD19", "KRT5", "KRT14"]
    part = whole[:, names]
    made = ad.AnnData(
        sparse.csr_matrix(part.X, dtype=np.float32),
        obs=pd.DataFrame({"fov": "F001"}, index=[f"cell-{i}" for i in range(60)]),
    )
    made.var_names = names
    return made


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a table and returns its path."""

    def wrote(table, name="cells.h5ad", **fields):
        table = table.copy()
        for field, value in fields.items():
            setattr(table, field, value)
        table.write_h5ad(tmp_path / name)
        return tmp_path / name

    return wrote


def renamed(cells, change):
    return [change(str(name)) for name in cells.var_names]


def same_predictions(one, other):
    assert one.models == other.models
    for mine, theirs in zip(one.predictions, other.predictions, strict=True):
        assert np.array_equal(mine.values, theirs.values)


def test_the_file_replaces_the_other_fields_of_view(slides, cells, write):
    slide, path = slides(), write(cells)
    result = scfm.run_on_slide(slide, spec_of(reference_file=path))
    table = slide.fov("F001").table
    bare = cells[:, table.var_names].copy()
    del bare.obs["fov"]
    same_predictions(result, scfm.run_experiment(table, spec_of(), bare))
    assert not np.array_equal(
        result.prediction(), scfm.run_on_slide(slide, spec_of()).prediction()
    )
    assert result.spec.reference == ()
    assert result.spec.reference_file == str(path)
    assert len(result.spec.reference_fingerprint) == 64
    told = "The reference cells.h5ad has 60 single cells, in which 14 of the slide's 14"
    assert result.notes[0].startswith(told)
    assert not any("no reference" in note for note in result.notes)


def test_named_fields_of_view_stay_beside_the_file(slides, cells, write):
    slide, path = slides(), write(cells[:, list(slides.table.var_names)[:9]].copy())
    both = spec_of(reference=("F002",), reference_file=path, mask={"genes": ("LYZ",)})
    found = {
        name: scfm.run_on_slide(slide, both.model_copy(update=more)).prediction()
        for name, more in {
            "both": {},
            "fov": {"reference_file": ""},
            "all": {"reference": ("F002", "F004")},
        }.items()
    }
    assert np.isfinite(found["both"]).all()
    assert not np.array_equal(found["both"], found["fov"])
    assert not np.array_equal(found["both"], found["all"])


def test_the_file_alone_cannot_teach_what_it_lacks(slides, cells, write):
    path = write(cells[:, [name for name in cells.var_names if name != "LYZ"]].copy())
    spec = spec_of(reference_file=path, mask={"genes": ("LYZ", "EPCAM")})
    result = scfm.run_on_slide(slides(), spec)
    assert any(
        "not measured in the reference cells.h5ad (LYZ)" in n for n in result.notes
    )
    assert (result.summary["n_genes_unlearnable"] == 1).all()
    beside = spec.model_copy(update={"reference": ("F002",)})
    assert not any(
        "not measured" in n for n in scfm.run_on_slide(slides(), beside).notes
    )


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda name: to_ensembl([name], "human")[0] or name, ""),
        (str.lower, "without regard to upper and lower case"),
        (lambda name: {"EPCAM": "EPCAM/B"}.get(name, name), "first of a joined probe"),
    ],
    ids=["Ensembl", "case", "joined"],
)
def test_genes_are_found_under_their_other_names(slides, cells, write, change, note):
    names = [str(name) for name in slides.table.var_names]
    path = write(cells, var_names=renamed(cells, change))
    read = read_reference(path, names)
    assert list(read.cells.var_names) == names
    assert np.array_equal(read.cells.X.toarray(), cells[:, names].X.toarray())
    assert any(note in said for said in read.notes)


def test_a_joined_probe_of_the_slide_finds_its_first_member(cells, write):
    read = read_reference(write(cells), ["KRT5/6", "VIM"])
    assert list(read.cells.var_names) == ["KRT5/6", "VIM"]
    assert np.array_equal(read.cells.X.toarray(), cells[:, ["KRT5", "VIM"]].X.toarray())
    assert "joined probes of the slide" in read.notes[1]


def test_raw_counts_are_looked_for(slides, cells, write):
    logs = cells.copy()
    logs.layers["counts"] = cells.X.copy()
    logs.X = np.log1p(cells.X * 1.37)
    genes = slides.table.var_names
    read = read_reference(write(logs), genes)
    assert read.fingerprint == read_reference(write(cells), genes).fingerprint


def logarithms(cells):
    return np.log1p(cells.X * 2.5)


def mouse(name):
    return name.capitalize()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"X": logarithms}, "holds log1p of counts in X"),
        ({"X": lambda cells: -cells.X}, "negative"),
        ({"X": lambda cells: cells.X * 0}, "no count of any gene"),
        ({"var_names": lambda cells: renamed(cells, mouse)}, "measures mouse genes"),
        ({"var_names": lambda c: [f"p{i}" for i in range(17)]}, "shares no gene"),
        (
            {"obs_names": lambda cells: ["twice"] * 60},
            "cell names occur more than once",
        ),
    ],
    ids=["log", "negative", "empty", "species", "names", "cells"],
)
@pytest.mark.filterwarnings("ignore:Observation names are not unique")
def test_files_that_cannot_be_used(slides, cells, write, fields, words):
    path = write(cells, **{name: make(cells) for name, make in fields.items()})
    with pytest.raises(ScfmError, match=words) as raised:
        scfm.run_on_slide(slides(), spec_of(reference_file=path))
    assert str(path) in raised.value.message
    assert raised.value.action


def test_paths_that_cannot_be_used(slides, tmp_path):
    damaged = tmp_path / "damaged.h5ad"
    damaged.write_bytes(b"no table")
    for path, words in (
        (tmp_path / "lost.h5ad", "not there"),
        (tmp_path / "cells.csv", "no .h5ad file"),
        (damaged, "cannot be read"),
    ):
        with pytest.raises(ScfmError, match=words):
            scfm.run_on_slide(slides(), spec_of(reference_file=path))


def test_fractions_are_told(slides, cells, write):
    path = write(cells, X=cells.X * 1.5)
    notes = scfm.run_on_slide(slides(), spec_of(reference_file=path)).notes
    assert any(note.startswith("cells.h5ad: Counts are not whole") for note in notes)


def test_tested_cells_in_the_file_are_left_out(slides, cells, write):
    slide = slides()
    tested = slide.fov("F001").table[:7].copy()
    tested.obs["fov"] = "another"
    mixed = ad.concat([cells[:, tested.var_names], tested[:, tested.var_names]])
    path = write(mixed)
    result = scfm.run_on_slide(slide, spec_of(reference_file=path))
    alone = scfm.run_on_slide(slide, spec_of(reference_file=write(cells, "b.h5ad")))
    same_predictions(result, alone)
    assert any("7 of 67 reference cells" in note for note in result.notes)


@pytest.mark.parametrize("name", ["renamed {}", "{}"], ids=["renamed", "numbered"])
def test_tested_cells_under_other_names_are_refused(name, write):
    slide = scfm.read_slide(sample_path("cosmx"))
    tested = slide.fov("F001").table[:30]
    copy = ad.AnnData(tested.X.copy(), var=tested.var[[]].copy())
    copy.obs_names = [name.format(place) for place in range(30)]
    spec = spec_of(reference_file=write(copy))
    with pytest.raises(ScfmError, match="exactly the counts of tested cells"):
        scfm.run_on_slide(slide, spec)
    other = spec.model_copy(update={"fovs": ("F002",)})
    assert scfm.run_on_slide(slide, other).summary["n_entries"].gt(0).all()


def test_cells_named_by_numbers_are_not_those_of_the_slide(slides, cells, write):
    numbers = slides.table.copy()
    numbers.obs_names = [str(place) for place in range(numbers.n_obs)]
    path = write(cells, obs_names=[str(place) for place in range(60)])
    slide = type(slides)(numbers)()
    result = scfm.run_on_slide(slide, spec_of(reference_file=path))
    assert not any("left out of the reference" in note for note in result.notes)
    named = scfm.run_on_slide(slides(), spec_of(reference_file=write(cells)))
    same_predictions(result, named)


def test_a_file_that_changed_is_noticed(slides, cells, write):
    path = write(cells)
    first = scfm.run_on_slide(slides(), spec_of(reference_file=path))
    again = scfm.run_on_slide(slides(), first.spec)
    assert again.notes == first.notes
    assert again.spec == first.spec
    same_predictions(again, first)
    before = first.spec.reference_fingerprint
    write(cells[:50].copy())
    changed = scfm.run_on_slide(slides(), first.spec)
    assert before[:12] in changed.notes[0]
    assert changed.spec.reference_fingerprint[:12] in changed.notes[0]
    assert "50 single cells" in changed.notes[1]
    none = scfm.run_on_slide(
        slides(), changed.spec.model_copy(update={"reference_file": ""})
    )
    assert none.spec.reference_fingerprint == ""


def test_a_spec_finds_the_file_beside_it(slides, cells, write, tmp_path, monkeypatch):
    path = write(cells)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    spec = spec_of(reference_file="cells.h5ad")
    (tmp_path / "spec.json").write_text(spec.model_dump_json())
    found = read_spec(tmp_path / "spec.json")
    assert found.reference_file == str(path)
    assert scfm.run_on_slide(slides(), found).spec.reference_file == str(path)
    (tmp_path / "here" / "other.json").write_text(spec.model_dump_json())
    assert read_spec("other.json") == spec


VALUES = st.lists(st.sampled_from([0, 1, 7, 1000, 10**6]), min_size=1, max_size=11)


@settings(
    max_examples=10,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    values=VALUES,
    share=st.sampled_from([0.0, 0.2]),
    reference=st.sampled_from([None, ("F002",)]),
    tested=st.booleans(),
)
def test_hidden_values_reach_no_prediction(
    slides, cells, write, values, share, reference, tested
):
    table = slides.table
    mine = table.obs["fov"] == "F001"
    more = table[mine][:5] if tested else table[:0]
    path = write(ad.concat([cells[:, table.var_names], more]))
    mask = {"genes": HIDDEN, "cells": ("1_3",), "entries": {"fraction": share or 0.1}}
    spec = spec_of(reference_file=path, reference=reference, mask=mask)
    before = scfm.run_on_slide(slides(), spec)
    counts = table.X.toarray()
    rows = table.obs_names.get_indexer(before.cells[before.rows])
    columns = table.var_names.get_indexer(np.array(before.genes)[before.columns])
    counts[rows, columns] = np.resize(values, len(rows))
    after = scfm.run_on_slide(slides(sparse.csr_matrix(counts)), spec)
    same_predictions(before, after)
