"""``annotate`` on the sample slide, and what it refuses."""

from __future__ import annotations

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import napari_scfm as scfm


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    from napari_scfm.slides.samples import sample_path

    table = scfm.read_slide(sample_path("cosmx")).fov("F001").table
    kept = ad.AnnData(table.X, obs=table.obs[["cell_type"]], var=table.var[[]])
    kept.obs_names = [f"r{i}" for i in range(kept.n_obs)]
    path = tmp_path_factory.mktemp("reference") / "labelled.h5ad"
    kept.write_h5ad(path)
    return path


def test_help_explains_with_an_example(cli):
    ended = cli("annotate", "--help")
    assert ended.status == 0
    assert "Example: napari-scfm annotate" in " ".join(ended.out.split())


def test_by_reference_with_scores_and_confusion(cli, sample, labelled, tmp_path):
    out, table = tmp_path / "typed.h5ad", tmp_path / "confusion.csv"
    ended = cli(
        *("annotate", sample, "--fov", "F004", "--by", "reference", "-o", out),
        *("--reference", labelled, "--confusion", table, "--key", "types"),
    )
    assert ended.status == 0, ended.err
    for word in ("accuracy", "balanced_accuracy", "macro_f1", "majority class"):
        assert word in ended.out
    typed = ad.read_h5ad(out)
    right = typed.obs["types"].astype(str) == typed.obs["cell_type"].astype(str)
    assert f"{right.mean():.1%} are right" in ended.out
    assert typed.obs["types_confidence"].between(0, 1).all()
    assert len(typed.uns["types_colors"]) == typed.obs["types"].cat.categories.size
    counts = pd.read_csv(table, index_col=0)
    assert counts.to_numpy().sum() == typed.n_obs
    assert np.trace(counts[counts.index]) == right.sum()


def test_by_markers_with_a_threshold(cli, sample, tmp_path):
    lists = tmp_path / "markers.json"
    lists.write_text(
        json.dumps(
            {
                "tumour": ["EPCAM", "KRT19"],
                "T cell": ["CD3E", "CD3D"],
                "fibroblast": ["COL1A1"],
                "none": ["NOPE"],
            }
        )
    )
    out = tmp_path / "typed.h5ad"
    words = ("--by", "markers", "--markers", lists, "--threshold", 0.6)
    ended = cli("annotate", sample, "--fov", "F004", *words, "-o", out)
    assert ended.status == 0, ended.err
    assert "left out: none" in ended.err
    assert "are told unknown and count as wrong" in ended.out
    typed = ad.read_h5ad(out)
    unsure = typed.obs["markers_cell_type"] == "unknown"
    np.testing.assert_array_equal(
        unsure, typed.obs["markers_cell_type_confidence"] < np.float32(0.6)
    )


def test_other_names_are_not_scored(cli, sample, tmp_path):
    lists = tmp_path / "markers.csv"
    lists.write_text("type,gene\nE,EPCAM\nT,CD3E\n")
    words = ("--by", "markers", "--markers", lists)
    ended = cli(
        "annotate", sample, "--fov", "F004", *words, "-o", tmp_path / "typed.h5ad"
    )
    assert ended.status == 0, ended.err
    assert "scores by name say nothing" in ended.out
    assert "majority class" not in ended.out
    names = tmp_path / "names.csv"
    names.write_text("from,to\nE,epithelial\ntumour,epithelial\nT,T cell\n")
    out = tmp_path / "again.h5ad"
    ended = cli(
        "annotate", sample, "--fov", "F004", *words, "--names", names, "-o", out
    )
    assert ended.status == 0, ended.err
    assert "majority class" in ended.out
    typed = ad.read_h5ad(out)
    assert set(typed.obs["markers_cell_type"]) == {"epithelial", "T cell"}
    # the known column stays as it was
    assert "tumour" in set(typed.obs["cell_type"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--objective annotate"),
        (("--by", "guess"), "not by 'guess'"),
        (("--model", "cellplm-mini"), "cannot annotate"),
        (("--by", "markers"), "markers needs a file"),
        (("--by", "markers", "--markers", "absent.csv"), "cannot be read"),
        (("--by", "reference", "--reference", "absent.h5ad"), "is not there"),
        (("--model", "m", "--names", "absent.csv"), "cannot be read"),
        (("--truth", "kind", "--model", "m"), "no known types 'kind'"),
        (("--model", "m", "--confusion", "c.txt"), ".csv"),
    ],
)
def test_what_is_refused(cli, sample, tmp_path, words, said):
    ended = cli("annotate", sample, *words, "-o", tmp_path / "out.h5ad")
    assert ended.status == 1
    assert said in ended.err
    assert not list(tmp_path.iterdir())


def test_by_a_few_examples(cli, sample, tmp_path):
    table = scfm.read_slide(sample).fov("F004").table
    lines = ["cell,kind"]
    for kind, cells in table.obs.groupby("cell_type", observed=True):
        lines += [f"{name},{kind}" for name in cells.index[:4] if len(cells) > 8]
    (tmp_path / "examples.csv").write_text("\n".join(lines))
    out = tmp_path / "typed.h5ad"
    words = ("--by", "examples", "--examples", tmp_path / "examples.csv")
    ended = cli("annotate", sample, "--fov", "F004", *words, "-o", out)
    assert ended.status == 0, ended.err
    assert f"{len(lines) - 1} cells without a known type are left out" in ended.out
    typed = ad.read_h5ad(out)
    told = typed.obs["examples_cell_type"].astype(str)
    assert (told == typed.obs["cell_type"].astype(str)).mean() > 0.6
    assert len(typed.obsm["X_pca_refined"]) == typed.n_obs


def test_examples_need_their_file_and_no_other(cli, sample, labelled, tmp_path):
    out = ("-o", tmp_path / "typed.h5ad")
    ended = cli("annotate", sample, "--by", "examples", "--reference", labelled, *out)
    assert ended.status == 1
    assert "needs a file of examples" in ended.err
    assert "Examples need no reference" in ended.err
