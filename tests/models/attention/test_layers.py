"""Rollouts against the products that are never formed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from napari_scfm.models.attention import Attention, Block, rollout


def explicit(layers: list[Attention]) -> np.ndarray:
    """Return the product of ``(A + I) / 2`` with rows of A that sum to 1."""
    product = np.eye(layers[0].n_cells)
    for layer in layers:
        dense = layer.dense()
        total = dense.sum(axis=1, keepdims=True)
        rows = np.divide(dense, total, out=np.eye(len(dense)), where=total > 0)
        product = (rows + np.eye(len(dense))) / 2 @ product
    inside = layers[0].homes() >= 0
    return product * np.outer(inside, inside)


@st.composite
def networks(draw, kinds=("factors", "dense", "sparse")) -> list[Attention]:
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    sizes = draw(st.lists(st.integers(1, 8), min_size=1, max_size=3))
    n = sum(sizes) + draw(st.integers(0, 2))
    bags = np.split(rng.permutation(n)[: sum(sizes)], np.cumsum(sizes)[:-1])
    kinds = [draw(st.sampled_from(kinds)) for _ in bags]
    dead = draw(st.booleans())

    def block(cells: np.ndarray, kind: str) -> Block:
        query, key = rng.random((2, len(cells), int(rng.integers(1, 5))))
        if dead:
            query[0] = 0
        if kind == "factors":
            return Block(cells, query=query, key=key)
        weights = query @ key.T
        if kind == "sparse":
            weights = sparse.csr_array(weights * (rng.random(weights.shape) < 0.4))
        return Block(cells, matrix=weights)

    count = draw(st.integers(1, 4))
    return [
        Attention([block(*one) for one in zip(bags, kinds, strict=True)], n)
        for _ in range(count)
    ]


@given(networks())
def test_a_rollout_is_the_product_of_the_layers(layers: list[Attention]) -> None:
    got = rollout(layers)
    np.testing.assert_allclose(got.dense(), explicit(layers), rtol=1e-9, atol=1e-12)
    inside = got.homes() >= 0
    np.testing.assert_allclose(got.row_sums()[inside], 1)
    values = np.random.default_rng(0).normal(size=(got.n_cells, 2))
    np.testing.assert_allclose(got.apply(values), got.dense() @ values, atol=1e-12)


@given(networks(kinds=("factors",)))
def test_factors_are_as_wide_as_those_of_all_layers(layers: list[Attention]) -> None:
    got = rollout(layers)
    assert got.has_factors
    for number, block in enumerate(got.blocks):
        widths = [layer.blocks[number].query.shape[1] for layer in layers]
        assert block.query.shape == block.key.shape == (len(block.cells), sum(widths))


def test_single_precision_stays_single_and_is_close() -> None:
    rng = np.random.default_rng(1)
    cells = np.arange(400)
    layers = [
        Attention([Block(cells, *rng.random((2, 400, 16)).astype(np.float32))], 400)
        for _ in range(4)
    ]
    got = rollout(layers)
    assert got.blocks[0].query.dtype == got.blocks[0].key.dtype == np.float32
    want = explicit(layers)
    np.testing.assert_allclose(got.dense(), want, rtol=2e-5)


def test_layers_of_other_cells_are_refused() -> None:
    one = np.ones((3, 1))
    here = Attention([Block(np.array([0, 1, 2]), one, one)], 4)
    there = Attention([Block(np.array([1, 2, 3]), one, one)], 4)
    with pytest.raises(ValueError, match="same bags"):
        rollout([here, there])
    with pytest.raises(ValueError, match="at least one"):
        rollout([])
