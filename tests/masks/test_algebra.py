"""Packed masks against plain boolean arrays, for any shape."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from napari_scfm.errors import MaskError
from napari_scfm.masks import bits
from napari_scfm.masks.draw import random_words
from napari_scfm.masks.mask import Mask

shapes = st.tuples(
    st.sampled_from([0, 1, 2, 9]), st.sampled_from([0, 1, 7, 63, 64, 65, 130])
)


@st.composite
def dense(draw, number=1):
    """Draw boolean arrays of one shape: sparse, full, empty, whole rows and columns."""
    shape = draw(shapes)
    made = []
    for _ in range(number):
        rng = np.random.default_rng(draw(st.integers(0, 2**32)))
        values = rng.random(shape) < draw(st.sampled_from([0, 0.05, 0.5, 1]))
        if draw(st.booleans()):
            values[rng.random(shape[0]) < 0.3] = True
        if draw(st.booleans()):
            values[:, rng.random(shape[1]) < 0.3] = True
        made.append(values)
    return made


@pytest.fixture(autouse=True, params=[1 << 23, 100])
def in_blocks(monkeypatch, request):
    """Unpack few rows at a time too, as large tables need it."""
    monkeypatch.setattr(bits, "_AT_ONCE", request.param)
    monkeypatch.setattr(bits, "_FEW", request.param)


def as_mask(values):
    cells = [f"c{i}" for i in range(values.shape[0])]
    return Mask(values, cells, [f"g{i}" for i in range(values.shape[1])])


@given(dense(3))
@settings(max_examples=60)
def test_set_algebra_is_that_of_booleans(arrays):
    a, b, c = arrays
    x, y, z = map(as_mask, arrays)
    assert np.array_equal((x | y).dense(), a | b)
    assert np.array_equal((x & y).dense(), a & b)
    assert np.array_equal((x - y).dense(), a & ~b)
    assert (x == y) == np.array_equal(a, b)
    assert x | y == y | x
    assert x & y == y & x
    assert (x | y) | z == x | (y | z)
    assert x & (y | z) == (x & y) | (x & z)
    assert x - (y | z) == (x - y) - z
    assert (x | y) - y == x - y
    assert (x - y) | (x & y) == x
    assert np.array_equal(z.dense(), c), "operations leave their parts alone"


@given(dense())
@settings(max_examples=60)
def test_counts_names_and_matrix_are_those_of_booleans(arrays):
    (a,) = arrays
    mask = as_mask(a)
    assert mask.n_hidden == a.sum()
    assert mask.share == (a.mean() if a.size else 0)
    assert np.array_equal(mask.hidden_per_cell, a.sum(axis=1))
    assert np.array_equal(mask.hidden_per_gene, a.sum(axis=0))
    assert np.array_equal(mask.whole_genes, a.all(axis=0) & (a.shape[0] > 0))
    assert np.array_equal(mask.whole_cells, a.all(axis=1) & (a.shape[1] > 0))
    assert mask.touched_genes == [f"g{i}" for i in np.flatnonzero(a.any(axis=0))]
    assert np.array_equal(mask.matrix.toarray(), a)
    assert mask.matrix.has_canonical_format
    rows, columns = mask.entries
    assert list(zip(rows, columns, strict=True)) == list(
        zip(*np.nonzero(a), strict=True)
    )
    for gene in range(a.shape[1]):
        assert np.array_equal(mask.hidden_in(gene), a[:, gene])
        assert np.array_equal(mask.hidden_in(f"g{gene}"), a[:, gene])
    if a.size:
        row, column = np.divmod(np.arange(a.size), a.shape[1])
        assert np.array_equal(mask.at(row, column), a.ravel())
    scattered = a & ~a.all(axis=0) & ~a.all(axis=1)[:, None]
    assert np.array_equal(mask.scattered.dense(), scattered)


@given(dense())
@settings(max_examples=40)
def test_any_kind_of_matrix_makes_the_same_mask(arrays):
    (a,) = arrays
    mask = as_mask(a)
    for kind in (sparse.csr_matrix, sparse.csc_array, sparse.coo_array):
        assert as_mask(kind(a)) == mask
    twice = sparse.coo_array(np.where(a, 2, 0))
    double = sparse.coo_array(
        (np.tile(twice.data, 2), np.tile(twice.coords, 2)), shape=a.shape
    )
    assert as_mask(double) == mask
    explicit = sparse.csr_array(a.astype(np.float32))
    explicit.data[:1] = 0
    assert as_mask(explicit).n_hidden == max(0, mask.n_hidden - 1)


@given(dense(), st.integers(0, 99))
@settings(max_examples=60)
def test_a_mask_follows_names_into_any_order(arrays, seed):
    (a,) = arrays
    mask = as_mask(a)
    rng = np.random.default_rng(seed)
    cells = rng.permutation([*mask.cells, "new1", "new2"])[: rng.integers(0, 12)]
    genes = rng.permutation([*mask.genes, "other"])[: rng.integers(0, 140)]
    table = ad.AnnData(np.zeros((len(cells), len(genes)), np.float32))
    table.obs_names, table.var_names = cells.astype(str), genes.astype(str)
    moved = mask.for_table(table)
    known = {
        (c, g): a[i, j]
        for i, c in enumerate(mask.cells)
        for j, g in enumerate(mask.genes)
    }
    expected = [[known.get((c, g), False) for g in genes] for c in cells]
    assert np.array_equal(moved.dense(), np.reshape(expected, table.shape).astype(bool))
    assert list(moved.cells) == list(cells)


@given(dense(), st.integers(0, 99), st.booleans())
@settings(max_examples=40)
def test_visible_counts_are_the_counts_but_for_what_is_hidden(arrays, seed, packed):
    (a,) = arrays
    counts = np.random.default_rng(seed).poisson(0.7, a.shape).astype(np.float32)
    mask = as_mask(a)
    table = ad.AnnData(sparse.csr_matrix(counts) if packed else counts)
    table.obs_names, table.var_names = list(mask.cells), list(mask.genes)
    shown = mask.visible(table)
    assert np.array_equal(shown.toarray(), np.where(a, 0, counts))
    assert shown.dtype == np.float32
    assert (shown.data != 0).all()
    assert np.array_equal(np.asarray(table[:, :].X.sum()), counts.sum()), "unchanged"


@given(shapes, st.floats(0, 1), st.integers(0, 99))
@settings(max_examples=80)
def test_random_bits_are_exactly_so_many(shape, share, seed):
    number = round(share * shape[0] * shape[1])
    words = random_words(shape, number, np.random.default_rng(seed))
    assert int(np.bitwise_count(words).sum()) == number
    assert bits.unpack(words, shape[1]).sum() == number, "none beyond the last column"


def test_what_does_not_fit_is_refused():
    with pytest.raises(MaskError, match=r"shape \(2, 3\) does not fit 2 cells x 2"):
        Mask(np.zeros((2, 3)), ["a", "b"], ["x", "y"])
    mask = as_mask(np.zeros((2, 2), bool))
    with pytest.raises(MaskError, match="no gene XIST"):
        mask.hidden_in("XIST")
    twice = Mask(np.eye(2), ["a", "a"], ["x", "y"])
    table = ad.AnnData(np.zeros((1, 2), np.float32))
    table.obs_names, table.var_names = ["a"], ["x", "y"]
    with pytest.raises(
        MaskError, match="1 cell names of the mask occur more than once"
    ):
        twice.for_table(table)
