"""A few examples of each kind, from which all cells of a slide are told."""

from __future__ import annotations

from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import napari_scfm as scfm
from napari_scfm.analysis.celltypes.components import components
from napari_scfm.errors import SpecError
from napari_scfm.experiments.examples import (
    learn_examples,
    read_examples,
    store_learned,
    write_examples,
)
from napari_scfm.masks.make import mask_cells, mask_genes
from napari_scfm.models.base import ModelInfo
from napari_scfm.progress import Cancelled

KINDS = ("a", "b", "c")
EACH = 60


@pytest.fixture(scope="module")
def table():
    """Three kinds that differ in ten genes each; the rest is noise."""
    rng = np.random.default_rng(0)
    codes = np.tile(np.arange(3), EACH)
    rate = np.full((len(codes), 60), 0.6)
    for kind in range(3):
        rate[np.ix_(codes == kind, range(10 * kind, 10 * kind + 10))] = 2.0
    made = ad.AnnData(sparse.csr_matrix(rng.poisson(rate).astype(np.float32)))
    made.obs_names = [f"cell {i}" for i in range(len(codes))]
    made.var_names = [f"gene {i}" for i in range(60)]
    made.obs["truth"] = np.array(KINDS)[codes]
    made.obs["fov"] = "F1"
    return made


@pytest.fixture(scope="module")
def examples(table):
    truth = table.obs["truth"].to_numpy()
    return {kind: np.flatnonzero(truth == kind)[:4] for kind in KINDS}


@pytest.fixture(scope="module")
def learned(table, examples):
    return learn_examples(None, table, examples, seed=1)


def told(learned) -> np.ndarray:
    return np.array(learned.told.classes)[learned.told.best]


def apart(vectors, truth) -> float:
    """Return how much more alike cells of one kind are than cells of two."""
    points = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    same = truth[:, None] == truth[None, :]
    alike = points @ points.T
    return float(alike[same].mean() - alike[~same].mean())


def test_all_cells_are_told_and_the_embedding_is_refined(table, examples, learned):
    truth = table.obs["truth"].to_numpy()
    others = np.setdiff1d(
        np.arange(table.n_obs), np.concatenate(list(examples.values()))
    )
    assert (told(learned)[others] == truth[others]).mean() > 0.9
    before = apart(components(table)[others], truth[others])
    assert apart(learned.vectors[others], truth[others]) > 1.25 * before
    assert np.mean(learned.losses[-20:]) < np.mean(learned.losses[:20])
    for kind, rows in examples.items():
        assert (told(learned)[rows] == kind).all()
        assert (learned.told.confidence[rows] == 1).all()


def test_the_same_seed_learns_the_same(table, examples, learned):
    again = learn_examples(None, table, examples, seed=1)
    np.testing.assert_array_equal(again.vectors, learned.vectors)
    np.testing.assert_array_equal(again.told.shares, learned.told.shares)


def test_hidden_entries_are_never_read(table, examples):
    """Whatever stands under the mask, the result is the same to the last bit."""
    hidden = mask_genes(table, ["gene 5", "gene 17"]) | mask_cells(
        table, ["cell 100", "cell 101"]
    )
    other = table.copy()
    noise = sparse.csr_matrix(np.random.default_rng(1).poisson(9, table.shape))
    other.X = sparse.csr_matrix(
        hidden.visible(table) + hidden.matrix.multiply(noise).astype(np.float32)
    )
    found = [
        learn_examples(None, one, examples, mask=hidden.for_table(one))
        for one in (table, other)
    ]
    np.testing.assert_array_equal(found[0].vectors, found[1].vectors)
    np.testing.assert_array_equal(found[0].told.shares, found[1].told.shares)
    assert not found[0].told.told[[100, 101]].any()
    assert any("no count that may be read" in note for note in found[0].told.notes)
    some = mask_genes(table, ["gene 5", "gene 17"])
    partly = learn_examples(None, table, examples, mask=some)
    truth = table.obs["truth"].to_numpy()
    assert (told(partly) == truth).mean() > 0.9


def test_a_kind_without_examples_is_less_sure(table, examples):
    two = {kind: examples[kind] for kind in ("a", "b")}
    rows = np.arange(table.n_obs)
    truth = table.obs["truth"].to_numpy()
    more = {k: np.flatnonzero(truth == k)[:20] for k in two}
    found = learn_examples(None, table, more)
    rest = np.setdiff1d(rows, np.concatenate(list(more.values())))
    new = truth[rest] == "c"
    sure = found.told.confidence[rest]
    assert sure[new].mean() < sure[~new].mean() - 0.2


