"""Files that were written are scanpy's and squidpy's: they draw and compute on them."""

from __future__ import annotations

import warnings

import anndata as ad
import h5py
import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot

from napari_scfm.analysis.groups.grouping import Grouping
from napari_scfm.analysis.neighbourhoods import ligrec_of
from napari_scfm.cli.cluster import cluster

mpl.use("Agg")
KEY, TOLD = "pca_cluster", "markers_cell_type"


@pytest.fixture
def table(by_command):
    return ad.read_h5ad(by_command)


@pytest.fixture(autouse=True)
def figures():
    """Take figures away, and leave warnings to those who make them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    pyplot.close("all")


def colours_of(collection) -> set[tuple[float, ...]]:
    return rounded(collection.get_facecolors())


def expected(table, key: str) -> set[tuple[float, ...]]:
    return rounded(Grouping.from_obs(table, key).colours)


def rounded(colours) -> set[tuple[float, ...]]:
    return {tuple(c) for c in np.asarray(colours, dtype=float)[:, :3].round(3).tolist()}


def test_one_command_keeps_what_another_found(table):
    found = {f"{KEY}_{end}" for end in ("nhood_enrichment", "co_occurrence", "ligrec")}
    assert found | {"rank_genes_groups", "moranI", "spatial_neighbors"} <= set(
        table.uns
    )
    assert {"spatial_connectivities", "spatial_distances"} <= set(table.obsp)
    assert {"X_pca", "X_umap", "X_tissue", "spatial"} <= set(table.obsm)
    assert {KEY, TOLD, f"{TOLD}_confidence"} <= set(table.obs)


def test_it_goes_once_the_classes_are_others(by_command, tmp_path):
    out = tmp_path / "again.h5ad"
    cluster(by_command, out, on="X_pca", key=KEY, resolution=0.3)
    again = ad.read_h5ad(out)
    assert not [name for name in again.uns if name.startswith(f"{KEY}_nhood")]
    assert "rank_genes_groups" not in again.uns
    # what has nothing to do with classes stays
    assert "moranI" in again.uns


def test_what_was_found_of_all_cells_is_not_said_of_some(by_command, tmp_path):
    out = tmp_path / "some.h5ad"
    cluster(by_command, out, on="X_pca", key="x", fov="F001,F004")
    assert not {"moranI", f"{KEY}_nhood_enrichment"} & set(ad.read_h5ad(out).uns)


@pytest.mark.parametrize("key", [KEY, TOLD])
def test_scanpy_draws_our_colours(table, key):
    import scanpy as sc

    for basis in ("umap", "tissue"):
        axes = sc.pl.embedding(table, basis, color=key, show=False)
        assert colours_of(axes.collections[0]) == expected(table, key)
    assert sc.pl.umap(table, color=f"{TOLD}_confidence", show=False) is not None


def test_scanpy_goes_on_from_our_classes(table):
    import scanpy as sc

    sc.pl.rank_genes_groups(table, show=False)
    sc.pp.neighbors(table, use_rep="X_pca", n_neighbors=10, method="gauss")
    sc.tl.paga(table, KEY)
    sc.pl.paga(table, show=False)
    names = len(table.obs[KEY].cat.categories)
    assert table.uns["paga"]["connectivities"].shape == (names, names)
    sc.tl.dendrogram(table, KEY, use_rep="X_pca")
    counts = table.copy()
    sc.pp.normalize_total(counts)
    sc.pp.log1p(counts)
    sc.tl.rank_genes_groups(counts, KEY, method="wilcoxon", tie_correct=True)
    ours, theirs = (
        {
            group: found["names"][group][:3].tolist()
            for group in found["names"].dtype.names
        }
        for found in (table.uns["rank_genes_groups"], counts.uns["rank_genes_groups"])
    )
    assert ours == theirs


def test_squidpy_draws_it(table):
    import squidpy as sq

    sq.pl.nhood_enrichment(table, KEY)
    sq.pl.co_occurrence(table, KEY, clusters="0")
    sq.pl.ligrec(ligrec_of(table, KEY))
    sq.gr.interaction_matrix(table, KEY)
    sq.pl.interaction_matrix(table, KEY)
    axes = sq.pl.spatial_scatter(
        table,
        shape=None,
        library_key="fov",
        library_id=["F001", "F004"],
        color=KEY,
        return_ax=True,
    )
    here = table[table.obs["fov"] == "F001"]
    codes = np.unique(here.obs[KEY].cat.codes)
    ours = rounded(Grouping.from_obs(table, KEY).colours[codes])
    assert colours_of(axes[0].collections[0]) == ours


def test_a_file_of_the_window_is_drawn_with_cells_in_no_class(by_window):
    import scanpy as sc

    table = ad.read_h5ad(by_window)
    assert table.obs["hand"].isna().sum() == np.ceil(table.n_obs / 3)
    axes = sc.pl.embedding(table, "tissue", color="hand", show=False)
    assert expected(table, "hand") < colours_of(axes.collections[0])


@pytest.mark.parametrize("which", ["by_command", "by_window"])
def test_an_older_anndata_reads_all_of_it(which, request):
    """AnnData before 0.12 knows no entry for nothing, and no nullable text."""
    with h5py.File(request.getfixturevalue(which)) as file:
        kinds: set[str] = set()
        file.visititems(lambda _, item: kinds.add(item.attrs.get("encoding-type", "")))
    assert not kinds & {"null", "nullable-string-array"}


def test_sections_that_lie_over_one_another_are_drawn_apart(table):
    from napari_scfm.experiments.cellxgene import add_tissue_layout

    fovs, xy = table.obs["fov"].to_numpy(), table.obsm["spatial"].copy()
    # the sample's fields of view stand where they were taken
    np.testing.assert_allclose(table.obsm["X_tissue"], xy * (1, -1), rtol=1e-5)
    for name in np.unique(fovs):
        table.obsm["spatial"][fovs == name] -= xy[fovs == name].min(axis=0)
    add_tissue_layout(table)
    laid = table.obsm["X_tissue"]
    boxes = [
        (laid[fovs == n].min(axis=0), laid[fovs == n].max(axis=0))
        for n in np.unique(fovs)
    ]
    for at, (low, high) in enumerate(boxes):
        for other_low, other_high in boxes[at + 1 :]:
            assert (np.minimum(high, other_high) < np.maximum(low, other_low)).any()


def test_control_probes_are_a_frame_again(table, by_command):
    from napari_scfm.slides.read import read_slide
    from napari_scfm.slides.samples import sample_path

    assert isinstance(table.obsm["control_probes"], np.ndarray)
    before, after = (read_slide(p).table for p in (sample_path("cosmx"), by_command))
    assert list(after.obsm["control_probes"]) == list(before.obsm["control_probes"])
    np.testing.assert_array_equal(
        after.obsm["control_probes"], before.obsm["control_probes"]
    )
