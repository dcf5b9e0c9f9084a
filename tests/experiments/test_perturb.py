"""In silico perturbation: two predictions, their difference, and its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

import napari_scfm as scfm
from napari_scfm.errors import MaskError, ModelError, SpecError
from napari_scfm.experiments.perturbation import store
from napari_scfm.models.bags import bags
from napari_scfm.models.base import CellModel, ModelInfo
from napari_scfm.slides.samples import sample_path

if TYPE_CHECKING:
    from pathlib import Path


class BagMean(CellModel):
    """Predicts every gene as the mean of its FOV, and cannot predict "X"."""

    def __init__(self) -> None:
        able = frozenset({"impute"})
        self.info = ModelInfo("bag-mean", capabilities=able)
        self.notes: list[str] = []

    def impute(self, table, genes, *, mask=None, progress=None):
        out = np.full((table.n_obs, len(genes)), np.nan, np.float32)
        for rows in bags(table):
            for j, gene in enumerate(genes):
                if gene != "X":
                    counts = table[rows, gene].X.toarray()
                    out[rows, j] = counts.mean()
        return out


def small() -> ad.AnnData:
    counts = np.arange(1, 25, dtype=np.float32).reshape(6, 4)
    table = ad.AnnData(sparse.csr_matrix(counts))
    table.obs_names = [f"c{i}" for i in range(6)]
    table.var_names = ["A", "B", "C", "X"]
    table.obs["fov"] = ["1"] * 4 + ["2"] * 2
    table.obs["cell_type"] = ["t", "u", "u", "t", "t", "u"]
    table.obsm["spatial"] = np.array(
        [[0, 0], [3, 4], [0, 10], [6, 8], [0, 0], [1, 1]], float
    )
    return table


def test_knock_out_by_hand() -> None:
    table = small()
    before = table.X.toarray()
    found = scfm.perturb(BagMean(), table, "B", ["c0", "c3"])
    np.testing.assert_array_equal(table.X.toarray(), before)
    # B holds 2, 6, 10, 14 in FOV 1: without the 2 and the 14 its mean falls by 4
    np.testing.assert_allclose(found.change[:4, 1], -4)
    np.testing.assert_array_equal(found.change[4:, :3], 0)
    np.testing.assert_array_equal(found.change[:, [0, 2]], 0)
    assert np.isnan(found.change[:, 3]).all()
    assert found.change.dtype == np.float32
    np.testing.assert_array_equal(found.touched, [1, 0, 0, 1, 0, 0])
    np.testing.assert_array_equal(found.others, [0, 1, 1, 0, 0, 0])
    np.testing.assert_allclose(found.distance[:4], [0, 5, np.hypot(6, 2), 0])
    assert np.isnan(found.distance[4:]).all()
    assert any("cannot predict 1 gene" in note for note in found.notes)


def test_tables_by_hand() -> None:
    found = scfm.perturb(BagMean(), small(), "B", ["c0"], to=10)
    gene = found.per_gene.set_index("gene")
    assert gene.index[0] == "B"
    assert gene.loc["B", ["before", "change", "in_touched"]].tolist() == [8, 2, 2]
    assert gene.loc["B", "relative"] == pytest.approx(0.25)
    kinds = found.per_type.set_index("cell_type")
    assert kinds["cells"].to_dict() == {"u": 2, "t": 1}
    assert kinds["top_gene"].tolist() == ["B", "B"]
    assert kinds.loc["u", "abs_change"] == pytest.approx(2 / 3)
    assert found.by_type.loc["B"].to_dict() == {"u": 2.0, "t": 2.0}
    cell = found.per_cell.set_index("cell")["abs_change"]
    np.testing.assert_allclose(cell, [2 / 3] * 4 + [0, 0])


def test_factors_give_whole_molecules_and_every_cell() -> None:
    table = small()
    found = scfm.perturb(BagMean(), table, ["A", "C"], factor=0.5)
    assert found.touched.all()
    assert found.others.all()
    a = table.X.toarray()[:4, 0]
    np.testing.assert_allclose(found.change[:4, 0], np.rint(a / 2).mean() - a.mean())
    assert found.provenance["factor"] == 0.5
    assert found.provenance["perturbed_genes"] == ["A", "C"]


def test_nothing_changes_where_the_count_is_the_same() -> None:
    found = scfm.perturb(BagMean(), small(), "A", ["c1", "c2"], to=5)
    np.testing.assert_array_equal(found.changed, [0, 0, 1, 0, 0, 0])
    assert any("1 cell of 2 had that count of A already" in n for n in found.notes)
    same = scfm.perturb(BagMean(), small(), "A", ["c1"], factor=1.0)
    assert not same.changed.any()
    assert np.nansum(np.abs(same.change)) == 0
    assert same.per_type["abs_change"].tolist() == [0.0]


def test_without_types_and_coordinates() -> None:
    table = small()
    del table.obs["cell_type"], table.obsm["spatial"]
    found = scfm.perturb(BagMean(), table, "B", ["c0"], targets=["B", "A"])
    assert found.distance is None
    assert found.per_type["cell_type"].tolist() == ["all cells"]
    assert list(found.by_type.index) == ["B", "A"]
    assert found.per_cell["distance"].isna().all()


def test_wrong_questions_are_refused() -> None:
    table = small()
    with pytest.raises(MaskError, match="no gene Z"):
        scfm.perturb(BagMean(), table, "Z")
    with pytest.raises(MaskError, match="no cell c9"):
        scfm.perturb(BagMean(), table, "A", ["c9"])
    with pytest.raises(SpecError, match="not both"):
        scfm.perturb(BagMean(), table, "A", to=1, factor=2)
    with pytest.raises(SpecError, match="cannot become -1"):
        scfm.perturb(BagMean(), table, "A", to=-1)
    with pytest.raises(SpecError, match="No cell is chosen"):
        scfm.perturb(BagMean(), table, "A", np.zeros(6, dtype=bool))
    with pytest.raises(ModelError, match="can predict none of X"):
        scfm.perturb(BagMean(), table, "A", targets=["X"])
    mini = scfm.load_model("cellplm-mini", "cpu")
    table.var_names = ["CD3E", *table.var_names[1:]]
    with pytest.raises(ModelError, match="does not read B"):
        scfm.perturb(mini, table, ["CD3E", "B"])


@pytest.fixture(scope="module")
def sample() -> ad.AnnData:
    table = scfm.read_slide(sample_path("cosmx")).table
    return table[table.obs["fov"].isin(["F003", "F004"])].copy()


def test_a_model_that_reads_neighbours_passes_a_change_on(sample) -> None:
    model = scfm.load_model("cellplm-mini", "cpu")
    cells = np.flatnonzero(sample.obs["fov"] == "F004")[:15]
    told = []
    found = scfm.perturb(
        model, sample, "MALAT1", cells, factor=4.0, progress=told.append
    )
    counts = sample.X.toarray()
    other = sample.copy()
    column = sample.var_names.get_loc("MALAT1")
    counts[cells, column] *= 4
    other.X = sparse.csr_matrix(counts)
    genes = list(sample.var_names)
    want = model.impute(other, genes) - model.impute(sample, genes)
    np.testing.assert_array_equal(found.change, want)

    away = (sample.obs["fov"] == "F003").to_numpy()
    assert np.abs(found.change[away]).max() == 0
    cell = found.per_cell
    near, far = cell["distance"].between(1, 25), cell["distance"] > 100
    assert near.sum() > 5
    assert far.sum() > 5
    assert cell.loc[near, "abs_change"].mean() > 2 * cell.loc[far, "abs_change"].mean()
    assert told[-1].done == told[-1].total
    assert [p.done for p in told] == sorted(p.done for p in told)


def test_the_original_network_passes_a_change_on_in_its_bag(shared: Path) -> None:
    tiny = shared / "parity" / "cellplm" / "tiny"
    table = ad.read_h5ad(tiny / "adata.h5ad")
    table.obs["fov"] = table.obs["batch"]
    model = scfm.load_model(tiny, device="cpu")
    gene = next(g for g in table.var_names if g in model.info.genes)
    found = scfm.perturb(model, table, gene, [table.obs_names[0]], to=60)
    own = (table.obs["fov"] == table.obs["fov"].iloc[0]).to_numpy()
    np.testing.assert_array_equal(found.together, own)
    change = found.per_cell["abs_change"].to_numpy()
    assert (change[own] > 0).mean() > 0.9
    assert (change[~own] == 0).all()


def test_storing_survives_a_file(sample, tmp_path: Path) -> None:
    model = scfm.load_model("cellplm-mini", "cpu")
    found = scfm.perturb(model, sample, "CD44", [sample.obs_names[3]], targets=["CD44"])
    table = sample.copy()
    where = store(found, table)
    assert "layers['cellplm_mini_perturbed']" in where
    table.write_h5ad(tmp_path / "out.h5ad")
    again = ad.read_h5ad(tmp_path / "out.h5ad")
    column = again.var_names.get_loc("CD44")
    layer = np.asarray(again.layers["cellplm_mini_perturbed"])
    np.testing.assert_array_equal(layer[:, column], found.change[:, 0])
    assert np.isnan(np.delete(layer, column, axis=1)).all()
    assert again.obs["cellplm_mini_perturbed"].sum() == 1
    assert again.uns["napari_scfm"]["to"] == 0.0
