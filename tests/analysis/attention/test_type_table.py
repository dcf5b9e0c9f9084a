"""The type-to-type table of attention, against the dense matrix."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scfm import type_table
from napari_scfm.errors import ScfmError
from napari_scfm.models.attention import Attention, Block

NAMES = ("tumour", "fibroblast", "T cell")


def _two_bags(seed: int = 0) -> Attention:
    """Return attention over 40 cells: two bags by factors, two cells in none."""
    rng = np.random.default_rng(seed)
    blocks = []
    for cells in (np.arange(0, 38, 2), np.arange(1, 38, 2)):
        query, key = rng.random((2, len(cells), 5))
        blocks.append(Block(cells, query=query, key=key))
    return Attention(blocks, 40)


def _dense_table(attention: Attention, codes: np.ndarray, a: int, b: int):
    """Return weight, share and times of one pair of kinds, pair by pair."""
    weights, homes = attention.dense(), attention.homes()
    other = (homes[:, None] == homes) & ~np.eye(len(homes), dtype=bool)
    other &= (homes >= 0)[:, None] & (codes >= 0)[:, None] & (codes >= 0)
    rows = other & (codes == a)[:, None]
    pairs = rows & (codes == b)
    share = weights[pairs].sum() / weights[rows].sum()
    return weights[pairs].mean(), share, share / (pairs.sum() / rows.sum())


def test_every_number_is_that_of_the_dense_matrix():
    attention = _two_bags()
    codes = np.random.default_rng(1).integers(0, 3, 40)
    codes[5] = -1
    table = type_table(attention, codes, NAMES)
    assert len(table) == 9
    for row in table.itertuples():
        a, b = NAMES.index(row.receiver), NAMES.index(row.sender)
        expected = _dense_table(attention, codes, a, b)
        assert (row.weight, row.share, row.times) == pytest.approx(expected)
        inside = codes[attention.homes() >= 0]
        assert (row.n_receivers, row.n_senders) == (
            np.sum(inside == a),
            np.sum(inside == b),
        )


def test_even_attention_is_one_times_everywhere():
    codes = np.repeat([0, 1, 2], [3, 50, 7])
    table = type_table(Attention.from_matrix(np.full((60, 60), 0.2)), codes, NAMES)
    np.testing.assert_allclose(table["times"], 1)
    np.testing.assert_allclose(table["weight"], 0.2)
    np.testing.assert_allclose(table.groupby("receiver")["share"].sum(), 1)


def test_attention_to_oneself_counts_nowhere():
    weights = np.random.default_rng(2).random((30, 30))
    codes = np.arange(30) % 3
    plain = type_table(Attention.from_matrix(weights), codes, NAMES)
    vain = type_table(Attention.from_matrix(weights + 50 * np.eye(30)), codes, NAMES)
    np.testing.assert_allclose(vain["share"], plain["share"])


def test_the_receiver_is_the_query():
    weights = np.zeros((6, 6))
    weights[:3, 3:] = 1.0
    table = type_table(Attention.from_matrix(weights), np.repeat([0, 1], 3), NAMES[:2])
    row = table.set_index(["receiver", "sender"])["weight"]
    assert row["tumour", "fibroblast"] == 1
    assert row["fibroblast", "tumour"] == 0


def test_kinds_without_cells_have_no_numbers():
    codes = np.array([0, 0, 0, 1])
    table = type_table(Attention.from_matrix(np.ones((4, 4))), codes, NAMES)
    empty = table[(table["receiver"] == "T cell") | (table["sender"] == "T cell")]
    assert empty["weight"].isna().all()
    alone = table[
        (table["receiver"] == "fibroblast") & (table["sender"] == "fibroblast")
    ]
    assert alone["weight"].isna().all()
    assert alone["n_senders"].item() == 1


def test_codes_that_do_not_fit_are_refused():
    attention = Attention.from_matrix(np.ones((4, 4)))
    with pytest.raises(ScfmError, match="4 cells"):
        type_table(attention, np.zeros(3, int), NAMES)
    with pytest.raises(ScfmError, match="3 names"):
        type_table(attention, np.array([0, 1, 2, 3]), NAMES)
