"""Which kind of sender gets more attention than its share, against the dense matrix."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scfm.analysis.attention.senders import sender_excess
from napari_scfm.models.attention import Attention, Block


def test_excess_is_the_share_of_attention_over_the_share_of_cells():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, 25)
    codes[4] = -1
    weights = rng.random((25, 25))
    got = sender_excess(Attention.from_matrix(weights), codes, 3)
    np.fill_diagonal(weights, 0)
    others = ~np.eye(25, dtype=bool)
    for kind in range(3):
        share = weights[:, codes == kind].sum(axis=1) / weights.sum(axis=1)
        cells = (others & (codes == kind)).sum(axis=1) / 24
        np.testing.assert_allclose(got[:, kind], share / cells)


def test_even_attention_has_no_excess():
    codes = np.arange(20) % 4
    got = sender_excess(Attention.from_matrix(np.ones((20, 20))), codes, 4)
    np.testing.assert_allclose(got, 1)


def test_only_the_own_bag_counts_and_what_cannot_be_known_is_nan():
    rng = np.random.default_rng(1)
    bags = np.arange(0, 10), np.arange(10, 20)
    blocks = [Block(cells, *rng.random((2, 10, 4))) for cells in bags]
    codes = np.r_[np.zeros(10, int), np.ones(9, int), 0]
    got = sender_excess(Attention(blocks, 21), np.r_[codes, 0], 2)
    assert got[0, 0] == pytest.approx(1)
    assert np.isnan(got[0, 1]), "no cell of this kind in the bag"
    assert np.isnan(got[20]).all(), "a cell outside every bag"
    assert np.isnan(got[19, 0]), "it is the only one of its kind, and not its partner"
