"""The strongest weights come out exact whatever the tiles are."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scfm.models.attention import Attention, Block, rollout, strongest


@pytest.fixture(params=["random", "rising", "falling", "even", "rollout"])
def attention(request) -> Attention:
    rng = np.random.default_rng(4)
    n = 61
    query, key = rng.random((2, n, 3)).astype(np.float32)
    if request.param == "rollout":
        other = Block(np.arange(n), query=key**3, key=query**2)
        layers = [Attention([b], n) for b in (Block(np.arange(n), query, key), other)]
        return rollout(layers)
    if request.param != "random":
        query = np.ones((n, 1), np.float32)
        key = np.arange(1, n + 1, dtype=np.float32)[:, None]
        key = {"rising": key, "falling": key[::-1], "even": 0 * key + 1}[request.param]
    return Attention([Block(np.arange(n), query=query, key=key)], n)


@pytest.mark.parametrize("tile", [(7, 5), (61, 20), (1, 61)])
@pytest.mark.parametrize("others", [True, False])
def test_tiles_of_any_size_find_the_same(monkeypatch, attention, tile, others) -> None:
    monkeypatch.setattr(strongest, "_ROWS", tile[0])
    monkeypatch.setattr(strongest, "_COLUMNS", tile[1])
    monkeypatch.setattr(strongest, "_FIRST", 3)
    dense = attention.dense()
    if others:
        np.fill_diagonal(dense, -1)
    for k in (1, 4, 30, 100):
        top = attention.top_k(k, without_self=others)
        keep = min(k, 60 if others else 61)
        np.testing.assert_array_equal(np.diff(top.indptr), keep)
        want = np.sort(dense, axis=1)[:, -keep:]
        got = np.sort(top.data.reshape(61, keep), axis=1)
        np.testing.assert_allclose(got, want, rtol=1e-6)
        entries = top.tocoo()
        weights = dense[entries.row, entries.col]
        np.testing.assert_allclose(entries.data, weights, rtol=1e-6)
