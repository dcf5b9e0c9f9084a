"""sCT as a model: embeddings, predictions, attention, files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import sparse

import napari_scfm as scfm
from napari_scfm.errors import ModelError
from napari_scfm.models.attention import Attention
from napari_scfm.models.sct import kept, licence
from napari_scfm.models.sct.options import SCTOptions

NAMES = tuple(f"G{i}" for i in range(14))
MEASURED = NAMES[:9]


def order_of(model, cells, window):
    from napari_scfm.models.sct.bags import orders

    return orders(1, cells, model.options.seed, window)[0]


def by_hand(model, table, window, number):
    """Return tokens of one window and its cells in the order in which they are read."""
    from napari_scfm.models.sct.tokens import tokenise

    cells = window.cells[order_of(model, len(window.cells), number)]
    logs = sparse.csr_array(np.log1p(table.X.toarray().astype(float)))
    tokens = np.full((len(cells), 16), 6)
    tokens[:, :14] = 0
    tokens[:, :9] = tokenise(logs).matrix.toarray()[cells]
    return cells, torch.as_tensor(tokens.ravel())[None]


def test_embedding_is_the_mean_of_a_cells_tokens_in_its_window(small, tissue):
    from napari_scfm.models.sct.bags import tiles

    model, table = small(), tissue
    found = model.embed(table)
    assert found.shape == (20, 32)
    assert found.dtype == np.float32
    xy = table.obsm["spatial"]
    windows = [*tiles(np.arange(13), xy[:13], 6), *tiles(np.arange(13, 20), xy[13:], 6)]
    for number, window in enumerate(windows):
        cells, tokens = by_hand(model, table, window, number)
        with torch.inference_mode():
            out = model.network(tokens).transformer_out[0].unflatten(0, (6, 4)).mean(1)
        kept = np.isin(cells, window.cells[window.kept])
        np.testing.assert_allclose(found[cells[kept]], out.numpy()[kept], atol=1e-5)


def test_prediction_is_the_expected_count_at_mask_tokens(small, tissue):
    model, table = small(), tissue[:6].copy()
    mask = scfm.mask_genes(table, ["G2"])
    found = model.impute(table, ["G2", "G11", "nothing"], mask=mask)
    assert np.isnan(found[:, 2]).all()
    from napari_scfm.models.sct.bags import tiles

    (window,) = tiles(np.arange(6), table.obsm["spatial"], 6)
    shown = table.copy()
    shown.X = mask.visible(table)
    cells, tokens = by_hand(model, shown, window, 0)
    grid = tokens.view(6, 16)
    grid[:, [2, 11]] = 5
    with torch.inference_mode():
        logits = model.network(tokens).logits.view(6, 16, 7)[:, [2, 11], :5]
    p = logits.softmax(-1).numpy()
    logs = np.log1p(shown.X.toarray()[cells].astype(float))
    low = np.array([row[row > 0].min() for row in logs])
    high = logs.max(axis=1)
    middle = low[:, None] + (high - low)[:, None] * np.array([1, 3, 5, 7]) / 8
    wanted = np.expm1(np.einsum("cgb,cb->cg", p[..., 1:], middle))
    np.testing.assert_allclose(found[cells, :2], wanted, rtol=1e-4)


def test_a_hidden_cell_is_masked_whole_and_read_by_the_others_ranges(small, tissue):
    model = small()
    mask = scfm.mask_cells(tissue, ["c1", "c2"])
    found = model.impute(tissue, list(MEASURED), mask=mask)
    assert np.isfinite(found).all()
    reading = model._reading(tissue, mask)
    dense = reading.dense(np.array([1, 3]), np.zeros(0, dtype=int))
    assert list(dense[0]) == [5] * 14 + [6, 6]
    assert 5 not in dense[1]
    near = model.impute(tissue, list(MEASURED), mask=mask, neighbourhood=4)
    others = np.setdiff1d(np.arange(20), [1, 2])
    np.testing.assert_array_equal(near[others], found[others])
    assert not np.allclose(near[1], found[1])
    everything = scfm.mask_cells(tissue, list(tissue.obs_names[:13]))
    assert np.isfinite(model.impute(tissue, ["G0"], mask=everything)).all()


def test_a_hole_is_read_with_the_cells_around_it(small, tissue):
    from napari_scfm.models.sct.bags import tiles

    model, xy = small(), tissue.obsm["spatial"]
    hole = tiles(np.arange(13), xy[:13], 6)[0].cells
    mask = scfm.mask_cells(tissue, tissue.obs_names[hole])
    found = model.impute(tissue, list(MEASURED), mask=mask)
    assert any("6 hidden cells lie among hidden cells" in n for n in model.notes)
    near = tissue.copy()
    away = np.setdiff1d(np.arange(13), hole)
    far = np.square(xy[away][:, None] - xy[hole]).sum(axis=2).min(axis=1)
    counts = near.X.toarray()
    counts[away[far.argmin()]] = counts[away[far.argmin()]][::-1] + 3
    near.X = sparse.csr_matrix(counts)
    assert not np.allclose(
        model.impute(near, list(MEASURED), mask=mask)[hole], found[hole]
    )
    # what was hidden stays unread
    counts[hole] += 5
    near.X = sparse.csr_matrix(counts)
    changed = model.impute(near, list(MEASURED), mask=mask)
    counts[hole] *= 2
    near.X = sparse.csr_matrix(counts)
    np.testing.assert_array_equal(
        changed, model.impute(near, list(MEASURED), mask=mask)
    )


def test_cells_that_show_nothing_are_missing_and_said(small, tissue):
    table = tissue.copy()
    counts = table.X.toarray()
    counts[4] = 0
    table.X = sparse.csr_matrix(counts)
    model = small()
    found = model.embed(table)
    assert np.isnan(found[4]).all()
    assert np.isfinite(np.delete(found, 4, axis=0)).all()
    assert any("1 cell without a count" in note for note in model.notes)
    attention = model.attend(table)
    assert attention.row(4).sum() == 0
    assert np.isnan(model.impute(table, ["G1"])[4]).all()


def test_attention_of_a_small_field_is_the_networks_own(small, tissue):
    model, table = small(attention_orders=1), tissue[:6].copy()
    found = model.attend(table, layer=0, head=1)
    assert isinstance(found, Attention)
    from napari_scfm.models.sct.bags import tiles

    (window,) = tiles(np.arange(6), table.obsm["spatial"], 6)
    cells, tokens = by_hand(model, table, window, 0)
    with torch.inference_mode():
        weights = model.network(tokens, attention=((0, 1),)).attention[0, 1][0]
    between = weights.unflatten(0, (6, 4)).mean(1).unflatten(1, (6, 4)).sum(2)
    np.testing.assert_allclose(
        found.dense()[np.ix_(cells, cells)], between.numpy(), atol=1e-6
    )


def test_attention_is_gathered_over_windows_and_orders(small, tissue):
    model = small()
    many = model.attend(tissue)
    np.testing.assert_allclose(many.row_sums(), 1, atol=1e-5)
    assert many.homes().tolist() == [0] * 13 + [1] * 7
    # several tilings: more partners than one window holds
    assert (many.dense()[:13] > 0).sum(axis=1).max() > 6
    model.options = replace(model.options, attention_orders=1)
    assert not np.allclose(model.attend(tissue).dense(), many.dense())
    assert any("1 of many orders" in note for note in model.notes)
    rolled = model.attend(tissue, layer="rollout")
    np.testing.assert_allclose(rolled.row_sums(), 1, atol=1e-5)
    with pytest.raises(ModelError, match="cannot be weighted by values"):
        model.attend(tissue, weighting="values")
    with pytest.raises(ModelError, match="no 7"):
        model.attend(tissue, layer=7)


def test_what_the_sequence_explains_can_be_subtracted(small, tissue):
    """A network that sees only places in the sequence has nothing left."""
    model = small(attention_orders=8, without_sequence=True)
    blind = tissue.copy()
    # all cells alike: what differs is where they stand
    blind.X = sparse.csr_matrix(np.ones(blind.shape, dtype=np.float32))
    left = model.attend(blind[:6].copy()).dense()
    model.options = replace(model.options, without_sequence=False)
    plain = model.attend(blind[:6].copy()).dense()
    off = ~np.eye(6, dtype=bool)
    assert left[off].std() < 0.5 * plain[off].std()


def test_centred_windows_keep_the_centre_only(small, tissue):
    model = small(windows="centred", attention_orders=1)
    found = model.embed(tissue)
    assert np.isfinite(found).all()
    rows = (model.attend(tissue).dense() > 0).sum(axis=1)
    assert (rows == 6).all()
    bare = tissue.copy()
    del bare.obsm["spatial"]
    with pytest.raises(ModelError, match="no places of cells"):
        model.embed(bare)
    assert np.isfinite(small().embed(bare)).all()


def test_results_repeat_and_hang_on_the_seed_of_the_orders(small, tissue):
    first = small().embed(tissue)
    np.testing.assert_array_equal(first, small().embed(tissue))
    assert not np.allclose(first, small(seed=1).embed(tissue))
    apart = [small(seed=s).embed(tissue) for s in range(2)]
    calm = [small(seed=s, orders=8).embed(tissue) for s in range(2)]
    assert np.abs(calm[0] - calm[1]).mean() < 0.7 * np.abs(apart[0] - apart[1]).mean()


def test_networks_with_coordinates_read_places(small, tissue):
    model = small("paper")
    here = tissue[:6].copy()
    there = here.copy()
    there.obsm["spatial"] = here.obsm["spatial"][::-1]
    assert not np.allclose(model.embed(here), model.embed(there), atol=1e-4)
    assert model.reads_positions(here)
    plain = small()
    assert not plain.reads_positions(here)
    np.testing.assert_array_equal(plain.embed(here), plain.embed(there))
    assert plain.reads_positions(tissue)


def test_all_wrong_options_are_said_together():
    with pytest.raises(ModelError) as caught:
        SCTOptions(windows="rows", orders=0, readout="mean", seed=-1)
    assert len(caught.value.problems) == 4


def test_a_window_at_a_time_gives_the_same_and_it_can_be_stopped(small, tissue):
    model = small()
    whole = model.embed(tissue)
    model._runs.positions = 1
    np.testing.assert_allclose(model.embed(tissue), whole, atol=1e-5)
    told = []

    def stop(now):
        told.append(now)
        if now.done >= 2:
            raise scfm.Cancelled

    with pytest.raises(scfm.Cancelled):
        model.embed(tissue, progress=stop)
    assert told[0].total == 5


def test_memory_that_runs_out_halves_what_is_read_at_once(small, tissue, monkeypatch):
    model = small()
    whole, encode = model.embed(tissue), model.network.encode

    def scarce(tokens, places=None):
        if len(tokens) > 1:
            raise torch.OutOfMemoryError
        return encode(tokens, places)

    monkeypatch.setattr(model.network, "encode", scarce)
    np.testing.assert_allclose(model.embed(tissue), whole, atol=1e-5)
    assert any("ran out of memory" in note for note in model.notes)


def test_a_model_is_saved_and_loaded_with_its_genes_and_licence(
    small, tissue, tmp_path
):
    model = small("released", seed=4)
    assert '"seed": 4' in model.info.settings
    model.save(tmp_path / "mine")
    again = scfm.load_model(tmp_path / "mine", device="cpu")
    np.testing.assert_array_equal(again.embed(tissue), model.embed(tissue))
    assert again.info.genes == NAMES
    assert again.info.licence == "see where the weights came from"
    assert again.info.sha256
    assert again.options == model.options


def test_the_released_layout_needs_an_order_of_genes(
    tissue, shared, tmp_path, monkeypatch
):
    monkeypatch.setenv(licence.VARIABLE, "1")
    path = shared / "parity" / "sct" / "tiny" / "nonspatial" / "params.joblib"
    model = scfm.load_model(path, device="cpu")
    assert not model.info.capabilities
    with pytest.raises(ModelError, match="which of its 96 positions is which gene"):
        model.embed(tissue)
    genes = tmp_path / "genes.csv"
    genes.write_text(
        "position,ensembl_id\n" + "".join(f"{i},G{i}\n" for i in range(90))
    )
    model = scfm.load_model(path, device="cpu", genes=genes)
    assert model.embed(tissue).shape == (20, 64)
    assert model.info.licence == "CC BY-NC-SA 4.0"
    model.save(tmp_path / "copy")
    again = scfm.load_model(tmp_path / "copy", device="cpu")
    assert again.info.licence == "CC BY-NC-SA 4.0"
    np.testing.assert_array_equal(again.embed(tissue), model.embed(tissue))
    genes.write_text("position,ensembl_id\n" + "".join(f"{i},\n" for i in range(97)))
    with pytest.raises(ModelError, match="names 97 positions, the weights have 96"):
        scfm.load_model(path, device="cpu", genes=genes)


def test_the_licence_is_shown_until_it_was_accepted(tmp_path, monkeypatch, caplog):
    monkeypatch.delenv(licence.VARIABLE, raising=False)
    monkeypatch.setattr(licence, "_shown", set())
    monkeypatch.setenv(kept.VARIABLE, str(tmp_path / "a"))
    assert not licence.show("BSD-3-Clause")
    assert not licence.accepted(licence.RELEASED)
    assert licence.show(licence.RELEASED)
    assert "not for commercial use" in caplog.text
    assert not licence.show(licence.RELEASED)
    licence.accept(licence.RELEASED)
    monkeypatch.setattr(licence, "_shown", set())
    assert licence.accepted(licence.RELEASED)
    assert not licence.show(licence.RELEASED)
    (tmp_path / "a" / "licences.json").write_text("[")
    assert not licence.accepted(licence.RELEASED)
    monkeypatch.setenv(licence.VARIABLE, "1")
    assert licence.accepted(licence.RELEASED)


def test_an_experiment_runs_with_it(small, tissue, tmp_path):
    folder = small().save(tmp_path / "mine")
    mask = scfm.MaskSpec(genes=("G1", "G4"))
    spec = scfm.ExperimentSpec(model=str(folder), mask=mask, baselines=("gene-mean",))
    result = scfm.run_experiment(tissue, spec)
    assert len(result.summary) == 2
    assert np.isfinite(result.predictions[0].values).all()
    assert '"windows": "tiles"' in result.predictions[0].provenance["settings"]
