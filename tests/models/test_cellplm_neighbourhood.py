"""Hidden cells in bags of their own: specific to their place, equal to small tables."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anndata
import numpy as np
import pytest
from scipy import sparse

import napari_scfm as scfm
from napari_scfm.errors import ModelError
from napari_scfm.masks.mask import Mask
from napari_scfm.models.cellplm.neighbourhood import refuse_own_neighbours, small_bags
from napari_scfm.models.cellplm.reading import TableReading
from napari_scfm.progress import Cancelled, Progress

if TYPE_CHECKING:
    from pathlib import Path

HIDDEN = (3, 40)


@pytest.fixture(scope="module")
def tiny(shared: Path) -> Path:
    return shared / "parity" / "cellplm" / "tiny"


@pytest.fixture
def table(tiny: Path) -> anndata.AnnData:
    """Two hidden cells in the middle of two groups that lie far apart."""
    table = anndata.read_h5ad(tiny / "adata.h5ad")
    counts = table.X.toarray()
    counts[:, 10:12] += counts.sum(axis=1, keepdims=True) == 0  # no cell is empty
    table.X = sparse.csr_matrix(counts)
    rng = np.random.default_rng(0)
    table.obsm["spatial"] = rng.uniform(0, 50, (table.n_obs, 2))
    table.obsm["spatial"][table.n_obs // 4 :, 0] += 500
    return table


def hide(table: anndata.AnnData, rows=HIDDEN, columns=()) -> Mask:
    hidden = np.zeros(table.shape, dtype=bool)
    hidden[list(rows)] = True
    hidden[:, list(columns)] = True
    return Mask(hidden, table.obs_names, table.var_names)


def known(model, table) -> list[str]:
    return [gene for gene in table.var_names if gene in model.info.genes]


def test_two_surroundings_give_two_predictions(tiny, table) -> None:
    model = scfm.load_model(tiny / "tiny_vae.best.ckpt", device="cpu")
    mask, genes = hide(table), known(model, table)
    alike = model.impute(table, genes, mask=mask)
    np.testing.assert_array_equal(alike[HIDDEN[0]], alike[HIDDEN[1]])
    apart = model.impute(table, genes, mask=mask, neighbourhood=10)
    one, two = apart[list(HIDDEN)]
    assert np.abs(one - two).max() > 1e-3 * one.max()
    assert apart.min() > 0
    others = np.setdiff1d(np.arange(table.n_obs), HIDDEN)
    np.testing.assert_array_equal(apart[others], alike[others])


@pytest.mark.parametrize("name", ["tiny_vae.best.ckpt", "gmvae"])
def test_equals_a_small_table_for_each_hidden_cell(tiny, table, name) -> None:
    model = scfm.load_model(tiny / name, device="cpu")
    table = table[:, :110].copy()
    table.var_names = list(model.info.genes[: table.n_vars])
    mask, genes = hide(table, columns=(5, 6)), list(model.info.genes[4:20])
    got = model.impute(table, genes, mask=mask, neighbourhood=8)
    for row in HIDDEN:
        far = np.linalg.norm(table.obsm["spatial"] - table.obsm["spatial"][row], axis=1)
        far[list(HIDDEN)] = np.inf
        cells = [row, *np.argsort(far)[:8]]
        want = model.impute(table[cells].copy(), genes, mask=mask)
        np.testing.assert_allclose(got[row], want[0], rtol=1e-4, atol=1e-5)


def test_small_bags_stay_in_their_bag_and_hold_observed_cells(tiny, table) -> None:
    model = scfm.load_model(tiny / "tiny_vae.best.ckpt", device="cpu")
    table.obs["fov"] = np.where(np.arange(table.n_obs) % 2, "A", "B")
    rows = (1, 3, 8, 21)
    reading = TableReading(table, hide(table, rows), model.config, "test")
    for bag in reading:
        groups = small_bags(bag, 60)
        assert set(bag.cells[groups[:, 0]]) == {r for r in rows if r in bag.cells}
        observed = len(bag.cells) - len(groups)
        assert groups.shape == (len(groups), 1 + min(60, observed))
        assert not np.isin(groups[:, 1:], groups[:, 0]).any()


def test_many_hidden_cells_are_read_in_batches(tiny, table) -> None:
    model = scfm.load_model(tiny / "tiny_vae.best.ckpt", device="cpu")
    mask, genes = hide(table, range(0, 90, 3)), known(model, table)
    want = model.impute(table, genes, mask=mask, neighbourhood=7)
    model.network.encoder.block = 20
    seen: list[Progress] = []
    got = model.impute(table, genes, mask=mask, neighbourhood=7, progress=seen.append)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    steps = [(p.done, p.total) for p in seen if "neighbourhoods" in p.message]
    assert steps[:2] == [(0, 30), (2, 30)]
    assert steps[-1] == (30, 30)

    def stop(progress: Progress) -> None:
        if progress.total == 30:
            raise Cancelled

    with pytest.raises(Cancelled):
        model.impute(table, genes, mask=mask, neighbourhood=7, progress=stop)


def test_nothing_hidden_and_nothing_observed(tiny, table) -> None:
    model = scfm.load_model(tiny / "tiny_vae.best.ckpt", device="cpu")
    genes = known(model, table)
    for mask in (None, hide(table, columns=range(table.n_vars))):
        np.testing.assert_array_equal(
            model.impute(table, genes, mask=mask, neighbourhood=5),
            model.impute(table, genes, mask=mask),
        )


def test_refusals(tiny, table) -> None:
    model = scfm.load_model(tiny / "tiny_vae.best.ckpt", device="cpu")
    with pytest.raises(ModelError, match="neighbourhood of 0"):
        model.impute(table, ["A"], neighbourhood=0)
    own = replace(model.config, neighbours=(4, 8))
    with pytest.raises(ModelError, match="reads the neighbours of every cell"):
        refuse_own_neighbours(own)
    del table.obsm["spatial"]
    with pytest.raises(ModelError, match="no coordinates"):
        model.impute(table, ["A"], neighbourhood=5)
