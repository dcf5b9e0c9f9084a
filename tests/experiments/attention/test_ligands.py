"""Ligand-receptor pairs beside attention: the numbers, the null, the words."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import false_discovery_control, spearmanr

from napari_scfm import Cancelled, ligand_receptor
from napari_scfm.errors import ScfmError
from napari_scfm.experiments.attention.correlation import adjusted
from napari_scfm.experiments.attention.ligands import rank_pairs, yardstick
from napari_scfm.models.attention import Attention, Block

GENES = ("CXCL12", "CXCR4", "ITGA4", "ITGB1", "VCAM1", "ACTB")


def tissue(n: int = 300, seed: int = 0) -> ad.AnnData:
    """Return cells of one FOV with counts that have no pattern in space."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(1.5, (n, len(GENES))).astype(np.float32)
    counts[:, -1] += 60
    table = ad.AnnData(counts)
    table.var_names = list(GENES)
    table.obs_names = [f"cell {i}" for i in range(n)]
    table.obsm["spatial"] = rng.random((n, 2)) * 20 * np.sqrt(n)
    return table


def levels(table: ad.AnnData) -> np.ndarray:
    depth = table.X.sum(axis=1, keepdims=True)
    return np.log1p(table.X / depth * np.median(depth))


def nothing(n: int = 300, seed: int = 5) -> Attention:
    """Return attention that has nothing to do with the genes."""
    query, key = np.random.default_rng(seed).random((2, n, 6)).astype(np.float32)
    return Attention([Block(np.arange(n), query=query, key=key)], n)


def following(table: ad.AnnData) -> Attention:
    """Return attention of CXCR4 cells on CXCL12 cells, the same for all others."""
    level = levels(table)
    return Attention.from_matrix(1 + np.outer(level[:, 1], level[:, 0]))


def test_the_product_is_ligand_of_the_sender_times_receptor_of_the_receiver():
    table = tissue()
    found = ligand_receptor(table, nothing(), "CXCL12", "CXCR4", permutations=0)
    level, xy = levels(table), table.obsm["spatial"]
    distance = np.linalg.norm(xy[7] - xy, axis=1)
    near = np.argsort(distance)[1:31]
    assert found.n_pairs == 300 * 30
    assert found.received[7] == pytest.approx(
        np.mean(level[7, 1] * level[near, 0]), rel=1e-5
    )
    by_pair = found.pairs.senders == 7
    takers = found.pairs.receivers[by_pair]
    assert found.sent[7] == pytest.approx(
        np.mean(level[takers, 1] * level[7, 0]), rel=1e-5
    )
    assert found.genes == (("CXCL12",), ("CXCR4",))


def test_attention_that_follows_a_pair_is_found_and_another_pair_is_not():
    table = tissue()
    found = ligand_receptor(table, following(table), "CXCL12", "CXCR4")
    assert found.spearman > 0.2
    assert found.p_value == pytest.approx(0.01)
    assert "p = 0.01" in found.sentence
    assert "CXCL12 → CXCR4" in found.sentence
    other = ligand_receptor(table, following(table), "VCAM1", "ITGB1")
    assert other.p_value > 0.05


@pytest.mark.parametrize("null", ["shift", "keys"])
def test_unrelated_attention_is_rarely_called_related(null):
    hits = 0
    for seed in range(20):
        table, attention = tissue(120, seed), nothing(120, seed + 100)
        made = ligand_receptor(
            table, attention, "CXCL12", "CXCR4", permutations=19, seed=seed, null=null
        )
        hits += made.p_value <= 0.05
    assert hits <= 4


def test_maps_that_are_smooth_in_space_are_not_called_related():
    """Keys exchanged one by one would call most of these pairs related."""
    hits = {"shift": 0, "keys": 0}
    for seed in range(12):
        rng = np.random.default_rng(seed)
        xy = rng.random((250, 2)) * 400
        kernel = np.exp(-((xy[:, None] - xy) ** 2).sum(-1) / (2 * 60**2))
        smooth = kernel @ rng.normal(size=(250, 14))
        smooth = (smooth - smooth.mean(0)) / smooth.std(0)
        table = tissue(250, seed)
        table.X[:, :2] = np.round(3 * np.exp(smooth[:, :2]))
        table.obsm["spatial"] = xy
        query, key = 1 / (1 + np.exp(-smooth[:, 2:8])), 1 / (1 + np.exp(-smooth[:, 8:]))
        attention = Attention([Block(np.arange(250), query=query, key=key)], 250)
        for null in hits:
            made = ligand_receptor(
                table, attention, "CXCL12", "CXCR4", permutations=19, null=null
            )
            hits[null] += made.p_value <= 0.05
    assert hits["shift"] <= 3
    assert hits["keys"] > hits["shift"]


