from __future__ import annotations

import math

import numpy as np
import pytest

from napari_scfm.analysis.attention.attention_field import attention_field
from napari_scfm.analysis.attention.commot import commot_vectors
from napari_scfm.errors import ScfmError
from napari_scfm.models.attention import Attention, Block


def _random(n: int, seed: int) -> tuple[Attention, np.ndarray]:
    rng = np.random.default_rng(seed)
    return Attention.from_matrix(rng.random((n, n))), rng.random((n, 2)) * 500


def _factors(n: int, dtype=np.float64) -> tuple[Attention, np.ndarray]:
    rng = np.random.default_rng(5)
    query, key = (rng.random((n, 6)).astype(dtype) for _ in range(2))
    block = Block(np.arange(n), query=query, key=key)
    return Attention([block], n), rng.random((n, 2)) * 500


def _pulled(xy: np.ndarray, towards: tuple[float, float]) -> np.ndarray:
    """Return local weights that favour keys upstream of a flow."""
    away = xy[:, None] - xy[None]
    distance = np.linalg.norm(away, axis=-1) + np.eye(len(xy))
    along = away @ np.asarray(towards) / distance
    weights = np.exp(-0.5 * (distance / 40) ** 2 + 0.3 * along)
    np.fill_diagonal(weights, 0)
    return weights


@pytest.mark.parametrize("direction", ["received", "sent"])
def test_vectors_are_displacements_from_keys_to_queries(direction):
    attention, xy = _random(50, 0)
    weights = attention.dense()
    np.fill_diagonal(weights, 0)
    if direction == "sent":
        weights = weights.T
    centre = weights @ xy / weights.sum(axis=1, keepdims=True)
    want = xy - centre if direction == "received" else centre - xy
    field = attention_field(attention, xy, direction, strata=np.arange(50) % 3)
    np.testing.assert_allclose(field.vectors, want, atol=1e-9)
    np.testing.assert_allclose(field.expectation + field.residual, field.vectors)
    assert sum(field.shares) == pytest.approx(1)


def test_expectation_is_the_mean_over_exchanges_of_the_other_keys():
    attention, xy = _random(12, 3)
    kinds = np.arange(12) % 2
    field = attention_field(attention, xy, strata=kinds, permutations=0)
    weights, query = attention.dense(), 4
    others = [j for j in range(12) if j != query]
    rng, centres = np.random.default_rng(0), []
    for _ in range(20_000):
        at = xy.copy()
        for kind in (0, 1):
            pool = [j for j in others if kinds[j] == kind]
            at[pool] = xy[rng.permutation(pool)]
        centres.append(weights[query, others] @ at[others])
    centres = np.array(centres) / weights[query, others].sum()
    error = centres.std(axis=0) / np.sqrt(len(centres))
    expected = xy[query] - field.expectation[query]
    assert (np.abs(centres.mean(axis=0) - expected) < 5 * error).all()


def test_attention_without_structure_is_not_significant_and_raw_arrows_point_in():
    p_values, inward = [], []
    for seed in range(40):
        attention, xy = _random(200, seed)
        field = attention_field(attention, xy, seed=seed)
        p_values.append(field.p_value)
        centre = xy.mean(axis=0) - xy
        edge = np.linalg.norm(centre, axis=1) > 250
        flow = -field.vectors[edge]  # towards the keys' centre
        cosine = np.sum(flow * centre[edge], axis=1) / (
            np.linalg.norm(flow, axis=1) * np.linalg.norm(centre[edge], axis=1)
        )
        inward.append(cosine.mean())
    assert np.mean(np.array(p_values) > 0.05) >= 0.9
    assert np.mean(inward) > 0.95


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_constant_attention_leaves_nothing(dtype):
    xy = np.random.default_rng(0).random((200, 2)) * 1e4
    flat = np.full((200, 3), 0.6, dtype=dtype)
    block = Block(np.arange(200), query=flat, key=flat)
    field = attention_field(Attention([block], 200), xy, strata=np.arange(200) % 4)
    assert field.p_value == 1
    assert field.shares.rest < 1e-9
    assert np.abs(field.residual).max() < 1e-3


def test_layout_of_types_alone_is_not_significant():
    p_within, p_free = [], []
    for seed in range(15):
        rng = np.random.default_rng(seed)
        xy = rng.random((250, 2))
        kinds = (xy[:, 0] * 3).astype(int)
        weights = rng.random((3, 3))[kinds][:, kinds] ** 2 * rng.random((250, 250))
        attention = Attention.from_matrix(weights)
        p_within.append(attention_field(attention, xy, strata=kinds).p_value)
        p_free.append(attention_field(attention, xy).p_value)
    assert np.mean(np.array(p_within) < 0.05) <= 0.2
    assert np.mean(np.array(p_free) < 0.05) >= 0.8


