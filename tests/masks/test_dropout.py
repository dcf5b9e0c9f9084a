"""The denoising protocols: which counts are drawn, and how many of each cell."""

from __future__ import annotations

import anndata
import numpy as np
import pytest
from scipy import sparse

from napari_scfm.errors import MaskError
from napari_scfm.masks.dropout import mask_dropout
from napari_scfm.masks.spec import Dropout, MaskSpec


def table(cells: int = 300, genes: int = 120, seed: int = 0) -> anndata.AnnData:
    rng = np.random.default_rng(seed)
    rate = rng.gamma(0.6, 12.0, (cells, genes)) * (rng.random((cells, genes)) < 0.4)
    counts = rng.poisson(rate).astype(np.float32)
    counts[:6] = 0
    counts[4, :5] = 1
    counts[5, :12] = 1
    return anndata.AnnData(sparse.csr_matrix(counts))


@pytest.mark.parametrize("rule", ["exp", "uniform"])
def test_a_tenth_of_each_cell_and_only_what_it_has(rule: str) -> None:
    made = table()
    counts = made.X.toarray()
    hidden = mask_dropout(made, rule, seed=3).matrix.toarray()
    assert not (hidden & (counts == 0)).any()
    size = (counts > 0).sum(axis=1)
    np.testing.assert_array_equal(hidden.sum(axis=1), np.where(size > 5, size // 10, 0))
    assert mask_dropout(made, rule, seed=3) == mask_dropout(made, rule, seed=3)
    assert mask_dropout(made, rule, seed=3) != mask_dropout(made, rule, seed=4)


def test_low_counts_are_hidden_first_by_exp_only() -> None:
    made = table()
    counts = made.X.toarray()
    mean = {
        rule: counts[mask_dropout(made, rule).matrix.toarray()].mean()
        for rule in ("exp", "uniform")
    }
    everything = counts[counts > 0].mean()
    assert mean["uniform"] == pytest.approx(everything, rel=0.08)
    assert mean["exp"] < 0.75 * everything


def test_weights_of_the_draw() -> None:
    """One count of each cell: its chance is exp(-count / 20), normalised."""
    row = np.array([1, 5, 10, 20, 40, 80], np.float32)
    made = anndata.AnnData(sparse.csr_matrix(np.tile(row, (20_000, 1))))
    hidden = mask_dropout(made, "exp", fraction=1 / 6).matrix
    weight = np.exp(-row / 20)
    np.testing.assert_allclose(
        hidden.mean(axis=0), weight / weight.sum(), rtol=0.05, atol=2e-3
    )


def test_spec_resolves_and_survives_json() -> None:
    made = table()
    spec = MaskSpec(dropout=Dropout(rule="uniform", fraction=0.2), seed=5)
    again = MaskSpec.model_validate_json(spec.model_dump_json())
    assert again == spec
    assert again.resolve(made) == mask_dropout(made, "uniform", 0.2, 5)


def test_wrong_words_are_refused() -> None:
    with pytest.raises(MaskError, match="dropout rule 'log'"):
        mask_dropout(table(), "log")
    with pytest.raises(MaskError, match=r"share of 1\.5"):
        mask_dropout(table(), fraction=1.5)
