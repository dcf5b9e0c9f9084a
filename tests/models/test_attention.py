from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from napari_scfm.models.attention import Attention, Block


def _factors(n: int, seed: int, dtype=np.float64) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.random((n, 7)).astype(dtype), rng.random((n, 7)).astype(dtype)


@pytest.fixture(params=["factors", "dense", "sparse", "two bags"])
def attention(request) -> Attention:
    query, key = _factors(30, 1)
    if request.param == "factors":
        return Attention([Block(np.arange(30), query=query, key=key)], 30)
    if request.param == "dense":
        return Attention.from_matrix(query @ key.T)
    if request.param == "sparse":
        weights = sparse.random_array((30, 30), density=0.3, rng=3)
        return Attention.from_matrix(sparse.csr_array(weights))
    odd, even = np.arange(1, 29, 2), np.arange(0, 29, 2)
    blocks = [Block(odd, query=query[odd], key=key[odd])]
    blocks.append(Block(even, matrix=query[even] @ key[even].T))
    return Attention(blocks, 30)


def test_every_reading_agrees_with_the_dense_matrix(attention: Attention):
    dense = attention.dense()
    values = np.random.default_rng(0).normal(size=(30, 3))
    np.testing.assert_allclose(attention.apply(values), dense @ values)
    np.testing.assert_allclose(attention.apply(values[:, 0]), dense @ values[:, 0])
    np.testing.assert_allclose(attention.apply_transposed(values), dense.T @ values)
    np.testing.assert_allclose(attention.diagonal(), np.diag(dense))
    factor = np.random.default_rng(1).random(30)
    scaled = attention.with_keys_scaled(factor)
    np.testing.assert_allclose(scaled.dense(), dense * factor)
    np.testing.assert_allclose(attention.row_sums(), dense.sum(axis=1))
    np.testing.assert_allclose(attention.row(4), dense[4])
    np.testing.assert_allclose(attention.column(4), dense[:, 4])


def test_squares_are_summed_by_group_of_keys(attention: Attention):
    dense = attention.dense()
    codes = np.arange(30) % 3
    for block in attention.blocks:
        got = block.squares(codes[block.cells], 3)
        part = dense[np.ix_(block.cells, block.cells)] ** 2
        for group in range(3):
            chosen = codes[block.cells] == group
            np.testing.assert_allclose(got[:, group], part[:, chosen].sum(axis=1))


def test_top_k_is_exact(attention: Attention):
    dense, top = attention.dense(), attention.top_k(4).toarray()
    for row, kept in zip(dense, top, strict=True):
        want = np.sort(row[row > 0])[-4:]
        np.testing.assert_allclose(np.sort(kept[kept > 0]), want)


def test_double_values_are_summed_in_double_precision():
    query, key = _factors(5000, 2, np.float32)
    attention = Attention([Block(np.arange(5000), query=query, key=key)], 5000)
    values = np.random.default_rng(0).normal(size=(5000, 2))
    exact = query.astype(float) @ (key.astype(float).T @ values)
    np.testing.assert_allclose(attention.apply(values), exact, rtol=1e-9)
    assert attention.apply(values.astype(np.float32)).dtype == np.float32


def test_a_matrix_must_be_square():
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        Attention.from_matrix(np.ones((2, 3)))
