"""Imputing chosen genes: what is learned, from whom, and what may never be seen."""

from __future__ import annotations

import json

import anndata
import numpy as np
import pytest
import torch

import napari_scfm as scfm
from napari_scfm.errors import SpecError
from napari_scfm.masks.mask import Mask
from napari_scfm.models.cellplm.network import CellPLMNetwork
from napari_scfm.training.batches import TrainingBag, whole
from napari_scfm.training.objectives.impute import ImputeObjective
from napari_scfm.training.start import new_config


@pytest.fixture
def cells(make_tissue) -> anndata.AnnData:
    """Single cells of the same two types, in no place."""
    found = make_tissue(fovs=2, seed=9)
    del found.obsm["spatial"], found.obs["fov"]
    found.obs_names = [f"sc{i}" for i in range(found.n_obs)]
    return found


def train(table, small, **changes):
    asked = {"objective": "impute", "settings": small, "device": "cpu"}
    return scfm.train("cellplm", table, **asked | changes)


def correlations(model, test, genes) -> list[float]:
    place = [test.var_names.get_loc(gene) for gene in genes]
    hidden = np.zeros(test.shape, dtype=bool)
    hidden[:, place] = True
    got = model.impute(test, genes, mask=Mask(hidden, test.obs_names, test.var_names))
    truth = test.X.toarray()[:, place]
    return [
        float(np.corrcoef(np.log1p(a), np.log1p(b))[0, 1])
        for a, b in zip(got.T, truth.T, strict=True)
    ]


def test_targets_are_learned_from_fovs_that_measure_them(
    table, small, tmp_path
) -> None:
    genes = list(table.var_names[:4])
    model = train(
        table, small, genes=genes, validation=["F003"], epochs=10, out=tmp_path
    )
    test = table[table.obs["fov"] == "F003"].copy()
    assert min(correlations(model, test, genes)) > 0.6
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["targets"] == genes
    assert metrics["epochs"][metrics["best_epoch"]]["pearson_targets"] > 0.6


def test_targets_that_no_fov_measures_are_learned_from_single_cells(
    table, cells, small
) -> None:
    genes = list(table.var_names[:4])
    seen = table[:, 4:].copy()
    model = train(
        seen, small, genes=genes, reference=cells, validation=["F003"], epochs=10
    )
    assert set(genes) <= set(model.config.gene_list)
    got = model.impute(seen, genes)
    truth = table.X.toarray()[:, :4]
    for gene in range(4):
        r = np.corrcoef(np.log1p(got[:, gene]), np.log1p(truth[:, gene]))[0, 1]
        assert r > 0.6
    training = model.config.extra["training"]
    assert training["fovs"][:2] == ["F001", "F002"]
    assert training["fovs"][2] == "reference 1"
    assert training["validation"][0] == "F003"
    assert training["validation"][1].startswith("reference")


def test_with_a_reference_targets_in_fovs_teach_and_choose_nothing(
    table, cells, small
) -> None:
    genes = list(table.var_names[:4])

    def weights(shown):
        model = train(
            shown, small, genes=genes, reference=cells, validation=["F003"], epochs=2
        )
        return model.network.state_dict()

    first = weights(table)
    changed = table.copy()
    dense = changed.X.toarray()
    dense[:, :4] = np.random.default_rng(0).poisson(20, (table.n_obs, 4))
    changed.X = dense
    for name, value in weights(changed).items():
        assert torch.equal(value, first[name]), name


def test_targets_never_enter(table, small) -> None:
    torch.manual_seed(0)
    genes = table.n_vars
    goal = ImputeObjective(small, np.arange(genes) < 3)
    network = CellPLMNetwork(new_config(table, small))
    inputs = []
    network.register_forward_pre_hook(lambda _, given: inputs.append(given[0].clone()))
    counts = table.X.toarray()[:80] + 1
    bag = TrainingBag("F", counts, table.obsm["spatial"][:80])
    step = whole(bag, 4, torch.device("cpu"))
    rows, rng = torch.arange(genes), np.random.default_rng(0)
    for _ in range(10):
        goal.loss(network, step, rows, rng)
    with torch.no_grad():
        goal.score(network.eval(), step, rows)
    assert len(inputs) == 11
    assert all(len(shown[:, :3].unique()) == 1 for shown in inputs)
    assert float(inputs[-1][:, 3:].min()) >= 1


def test_targets_are_drawn_from_strata(table, cells, small) -> None:
    model = train(table, small, epochs=1)
    targets = model.config.extra["training"]["targets"]
    assert 0 < len(targets) <= 12
    assert train(table, small, epochs=1).config.extra["training"]["targets"] == targets
    few = cells[:, :6].copy()
    drawn = train(table, small, epochs=1, reference=few)
    assert set(drawn.config.extra["training"]["targets"]) <= set(few.var_names)


def test_cells_of_the_table_are_taken_out_of_the_reference(table, cells, small) -> None:
    genes = list(table.var_names[:2])
    both = anndata.concat([cells, table[:30]])
    model = train(table, small, genes=genes, reference=both, epochs=1)
    assert any("30 reference cells are in the table" in note for note in model.notes)
    with pytest.raises(SpecError, match="All cells of the reference are cells of"):
        train(table, small, genes=genes, reference=table, epochs=1)


def test_large_references_are_cut_into_bags(cells, table, small) -> None:
    many = anndata.concat([cells] * 14, index_unique="-")
    genes = list(table.var_names[:2])
    model = train(table[:80].copy(), small, genes=genes, reference=many, epochs=1)
    names = model.config.extra["training"]["fovs"]
    assert names == ["F001", "reference 1", "reference 2"]


def test_targets_that_cannot_be_learned(table, cells, small) -> None:
    first = table.var_names[0]
    with pytest.raises(SpecError, match="does not know the target genes CD4"):
        train(table, small, genes=[first, "CD4"])
    with pytest.raises(SpecError, match=f"reference does not measure .*{first}"):
        train(table, small, genes=[first], reference=cells[:, 1:].copy())
    with pytest.raises(SpecError, match="none is left to guess from"):
        train(table, small, genes=list(table.var_names))
    seen = table[:, 1:].copy()
    with pytest.raises(SpecError, match="does not know the target genes"):
        train(seen, small, genes=[first])
    mini = scfm.load_model("cellplm-mini", device="cpu")
    seen.var_names = list(mini.config.gene_list[:23])
    absent = mini.config.gene_list[30]
    with pytest.raises(SpecError, match="table does not measure") as caught:
        scfm.train(mini, seen, objective="impute", genes=[absent], settings=small)
    assert "reference" in str(caught.value)
