"""Masks: names, set algebra, draws, undo, JSON."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from napari_scfm.errors import MaskError
from napari_scfm.masks.make import (
    mask_cells,
    mask_entries,
    mask_genes,
    mask_random_cells,
    mask_random_genes,
)
from napari_scfm.masks.mask import Mask
from napari_scfm.masks.spec import MaskSpec
from napari_scfm.masks.strata import STRATA, mask_strata, strata

CELLS, GENES = 7, 5


def make_table(counts=None):
    if counts is None:
        counts = np.random.default_rng(0).poisson(1.0, (CELLS, GENES))
    table = ad.AnnData(sparse.csr_matrix(np.asarray(counts, dtype=np.float32)))
    table.obs_names = [f"cell{i}" for i in range(table.n_obs)]
    table.var_names = [f"GENE{i}" for i in range(table.n_vars)]
    return table


TABLE = make_table()
bools = st.lists(st.booleans(), min_size=CELLS * GENES, max_size=CELLS * GENES)
masks = bools.map(
    lambda bits: Mask(
        np.reshape(bits, (CELLS, GENES)), TABLE.obs_names, TABLE.var_names
    )
)


def dense(mask):
    return mask.matrix.toarray()


def test_genes_and_cells_are_hidden_whole():
    mask = mask_genes(TABLE, ["GENE1", "GENE3"]) | mask_cells(TABLE, ["cell2"])
    assert mask.hidden_genes == ["GENE1", "GENE3"]
    assert mask.hidden_cells == ["cell2"]
    assert mask.n_hidden == 2 * CELLS + GENES - 2
    assert mask_genes(TABLE, "GENE1") == mask_genes(TABLE, ["GENE1"])


def test_cells_by_position_and_by_boolean():
    by_name = mask_cells(TABLE, ["cell1", "cell4"])
    assert mask_cells(TABLE, np.array([1, 4])) == by_name
    assert mask_cells(TABLE, np.isin(np.arange(CELLS), [1, 4])) == by_name
    with pytest.raises(MaskError, match="99"):
        mask_cells(TABLE, [0, 99])


def test_all_unknown_names_are_named_with_a_guess():
    with pytest.raises(MaskError, match=r"GENE33, NOPE.*Did you mean GENE3"):
        mask_genes(TABLE, ["GENE1", "GENE33", "NOPE"])
    with pytest.raises(MaskError) as raised:
        mask_genes(TABLE, ["GENE33", "NOPE"])
    assert [text.split(",")[0] for text in raised.value.problems] == [
        "no gene GENE33",
        "no gene NOPE",
    ]
    with pytest.raises(MaskError, match="cell77"):
        mask_cells(TABLE, ["cell77"])


@given(masks, masks, masks)
@settings(max_examples=50)
def test_set_algebra(a, b, c):
    assert np.array_equal(dense(a | b), dense(a) | dense(b))
    assert np.array_equal(dense(a & b), dense(a) & dense(b))
    assert np.array_equal(dense(a - b), dense(a) & ~dense(b))
    assert (a | b) - b == a - b
    assert a & (b | c) == (a & b) | (a & c)
    assert (a - b) | (a & b) == a


@given(masks)
@settings(max_examples=50)
def test_a_mask_survives_json(mask):
    spec = MaskSpec.from_mask(mask)
    again = MaskSpec.model_validate_json(spec.model_dump_json())
    assert again == spec
    assert again.resolve(TABLE) == mask


@given(masks)
@settings(max_examples=25)
def test_visible_counts_lack_exactly_what_is_hidden(mask):
    shown = mask.visible(TABLE).toarray()
    assert np.array_equal(shown, np.where(dense(mask), 0, TABLE.X.toarray()))


@given(st.floats(0, 1), st.integers(0, 5), st.sampled_from(["all", "expressed"]))
@settings(max_examples=30)
def test_random_entries(fraction, seed, eligible):
    mask = mask_entries(TABLE, fraction, seed, eligible)
    expressed = TABLE.X.toarray() > 0
    pool = expressed.size if eligible == "all" else expressed.sum()
    assert mask.n_hidden == round(fraction * pool)
    if eligible == "expressed":
        assert not (dense(mask) & ~expressed).any()
    assert mask == mask_entries(TABLE, fraction, seed, eligible)


def test_draws_refuse_what_cannot_be():
    for wrong in (-0.1, 1.5):
        with pytest.raises(MaskError, match="share"):
            mask_entries(TABLE, wrong)
    with pytest.raises(MaskError, match="nonsense"):
        mask_entries(TABLE, 0.5, eligible="nonsense")
    with pytest.raises(MaskError, match="99 genes"):
        mask_random_genes(TABLE, 99)


def test_random_genes_have_counts_and_cells_are_at_least_one():
    counts = np.ones((4, 6))
    counts[:, [1, 4]] = 0
    table = make_table(counts)
    assert set(mask_random_genes(table, 4, 3).hidden_genes) == {
        "GENE0",
        "GENE2",
        "GENE3",
        "GENE5",
    }
    assert len(mask_random_cells(table, 0.01).hidden_cells) == 1


def test_strata_are_left_closed_and_leave_out_empty_genes():
    counts = np.ones((100, 5))
    for gene, zeros in enumerate([74, 75, 90, 95, 100]):
        counts[:zeros, gene] = 0
    group = strata(make_table(counts))
    assert list(group[:4]) == list(STRATA)
    assert group.isna().tolist() == [False] * 4 + [True]


def test_mask_strata_takes_what_a_stratum_has():
    rng = np.random.default_rng(1)
    table = make_table(rng.poisson(np.geomspace(0.02, 3, 40), (200, 40)))
    sizes = strata(table).value_counts()
    mask = mask_strata(table, per_stratum=6, seed=3)
    drawn = strata(table)[mask.hidden_genes].value_counts()
    assert dict(drawn) == {name: min(6, sizes[name]) for name in sizes.index}
    assert mask == mask_strata(table, per_stratum=6, seed=3)
    assert mask != mask_strata(table, per_stratum=6, seed=4)


def test_a_mask_follows_its_cells_into_another_order():
    mask = mask_cells(TABLE, ["cell1"]) | mask_genes(TABLE, ["GENE2"])
    shuffled = TABLE[[4, 1, 0], ::-1]
    moved = mask.for_table(shuffled)
    assert moved.hidden_cells == ["cell1"]
    assert moved.hidden_genes == ["GENE2"]
    assert moved.n_hidden == 3 + 4


def test_names_that_occur_twice_are_named():
    table = make_table()
    table.var_names = ["A", "B", "A", "C", "D"]
    with pytest.raises(MaskError, match="1 gene names occur more than once: A"):
        mask_genes(table, ["B"])


def test_masks_of_different_tables_do_not_mix():
    other = make_table(np.ones((3, 2)))
    with pytest.raises(MaskError, match="different tables"):
        _ = Mask.empty(TABLE) | Mask.empty(other)
