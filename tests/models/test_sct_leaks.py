"""sCT never sees a hidden value: change them at will, nothing else changes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from napari_scfm.masks.mask import Mask

CELLS, GENES = 20, 9


@st.composite
def hidden_entries(draw):
    """Whole genes, whole cells and single entries, in any mixture."""
    genes = draw(st.sets(st.integers(0, GENES - 1), max_size=GENES - 1))
    cells = draw(st.sets(st.integers(0, CELLS - 1), max_size=CELLS - 2))
    share = draw(st.sampled_from([0.0, 0.2, 0.8]))
    hidden = np.random.default_rng(draw(st.integers(0, 99))).random((CELLS, GENES))
    hidden = hidden < share
    hidden[:, sorted(genes)] = True
    hidden[sorted(cells)] = True
    return hidden


VALUES = st.lists(st.sampled_from([0, 1, 7, 0.5, 10**6]), min_size=1, max_size=11)
KINDS = {
    "tiles": {},
    "centred": {"windows": "centred"},
    "places": {"encoding": "released", "medians": "observed"},
    "depth": {"values": "log_normalized", "min_total_fraction": 1.0, "orders": 2},
}


@pytest.fixture(scope="module")
def cases(small):
    """Networks of each kind, and the cells that they read."""
    models = {
        kind: small(**{"attention_orders": 1, **more}) for kind, more in KINDS.items()
    }
    rng = np.random.default_rng(3)
    return models, rng.poisson(2, (CELLS, GENES)), rng.uniform(0, 99, (CELLS, 2))


def table_of(counts, xy, twin):
    import anndata as ad

    names = [f"G{i}" for i in range(GENES)]
    var = pd.DataFrame({"gene_name": list(names)}, index=names)
    if twin:
        # two columns of one gene, of which one may be hidden
        var = pd.DataFrame({"gene_name": ["G1", *names[1:]]}, index=names)
    table = ad.AnnData(sparse.csr_matrix(counts.astype(np.float32)), var=var)
    table.obs_names = [f"c{i}" for i in range(CELLS)]
    table.obs["fov"] = np.where(np.arange(CELLS) < 13, "A", "B")
    table.obsm["spatial"] = xy
    return table


def said(model, table, mask):
    """Return everything that a model says of a table."""
    genes = [*table.var_names, "G12"]
    return [
        model.embed(table, mask=mask),
        model.impute(table, genes, mask=mask),
        model.impute(table, genes, mask=mask, neighbourhood=3),
        model.attend(table, mask=mask, layer="rollout").dense(),
    ]


@pytest.mark.parametrize("kind", KINDS)
@given(hidden=hidden_entries(), values=VALUES, twin=st.booleans())
@settings(max_examples=12)
def test_nothing_it_says_depends_on_hidden_values(cases, kind, hidden, values, twin):
    models, counts, xy = cases
    changed = np.where(hidden, np.resize(values, hidden.shape), counts)
    one, other = (table_of(c, xy, twin) for c in (counts, changed))
    mask = Mask(hidden, one.obs_names, one.var_names)
    pairs = zip(
        said(models[kind], one, mask), said(models[kind], other, mask), strict=True
    )
    for before, after in pairs:
        np.testing.assert_array_equal(before, after)


def test_what_changes_when_visible_values_change(cases):
    """The test above can fail: the same change, where it is visible, is seen."""
    models, counts, xy = cases
    hidden = np.eye(CELLS, GENES, dtype=bool)
    one, other = (table_of(c, xy, False) for c in (counts, counts + 5 * ~hidden))
    mask = Mask(hidden, one.obs_names, one.var_names)
    for model in models.values():
        for before, after in zip(
            said(model, one, mask), said(model, other, mask), strict=True
        ):
            assert not np.allclose(before, after, equal_nan=True)
