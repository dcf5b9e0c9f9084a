from __future__ import annotations

import math

import numpy as np
import pytest

from napari_scfm.analysis.attention.attention_field import attention_field, region_p
from napari_scfm.analysis.attention.chance import compared
from napari_scfm.analysis.attention.rank import compressed
from napari_scfm.analysis.streams.grid import tissue_grid
from napari_scfm.errors import ScfmError
from napari_scfm.models.attention import Attention, Block


@pytest.fixture(scope="module")
def xy():
    return np.random.default_rng(0).random((300, 2)) * (900, 500)


def _pulled(xy: np.ndarray, where: np.ndarray | bool = True) -> Attention:
    """Weights that favour keys to the right, for some cells."""
    away = xy[None] - xy[:, None]
    distance = np.linalg.norm(away, axis=-1) + np.eye(len(xy))
    along = np.where(where, 0.4, 0.0)[..., None] * away[..., 0] / distance
    noise = np.random.default_rng(1).random(distance.shape)
    return Attention.from_matrix(np.exp(along - 0.5 * (distance / 80) ** 2) * noise)


def test_another_smoothing_is_the_field_asked_for_with_it(xy):
    attention = _pulled(xy)
    for local in ({}, {"neighbours": 20}):
        wide = attention_field(attention, xy, smoothing=4, permutations=19, **local)
        narrow = attention_field(attention, xy, permutations=19, **local)
        again = narrow.resmoothed(wide.smoothing_um)
        assert again.smoothing_um == pytest.approx(4 * wide.spacing)
        np.testing.assert_allclose(again.grid_u, wide.grid_u)
        np.testing.assert_array_equal(again.grid_p, wide.grid_p)
        assert again.p_value == wide.p_value
        assert again.residual is narrow.residual
        back = again.resmoothed(narrow.smoothing_um)
        np.testing.assert_allclose(back.grid_v, narrow.grid_v)
        um = attention_field(
            attention, xy, smoothing_um=wide.smoothing_um, permutations=0, **local
        )
        np.testing.assert_allclose(um.grid_u, wide.grid_u)


def test_parts_on_the_grid_add_up_and_tissue_does_not_depend_on_smoothing(xy):
    field = attention_field(_pulled(xy), xy, neighbours=20, permutations=9)
    parts = [field.on_grid(part) for part in ("geometry", "layout", "residual")]
    whole = field.on_grid("vectors")
    for axis in (0, 1):
        np.testing.assert_allclose(sum(part[axis] for part in parts), whole[axis])
    wide = field.resmoothed(8 * field.spacing)
    np.testing.assert_array_equal(np.isnan(wide.grid_u), np.isnan(field.grid_u))


def test_nodes_that_beat_chance_lie_where_the_flow_was_planted():
    xy = np.random.default_rng(4).random((800, 2)) * (1600, 500)
    attention = _pulled(xy, xy[:, 0] > 1000)
    field = attention_field(
        attention, xy, neighbours=20, null="rings", smoothing=3, permutations=39
    )
    tissue = np.isfinite(field.grid_p)
    there = np.broadcast_to(field.grid_x > 1000, field.grid_p.shape)
    far = np.broadcast_to(field.grid_x < 600, field.grid_p.shape)
    assert field.beats_chance[tissue & there].mean() > 0.5
    assert field.beats_chance[tissue & far].mean() < 0.02
    assert (np.isnan(field.grid_p) == np.isnan(field.grid_u)).all()
    assert not field.beats_chance[~tissue].any()
    assert region_p(field, xy[:, 0] > 1200) <= 0.05
    assert region_p(field, np.flatnonzero(xy[:, 0] < 500)) > 0.05


def test_no_node_beats_chance_among_all_cells_without_structure():
    found = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        places = rng.random((150, 2))
        attention = Attention.from_matrix(rng.random((150, 150)))
        field = attention_field(attention, places, seed=seed, permutations=39)
        found.append(field.beats_chance.any())
    assert np.mean(found) <= 0.1


def test_family_wise_p_counts_the_largest_node_of_each_permutation(xy):
    rng = np.random.default_rng(3)
    grid = tissue_grid(xy)
    rest, shuffled = rng.normal(size=(300, 2)), rng.normal(size=(19, 300, 2))
    chance = compared(grid, rest, shuffled)
    fields = np.array(
        [np.square(grid.smooth(one)).sum(axis=1) for one in (rest, *shuffled)]
    )
    relative = fields / fields.mean(axis=0)
    largest = relative[1:].max(axis=1)
    want = (1 + (largest[:, None] >= relative[0]).sum(axis=0)) / 20
    np.testing.assert_allclose(chance.node_p, want)
    energy = fields.sum(axis=1)
    assert chance.p_value == (1 + (energy[1:] >= energy[0]).sum()) / 20
    loud = compared(grid, 50 * rest, shuffled)
    assert (loud.node_p == 1 / 20).mean() > 0.9
    assert math.isnan(compared(grid, rest, shuffled[:0]).p_value)


def test_the_covariance_among_all_cells_is_that_of_the_permutations(xy):
    rng = np.random.default_rng(2)
    query, key = (rng.random((80, 5)) for _ in range(2))
    attention = Attention([Block(np.arange(80), query=query, key=key)], 80)
    for even in (False, True):
        field = attention_field(
            attention, xy[:80], strata=np.arange(80) % 2, permutations=4000,
            even_keys=even,
        )  # fmt: skip
        drawn = np.einsum("bni,bnj->nij", field.shuffled, field.shuffled) / 4000
        size = np.einsum("nii->n", field.covariance)[:, None, None]
        assert (np.abs(drawn - field.covariance) < 0.15 * size).all()


def test_regions_without_cells_or_chance_have_no_p(xy):
    field = attention_field(_pulled(xy), xy, neighbours=20, permutations=9)
    assert math.isnan(region_p(field, []))
    assert math.isnan(region_p(field, [5]))
    with pytest.raises(ScfmError, match="names cell 300, but the field has 300"):
        region_p(field, [3, 300])
    untested = attention_field(_pulled(xy), xy, permutations=0)
    assert math.isnan(region_p(untested, np.arange(50)))
    assert untested.resmoothed(50).shuffled.shape[0] == 0


def test_narrow_factors_have_the_same_weights():
    rng = np.random.default_rng(0)
    query, key = rng.random((400, 4)), rng.random((400, 4))
    wide = rng.normal(size=(4, 64))
    block = Block(np.arange(400), query=query @ wide, key=key @ np.linalg.pinv(wide).T)
    narrow = compressed(Attention([block], 400))
    assert narrow.blocks[0].query.shape[1] <= 6
    want = Attention([block], 400).dense()
    error = np.linalg.norm(narrow.dense() - want) / np.linalg.norm(want)
    assert error < 1e-6


@pytest.mark.parametrize("smoothing", [1.5, 3.0, 7.0])
def test_the_grid_smooths_with_a_gaussian(xy, smoothing):
    grid = tissue_grid(xy, smoothing=smoothing)
    values = np.random.default_rng(1).normal(size=(300, 2))
    at = np.stack(np.meshgrid(grid.x, grid.y), axis=-1)[grid.tissue]
    distance = np.linalg.norm(at[:, None] - xy, axis=-1)
    weights = np.exp(-0.5 * (distance / grid.width) ** 2)
    want = weights @ values / weights.sum(axis=1, keepdims=True)
    assert np.abs(grid.smooth(values) - want).max() < 0.02 * np.abs(want).max()
