"""Types of a slide from files; what is written beside them."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest

from napari_scfm.errors import SpecError
from napari_scfm.experiments.annotation import (
    AnnotationOptions,
    annotate_slide,
    known_types,
    label_columns,
    read_labelled,
    store_annotation,
)


@pytest.fixture(scope="module")
def parts(slides):
    table = slides.table
    mine = (table.obs["fov"] == "F004").to_numpy()
    return table[mine].copy(), table[~mine].copy()


@pytest.fixture
def reference(parts, tmp_path):
    path = tmp_path / "labelled.h5ad"
    other = parts[1].copy()
    other.uns["spatial_units"] = "um"
    other.write_h5ad(path)
    return path


def test_a_reference_file_is_read_with_its_bags_and_places(parts, reference):
    genes = list(parts[0].var_names[:9])
    cells, notes = read_labelled(reference, genes, "cell_type")
    assert list(cells.var_names) == genes
    assert list(cells.obs["fov"]) == list(parts[1].obs["fov"])
    np.testing.assert_allclose(cells.obsm["spatial"], parts[1].obsm["spatial"])
    assert list(cells.obs["cell_type"]) == list(parts[1].obs["cell_type"])
    assert "9 of the slide's 9 genes" in notes[0]


def test_single_cells_without_places_are_one_bag(parts, tmp_path):
    bare = ad.AnnData(parts[1].X, var=parts[1].var, obs=parts[1].obs[["cell_type"]])
    bare.write_h5ad(tmp_path / "sc.h5ad")
    cells, notes = read_labelled(
        tmp_path / "sc.h5ad", list(parts[0].var_names), "cell_type"
    )
    assert "fov" not in cells.obs
    assert any("without coordinates" in note for note in notes)
    with pytest.raises(SpecError, match=r"no labels 'kind'.*cell_type"):
        read_labelled(tmp_path / "sc.h5ad", list(parts[0].var_names), "kind")


def test_the_columns_that_label_cells_are_offered(parts, tmp_path):
    table = parts[1].copy()
    table.obs["cluster"] = np.arange(table.n_obs) % 4
    table.obs["area"] = np.arange(table.n_obs) % 3 + 0.5
    table.obs["my_annotation"] = np.where(np.arange(table.n_obs) % 2, "a", "b")
    table.write_h5ad(tmp_path / "some.h5ad")
    found = label_columns(tmp_path / "some.h5ad")
    assert found[:2] == ["cell_type", "my_annotation"]
    assert "cluster" in found
    assert not {"area", "fov", "cell_id", "label"} & set(found)
    table.obs = table.obs[["area"]]
    table.write_h5ad(tmp_path / "none.h5ad")
    with pytest.raises(SpecError, match=r"No column of none\.h5ad labels its cells"):
        label_columns(tmp_path / "none.h5ad")
    with pytest.raises(SpecError, match=r"is no \.h5ad file"):
        label_columns(tmp_path / "absent.h5ad")


def test_types_are_told_and_stored_with_their_origin(parts, reference, tmp_path):
    table = parts[0].copy()
    options = AnnotationOptions("reference", reference=reference, threshold=0.3)
    told = annotate_slide(table, options)
    column, truth = known_types(table)
    assert column == "cell_type"
    found = told.agreement(truth)
    assert found.scores["macro_f1"] > found.summary.loc["majority class", "macro_f1"]
    assert store_annotation(table, told, options, "", found) == "reference_cell_type"
    table.write_h5ad(tmp_path / "out.h5ad")
    back = ad.read_h5ad(tmp_path / "out.h5ad")
    about = back.uns["napari_scfm"]["reference_cell_type_about"]
    assert about["reference"] == "labelled.h5ad"
    assert about["model"] == back.uns["napari_scfm"]["model"] == "pca"
    assert about["scores"]["accuracy"] == pytest.approx(found.scores["accuracy"])
    assert str(tmp_path) not in str(back.uns)


def test_labelled_cells_of_the_same_file_do_not_tell_themselves(parts, tmp_path):
    table = parts[1].copy()
    table.obs_names = [str(i) for i in range(table.n_obs)]
    types = table.obs["cell_type"].astype(object).to_numpy()
    table.obs["some"] = np.where(np.arange(table.n_obs) % 2, types, None)
    table.obs["some"] = table.obs["some"].astype("category")
    path = tmp_path / "some.h5ad"
    table.write_h5ad(path)
    options = AnnotationOptions("reference", reference=path, labels="some", k=1)
    told = annotate_slide(table, options)
    # each labelled cell asks another one, so some must be told another type
    labelled = np.arange(table.n_obs) % 2 == 1
    assert (np.asarray(told.labels)[labelled] != types[labelled]).any()


def test_what_is_missing_or_never_read_is_told():
    with pytest.raises(SpecError, match="--objective annotate"):
        AnnotationOptions("head")
    with pytest.raises(SpecError, match="reference needs a file"):
        AnnotationOptions("reference")
    with pytest.raises(SpecError) as refused:
        AnnotationOptions("markers", model="m", reference="r.h5ad")
    assert len(refused.value.problems) == 3


def test_types_of_a_real_section_are_told_by_another(real_data, tmp_path):
    """PCA and 15 neighbours reach .80 there; always the most common reaches .20."""
    whole = ad.read_h5ad(
        real_data
        / "cosmx_nsclc_lung5_rep1_labelled/cosmx_nsclc_lung5_rep1_labelled.h5ad"
    )
    whole.X = whole.X.rint()
    first = (whole.obs["fov"].astype(str) == "1").to_numpy()
    whole[first].write_h5ad(tmp_path / "one.h5ad")
    options = AnnotationOptions("reference", reference=tmp_path / "one.h5ad")
    cells = whole[~first].copy()
    scores = annotate_slide(cells, options).agreement(cells.obs["cell_type"]).scores
    assert scores["accuracy"] > 0.77
    assert scores["macro_f1"] > 0.55


def test_known_types_must_be_there_if_asked(parts):
    table = parts[0].copy()
    assert known_types(table, "fov")[0] == "fov"
    with pytest.raises(SpecError, match="no known types 'kind'"):
        known_types(table, "kind")
    table.obs["cell_type"] = "unknown"
    assert known_types(table) is None
    del table.obs["cell_type"]
    assert known_types(table) is None