def test_it_can_be_stopped(table, examples):
    def stop(progress) -> None:
        if progress.message == "Learning" and progress.done:
            raise Cancelled

    with pytest.raises(Cancelled):
        learn_examples(None, table, examples, progress=stop)


def test_what_will_not_do_is_refused_together(table):
    with pytest.raises(SpecError) as caught:
        learn_examples(None, table, {"a": [0, 1, 2], "b": [2]})
    text = str(caught.value)
    assert "Fewer than 2 examples of b" in text
    assert "Examples of two kinds at once: cell 2" in text
    with pytest.raises(SpecError, match="1 kind, not of two"):
        learn_examples(None, table, {"a": [0, 1]})
    whole = mask_cells(table, ["cell 0"])
    with pytest.raises(SpecError, match="nothing can be read: cell 0"):
        learn_examples(None, table, {"a": [0, 3], "b": [1, 4]}, mask=whole)


def test_examples_go_through_a_file(table, examples, tmp_path):
    names = {kind: list(table.obs_names[rows]) for kind, rows in examples.items()}
    again = read_examples(write_examples(tmp_path / "mine.csv", names), table)
    assert list(again) == list(examples)
    for kind, rows in examples.items():
        np.testing.assert_array_equal(again[kind], rows)
    (tmp_path / "odd.csv").write_text("cell,kind\nnobody,a\n")
    with pytest.raises(SpecError, match="does not have: nobody"):
        read_examples(tmp_path / "odd.csv", table)
    (tmp_path / "odd.csv").write_text("name,type\ncell 0,a\n")
    with pytest.raises(SpecError, match="has the columns name, type"):
        read_examples(tmp_path / "odd.csv", table)


def test_what_was_learned_is_written_into_the_table(table, learned, tmp_path):
    made = table.copy()
    assert store_learned(made, learned) == "examples_cell_type"
    made.write_h5ad(tmp_path / "out.h5ad")
    saved = ad.read_h5ad(tmp_path / "out.h5ad")
    assert set(saved.obs["examples_cell_type"].cat.categories) <= {*KINDS, "unknown"}
    assert saved.obs["examples_cell_type_confidence"].between(0, 1).all()
    assert saved.obsm["X_pca_refined"].shape == learned.vectors.shape
    about = saved.uns["napari_scfm"]["examples_cell_type_about"]
    assert about["by"] == "examples"
    assert '"a": 4' in about["examples"]


def test_a_model_refines_its_own_embedding(table, examples):
    """The model is read under the mask; its vectors may be given."""
    model = scfm.load_model("cellplm-mini")
    named = table[:, :].copy()
    named.var_names = [str(g) for g in model.info.genes[: table.n_vars]]
    named.obsm["spatial"] = np.column_stack(
        [np.arange(named.n_obs) * 10.0, np.zeros(named.n_obs)]
    )
    found = learn_examples(model, named, examples)
    vectors = model.embed(named)
    given = learn_examples(model, named, examples, vectors=vectors)
    np.testing.assert_array_equal(found.vectors, given.vectors)
    assert found.of == "cellplm-mini"
    assert found.embedding_key == "X_cellplm_mini_refined"
    assert pd.Series(told(found)).nunique() == 3


def test_a_cell_that_the_model_cannot_read_is_unknown_and_changes_nothing(
    table, examples
):
    model = SimpleNamespace(info=ModelInfo("m", capabilities=frozenset({"embed"})))
    vectors = components(table, n=5)
    lost = 50
    vectors[lost] = np.nan
    kept = np.delete(np.arange(table.n_obs), lost)
    found = learn_examples(model, table, examples, vectors=vectors)
    alone = learn_examples(model, table[kept], examples, vectors=vectors[kept])
    np.testing.assert_array_equal(found.vectors[kept], alone.vectors)
    np.testing.assert_array_equal(found.told.shares[kept], alone.told.shares)
    assert np.isnan(found.vectors[lost]).all()
    assert found.told.labels[lost] == "unknown"
    assert found.told.notes[0].startswith("1 cell has no count that may be read")
    with pytest.raises(SpecError, match="nothing can be read: cell 50"):
        learn_examples(model, table, {"a": [0, 50], "b": [1, 2]}, vectors=vectors)