@pytest.mark.parametrize("angle", [0, 70, 200])
def test_a_planted_flow_is_found_with_its_direction(angle):
    way = (math.cos(math.radians(angle)), math.sin(math.radians(angle)))
    xy = np.random.default_rng(angle).random((400, 2)) * 500
    attention = Attention.from_matrix(_pulled(xy, way))
    for direction in ("received", "sent"):
        field = attention_field(attention, xy, direction)
        mean = field.residual.mean(axis=0)
        off = math.degrees(math.acos(mean @ way / np.linalg.norm(mean)))
        assert off < 10
        assert field.significant


def test_popular_keys_are_layout_once_keys_are_evened():
    p_values, hub = [], np.ones(200)
    hub[:10] = 30
    for seed in range(20):
        attention, xy = _random(200, seed)
        skewed = attention.with_keys_scaled(hub * (0.5 + xy[:, 0] / 500))
        kept = attention_field(skewed, xy, permutations=19)
        even = attention_field(skewed, xy, even_keys=True)
        np.testing.assert_allclose(even.vectors, kept.vectors)
        np.testing.assert_allclose(even.expectation + even.residual, even.vectors)
        assert even.shares.rest < 0.5 * kept.shares.rest
        drift = np.linalg.norm(even.residual.mean(axis=0))
        assert drift < 0.1 * np.linalg.norm(kept.residual.mean(axis=0))
        p_values.append(even.p_value)
    assert np.mean(np.array(p_values) > 0.05) >= 0.85
    with pytest.raises(ScfmError, match="method='mean'"):
        attention_field(attention, xy, method="commot", even_keys=True)


def test_a_planted_local_flow_survives_evening_the_keys():
    xy = np.random.default_rng(3).random((400, 2)) * 500
    attention = Attention.from_matrix(_pulled(xy, (1, 0)))
    field = attention_field(attention, xy, even_keys=True)
    mean = field.residual.mean(axis=0)
    assert abs(math.degrees(math.atan2(mean[1], mean[0]))) < 10


def test_pixels_and_micrometres_give_the_same_picture():
    attention, xy = _random(150, 2)
    kinds = np.arange(150) % 3
    um = attention_field(attention, xy, strata=kinds)
    px = attention_field(attention, xy / 0.12 + 3000, strata=kinds)
    np.testing.assert_allclose(px.grid_u * 0.12, um.grid_u, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose((px.grid_x - 3000) * 0.12, um.grid_x)
    assert px.p_value == um.p_value
    np.testing.assert_allclose(px.shares, um.shares)


def test_bags_have_their_own_geometry():
    (first, xy), n = _factors(60), 60
    block = first.blocks[0]
    far = Block(np.arange(n, 2 * n), query=block.query, key=block.key)
    both = Attention([block, far], 2 * n)
    together = attention_field(both, np.vstack([xy, xy + 9000]), permutations=9)
    alone = attention_field(first, xy, permutations=9)
    np.testing.assert_allclose(together.residual[:n], alone.residual, atol=1e-9)
    np.testing.assert_allclose(together.residual[n:], alone.residual, atol=1e-9)
    assert together.shares.rest == pytest.approx(alone.shares.rest)


def test_single_precision_factors_are_good_enough():
    double, xy = _factors(300)
    single, _ = _factors(300, np.float32)
    want = attention_field(double, xy + 20_000, permutations=0).residual
    got = attention_field(single, xy + 20_000, permutations=0).residual
    assert np.abs(got - want).max() < 1e-4 * np.abs(want).max()


def test_commot_vectors_and_their_expectation():
    attention, xy = _random(80, 4)
    field = attention_field(attention, xy, "sent", "commot", k=7, permutations=39)
    want = commot_vectors(attention, xy, "sent", 7)
    np.testing.assert_allclose(field.vectors, want)
    np.testing.assert_allclose(field.expectation + field.residual, want)
    assert 0 < field.p_value <= 1
    same = attention_field(attention, xy, "sent", "commot", k=7, permutations=39)
    assert same.p_value == field.p_value


@pytest.mark.parametrize("method", ["mean", "commot"])
@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_few_or_coinciding_cells_give_a_valid_empty_field(n, method):
    attention = Attention.from_matrix(np.ones((n, n)))
    places = np.ones((n, 2)) if n == 5 else np.arange(2.0 * n).reshape(n, 2)
    field = attention_field(attention, places, method=method)
    assert math.isnan(field.p_value)
    assert not field.significant
    assert field.vectors.shape == field.residual.shape == (n, 2)
    assert np.isfinite(field.vectors).all()
    assert field.grid_u.shape == (len(field.grid_y), len(field.grid_x))


def test_cells_on_a_line_have_a_field():
    xy = np.stack([np.arange(50.0), np.zeros(50)], axis=1)
    field = attention_field(_random(50, 1)[0], xy, permutations=9)
    assert np.isfinite(field.grid_u).any()


def test_missing_positions_and_wrong_lengths_are_named():
    attention, xy = _random(10, 0)
    xy[3] = np.nan
    with pytest.raises(ScfmError, match="row 3"):
        attention_field(attention, xy)
    with pytest.raises(ScfmError, match="10 cells, but there are 4"):
        attention_field(attention, xy[:4])
    with pytest.raises(ScfmError, match="'received' or 'sent'"):
        attention_field(attention, np.ones((10, 2)), "both")
