"""No network ever sees a hidden value: change them at will, nothing else changes."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import napari_scfm as scfm
from napari_scfm.masks.mask import Mask
from napari_scfm.models.cellplm.config import CellPLMConfig
from napari_scfm.models.cellplm.info import model_info
from napari_scfm.models.cellplm.model import CellPLM
from napari_scfm.models.cellplm.network import CellPLMNetwork

CELLS, GENES = 24, 9
NAMES = tuple(f"G{i}" for i in range(GENES))

KINDS = {
    "variational": {"latent_mod": "vae"},
    "mixture": {"latent_mod": "gmvae", "num_clusters": 3},
    "positions": {"latent_mod": "ae", "pe_active": True},
    "local": {
        "latent_mod": "ae",
        "neighbours": (2, 4),
        "bandwidths": (10.0,),
        "own_width": 8,
        "near_width": 4,
        "linear_path": True,
    },
}


def network(kind):
    """Return a small untrained model of one kind, the same each time."""
    torch.manual_seed(1)
    config = CellPLMConfig(
        gene_list=NAMES,
        enc_hid=16,
        enc_layers=2,
        enc_head=4,
        post_latent_dim=6,
        dec_hid=12,
        out_dim=GENES,
        model_dropout=0.0,
        **KINDS[kind],
    )
    made = CellPLMNetwork(config)
    for weights in made.parameters():
        weights.data.normal_(0, 0.3)
    return CellPLM(made, model_info(config, None, kind, 1), device="cpu")


def tissue():
    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.gamma(1, 2, (CELLS, 1)) * rng.gamma(1, 1, GENES)) + 0.0
    table = ad.AnnData(sparse.csr_matrix(counts.astype(np.float32)))
    table.obs_names = [f"c{i}" for i in range(CELLS)]
    table.var_names = NAMES
    table.obs["fov"] = np.where(np.arange(CELLS) < 14, "A", "B")
    table.obsm["spatial"] = rng.uniform(0, 100, (CELLS, 2))
    return table


TABLE = tissue()


@st.composite
def masks(draw):
    """Whole genes, whole cells and single entries, in any mixture."""
    genes = draw(st.sets(st.integers(0, GENES - 1), max_size=GENES - 1))
    cells = draw(st.sets(st.integers(0, CELLS - 1), max_size=CELLS - 4))
    share = draw(st.sampled_from([0.0, 0.2, 0.8]))
    hidden = np.random.default_rng(draw(st.integers(0, 99))).random((CELLS, GENES))
    hidden = hidden < share
    hidden[:, sorted(genes)] = True
    hidden[sorted(cells)] = True
    return Mask(hidden, TABLE.obs_names, TABLE.var_names)


def changed(mask, values, storage):
    """Return the table with other values where it is hidden, stored in another way."""
    hidden = mask.matrix.toarray()
    counts = np.where(hidden, np.resize(values, hidden.shape), TABLE.X.toarray())
    counts = counts.astype(np.float32)
    table = TABLE.copy()
    if storage == "zeros stored":
        rows, columns = np.indices(counts.shape).reshape(2, -1)
        stored = (counts.ravel(), (rows, columns))
        table.X = sparse.csr_matrix(stored, shape=counts.shape)
        table.X.data[:] = counts.ravel()
    else:
        table.X = {
            "dense": counts,
            "csr": sparse.csr_matrix(counts),
            "csc": sparse.csc_matrix(counts),
        }[storage]
    return table


VALUES = st.lists(st.sampled_from([0, 1, 7, 1000, 10**6]), min_size=1, max_size=11)
STORAGE = st.sampled_from(["csr", "csc", "dense", "zeros stored"])


def same(one, other):
    np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


@pytest.mark.parametrize("kind", KINDS)
@given(mask=masks(), values=VALUES, storage=STORAGE)
@settings(max_examples=20)
def test_nothing_a_network_says_depends_on_hidden_values(kind, mask, values, storage):
    other = changed(mask, values, storage)
    model = network(kind)
    genes = list(NAMES)
    same(model.embed(TABLE, mask=mask), model.embed(other, mask=mask))
    before = model.impute(TABLE, genes, mask=mask)
    same(before, model.impute(other, genes, mask=mask))
    if kind != "local":
        small = {"mask": mask, "neighbourhood": 3}
        same(model.impute(TABLE, genes, **small), model.impute(other, genes, **small))
    for mine, theirs in zip(
        model.attend(TABLE, mask=mask).blocks,
        model.attend(other, mask=mask).blocks,
        strict=True,
    ):
        same(mine.query, theirs.query)
        same(mine.key, theirs.key)


@pytest.mark.parametrize("kind", ["variational", "mixture"])
@given(mask=masks(), values=VALUES)
@settings(max_examples=10)
def test_draws_of_a_latent_do_not_depend_on_hidden_values(kind, mask, values):
    other = changed(mask, values, "csr")
    model = network(kind)
    first = model.drawing(3).impute(TABLE, list(NAMES), mask=mask)
    same(first, model.drawing(3).impute(other, list(NAMES), mask=mask))
    again = model.drawing(4).impute(TABLE, list(NAMES), mask=mask)
    if np.isfinite(first).all() and mask.n_hidden < CELLS * GENES:
        assert not np.array_equal(first, again)
    same(model.impute(TABLE, list(NAMES)), network(kind).impute(TABLE, list(NAMES)))


@pytest.mark.parametrize("kind", ["positions", "local"])
def test_a_plain_latent_cannot_be_drawn(kind):
    with pytest.raises(scfm.ScfmError, match=f"{kind} has no latent to draw from"):
        network(kind).drawing(0)


def test_what_changes_when_visible_values_change():
    """The tests above can fail: the same change, where it is visible, is seen."""
    mask = Mask(np.eye(CELLS, GENES, dtype=bool), TABLE.obs_names, TABLE.var_names)
    other = TABLE.copy()
    counts = other.X.toarray()
    counts[~mask.matrix.toarray()] += 3
    other.X = sparse.csr_matrix(counts)
    for kind in KINDS:
        model = network(kind)
        before, after = (model.embed(table, mask=mask) for table in (TABLE, other))
        assert not np.allclose(before, after)
