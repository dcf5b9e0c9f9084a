"""The masking protocols of the papers, and what they meet at their edges."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

from napari_scfm.errors import MaskError, SpecError
from napari_scfm.experiments.run import run_experiment
from napari_scfm.experiments.spec import ExperimentSpec
from napari_scfm.masks.dropout import mask_dropout
from napari_scfm.masks.make import mask_entries
from napari_scfm.masks.parts import Dropout, RandomEntries
from napari_scfm.masks.silent import silent_genes
from napari_scfm.masks.spec import MaskSpec
from napari_scfm.masks.strata import STRATA, drawn_notes, mask_strata, strata


def as_table(counts):
    table = ad.AnnData(sparse.csr_matrix(np.asarray(counts, dtype=np.float32)))
    table.obs_names = [f"cell{i}" for i in range(table.n_obs)]
    table.var_names = [f"GENE{i}" for i in range(table.n_vars)]
    return table


def of_sparsity(*zeros: float, cells: int = 200):
    """Return a table whose genes have these shares of zeros."""
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 9, (cells, len(zeros)))
    for gene, share in enumerate(zeros):
        counts[rng.permutation(cells)[: round(share * cells)], gene] = 0
    return as_table(counts)


def expressing(cells: int = 400, genes: int = 300):
    """Return counts as uneven as real ones: a few genes high, most low."""
    rng = np.random.default_rng(1)
    rate = rng.gamma(0.5, 14.0, genes) * rng.gamma(2.0, 0.5, (cells, 1))
    return as_table(rng.poisson(rate * (rng.random((cells, genes)) < 0.5)))


class TestFixedGenes:
    def test_twenty_five_of_each_of_the_four_groups(self):
        table = of_sparsity(*np.repeat([0.5, 0.8, 0.92, 0.97], 30))
        mask = mask_strata(table, seed=11)
        assert len(mask.hidden_genes) == 100
        drawn = strata(table)[mask.hidden_genes].value_counts()
        assert dict(drawn) == dict.fromkeys(STRATA, 25)
        assert mask.n_hidden == 100 * table.n_obs, "hidden in every cell"

    def test_genes_that_are_always_zero_are_never_drawn(self):
        table = of_sparsity(*[1.0] * 50, *[0.97] * 5)
        mask = mask_strata(table, per_stratum=25)
        assert mask.hidden_genes == [f"GENE{i}" for i in range(50, 55)]
        with pytest.raises(MaskError, match="No gene of this table has a count"):
            mask_strata(of_sparsity(1.0, 1.0))

    def test_genes_without_a_zero_are_of_the_lowest_group(self):
        table = of_sparsity(0.0, 0.0, 0.8)
        assert list(strata(table)) == ["low", "low", "moderate"]
        assert "GENE0" in mask_strata(table).hidden_genes

    def test_an_edge_belongs_to_the_group_above_it(self):
        table = of_sparsity(0.745, 0.75, 0.895, 0.9, 0.945, 0.95, 0.995)
        assert list(strata(table)) == [
            *("low", "moderate", "moderate", "high", "high", "very high", "very high"),
        ]

    def test_a_small_group_gives_all_it_has_and_that_is_told(self):
        table = of_sparsity(*[0.5] * 30, *[0.8] * 7, *[0.97] * 25, 1.0)
        spec = MaskSpec(per_stratum=25)
        assert len(spec.resolve(table).hidden_genes) == 25 + 7 + 25
        assert drawn_notes(table, spec) == [
            "Genes drawn of each sparsity stratum, 25 asked: low 25, moderate 7 (all "
            "there are), high 0, very high 25; 1 gene without any count left out."
        ]
        assert drawn_notes(table, MaskSpec(genes=("GENE1",))) == []
        both = MaskSpec(genes=("GENE1",), also=(MaskSpec(per_stratum=2, seed=4),))
        assert "2 asked" in drawn_notes(table, both)[0]

    def test_all_genes_of_a_group(self):
        table = of_sparsity(0.1, 0.8, 0.97, 0.8)
        hidden = MaskSpec(strata=("moderate",)).resolve(table).hidden_genes
        assert hidden == ["GENE1", "GENE3"]
        with pytest.raises(
            MaskError, match="No gene of this table is of high sparsity"
        ):
            MaskSpec(strata=("high", "low")).resolve(table)


class TestRandomEntries:
    @pytest.mark.parametrize("rate", [0.15, 0.3, 0.4, 0.8])
    @pytest.mark.parametrize("eligible", ["all", "expressed"])
    def test_the_rates_of_the_paper_are_met_exactly(self, rate, eligible):
        table = expressing()
        entries = RandomEntries(fraction=rate, eligible=eligible)
        hidden = MaskSpec(entries=entries, seed=2).resolve(table).dense()
        able = (table.X.toarray() > 0) | (eligible == "all")
        assert hidden.sum() == round(rate * able.sum())
        assert not (hidden & ~able).any()

    @pytest.mark.parametrize("eligible", ["all", "expressed"])
    def test_every_entry_is_as_likely_as_any_other(self, eligible):
        """400 draws of 37 %: chances of entries, and of pairs, as of a fair draw."""
        table = as_table(np.random.default_rng(3).poisson(1.0, (13, 70)))
        draws = np.array(
            [mask_entries(table, 0.37, s, eligible).dense() for s in range(400)]
        )
        able = (table.X.toarray() > 0) | (eligible == "all")
        flat = draws[:, able].astype(float)
        number, size = flat[0].sum(), flat.shape[1]
        assert (flat.sum(axis=1) == number).all()
        share = number / size
        z = (flat.mean(axis=0) - share) / np.sqrt(share * (1 - share) / 400)
        assert abs(z).max() < 4.5
        assert 0.85 < z.std() < 1.15
        together = np.mean([(one[:-1] * one[1:]).mean() for one in flat])
        expected = share * (number - 1) / (size - 1)
        assert together == pytest.approx(expected, rel=0.02)

    def test_zeros_written_out_are_not_expressed(self):
        counts = sparse.csr_matrix(np.eye(6, 8, dtype=np.float32))
        counts.data[2] = 0
        table = as_table(np.zeros((6, 8)))
        table.X = counts
        hidden = mask_entries(table, 1.0, eligible="expressed")
        assert hidden.n_hidden == 5
        assert not hidden.dense()[2, 2]

    def test_the_order_in_which_counts_are_stored_plays_no_part(self):
        table = expressing(40, 60)
        again = table.copy()
        mixed = table.X.tocsc().tocsr()
        for row in range(mixed.shape[0]):
            part = slice(*mixed.indptr[row : row + 2])
            mixed.indices[part] = mixed.indices[part][::-1]
            mixed.data[part] = mixed.data[part][::-1]
        again.X = sparse.csr_matrix(
            (mixed.data, mixed.indices, mixed.indptr), mixed.shape
        )
        for spec in (
            MaskSpec(entries=RandomEntries(fraction=0.3, eligible="expressed")),
            MaskSpec(dropout=Dropout()),
        ):
            assert spec.resolve(again) == spec.resolve(table)
        dense = table.copy()
        dense.X = table.X.toarray()
        assert spec.resolve(dense) == spec.resolve(table)


class TestDropout:
    @pytest.mark.parametrize("rule", ["exp", "uniform"])
    def test_validation_is_a_tenth_of_the_rest(self, rule):
        table = expressing()
        counts = table.X.toarray()
        test = mask_dropout(table, rule, seed=4).dense()
        other = mask_dropout(table, rule, seed=4, part="validation").dense()
        assert not (test & other).any()
        assert not (other & (counts == 0)).any()
        size = (counts > 0).sum(axis=1)
        left = size - test.sum(axis=1)
        np.testing.assert_array_equal(
            other.sum(axis=1), np.where(size > 5, left // 10, 0)
        )
        spec = MaskSpec(dropout=Dropout(rule=rule, part="validation"), seed=4)
        assert MaskSpec.from_json(spec.to_json()).resolve(table).n_hidden == other.sum()

    def test_cells_with_five_counts_or_fewer_lose_none(self):
        counts = np.zeros((4, 40))
        for cell, size in enumerate([0, 5, 6, 30]):
            counts[cell, :size] = 3
        mask = mask_dropout(as_table(counts), fraction=0.5)
        assert list(mask.hidden_per_cell) == [0, 0, 3, 15]

    def test_exp_hides_lower_counts_than_uniform(self):
        """Simulated in the notes on metrics: 6.3 among the hidden, 10.9 among all."""
        table = expressing()
        counts = table.X.toarray()
        mean = {
            rule: counts[mask_dropout(table, rule, seed=7).dense()].mean()
            for rule in ("exp", "uniform")
        }
        everything = counts[counts > 0].mean()
        assert mean["exp"] < 0.75 * everything
        assert mean["uniform"] == pytest.approx(everything, rel=0.1)

    def test_chances_follow_a_draw_one_after_the_other(self):
        """Two of three: chances of the pairs, worked out by hand."""
        row = np.array([1, 10, 40, 0, 0, 0, 0, 0, 0], np.float32)
        more = np.zeros((30_000, 9), np.float32) + row
        more[:, 3:] = 400  # chance e-20: these never come
        table = as_table(more)
        hidden = mask_dropout(table, "exp", fraction=2 / 9).dense()
        weight = np.exp(-row[:3] / 20) / np.exp(-row[:3] / 20).sum()
        pair = {
            (a, b): weight[a] * weight[b] / (1 - weight[a])
            + weight[b] * weight[a] / (1 - weight[b])
            for a, b in [(0, 1), (0, 2), (1, 2)]
        }
        for (a, b), chance in pair.items():
            assert hidden[:, [a, b]].all(axis=1).mean() == pytest.approx(
                chance, abs=0.01
            )

    def test_cells_whose_other_counts_are_all_but_impossible_end_too(self):
        counts = np.full((50, 20), 4000.0)
        counts[:, 0] = 1
        hidden = mask_dropout(as_table(counts), "exp", fraction=0.5).dense()
        assert hidden[:, 0].all()
        assert (hidden.sum(axis=1) == 10).all()
        everything = mask_dropout(as_table(counts), "exp", fraction=1.0)
        assert everything.share == 1.0

    def test_wrong_parts_are_refused(self):
        with pytest.raises(MaskError, match="no part 'train'"):
            mask_dropout(expressing(10, 10), part="train")


class TestEdges:
    def test_all_cells_hidden_is_refused(self):
        spec = ExperimentSpec(model="gene-mean", mask=MaskSpec(every_nth=1))
        with pytest.raises(SpecError, match="nothing to guess from"):
            run_experiment(expressing(40, 20), spec)

    def test_a_gene_zero_in_every_visible_cell_is_told(self):
        counts = np.random.default_rng(0).poisson(2.0, (40, 6)) + 1.0
        counts[2:, 3] = 0
        table = as_table(counts)
        mask = MaskSpec(cells=("cell0", "cell1"))
        assert silent_genes(table, mask.resolve(table)) == ["GENE3"]
        elsewhere = as_table(counts[:2])
        assert silent_genes(table, mask.resolve(table), elsewhere) == []
        spec = ExperimentSpec(model="gene-mean", mask=mask, baselines=())
        notes = run_experiment(table, spec).notes
        assert any("1 hidden gene has no count in any cell" in note for note in notes)
        whole = MaskSpec(genes=("GENE3",)).resolve(table)
        assert silent_genes(table, whole) == [], "that has a sentence of its own"

    def test_a_cell_whose_entries_are_all_hidden_is_still_guessed(self):
        table = expressing(60, 30)
        table.obsm["spatial"] = np.random.default_rng(5).uniform(0, 90, (60, 2))
        mask = MaskSpec(single=dict.fromkeys(table.var_names, ("cell7",)))
        spec = ExperimentSpec(model="knn-space", mask=mask, baselines=("ridge",))
        for one in run_experiment(table, spec).predictions:
            assert one.values.sum() > 0, "the depth of the others, not 0"

    def test_an_empty_table_can_be_masked(self):
        table = as_table(np.zeros((0, 5)))
        assert mask_entries(table, 0.5).n_hidden == 0
        assert mask_dropout(table).n_hidden == 0
        assert MaskSpec(every_nth=3, cell_fraction=0.5).resolve(table).n_hidden == 0
