"""PCA and UMAP: what they keep, what they never see."""

from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData
from scipy import sparse

from napari_scfm.analysis.embedding import pca, umap
from napari_scfm.errors import ScfmError
from napari_scfm.masks.mask import Mask


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    rates = np.ones((80, 12))
    rates[:40, :6] = 6
    return AnnData(sparse.csr_matrix(rng.poisson(rates).astype(np.float32)))


def test_the_first_component_separates_two_cell_types(table):
    components = pca(table, 5)
    assert components.shape == (80, 5)
    assert components.dtype == np.float32
    first = components[:, 0]
    assert (first[:40] > 0).mean() in {0.0, 1.0}
    assert (first[:40] > 0).mean() != (first[40:] > 0).mean()
    np.testing.assert_array_equal(components, pca(table, 5))


def test_hidden_entries_do_not_change_the_components(table):
    hidden = np.zeros(table.shape, dtype=bool)
    hidden[::3, ::2] = True
    mask = Mask(hidden, table.obs_names, table.var_names)
    other = table.copy()
    other.X = sparse.csr_matrix(np.where(hidden, 99, table.X.toarray()))
    np.testing.assert_array_equal(pca(table, 4, mask), pca(other, 4, mask))
    assert not np.allclose(pca(other, 4), pca(other, 4, mask))


@pytest.mark.parametrize("shape", [(0, 4), (1, 4), (3, 0), (5, 4)])
def test_empty_tables_give_zeros_of_the_right_shape(shape):
    found = pca(AnnData(sparse.csr_matrix(shape, dtype=np.float32)), 10)
    assert found.shape == (shape[0], min(10, *shape))
    assert not found.any()


def test_umap_keeps_groups_together_and_repeats():
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(0, 1, (40, 5)), rng.normal(20, 1, (40, 5))])
    found = umap(points, seed=1)
    assert found.shape == (80, 2)
    assert found.dtype == np.float32
    one, two = found[:40], found[40:]
    between = np.linalg.norm(one.mean(0) - two.mean(0))
    assert between > 2 * max(one.std(0).max(), two.std(0).max())
    np.testing.assert_array_equal(found, umap(points, seed=1))
    # here, since umap-learn compiles itself anew in every process of the tests
    few = umap(points[:16])
    assert few.shape == (16, 2)
    assert np.isfinite(few).all()


@pytest.mark.parametrize("n", [0, 1, 3, 4])
def test_umap_of_few_cells(n):
    found = umap(np.random.default_rng(0).normal(size=(n, 6)))
    assert found.shape == (n, 2)
    assert np.isfinite(found).all()


def test_umap_refuses_nan():
    with pytest.raises(ScfmError, match="finite"):
        umap(np.full((5, 2), np.nan))
