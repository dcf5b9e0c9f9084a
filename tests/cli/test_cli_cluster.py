"""``cluster``: what it writes is opened by scanpy, squidpy and CELLxGENE."""

from __future__ import annotations

import re
import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from napari_scfm.analysis.groups.grouping import Grouping


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The sample slide with domains, markers, composition and UMAP, by command."""
    from napari_scfm.cli.cluster import cluster
    from napari_scfm.slides.samples import sample_path

    folder = tmp_path_factory.mktemp("clusters")
    with pytest.MonkeyPatch.context() as patch:
        # UMAP is tested in its own room; it compiles for half a minute
        patch.setattr(
            "napari_scfm.analysis.embedding.umap", lambda points, seed: points[:, :2]
        )
        cluster(
            sample_path("cosmx"),
            folder / "out.h5ad",
            key="niche",
            domains=0.8,
            markers=folder / "markers.csv",
            per_fov=folder / "fovs.csv",
            umap=True,
        )
    return folder


def test_scanpy_draws_and_tests_it(written):
    import matplotlib as mpl

    mpl.use("Agg")
    import scanpy as sc
    from matplotlib import pyplot

    table = ad.read_h5ad(written / "out.h5ad")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scanpy's own
        axes = sc.pl.umap(table, color="niche", show=False)
        drawn = axes.collections[0].get_facecolors()
        best = sc.pl.rank_genes_groups_dotplot(table, n_genes=2, show=False)
    pyplot.close("all")
    ours = Grouping.from_obs(table, "niche")
    assert len(np.unique(drawn.round(4), axis=0)) == len(ours.names)
    np.testing.assert_allclose(
        np.unique(drawn[:, :3], axis=0),
        np.unique(ours.colours[:, :3], axis=0),
        atol=1e-6,
    )
    assert best
    markers = pd.read_csv(written / "markers.csv", dtype={"group": str})
    first = sc.get.rank_genes_groups_df(table, "0")
    assert list(first["names"]) == list(markers.loc[markers["group"] == "0", "names"])


def test_squidpy_reads_it(written):
    table = ad.read_h5ad(written / "out.h5ad")
    table.obs["fov"] = table.obs["fov"].astype("category")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # squidpy's own
        import squidpy as sq

        sq.gr.spatial_neighbors(
            table, coord_type="generic", n_neighs=6, library_key="fov"
        )
        sq.gr.nhood_enrichment(
            table, cluster_key="niche", n_perms=10, show_progress_bar=False, seed=0
        )
    z = table.uns["niche_nhood_enrichment"]["zscore"]
    # cells of a domain lie beside cells of it
    assert (np.diag(z) == z.max(axis=1)).all()


def test_it_keeps_the_rules_of_cellxgene(written):
    """Rules of its schema for layouts, categories and their colours."""
    table = ad.read_h5ad(written / "out.h5ad")
    assert table.obs_names.is_unique
    assert table.var_names.is_unique
    layout = table.obsm["X_umap"]
    assert layout.shape == (table.n_obs, 2)
    assert layout.dtype.kind == "f"
    assert np.isfinite(layout).all()
    column = table.obs["niche"]
    assert isinstance(column.dtype, pd.CategoricalDtype)
    assert set(column.cat.categories) == set(column)
    colours = table.uns["niche_colors"]
    assert isinstance(colours, np.ndarray)
    assert len(colours) == len(column.cat.categories)
    assert all(re.fullmatch(r"#[0-9a-f]{6}", colour) for colour in colours)


def test_the_tables_beside_it_agree_with_it(written):
    table = ad.read_h5ad(written / "out.h5ad")
    cells = pd.read_csv(written / "fovs.csv", index_col="fov")
    expected = pd.crosstab(table.obs["fov"], table.obs["niche"])
    np.testing.assert_array_equal(cells, expected.loc[cells.index, cells.columns])
    said = table.uns["napari_scfm"]
    assert said["domains"] == 0.8
    assert said["resolution"] == 0.4
    assert "weight of space 0.8" in said["groupings"]["niche"]


def test_an_embedding_that_is_there_is_clustered_without_a_model(
    cli, written, tmp_path
):
    out = tmp_path / "again.h5ad"
    words = ["--on", "X_cellplm_mini", "--domains", 0.8, "-o", out]
    ended = cli("cluster", written / "out.h5ad", *words)
    assert ended.status == 0, ended.err
    one, two = ad.read_h5ad(written / "out.h5ad"), ad.read_h5ad(out)
    assert list(two.obs["cellplm_mini_domain"]) == list(one.obs["niche"])
    # what was there is still there
    assert list(two.uns["niche_colors"]) == list(one.uns["niche_colors"])
    assert set(two.uns["napari_scfm"]["groupings"]) == {"niche", "cellplm_mini_domain"}
    sizes = one.obs["niche"].value_counts()
    assert f"domain 0: {sizes['0']} cells" in ended.out


def test_pca_is_clustered_of_chosen_fovs(cli, sample, tmp_path):
    out = tmp_path / "pca.h5ad"
    words = ["--on", "pca", "--fov", "F001,F004", "--resolution", 0.5, "-o", out]
    ended = cli("cluster", sample, *words)
    assert ended.status == 0, ended.err
    table = ad.read_h5ad(out)
    assert set(table.obs["fov"]) == {"F001", "F004"}
    assert table.obs["pca_cluster"].nunique() > 2
    assert "model" not in table.uns["napari_scfm"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--key", "a/b"], "cannot be 'a/b'"),
        (["--key", "fov"], "cannot be 'fov'"),
        (["--markers", "m.txt"], "end in .csv"),
        (["--composition", "."], "end in .csv"),
        (["--on", "X_nothing"], "no embedding 'X_nothing'"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    cli, sample, tmp_path, words, sentence
):
    ended = cli("cluster", sample, *words, "-o", tmp_path / "out.h5ad")
    assert ended.status == 1
    assert sentence in ended.err
    assert not (tmp_path / "out.h5ad").exists()


def test_a_weight_out_of_range_is_a_matter_of_usage(cli, sample, tmp_path):
    assert cli("cluster", sample, "--domains", 2, "-o", tmp_path / "o.h5ad").status == 2
