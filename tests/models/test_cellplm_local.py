"""Own networks: depth, hidden genes, neighbourhoods and distances as they read them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_scfm.models.cellplm.config import CellPLMConfig
from napari_scfm.models.cellplm.local import DISTANCES, HIDDEN, GeneScale, around
from napari_scfm.models.cellplm.network import CellPLMNetwork
from napari_scfm.models.cellplm.places import TYPICAL, nearest_cells, places

GENES, CELLS = 12, 40
CONFIG = CellPLMConfig(
    gene_list=tuple(f"G{i}" for i in range(GENES)),
    enc_hid=16,
    enc_layers=1,
    post_latent_dim=6,
    enc_head=4,
    latent_mod="ae",
    dec_hid=16,
    out_dim=GENES,
    pe_type=None,
    neighbours=(2, 5),
    bandwidths=(8.0,),
    own_width=8,
    near_width=4,
    linear_path=True,
)
ROWS = torch.arange(GENES)


@pytest.fixture(scope="module")
def counts() -> torch.Tensor:
    rng = np.random.default_rng(0)
    rate = rng.gamma(2, 3, GENES) * rng.gamma(4, 0.5, (CELLS, 1))
    return torch.as_tensor(rng.poisson(rate).astype(np.float32))


@pytest.fixture(scope="module")
def xy() -> np.ndarray:
    return np.random.default_rng(1).uniform(0, 60, (CELLS, 2))


@pytest.fixture(scope="module")
def network(counts) -> CellPLMNetwork:
    torch.manual_seed(0)
    made = CellPLMNetwork(CONFIG)
    made.learn(counts)
    return made.eval()


def read(network, counts, xy) -> torch.Tensor:
    positions, *near = places(xy, len(counts), 5)
    nearest = torch.as_tensor(near[0]) if near else None
    with torch.no_grad():
        return network(counts, ROWS, torch.as_tensor(positions), nearest)


def test_training_values_have_mean_0_and_at_most_unit_spread(counts) -> None:
    scale = GeneScale(GENES)
    values = scale.learn(counts)
    np.testing.assert_allclose(values.mean(0), 0, atol=1e-5)
    assert (values.std(0) <= 1).all()
    assert (values.std(0) > 0.7).all()
    np.testing.assert_allclose(scale(counts, ROWS).values, values, atol=1e-5)
    np.testing.assert_allclose(scale.rate, counts.mean(0), rtol=1e-5)


def test_a_deeper_cell_has_the_same_values_and_another_depth(counts) -> None:
    scale = GeneScale(GENES)
    scale.learn(counts)
    one, three = scale(counts, ROWS), scale(counts * 3, ROWS)
    np.testing.assert_allclose(one.values, three.values, atol=1e-4)
    np.testing.assert_allclose(three.depth - one.depth, np.log(3), atol=1e-4)


def test_a_hidden_gene_says_nothing_and_is_no_zero(counts) -> None:
    scale = GeneScale(GENES)
    scale.learn(counts)
    hidden, zero = counts.clone(), counts.clone()
    hidden[:, 3], zero[:, 3] = HIDDEN, 0.0
    seen = scale(hidden, ROWS)
    assert (seen.values[:, 3] == 0).all()
    # the others keep their depth, which a zero would pull down
    before = scale(counts, ROWS).depth
    assert (seen.depth - before).abs().mean() < (
        scale(zero, ROWS).depth - before
    ).abs().mean()


def test_an_empty_cell_is_marked_and_has_no_values(counts) -> None:
    scale = GeneScale(GENES)
    scale.learn(counts)
    for nothing in (HIDDEN, 0.0):
        one = counts.clone()
        one[4] = nothing
        seen = scale(one, ROWS)
        assert seen.full[4] == 0
        assert not seen.values[4].any()
        assert seen.depth[4] == 0
        assert seen.full.sum() == CELLS - 1


def test_sums_around_are_those_of_a_loop(xy) -> None:
    values = torch.randn(CELLS, 3, generator=torch.Generator().manual_seed(0))
    nearest = torch.as_tensor(nearest_cells(xy, 5))
    apart = torch.as_tensor(
        np.linalg.norm(xy[nearest] - xy[:, None], axis=2).astype(np.float32)
    )
    two, five, wide = around(values, nearest, apart, CONFIG)
    for cell in (0, 17, CELLS - 1):
        near = nearest[cell]
        np.testing.assert_allclose(two[cell], values[near[:2]].sum(0), atol=1e-5)
        np.testing.assert_allclose(five[cell], values[near].sum(0), atol=1e-5)
        weight = torch.exp(-((apart[cell] / 8.0) ** 2) / 2)
        expected = (weight[:, None] * values[near]).sum(0)
        np.testing.assert_allclose(wide[cell], expected, atol=1e-5)


def test_distances_are_in_um_and_do_not_hang_on_the_frame(xy) -> None:
    positions, nearest = places(xy, CELLS, 5)
    assert positions.shape == (CELLS, 3 + len(DISTANCES))
    assert nearest.shape == (CELLS, 5)
    first = np.linalg.norm(xy - xy[nearest[:, 0]], axis=1)
    np.testing.assert_allclose(
        positions[:, 3], np.log(first + 0.5) - TYPICAL, rtol=1e-5
    )
    np.testing.assert_allclose(positions[:, 2], np.ptp(xy, axis=0).max(), rtol=1e-6)
    turned = np.column_stack([-xy[:, 1], xy[:, 0]]) + 500.0
    others, same = places(turned, CELLS, 5)
    np.testing.assert_array_equal(nearest, same)
    np.testing.assert_allclose(positions[:, 2:], others[:, 2:], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cells", [1, 2, 4])
def test_small_bags_and_unknown_places_are_read(network, counts, xy, cells) -> None:
    for known in (xy[:cells], None):
        found = read(network, counts[:cells], known)
        assert found.shape == (cells, 6)
        assert torch.isfinite(found).all()
    assert places(None, cells, 0)[0].tolist() == [[-1.0, -1.0]] * cells


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15)
def test_the_order_of_cells_changes_nothing(network, counts, xy, seed) -> None:
    order = np.random.default_rng(seed).permutation(CELLS)
    mixed = read(network, counts[torch.as_tensor(order)], xy[order])
    np.testing.assert_allclose(mixed, read(network, counts, xy)[order], atol=1e-4)


@given(st.lists(st.integers(0, GENES - 1), min_size=1, max_size=GENES - 1, unique=True))
@settings(max_examples=15)
def test_leaving_a_gene_out_is_hiding_it(network, counts, xy, genes) -> None:
    hidden = counts.clone()
    hidden[:, genes] = HIDDEN
    rest = torch.as_tensor(np.setdiff1d(np.arange(GENES), genes))
    positions, near = places(xy, CELLS, 5)
    with torch.no_grad():
        shorter = network(
            counts[:, rest], rest, torch.as_tensor(positions), torch.as_tensor(near)
        )
    np.testing.assert_allclose(read(network, hidden, xy), shorter, atol=1e-4)


def test_a_new_network_begins_at_the_mean_counts(network, counts, xy) -> None:
    with torch.no_grad():
        means = network.means(read(network, counts, xy), ROWS)
    ratio = means.mean(0) / counts.mean(0)
    assert ((ratio > 0.5) & (ratio < 2)).all()
