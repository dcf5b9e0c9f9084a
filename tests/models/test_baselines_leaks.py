"""No baseline ever sees a hidden value: change them at will, nothing else changes."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from napari_scfm.masks.mask import Mask
from napari_scfm.models.baselines.registry import BASELINES
from napari_scfm.models.hub import load_model

CELLS, GENES = 30, 8


def tissue(seed):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(rng.gamma(1, 2, (CELLS, 1)) * rng.gamma(1, 1, GENES))
    table = ad.AnnData(sparse.csr_matrix(counts.astype(np.float32)))
    table.obs_names = [f"{seed}_{i}" for i in range(CELLS)]
    table.var_names = [f"G{i}" for i in range(GENES)]
    table.obs["fov"] = np.where(np.arange(CELLS) < 20, f"{seed}A", f"{seed}B")
    table.obsm["spatial"] = rng.uniform(0, 100, (CELLS, 2))
    return table


TABLE, OTHER = tissue(0), tissue(1)


@st.composite
def masks(draw):
    """Whole genes, whole cells and single entries, in any mixture."""
    genes = draw(st.sets(st.integers(0, GENES - 1), max_size=GENES))
    cells = draw(st.sets(st.integers(0, CELLS - 1), max_size=CELLS - 1))
    share = draw(st.sampled_from([0.0, 0.2, 0.8]))
    hidden = np.random.default_rng(draw(st.integers(0, 99))).random((CELLS, GENES))
    hidden = hidden < share
    hidden[:, sorted(genes)] = True
    hidden[sorted(cells)] = True
    return Mask(hidden, TABLE.obs_names, TABLE.var_names)


def changed(mask, values):
    """Return the table with other values where it is hidden."""
    hidden = mask.matrix.toarray()
    table = TABLE.copy()
    counts = np.where(hidden, np.resize(values, hidden.shape), TABLE.X.toarray())
    table.X = sparse.csr_matrix(counts.astype(np.float32))
    return table


values = st.lists(st.sampled_from([0, 1, 7, 1000, 10**6]), min_size=1, max_size=11)


@pytest.mark.parametrize("name", sorted(BASELINES))
@given(mask=masks(), values=values)
@settings(max_examples=12)
def test_predictions_do_not_depend_on_hidden_values(name, mask, values):
    other = changed(mask, values)
    genes = list(TABLE.var_names)

    def guesses(table):
        fitted = load_model(name).fit(table, mask=mask)
        alone = load_model(name).impute(table, genes, mask=mask)
        elsewhere = load_model(name).fit(OTHER).impute(table, genes, mask=mask)
        return fitted.impute(table, genes, mask=mask), alone, elsewhere

    for before, after in zip(guesses(TABLE), guesses(other), strict=True):
        assert np.isfinite(before).all()
        assert (before >= 0).all()
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(
    "name", [n for n in BASELINES if "embed" in load_model(n).info.capabilities]
)
@given(mask=masks(), values=values)
@settings(max_examples=25)
def test_embeddings_do_not_depend_on_hidden_values(name, mask, values):
    model = load_model(name)
    before = model.embed(TABLE, mask=mask)
    np.testing.assert_array_equal(before, model.embed(changed(mask, values), mask=mask))
    assert before.shape[0] == CELLS
    assert np.isfinite(before).all()


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_a_fit_without_a_mask_does_not_let_hidden_values_in(name):
    """The table that is imputed is read through its own mask, whatever was fitted."""
    hidden = np.zeros((CELLS, GENES), dtype=bool)
    hidden[:10, 2] = True
    mask = Mask(hidden, TABLE.obs_names, TABLE.var_names)
    blind = load_model(name).fit(TABLE, mask=mask).impute(TABLE, ["G2"], mask=mask)
    careless = load_model(name).fit(TABLE).impute(TABLE, ["G2"], mask=mask)
    other = changed(mask, [1000])
    again = load_model(name).fit(other).impute(other, ["G2"], mask=mask)
    assert np.isfinite(blind).all()
    if name != "gene-mean":
        assert not np.allclose(blind, 1000)
    np.testing.assert_allclose(careless, blind, rtol=1e-5)
    np.testing.assert_array_equal(careless, again)
