"""A network with its weights drawn anew."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import napari_scfm as scfm
from napari_scfm.errors import ModelError
from napari_scfm.models.cellplm.anew import SCALES, with_new_weights
from napari_scfm.slides.samples import sample_path


@pytest.fixture(scope="module")
def table():
    slide = scfm.read_slide(sample_path("cosmx"))
    return slide.fov(slide.fovs[0]).table[:80].copy()


@pytest.fixture(scope="module")
def model():
    return scfm.load_model("cellplm-mini", device="cpu")


def _factors(model, table):
    return model.attend(table).blocks[0].key


def test_weights_hang_on_the_seed_alone(model, table):
    state = torch.random.get_rng_state()
    learned = _factors(model, table)
    first, again, other = (
        _factors(with_new_weights(model, table, seed=seed), table) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01
    assert np.abs(first - learned).max() > 0.01
    np.testing.assert_array_equal(_factors(model, table), learned)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_shapes_and_scales_of_genes_stay(model, table):
    old = model.network.state_dict()
    new = with_new_weights(model, table).network.state_dict()
    assert {k: v.shape for k, v in new.items()} == {k: v.shape for k, v in old.items()}
    scales = [name for name in old if name.startswith(SCALES)]
    assert scales
    assert all(torch.equal(new[name], old[name]) for name in scales)


def test_hidden_counts_do_not_reach_new_weights(model, table):
    mask = scfm.mask_genes(table, [table.var_names[0]])
    other = table.copy()
    counts = other.X.toarray()
    counts[:, 0] = 7
    other.X = counts
    one = with_new_weights(model, table, mask=mask).network.embedder.emb
    two = with_new_weights(
        model, other, mask=scfm.mask_genes(other, [table.var_names[0]])
    ).network.embedder.emb
    assert torch.equal(one, two)


def test_a_baseline_has_no_weights(table):
    with pytest.raises(ModelError, match="no weights"):
        with_new_weights(scfm.load_model("gene-mean"), table)
