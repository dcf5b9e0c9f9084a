"""Attention of sCT has no pattern of its own, and shows one that was put there."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
import torch
from scipy import sparse

from napari_scfm.analysis.attention.attention_field import attention_field
from napari_scfm.models.sct.attending import gathered
from napari_scfm.models.sct.bags import tiles
from napari_scfm.models.sct.levelling import levelled

NAMES = [f"G{i}" for i in range(9)]
CELLS, WINDOW, FIELDS = 220, 15, 10


def _untrained(small, seed, **options):
    model = small(cells=WINDOW, **options)
    torch.manual_seed(seed)
    for weights in model.network.parameters():
        weights.data.normal_(0, 0.3)
    return model


def _shuffled(seed):
    """Five kinds of cells that lie anywhere."""
    rng = np.random.default_rng(1000 + seed)
    kinds = rng.gamma(0.6, 3, (5, len(NAMES)))[rng.integers(0, 5, CELLS)]
    counts = rng.poisson(kinds * rng.gamma(3, 1 / 3, (CELLS, 1)) + 0.3)
    table = ad.AnnData(sparse.csr_matrix(counts.astype(np.float32)))
    table.var_names = NAMES
    table.obs_names = [f"c{i}" for i in range(CELLS)]
    table.obsm["spatial"] = rng.uniform(0, 800, (CELLS, 2))
    return table


@pytest.mark.parametrize("windows", ["tiles", "centred"])
def test_an_untrained_network_on_shuffled_cells_is_chance(small, windows):
    orders = 4 if windows == "tiles" else 1
    found = []
    for seed in range(FIELDS):
        model = _untrained(small, seed, windows=windows, attention_orders=orders)
        table = _shuffled(seed)
        attention, xy = model.attend(table), table.obsm["spatial"]
        found.append(
            [
                attention_field(
                    attention, xy, way, neighbours=near, permutations=19, seed=seed
                ).significant
                for near in (None, 10)
                for way in ("received", "sent")
            ]
        )
    assert (np.mean(found, axis=0) <= 0.1).all()


def test_a_direction_in_the_same_windows_is_found():
    found, off = [], []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        xy = rng.uniform(0, 800, (CELLS, 2))
        read = []
        for number in range(8):
            cuts = np.random.default_rng((seed, number))
            for window in tiles(np.arange(CELLS), xy, WINDOW, cuts):
                away = xy[window.cells] - xy[window.cells][:, None]
                length = np.linalg.norm(away, axis=2)
                np.fill_diagonal(length, 1)
                # keys to the right weigh more, and some cells weigh more with all
                one = 1 + 0.3 * away[..., 0] / length + 0.2 * rng.random(length.shape)
                one *= rng.uniform(0.8, 1.2, WINDOW)
                read.append((window, one / one.sum(axis=1, keepdims=True)))
        attention = gathered(CELLS, [np.arange(CELLS)], read)
        field = attention_field(attention, xy, neighbours=10, permutations=39)
        found.append(field.significant)
        x, y = field.residual.mean(axis=0)
        off.append(abs(np.degrees(np.arctan2(y, -x))))
    assert all(found)
    assert max(off) < 10


def test_a_window_is_taken_apart_into_rows_columns_and_the_rest():
    rng = np.random.default_rng(0)
    rows, columns = rng.uniform(0.5, 2, (2, 12))
    product = rows[:, None] * columns
    weights = product / product.sum(axis=1, keepdims=True)
    made = levelled(weights)
    off = ~np.eye(12, dtype=bool)
    np.testing.assert_allclose(made.weights[off], 1, rtol=1e-3)
    np.testing.assert_array_equal(made.own, np.diagonal(weights))
    ratio = made.popularity / columns
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=1e-3)
    alone = levelled(np.ones((1, 1)))
    assert alone.weights.tolist() == [[0.0]]
    assert alone.own.tolist() == [1.0]


def test_the_company_of_a_window_does_not_change_a_pair():
    """Windows with hubs, or where a cell is looked at for its place, weigh the same."""
    cells, rng = np.arange(30), np.random.default_rng(1)
    read = []
    for _ in range(40):
        (window, *_) = tiles(rng.permutation(cells), None, 10, rng)
        one = np.ones((10, 10)) * rng.uniform(0.3, 3, 10)
        read.append((window, one / one.sum(axis=1, keepdims=True)))
    attention = gathered(30, [cells], read)
    np.testing.assert_allclose(attention.row_sums(), 1)
    dense = attention.dense()
    other = (dense > 0) & ~np.eye(30, dtype=bool)
    keys = np.exp(np.log(np.where(other, dense, 1)).sum(axis=0) / other.sum(axis=0))
    rows, columns = np.nonzero(other)
    level = dense[rows, columns] / keys[columns]
    own = np.bincount(rows, level, 30) / np.bincount(rows, minlength=30)
    np.testing.assert_allclose(level / own[rows], 1, rtol=0.02)