def test_popular_keys_do_not_count():
    """All cells look at the ligand's cells, whatever receptor they hold."""
    table = tissue()
    popular = Attention.from_matrix(np.tile(1 + levels(table)[:, 0], (300, 1)))
    found = ligand_receptor(table, popular, "CXCL12", "CXCR4", permutations=9)
    assert np.isnan(found.spearman)
    assert np.isnan(found.p_value)
    assert "no rank correlation" in found.sentence


def test_layout_of_cell_types_does_not_count():
    table = tissue()
    kind = np.arange(300) % 2
    table.obs["cell_type"] = np.array(["a", "b"])[kind]
    table.X[:, 0], table.X[:, 1] = 9 * kind, 9 * (1 - kind)
    by_type = Attention.from_matrix(1 + np.outer(1 - kind, kind))
    found = ligand_receptor(table, by_type, "CXCL12", "CXCR4")
    assert not abs(found.spearman) > 0.03
    assert not found.p_value < 0.05
    free = ligand_receptor(table, by_type, "CXCL12", "CXCR4", strata=np.zeros(300))
    assert free.spearman > 0.4


def test_a_complex_is_as_abundant_as_its_scarcest_subunit():
    table = tissue()
    found = ligand_receptor(table, nothing(), "VCAM1", "ITGA4_ITGB1", permutations=0)
    level, at = levels(table), found.pairs
    receptor = np.minimum(level[:, 2], level[:, 3])
    np.testing.assert_allclose(
        found.product, level[at.senders, 4] * receptor[at.receivers], rtol=1e-5
    )
    assert found.genes[1] == ("ITGA4", "ITGB1")


