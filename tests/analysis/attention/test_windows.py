"""Acceptance of attention that was read in windows, where not all pairs were seen."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy.spatial import cKDTree

from napari_scfm.analysis.attention.attention_field import attention_field
from napari_scfm.analysis.attention.neighbours import pairs_of
from napari_scfm.analysis.attention.senders import sender_excess
from napari_scfm.analysis.attention.type_table import type_table
from napari_scfm.errors import ScfmError
from napari_scfm.models.attention import Attention, Block
from napari_scfm.models.sct.bags import centred, tiles

WAYS = [{}, {"neighbours": 10}, {"radius": 90.0}]


def _cells(seed: int, n: int = 300) -> tuple[np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return rng.random((n, 2)) * 1000, rng


def _in_windows(xy, mode, rng) -> Attention:
    """Even attention over the cells that share a window."""
    n = len(xy)
    every = np.arange(n)
    windows = (
        centred(every, xy, 20)
        if mode == "centred"
        else [window for _ in range(4) for window in tiles(every, xy, 20, rng)]
    )
    seen = np.zeros((n, n), dtype=bool)
    for window in windows:
        seen[np.ix_(window.cells[window.kept], window.cells)] = True
    return Attention.from_matrix(sparse.csr_array(seen / seen.sum(1, keepdims=True)))


@pytest.mark.parametrize("direction", ["received", "sent"])
@pytest.mark.parametrize("mode", ["tiles", "centred"])
def test_windows_and_borders_alone_leave_nothing(mode, direction):
    xy, rng = _cells(0)
    attention = _in_windows(xy, mode, rng)
    for way in WAYS:
        field = attention_field(attention, xy, direction, permutations=19, **way)
        assert field.null == "rings"
        assert field.p_value == 1
        assert field.shares.geometry > 1 - 1e-9


def test_partners_are_the_cells_that_were_seen():
    xy, rng = _cells(1)
    attention = _in_windows(xy, "tiles", rng)
    seen = attention.dense() > 0
    field = attention_field(attention, xy, permutations=0)
    np.testing.assert_array_equal(field.partners, seen.sum(axis=1) - 1)
    near = attention_field(attention, xy, neighbours=12, permutations=0).partners
    nearest = cKDTree(xy).query(xy, k=13)[1][:, 1:]
    np.testing.assert_array_equal(near, np.take_along_axis(seen, nearest, 1).sum(1))


def test_kinds_that_lie_together_do_not_seem_to_attend_to_one_another():
    xy, rng = _cells(2)
    attention = _in_windows(xy, "centred", rng)
    codes = (xy[:, 0] > 500).astype(int)
    table = type_table(attention, codes, ["left", "right"])
    np.testing.assert_allclose(table["times"], 1)
    seen = attention.dense() > 0
    pairs = seen[codes == 0][:, codes == 1].sum()
    weight = table.query("receiver == 'left' and sender == 'right'")["weight"]
    assert weight.item() == pytest.approx(1 / 20)
    excess = sender_excess(attention, codes, 2)
    known = excess[np.isfinite(excess)]
    np.testing.assert_allclose(known, 1)
    assert 0 < pairs < len(known)


def test_what_is_even_is_even_over_the_cells_that_were_seen():
    query = np.random.default_rng(3).random((5, 2))
    whole = Attention([Block(np.arange(5), query=query, key=query)], 5)
    assert whole.all_seen
    assert whole.seen() is None
    np.testing.assert_allclose(whole.even().dense(), (1 - np.eye(5)) / 4, atol=1e-12)
    part = sparse.csr_array([[0.2, 0.8, 0], [0, 1, 0], [0.5, 0.25, 0.25]])
    read = Attention.from_matrix(part)
    assert not read.all_seen
    want = [[0, 1, 0], [0, 0, 0], [0.5, 0.5, 0]]
    np.testing.assert_allclose(read.even().dense(), want)
    pairs = pairs_of(np.eye(3)[:, :2], np.zeros(3, dtype=int), seen=read.seen())
    assert list(zip(pairs.rows, pairs.columns, strict=True)) == [(0, 1), (2, 0), (2, 1)]


def test_keys_do_not_change_places_between_cells_that_were_never_read_together():
    xy, rng = _cells(4, 60)
    attention = _in_windows(xy, "tiles", rng)
    for null in ("keys", "shift"):
        with pytest.raises(ScfmError, match="elsewhere is not known"):
            attention_field(attention, xy, neighbours=5, null=null)
    with pytest.raises(ScfmError, match="read in windows"):
        attention_field(attention, xy, method="commot")
