"""Kept sums of gene embeddings: equal to sums from scratch, never stale, bounded."""

from __future__ import annotations

import gc

import anndata
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from napari_scfm.masks.mask import Mask
from napari_scfm.models.cellplm.config import CellPLMConfig
from napari_scfm.models.cellplm.reading import TableReading
from napari_scfm.models.cellplm.sums import GeneSums

GENES = tuple(f"G{i}" for i in range(12))
CONFIG = CellPLMConfig(gene_list=GENES, enc_hid=16, enc_layers=1, post_latent_dim=4)


def random_table(seed: int, cells: int = 15) -> anndata.AnnData:
    rng = np.random.default_rng(seed)
    table = anndata.AnnData(
        sparse.csr_matrix(rng.poisson(0.8, (cells, 9)).astype(np.float32))
    )
    table.var_names = rng.permutation(GENES)[:9]
    table.obs["fov"] = np.where(np.arange(cells) % 3, "A", "B")
    return table


def weights(seed: int = 0) -> torch.Tensor:
    return torch.randn(12, 16, generator=torch.Generator().manual_seed(seed))


def read(sums: GeneSums, table, weight, mask=None) -> np.ndarray:
    reading = TableReading(table, mask, CONFIG, "test")
    out = np.zeros((table.n_obs, weight.shape[1]), dtype=np.float32)
    for bag in reading:
        out[bag.cells] = sums.of(table, bag, reading.rows, weight, 4).numpy()
    return out


def from_scratch(table, weight, mask=None) -> np.ndarray:
    visible = table.X.toarray().astype(np.float64)
    if mask is not None:
        visible[mask.matrix.toarray()] = 0
    rows = [GENES.index(gene) for gene in table.var_names]
    return np.log1p(visible) @ weight.double().numpy()[rows]


@given(
    seed=st.integers(0, 2**16),
    steps=st.lists(
        st.tuples(
            st.sets(st.integers(0, 8)),
            st.sets(st.integers(0, 14)),
            st.sampled_from([0.0, 0.1, 0.6]),
        ),
        min_size=1,
        max_size=5,
    ),
)
@settings(max_examples=60)
def test_any_sequence_of_masks_equals_sums_from_scratch(seed, steps) -> None:
    table, weight, sums = random_table(seed), weights(), GeneSums()
    rng = np.random.default_rng(seed)
    for genes, cells, share in steps:
        hidden = rng.random(table.shape) < share
        hidden[:, list(genes)] = True
        hidden[list(cells)] = True
        mask = Mask(hidden, table.obs_names, table.var_names)
        got = read(sums, table, weight, mask)
        np.testing.assert_allclose(got, from_scratch(table, weight, mask), atol=1e-5)
        # to the last bit: neither what is hidden nor what was asked before is in it
        np.testing.assert_array_equal(got, read(GeneSums(0), table, weight, mask))
        empty = np.asarray(mask.visible(table).sum(axis=1)).ravel() == 0
        assert not got[empty].any()


def test_only_what_changed_is_summed(monkeypatch) -> None:
    from napari_scfm.models.cellplm import sums as module

    table, weight, sums = random_table(3), weights(), GeneSums()
    read(sums, table, weight)
    summed = []
    real = module.weighted_sums

    def spy(logs, *rest):
        summed.append(logs.nnz)
        return real(logs, *rest)

    monkeypatch.setattr(module, "weighted_sums", spy)
    read(sums, table, weight)
    assert summed == []
    hidden = np.zeros(table.shape, dtype=bool)
    hidden[:, 2] = True
    read(sums, table, weight, Mask(hidden, table.obs_names, table.var_names))
    assert 0 < sum(summed) <= 2 * table.X.toarray()[:, 2].astype(bool).sum()


def test_a_changed_table_is_never_served_stale() -> None:
    table, weight, sums = random_table(1), weights(), GeneSums()
    read(sums, table, weight)
    table.X.data[:3] += 4
    np.testing.assert_allclose(
        read(sums, table, weight), from_scratch(table, weight), atol=1e-5
    )
    table.X = table.X * 2
    np.testing.assert_allclose(
        read(sums, table, weight), from_scratch(table, weight), atol=1e-5
    )


def test_changed_weights_are_read_anew() -> None:
    table, weight, sums = random_table(1), weights(), GeneSums()
    read(sums, table, weight)
    weight.mul_(3)
    np.testing.assert_allclose(
        read(sums, table, weight), from_scratch(table, weight), atol=1e-5
    )
    other = weights(7)
    np.testing.assert_allclose(
        read(sums, table, other), from_scratch(table, other), atol=1e-5
    )


def test_what_is_returned_may_be_overwritten() -> None:
    table, weight, sums = random_table(2), weights(), GeneSums()
    reading = TableReading(table, None, CONFIG, "test")
    bag = next(iter(reading))
    first = sums.of(table, bag, reading.rows, weight, 4)
    want = first.clone()
    first.zero_()
    assert torch.equal(sums.of(table, bag, reading.rows, weight, 4), want)


@pytest.mark.parametrize("budget", [0, 3000, 10**6])
def test_memory_is_bounded(budget: int) -> None:
    weight, sums = weights(), GeneSums(budget)
    tables = [random_table(seed) for seed in range(6)]
    for _ in range(2):
        for table in tables:
            np.testing.assert_allclose(
                read(sums, table, weight), from_scratch(table, weight), atol=1e-5
            )
            assert sums.size <= budget
    assert (sums.size > 0) == (budget > 0)


def test_what_is_kept_goes_with_its_table() -> None:
    table, weight, sums = random_table(1), weights(), GeneSums()
    read(sums, table, weight)
    assert sums.size > 0
    del table
    gc.collect()
    assert sums.size == 0
