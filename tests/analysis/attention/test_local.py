"""Acceptance of the local regime: nothing where there is nothing, and a direction."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import sparse

from napari_scfm.analysis.attention.attention_field import attention_field, region_p
from napari_scfm.analysis.attention.neighbours import pairs_of
from napari_scfm.errors import ScfmError
from napari_scfm.models.attention import Attention, Block

SIDE = 1000.0
NULLS = ("rings", "keys", "shift")


def _cells(n: int, seed: int) -> tuple[np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return rng.random((n, 2)) * SIDE, rng


def _near(xy, rng, kappa=0.0, way=(1.0, 0.0), hubs=0.0, reach=30) -> Attention:
    """Weights on neighbours that favour keys upstream of a flow."""
    pairs = pairs_of(xy, np.zeros(len(xy), dtype=int), neighbours=reach)
    along = pairs.away @ np.asarray(way) / np.linalg.norm(pairs.away, axis=1)
    weights = rng.random(len(along)) * (1 - kappa * along)
    popular = np.where(rng.random(len(xy)) < 0.05, 1 + hubs, 1)
    weights = weights * popular[pairs.columns]
    shape = (len(xy), len(xy))
    matrix = sparse.csr_array((weights, (pairs.rows, pairs.columns)), shape=shape)
    return Attention.from_matrix(matrix)


def _factors(query: np.ndarray, key: np.ndarray) -> Attention:
    n, one = len(query), np.ones((len(query), 1))
    block = Block(
        np.arange(n), query=np.hstack([one, query]), key=np.hstack([one, key])
    )
    return Attention([block], n)


def _smooth(xy, width, rng, scale=150.0) -> np.ndarray:
    waves = rng.normal(size=(width, 40, 2)) / scale
    phase = rng.random((width, 40)) * 2 * np.pi
    at = np.einsum("nc,dmc->ndm", xy, waves) + phase
    return np.sqrt(2 / 40) * np.cos(at).sum(axis=2)


def _facing(xy, rng, way=(1.0, 0.0)) -> Attention:
    """Factors in which the keys upstream of a flow weigh more, for any cell."""
    waves = (np.abs(rng.normal(size=8)) + 0.3) / 100
    phase = (xy @ np.asarray(way))[:, None] * waves
    noise = [0.07 * rng.normal(size=(len(xy), 6)) for _ in range(2)]
    sine, cosine = 0.05 * np.sin(phase), 0.05 * np.cos(phase)
    return _factors(
        np.hstack([sine, -cosine, noise[0]]) * 1.2,
        np.hstack([cosine, sine, noise[1]]) * 1.2,
    )


def _angle(field) -> float:
    x, y = field.residual.mean(axis=0)
    return math.degrees(math.atan2(y, x))


def _regions(xy, rng, count=4):
    for centre in (0.1 + 0.8 * rng.random((count, 2))) * SIDE:
        yield np.argsort(np.square(xy - centre).sum(axis=1))[:40]


def test_independent_weights_show_nothing_in_any_test():
    joint, nodes, regions = [], [], []
    for seed in range(20):
        xy, rng = _cells(400, seed)
        field = attention_field(
            _near(xy, rng), xy, neighbours=30, permutations=39, seed=seed
        )
        joint.append(field.p_value)
        nodes.append(field.beats_chance.any())
        regions += [region_p(field, cells) for cells in _regions(xy, rng)]
    assert np.mean(np.array(joint) > 0.05) >= 0.9
    assert np.mean(nodes) <= 0.1
    assert np.mean(np.array(regions) > 0.05) >= 0.9


@pytest.mark.parametrize("null", ["keys", "shift"])
def test_similar_queries_that_meet_the_same_keys_show_nothing(null):
    found, nodes = [], []
    for seed in range(20):
        xy, rng = _cells(300, seed)
        query, key = 0.15 * _smooth(xy, 5, rng), 0.15 * rng.normal(size=(300, 5))
        field = attention_field(
            _factors(query, key), xy, neighbours=30, null=null, permutations=39,
            seed=seed,
        )  # fmt: skip
        found.append(field.significant)
        nodes.append(field.beats_chance.any())
    assert np.mean(found) <= 0.1
    assert np.mean(nodes) <= 0.15


def test_unrelated_maps_of_queries_and_keys_are_chance_to_the_usual_null():
    found = []
    for seed in range(20):
        xy, rng = _cells(300, seed)
        query, key = (0.15 * _smooth(xy, 5, rng) for _ in range(2))
        field = attention_field(
            _factors(query, key), xy, neighbours=30, permutations=39, seed=seed,
        )  # fmt: skip
        assert field.null == "shift"
        found.append(field.significant)
    assert np.mean(found) <= 0.2


@pytest.mark.parametrize("direction", ["received", "sent"])
@pytest.mark.parametrize("angle", [0, 130])
def test_a_planted_local_flow_is_found_with_its_direction(angle, direction):
    way = (math.cos(math.radians(angle)), math.sin(math.radians(angle)))
    found, joint = [], []
    for seed in range(3):
        xy, rng = _cells(1200, seed)
        attention = _near(xy, rng, 0.3, way, reach=60)
        field = attention_field(
            attention, xy, direction, neighbours=30, permutations=39
        )
        off = (_angle(field) - angle + 180) % 360 - 180
        assert abs(off) < 10
        joint.append(field.significant)
        found += [region_p(field, cells) <= 0.05 for cells in _regions(xy, rng, 10)]
        assert field.beats_chance[np.isfinite(field.grid_p)].mean() > 0.5
    assert all(joint)
    assert np.mean(found) > 0.9


def test_a_planted_flow_of_factors_is_found_by_every_null():
    xy, rng = _cells(500, 1)
    attention = _facing(xy, rng)
    for null in NULLS:
        field = attention_field(attention, xy, radius=130, null=null, permutations=39)
        assert field.null == null
        assert abs(_angle(field)) < 10
        assert field.p_value == 1 / 40


def test_hub_cells_make_no_region():
    nodes, regions = [], []
    for seed in range(12):
        xy, rng = _cells(400, seed)
        field = attention_field(
            _near(xy, rng, hubs=4), xy, neighbours=30, permutations=39, seed=seed,
        )  # fmt: skip
        nodes.append(field.beats_chance.sum() / np.isfinite(field.grid_p).sum())
        regions += [region_p(field, cells) for cells in _regions(xy, rng)]
    assert np.mean(nodes) < 0.02
    assert np.mean(np.array(regions) > 0.05) >= 0.9


@pytest.mark.parametrize("null", NULLS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_uniform_attention_leaves_nothing_and_the_border_is_geometry(null, dtype):
    xy, _ = _cells(300, 0)
    flat = np.full((300, 3), 0.6, dtype=dtype)
    attention = Attention([Block(np.arange(300), query=flat, key=flat)], 300)
    field = attention_field(
        attention, xy, neighbours=30, null=null, strata=np.arange(300) % 3
    )
    assert field.p_value == 1
    assert (field.grid_p[np.isfinite(field.grid_p)] == 1).all()
    assert field.shares.geometry > 1 - 1e-9
    edge = xy[:, 0] < 40
    assert (field.vectors[edge, 0] < 0).mean() > 0.9  # from the middle outwards


def test_popular_keys_and_attention_between_types_are_layout():
    xy, rng = _cells(400, 2)
    types = (xy[:, 0] > SIDE / 2).astype(int)
    between = np.array([[1.0, 3.0], [0.5, 1.0]])[types][:, types]
    weights = between * (1 + rng.random(400)) * np.exp(xy[:, 1] / SIDE)
    field = attention_field(
        Attention.from_matrix(weights), xy, neighbours=30, strata=types,
        permutations=19,
    )  # fmt: skip
    assert field.shares.layout > 50 * field.shares.rest
    whole = field.geometry + field.layout + field.residual
    np.testing.assert_allclose(whole, field.vectors, atol=1e-9)
    np.testing.assert_allclose(field.expectation, field.geometry + field.layout)
    blind = attention_field(
        Attention.from_matrix(weights), xy, neighbours=30, permutations=0
    )
    assert field.shares.rest < 0.2 * blind.shares.rest


def test_the_covariance_is_that_of_weights_exchanged_inside_rings():
    xy, rng = _cells(60, 4)
    attention = Attention.from_matrix(rng.random((60, 60)))
    field = attention_field(
        attention, xy, neighbours=30, null="rings", permutations=4000
    )
    drawn = np.einsum("bni,bnj->nij", field.shuffled, field.shuffled) / 4000
    size = np.trace(field.covariance, axis1=1, axis2=2).mean()
    assert np.abs(drawn - field.covariance).max() < 0.12 * size
    ratio = np.trace(drawn, axis1=1, axis2=2) / np.trace(
        field.covariance, axis1=1, axis2=2
    )
    assert abs(ratio.mean() - 1) < 0.01


def test_factors_and_their_product_have_the_same_field():
    xy, rng = _cells(200, 5)
    factors = _factors(*(0.2 * rng.normal(size=(200, 4)) for _ in range(2)))
    dense = Attention.from_matrix(factors.dense())
    kinds = np.arange(200) % 3
    for null in NULLS:
        one, other = (
            attention_field(
                each, xy, "sent", neighbours=20, null=null, strata=kinds,
                permutations=9,
            )
            for each in (factors, dense)
        )  # fmt: skip
        np.testing.assert_allclose(one.residual, other.residual, atol=1e-9)
        size = np.abs(other.shuffled).max()
        assert np.abs(one.shuffled - other.shuffled).max() < 1e-3 * size


def test_pixels_and_micrometres_give_the_same_picture():
    xy, rng = _cells(200, 6)
    attention = _facing(xy, rng)
    um = attention_field(attention, xy, radius=120, smoothing=2, permutations=19)
    px = attention_field(
        attention, xy / 0.12 + 3000, radius=1000, smoothing=2, permutations=19
    )
    np.testing.assert_allclose(px.grid_u * 0.12, um.grid_u, rtol=1e-5, atol=1e-8)
    np.testing.assert_array_equal(px.grid_p, um.grid_p)
    assert px.p_value == um.p_value
    np.testing.assert_array_equal(px.partners, um.partners)
    assert px.smoothing_um * 0.12 == pytest.approx(um.smoothing_um)


def test_bags_do_not_meet_and_restricted_cells_keep_still():
    xy, rng = _cells(160, 7)
    left = _factors(*(0.2 * rng.normal(size=(80, 3)) for _ in range(2))).blocks[0]
    blocks = [
        Block(np.arange(s, s + 80), query=left.query, key=left.key) for s in (0, 80)
    ]
    both = Attention(blocks, 160)
    places = np.concatenate([xy[:80], xy[:80] + 5000])
    field = attention_field(both, places, neighbours=20, permutations=9)
    np.testing.assert_allclose(field.residual[:80], field.residual[80:], atol=1e-9)
    some = np.arange(160) % 2 == 0
    part = attention_field(
        both.restricted(some, ~some), places, neighbours=20, permutations=9
    )
    assert (part.residual[~some] == 0).all()
    assert (part.vectors[~some] == 0).all()
    assert np.any(part.residual[some])
    assert (part.shuffled[:, ~some] == 0).all()


def test_options_that_do_not_fit_are_refused():
    xy, rng = _cells(50, 8)
    attention = _near(xy, rng)
    with pytest.raises(ScfmError, match="no null 'rings' for attention among all"):
        attention_field(attention, xy, null="rings")
    with pytest.raises(ScfmError, match="no null 'luck'"):
        attention_field(attention, xy, neighbours=5, null="luck")
    with pytest.raises(ScfmError, match="strongest partners, not neighbours"):
        attention_field(attention, xy, method="commot", neighbours=5)
    with pytest.raises(ScfmError, match="not both"):
        attention_field(attention, xy, radius=5.0, neighbours=5)
