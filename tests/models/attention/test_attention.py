"""Every operation on attention against the dense matrix, on whatever bags there are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from napari_scfm.models.attention import Attention, Block

KINDS = ("factors", "diagonal", "dense", "sparse")
SINGLE = {"rtol": 2e-5, "atol": 1e-5}


def block(cells: np.ndarray, kind: str, rng: np.random.Generator) -> Block:
    n, width = len(cells), int(rng.integers(1, 6))
    if kind == "dense":
        return Block(cells, matrix=rng.random((n, n)))
    if kind == "sparse":
        weights = rng.random((n, n)) * (rng.random((n, n)) < 0.4)
        return Block(cells, matrix=sparse.csr_array(weights))
    query, key = rng.random((2, n, width)).astype(np.float32)
    own = rng.random(n) if kind == "diagonal" else None
    return Block(cells, query=query, key=key, own=own)


@st.composite
def attentions(draw, kinds=KINDS) -> Attention:
    """Bags of some kinds over shuffled cells, some of which are in no bag."""
    chosen = draw(st.lists(st.sampled_from(kinds), max_size=3))
    sizes = [draw(st.integers(1, 9)) for _ in chosen]
    n = sum(sizes) + draw(st.integers(0, 3))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    order = rng.permutation(n)
    bags = np.split(order[: sum(sizes)], np.cumsum(sizes)[:-1]) if chosen else []
    blocks = [block(bag, kind, rng) for bag, kind in zip(bags, chosen, strict=True)]
    return Attention(blocks, n)


def without_self(dense: np.ndarray) -> np.ndarray:
    return dense - np.diag(np.diag(dense))


@given(attentions(), st.integers(0, 99))
def test_products_rows_and_columns(attention: Attention, seed: int) -> None:
    dense, n = attention.dense(), attention.n_cells
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 3))
    np.testing.assert_allclose(attention.apply(values), dense @ values, **SINGLE)
    turned = attention.apply_transposed(values)
    np.testing.assert_allclose(turned, dense.T @ values, **SINGLE)
    np.testing.assert_allclose(attention.row_sums(), dense.sum(axis=1), **SINGLE)
    np.testing.assert_allclose(attention.diagonal(), np.diag(dense), **SINGLE)
    np.testing.assert_array_equal(attention.transposed().dense(), dense.T)
    for cell in rng.integers(0, n, min(n, 3)):
        np.testing.assert_allclose(attention.row(cell), dense[cell], **SINGLE)
        np.testing.assert_allclose(attention.column(cell), dense[:, cell], **SINGLE)


@given(attentions(), st.integers(0, 60), st.integers(0, 99))
def test_pairs(attention: Attention, count: int, seed: int) -> None:
    count = count if attention.n_cells else 0
    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(0, max(attention.n_cells, 1), (2, count))
    got = attention.pairs(rows, columns)
    assert got.shape == (count,)
    np.testing.assert_allclose(got, attention.dense()[rows, columns], **SINGLE)


def test_many_pairs_are_read_in_pieces() -> None:
    rng = np.random.default_rng(0)
    query, key = rng.random((2, 300, 200)).astype(np.float32)
    attention = Attention([Block(np.arange(300), query=query, key=key)], 300)
    rows, columns = rng.integers(0, 300, (2, 5000))
    exact = query.astype(float) @ key.astype(float).T
    got = attention.pairs(rows, columns)
    np.testing.assert_allclose(got, exact[rows, columns], rtol=2e-6)


@given(attentions(), st.integers(0, 99))
def test_restricting(attention: Attention, seed: int) -> None:
    dense, n = attention.dense(), attention.n_cells
    receivers, senders = np.random.default_rng(seed).random((2, n)) < 0.5
    both = attention.restricted(receivers, senders)
    np.testing.assert_allclose(both.dense(), dense * np.outer(receivers, senders))
    some = attention.restricted(receivers=receivers).dense()
    np.testing.assert_allclose(some, dense * receivers[:, None])
    np.testing.assert_allclose(
        attention.restricted(senders=senders).dense(), dense * senders
    )
    np.testing.assert_array_equal(attention.restricted().dense(), dense)
    factor = np.random.default_rng(seed).random(n)
    scaled = attention.with_keys_scaled(factor).dense()
    np.testing.assert_allclose(scaled, dense * factor, **SINGLE)


@given(attentions(), st.integers(0, 99), st.booleans())
def test_parts_keep_their_bags(attention: Attention, seed: int, as_bool: bool) -> None:
    rng = np.random.default_rng(seed)
    chosen = rng.random(attention.n_cells) < 0.6
    cells = np.flatnonzero(chosen)
    if not as_bool:
        rng.shuffle(cells)
    part = attention.of(chosen if as_bool else cells)
    assert part.n_cells == len(cells)
    np.testing.assert_allclose(part.dense(), attention.dense()[np.ix_(cells, cells)])
    was, now = attention.homes()[cells], part.homes()
    np.testing.assert_array_equal(was == -1, now == -1)
    np.testing.assert_array_equal(
        was[:, None] == was[None, :], now[:, None] == now[None, :]
    )


@given(attentions(), st.integers(1, 4), st.integers(0, 99))
def test_sums_between_groups_leave_each_cell_itself_out(
    attention: Attention, count: int, seed: int
) -> None:
    codes = np.random.default_rng(seed).integers(-1, count, attention.n_cells)
    chosen = (codes[:, None] == np.arange(count)).astype(float)
    want = chosen.T @ without_self(attention.dense()) @ chosen
    got = attention.group_sums(codes, count)
    np.testing.assert_allclose(got, want, **SINGLE)


@given(attentions(), st.integers(1, 3), st.integers(0, 99))
def test_squares_by_group_of_keys(attention: Attention, groups: int, seed: int) -> None:
    codes = np.random.default_rng(seed).integers(0, groups, attention.n_cells)
    chosen = (codes[:, None] == np.arange(groups)).astype(float)
    want = attention.dense() ** 2 @ chosen
    for one in attention.blocks:
        got = one.squares(codes[one.cells], groups)
        np.testing.assert_allclose(got, want[one.cells], **SINGLE)


@given(attentions())
def test_effective_partners(attention: Attention) -> None:
    for others, dense in (
        (False, attention.dense()),
        (True, without_self(attention.dense())),
    ):
        total = dense.sum(axis=1)
        alive = total > 1e-3
        rows = dense[alive] / total[alive, None]
        got = attention.effective_partners(without_self=others)
        np.testing.assert_allclose(got[alive], 1 / (rows**2).sum(axis=1), rtol=1e-4)


def test_even_attention_has_all_cells_as_partners_and_a_cell_without_bag_none() -> None:
    one = np.full((6, 1), 0.3)
    alone = Block(np.array([7]), query=one[:1], key=one[:1])
    attention = Attention([Block(np.arange(6), query=one, key=one), alone], 8)
    np.testing.assert_allclose(attention.effective_partners(), [6] * 6 + [0, 1])
    others = attention.effective_partners(without_self=True)
    np.testing.assert_allclose(others, [5] * 6 + [0, 0])


@given(attentions(("factors", "diagonal")), st.integers(0, 99))
def test_moved_keys_are_weighed_anew(attention: Attention, seed: int) -> None:
    rng = np.random.default_rng(seed)
    order = np.arange(attention.n_cells)
    kept = np.zeros(attention.n_cells)
    for one in attention.blocks:
        order[one.cells] = rng.permutation(one.cells)
        kept[one.cells] = 0 if one.own is None else one.own
    products = attention.dense() - np.diag(kept)
    got = attention.keys_moved(order)
    np.testing.assert_allclose(
        got.dense(), products[:, order] + np.diag(kept), **SINGLE
    )
    assert got.has_factors


def test_keys_move_only_where_there_are_keys_and_only_inside_bags() -> None:
    one = np.ones((2, 1))
    bags = [Block(np.arange(2), one, one), Block(np.arange(2, 4), one, one)]
    attention = Attention(bags, 4)
    with pytest.raises(ValueError, match="inside their bag"):
        attention.keys_moved(np.array([2, 1, 0, 3]))
    with pytest.raises(ValueError, match="one per cell"):
        attention.keys_moved(np.array([1, 0]))
    dense = Attention.from_matrix(np.eye(3))
    assert not dense.has_factors
    with pytest.raises(ValueError, match="has factors"):
        dense.keys_moved(np.arange(3))


def test_what_cannot_be_a_part_is_refused() -> None:
    attention = Attention.from_matrix(np.eye(3))
    with pytest.raises(ValueError, match="every cell once"):
        attention.of(np.array([0, 0]))
    with pytest.raises(ValueError, match="3 bools"):
        attention.restricted(np.array([0, 1, 1]))
    with pytest.raises(ValueError, match="3 bools"):
        attention.restricted(senders=np.array([True]))


@given(attentions(), st.integers(0, 12), st.booleans())
def test_the_strongest(attention: Attention, k: int, others: bool) -> None:
    dense = attention.dense()
    if others:
        dense = without_self(dense)
        assert not attention.top_k(k, without_self=True).diagonal().any()
    top = attention.top_k(k, without_self=others).toarray()
    np.testing.assert_array_equal(top[top > 0], dense[top > 0])
    for row, kept in zip(dense, top, strict=True):
        want = np.sort(row[row > 0])[::-1][:k]
        np.testing.assert_array_equal(np.sort(kept[kept > 0])[::-1], want)


def test_double_values_are_summed_in_double_precision() -> None:
    query, key = np.random.default_rng(2).random((2, 5000, 7)).astype(np.float32)
    attention = Attention([Block(np.arange(5000), query=query, key=key)], 5000)
    values = np.random.default_rng(0).normal(size=(5000, 2))
    exact = query.astype(float) @ (key.astype(float).T @ values)
    np.testing.assert_allclose(attention.apply(values), exact, rtol=1e-9)
    assert attention.apply(values.astype(np.float32)).dtype == np.float32


def test_a_matrix_must_be_square() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        Attention.from_matrix(np.ones((2, 3)))
