"""An sct-panel learns a tissue, deterministically, and is a model like others."""

from __future__ import annotations

from dataclasses import replace

import anndata
import numpy as np
import pytest
from safetensors.torch import load_file

import napari_scfm as scfm
from napari_scfm.errors import ModelError, SpecError
from napari_scfm.models.sct.model import SCT
from napari_scfm.models.sct.tokens import PAD
from napari_scfm.progress import Cancelled
from napari_scfm.training.sct.masking import draw
from napari_scfm.training.sct.settings import SCTSettings
from napari_scfm.training.sct.start import together
from napari_scfm.training.settings import TrainSettings

TINY = SCTSettings(
    width=32, layers=1, heads=2, hidden=32, halvings=3, cells=16, draws=4, scored=2
)


def run(table, out=None, settings=TINY, **changes) -> SCT:
    asked = {"epochs": 2, "validation": ["F003"], "seed": 5, "device": "cpu"} | changes
    return scfm.train("sct-panel", table, settings=settings, out=out, **asked)


def test_it_learns_hidden_cells_from_their_neighbours(table) -> None:
    only_cells = {"whole_cells": 1.0, "more_genes": 0.0, "more_entries": 0.0}
    settings = replace(TINY, draws=10, learning_rate=1e-2, **only_cells)
    model = run(table, settings=settings, epochs=4)
    # hidden cells lie among cells of their own type: markers must differ by side
    field = table[table.obs["fov"] == "F003"].copy()
    mask = scfm.mask_cells(field, field.obs_names[::5])
    guess = np.log1p(model.impute(field, list(field.var_names), mask=mask)[::5])
    odd = (field.obs["cell_type"] == "odd").to_numpy()[::5]
    more = guess[:, 1::2].mean(axis=1) - guess[:, 0::2].mean(axis=1)
    assert more[odd].mean() > more[~odd].mean() + 1.0
    record = model.config.extra["training"]
    assert record["validation"] == ["F003"]
    assert record["scores"]["loss_cells"] < 1.2


def test_saved_loaded_and_on_its_card(table, tmp_path) -> None:
    model = run(table, tmp_path / "mine")
    assert isinstance(model, SCT)
    again = scfm.load_model(tmp_path / "mine")
    assert isinstance(again, SCT)
    assert again.info.name == "mine"
    assert set(again.info.genes) == set(table.var_names)
    assert {"embed", "impute", "attend"} <= again.info.capabilities
    assert "CC BY" not in again.info.licence
    assert again.options.values == "log1p_counts"
    assert again.config.coordinate_encoding == "paper"
    field = table[:80].copy()
    np.testing.assert_array_equal(model.embed(field), again.embed(field))


def test_the_same_seed_gives_the_same_bits_and_resumes(table, tmp_path) -> None:
    run(table, tmp_path / "whole", epochs=3)

    def stop(progress) -> None:
        if progress.done == 2 * 2 * TINY.draws + 1:
            raise Cancelled

    with pytest.raises(Cancelled, match="2 of 3 epochs are kept"):
        run(table, tmp_path / "torn", epochs=3, progress=stop)
    run(table, tmp_path / "torn", epochs=3, resume=True)
    first, second = (
        load_file(tmp_path / name / "model.safetensors") for name in ("whole", "torn")
    )
    for name, value in first.items():
        assert value.equal(second[name]), name
    other = run(table, tmp_path / "other", seed=6)
    assert other.info.sha256 != scfm.load_model(tmp_path / "whole").info.sha256


def test_held_out_fields_decide_nothing_before_the_first_step(table) -> None:
    changed = table.copy()
    held_out = (table.obs["fov"] == "F003").to_numpy()
    rows = np.random.default_rng(0).permutation(np.flatnonzero(held_out))
    counts = changed.X.toarray()
    counts[held_out] = counts[rows][:, ::-1]
    changed.X = counts
    first, second = (run(t, epochs=1).config.measured for t in (table, changed))
    assert first == second


def test_what_is_hidden() -> None:
    rng = np.random.default_rng(0)
    tokens = rng.choice([0, 0, 0, 1, 2, 4], (50, 400)).astype(np.uint8)
    tokens[:, 396:] = PAD
    settings = replace(TINY, whole_cells=0.0, more_entries=0.0, more_genes=0.0)
    found = [draw(tokens, rng, settings) for _ in range(20)]
    hidden = np.stack([one.mask for one in found])
    assert not hidden[..., 396:].any()
    zero, expressed = tokens == 0, (tokens > 0) & (tokens < PAD)
    assert hidden[:, zero].mean() == pytest.approx(0.01, abs=0.002)
    assert hidden[:, expressed].mean() == pytest.approx(0.15, abs=0.005)
    assert set(found[0].weight[zero]) == {np.float32(15)}
    even = draw(tokens, rng, replace(settings, masking="uniform"))
    assert even.mask[zero].mean() == pytest.approx(0.15, abs=0.02)
    assert (even.weight == 1).all()
    genes = draw(tokens, rng, replace(settings, more_genes=1.0)).mask[:, :396]
    assert 0.02 < genes.all(axis=0).mean() < 0.5
    whole = draw(tokens, rng, replace(settings, whole_cells=1.0)).mask[:, :396]
    assert 1 <= whole.all(axis=1).sum() < 50


def test_genes_of_one_programme_are_neighbours(table) -> None:
    order = together(table.X.log1p().tocsr())
    assert sorted(order) == list(range(24))
    # even and odd genes are the two programmes: one change along the order
    assert np.count_nonzero(np.diff(order % 2)) == 1


def test_without_places_it_reads_none(table) -> None:
    bare = anndata.AnnData(table.X, table.obs, table.var)
    model = run(bare, epochs=1)
    assert model.config.coordinate_encoding == "none"
    assert any("reads no places" in note for note in model.notes)


def test_it_goes_on_from_a_trained_one(table) -> None:
    first = run(table, epochs=1)
    before = {k: v.clone() for k, v in first.network.state_dict().items()}
    second = scfm.train(
        first, table, epochs=1, validation=["F003"], settings=TINY, device="cpu"
    )
    assert second.config.measured == first.config.measured
    after = first.network.state_dict()
    assert all(value.equal(after[name]) for name, value in before.items())


@pytest.mark.parametrize("changes", [{"objective": "annotate"}, {"settings": "other"}])
def test_what_is_of_another_family_is_refused(table, changes) -> None:
    if "settings" in changes:
        changes = {"settings": TrainSettings()}
    with pytest.raises(SpecError, match="sCT"):
        run(table, **changes)


def test_sct_is_not_taught_to_others_and_panels_are_small(table, small) -> None:
    with pytest.raises(SpecError, match="Only sCT"):
        scfm.train("cellplm", table, objective="sct", settings=small)
    with pytest.raises(SpecError, match="masking is 'all'"):
        SCTSettings(masking="all")
    wide = anndata.AnnData(np.ones((4, 9000), dtype=np.float32))
    with pytest.raises(ModelError, match="no panel"):
        scfm.train("sct-panel", wide)
