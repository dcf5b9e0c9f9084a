"""Tables with coordinates: the real ones, and what their writers leave out."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from napari_scfm.errors import SlideError
from napari_scfm.slides.inspect import inspect
from napari_scfm.slides.raster import display_labels
from napari_scfm.slides.read import read_slide


def make(cells: int = 12, **uns) -> ad.AnnData:
    rng = np.random.default_rng(0)
    table = ad.AnnData(
        X=sparse.csr_matrix(rng.poisson(2, (cells, 4)).astype(np.float32)),
        obs=pd.DataFrame(index=[f"cell{i}" for i in range(cells)]),
        var=pd.DataFrame(index=["A", "B", "NegPrb1", "C"]),
    )
    table.obsm["spatial"] = rng.uniform(0, 100, (cells, 2))
    table.uns.update(uns)
    return table


@pytest.fixture
def write(tmp_path):
    def save(table: ad.AnnData):
        path = tmp_path / "table.h5ad"
        table.write_h5ad(path)
        return path

    return save


REAL = {
    "cosmx_breast_dbkero_fov16/cosmx_breast_dbkero_fov16": {"F016": 905},
    "cosmx_nsclc_lung12_mini/cosmx_nsclc_lung12_mini": {"F002": 67, "F003": 53},
    "cosmx_nsclc_lung5_rep1_labelled/cosmx_nsclc_lung5_rep1_labelled": {
        "F001": 2046,
        "F006": 768,
    },
    "merfish_moffitt_hypothalamus/merfish_moffitt_a1_5sections_155g": {
        "A1_-0.04": 5488,
        "A1_-0.09": 5557,
        "A1_-0.14": 5926,
        "A1_-0.19": 5803,
        "A1_-0.24": 5543,
    },
    "merscope_mousebrain_mini/merscope_mousebrain_mini": {"F000": 505},
    "visium_dlpfc_151510_500g/visium_dlpfc_151510_500g": {"151510": 4634},
    "xenium_breast_subset/xenium_breast_subset": {"bulbasaur": 8572},
}


@pytest.mark.parametrize("name", REAL)
def test_real_tables_open(real_data, name):
    path = real_data / f"{name}.h5ad"
    slide = read_slide(path)
    assert slide.fov_cells == REAL[name]
    first = slide.fovs[0]
    fov = slide.fov(first)
    published = ad.read_h5ad(path, backed="r")
    assert fov.table.n_obs == REAL[name][first]
    assert fov.labels is None
    assert not fov.images
    sample = fov.table.obs_names[:20]
    stored = published[sample].to_memory().X.toarray()
    assert np.array_equal(fov.table[sample].X.toarray(), stored)
    xy = fov.table.obsm["spatial"] / fov.pixel_size
    assert (xy >= 0).all()
    assert (xy < fov.shape[::-1]).all()
    assert fov.table.obs["label"].tolist() == list(range(1, fov.table.n_obs + 1))


def test_sequential_genes_are_named_in_the_report(real_data):
    slide = read_slide(
        real_data
        / "merfish_moffitt_hypothalamus/merfish_moffitt_a1_5sections_155g.h5ad"
    )
    _ = slide.fov("A1_-0.09").table
    assert any("20 of 155 genes hold values" in s for s in slide.report.guessed)


@pytest.mark.parametrize(
    "name", ["hypothalamus", "breast_cid4465", "hypothalamus_romanov"]
)
def test_reference_tables_say_that_they_have_no_coordinates(real_data, name):
    path = real_data / f"ref_scrna_{name}" / f"ref_scrna_{name}.h5ad"
    with pytest.raises(SlideError, match=f"{path.name} has no coordinates"):
        read_slide(path)


def test_y_up_is_turned(real_data):
    folder = real_data / "cosmx_nsclc_lung12_mini"
    table = read_slide(folder / "cosmx_nsclc_lung12_mini.h5ad")
    slide = read_slide(folder)
    shift = table.table.obsm["spatial"] - slide.table.obsm["spatial"]
    assert np.ptp(shift, axis=0).max() < 0.5


def test_display_labels_are_discs_in_table_order(real_data):
    folder = real_data / "cosmx_nsclc_lung12_mini"
    fov = read_slide(folder / "cosmx_nsclc_lung12_mini.h5ad").fov("F002")
    labels = display_labels(fov)
    assert labels.shape == fov.shape
    assert np.array_equal(np.unique(labels), np.arange(68))
    x, y = np.rint(fov.table.obsm["spatial"] / fov.pixel_size).astype(int).T
    assert np.array_equal(labels[y, x], np.arange(1, 68))


def test_controls_leave_the_gene_table(write):
    slide = read_slide(write(make()))
    fov = slide.fov("all")
    assert list(fov.table.var_names) == ["A", "B", "C"]
    assert list(fov.table.obsm["control_probes"].columns) == ["NegPrb1"]
    assert any("All cells are one FOV" in s for s in slide.report.guessed)


@pytest.mark.parametrize(
    ("uns", "scale"),
    [
        ({"spatial_units": "um"}, 1),
        ({"spatial_units": "µm"}, 1),
        ({"spatial_units": "mm"}, 1000),
        ({"spatial_units": "px", "pixel_size_um": 0.5}, 0.5),
        ({"spatial_units": "px"}, 1),
        ({}, 1),
    ],
)
def test_units(write, uns, scale):
    table = make(**uns)
    slide = read_slide(write(table))
    assert np.allclose(slide.table.obsm["spatial"], table.obsm["spatial"] * scale)
    certain = "pixel_size_um" in uns or uns.get("spatial_units", "px") != "px"
    assert any("Coordinates" in s for s in slide.report.guessed) != certain


def test_counts_are_found_in_layers_and_raw(write):
    table = make()
    counts = table.X.copy()
    table.layers["counts"] = counts
    table.X = counts.multiply(0.37).tocsr()
    slide = read_slide(write(table))
    assert np.array_equal(slide.table.X.toarray(), counts[:, [0, 1, 3]].toarray())
    assert "Raw counts in layers/counts." in slide.report.found

    del table.layers["counts"]
    plain = make()
    table.raw = plain
    table = table[:, ["A", "C"]].copy()
    slide = read_slide(write(table))
    assert slide.table.n_vars == 3
    assert "Raw counts in raw/X." in slide.report.found

    del table.raw
    slide = read_slide(write(table))
    assert any("not whole" in s for s in slide.report.guessed)


@pytest.mark.parametrize("form", [np.asarray, sparse.csc_matrix])
def test_dense_and_csc_matrices(write, form):
    table = make()
    counts = table.X.toarray()
    table.X = form(counts)
    table.obs["section"] = ["b", "a"] * 6
    slide = read_slide(write(table))
    assert slide.fovs == ["a", "b"]
    assert np.array_equal(slide.fov("a").table.X.toarray(), counts[1::2][:, [0, 1, 3]])


def test_fovs_of_several_sections_keep_both_names(write):
    table = make()
    table.obs["fov"] = [1, 1, 2, 2] * 3
    table.obs["batch"] = ["x", "y"] * 6
    slide = read_slide(write(table))
    assert slide.fov_cells == {"x F001": 3, "x F002": 3, "y F001": 3, "y F002": 3}
    assert (slide.fov("y F002").table.obs["fov"] == "y F002").all()


def test_results_come_back(write):
    table = make(napari_scfm={"model": "gene-mean"})
    table.obsm["X_pca"] = np.ones((12, 3))
    table.layers["ridge_imputed"] = np.full((12, 4), 0.5, dtype=np.float32)
    table.obs["ridge_cluster"] = pd.Categorical(["0", "1"] * 6)
    slide = read_slide(write(table))
    fov = slide.fov("all").table
    assert fov.obsm["X_pca"].shape == (12, 3)
    assert fov.layers["ridge_imputed"].shape == (12, 3)
    assert fov.uns["napari_scfm"]["model"] == "gene-mean"
    assert slide.report.guessed == [
        "All cells are one FOV: no column of obs names any."
    ]


@pytest.mark.parametrize("cells", [0, 1])
def test_tables_of_no_or_one_cell_open(write, cells):
    slide = read_slide(write(make(cells)))
    assert slide.fov("all").table.n_obs == cells
    assert len(np.unique(display_labels(slide.fov("all")))) == cells + 1
    assert inspect(slide)["cells"] == cells


def damaged(what: str) -> ad.AnnData:
    table = make()
    if what == "nan":
        table.X = sparse.csr_matrix(np.where(np.eye(12, 4), np.nan, 1.0))
    elif what == "negative":
        table.X = sparse.csr_matrix(np.where(np.eye(12, 4), -1.0, 1.0))
    elif what == "genes":
        table.var_names = ["A", "B", "A", "C"]
    elif what == "place":
        table.obsm["spatial"][3, 1] = np.nan
    else:
        del table.obsm["spatial"]
    return table


@pytest.mark.filterwarnings("ignore:Variable names are not unique")
@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("nan", r"missing \(NaN\): cell cell0, gene A"),
        ("negative", "counts are negative: cell cell0, gene A"),
        ("genes", "gene names occur more than once: A"),
        ("place", "1 cell has no finite coordinates: cell3"),
        ("nowhere", "has no coordinates"),
    ],
)
def test_bad_tables_are_refused(write, what, message):
    path = write(damaged(what))
    with pytest.raises(SlideError, match=message):
        inspect(read_slide(path))


def test_files_that_are_no_tables(tmp_path):
    path = tmp_path / "a.h5ad"
    path.write_bytes(b"nothing")
    with pytest.raises(SlideError, match="cannot be read as"):
        read_slide(path)
    import h5py

    with h5py.File(path, "w") as file:
        file["x"] = 1
    with pytest.raises(SlideError, match="is no AnnData file"):
        read_slide(path)