def test_neighbours_stay_in_their_field_of_view_and_within_the_radius():
    table = tissue(60)
    table.obsm["spatial"][:] = np.random.default_rng(1).random((60, 2)) * 30
    halves = np.arange(60).reshape(2, 30)
    blocks = [Block(cells, matrix=np.ones((30, 30))) for cells in halves]
    found = ligand_receptor(
        table, Attention(blocks, 60), "CXCL12", "CXCR4", radius=8, permutations=0
    )
    one, two = found.pairs.receivers, found.pairs.senders
    xy = table.obsm["spatial"]
    assert np.all(one // 30 == two // 30)
    assert not np.any(one == two)
    assert np.linalg.norm(xy[one] - xy[two], axis=1).max() <= 8
    apart = np.linalg.norm(xy[:30, None] - xy[:30], axis=2)
    assert np.sum(one < 30) == np.sum(apart <= 8) - 30


def test_names_of_the_other_species_are_found():
    table = tissue()
    table.var_names = [name.capitalize() for name in GENES]
    found = ligand_receptor(table, nothing(), "CXCL12", "CXCR4", permutations=0)
    assert found.genes == (("Cxcl12",), ("Cxcr4",))


def test_everything_that_the_panel_lacks_is_named():
    with pytest.raises(ScfmError, match=r"CXCL13, CXCR9.*Did you mean CXCL12") as error:
        ligand_receptor(tissue(), nothing(), "CXCL13", "CXCR9")
    assert len(error.value.problems) == 2


def test_no_neighbours_no_positions_no_fit_are_refused():
    table = tissue()
    with pytest.raises(ScfmError, match="No cell has a neighbour"):
        ligand_receptor(table, nothing(), "CXCL12", "CXCR4", radius=1e-6)
    with pytest.raises(ScfmError, match="no neighbourhood"):
        ligand_receptor(table, nothing(), "CXCL12", "CXCR4", neighbours=0)
    with pytest.raises(ScfmError, match="has 200 cells"):
        ligand_receptor(table, nothing(200), "CXCL12", "CXCR4")
    table.obsm["spatial"][3] = np.nan
    with pytest.raises(ScfmError, match="row 3"):
        ligand_receptor(table, nothing(), "CXCL12", "CXCR4")
    del table.obsm["spatial"]
    with pytest.raises(ScfmError, match="no positions"):
        ligand_receptor(table, nothing(), "CXCL12", "CXCR4")


def test_it_repeats_and_can_be_stopped():
    table, attention = tissue(), nothing()

    def found():
        return ligand_receptor(table, attention, "CXCL12", "CXCR4", permutations=9)

    assert (found().expected, found().p_value) == (found().expected, found().p_value)

    def stop(progress):
        if progress.done == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        ligand_receptor(table, attention, "CXCL12", "CXCR4", progress=stop)


def test_all_pairs_are_ranked_with_the_numbers_of_each_alone():
    table = tissue()
    attention = following(table)
    asked = [("VCAM1", "ITGA4_ITGB1"), ("CXCL12", "CXCR4"), ("CCL5", "CCR5")]
    ranked = rank_pairs(table, attention, asked, permutations=19)
    assert list(ranked["ligand"]) == ["CXCL12", "VCAM1"], "the panel has no CCL5"
    assert ranked["receptor_genes"][1] == "ITGA4+ITGB1"
    for row in ranked.itertuples():
        alone = ligand_receptor(
            table, attention, row.ligand, row.receptor, permutations=19
        )
        assert row.spearman == pytest.approx(alone.spearman)
        assert row.spearman == pytest.approx(
            spearmanr(alone.product, alone.attention).statistic
        )
        assert (row.expected, row.p_value) == pytest.approx(
            (alone.expected, alone.p_value)
        )
        assert row.n_both == np.count_nonzero(alone.product)
    assert ranked["z"][0] > 3
    np.testing.assert_allclose(
        ranked["q_value"], false_discovery_control(ranked["p_value"])
    )


def test_mismatched_pairs_are_a_yardstick_of_their_own():
    table = tissue()
    asked = [("VCAM1", "ITGA4_ITGB1"), ("CXCL12", "CXCR4"), ("CXCL12", "ACTB")]
    alone = rank_pairs(table, following(table), asked, permutations=9)
    both = rank_pairs(table, following(table), asked, permutations=9, decoys=9)
    decoys = both[both["decoy"]]
    assert not alone["decoy"].any()
    assert set(zip(decoys["ligand"], decoys["receptor"], strict=True)) == {
        ("CXCL12", "ITGA4_ITGB1"),
        ("VCAM1", "ACTB"),
        ("VCAM1", "CXCR4"),
    }
    listed = both[~both["decoy"]].reset_index(drop=True)
    pd.testing.assert_frame_equal(listed, alone)
    assert both["decoy"].is_monotonic_increasing
    assert "of 3 (" in yardstick(alone)
    assert "mismatched" not in yardstick(alone)
    sure = int((decoys["p_value"] <= 0.05).sum())
    assert f"so do {sure} of 3" in yardstick(both)


def test_a_panel_without_any_pair_is_refused():
    with pytest.raises(ScfmError, match="none of the 1 pairs"):
        rank_pairs(tissue(), nothing(), [("CCL5", "CCR5")])


def test_adjusted_p_values_leave_out_what_has_none():
    p = np.array([0.01, np.nan, 0.04, 0.03])
    known = ~np.isnan(p)
    np.testing.assert_allclose(adjusted(p)[known], false_discovery_control(p[known]))
    assert np.isnan(adjusted(p)[1])


def test_cells_that_were_read_in_windows_have_a_correlation_and_no_p():
    table = tissue(120)
    cells = np.arange(120)
    together = np.abs(cells - cells[:, None]) < 30
    weights = np.where(together, following(table).dense(), 0)
    attention = Attention.from_matrix(sparse.csr_array(weights))
    found = ligand_receptor(table, attention, "CXCL12", "CXCR4")
    assert together[found.pairs.receivers, found.pairs.senders].all()
    assert found.spearman > 0.2
    assert np.isnan(found.p_value)
    assert "Chance is not known" in found.sentence
    rows = rank_pairs(table, attention, [("VCAM1", "ITGB1"), ("CXCL12", "CXCR4")])
    assert rows["p_value"].isna().all()
    assert rows["ligand"].tolist() == ["CXCL12", "VCAM1"]
    assert yardstick(rows) in found.sentence
