"""Genes hidden in turn, and predictions that are repeated."""

from __future__ import annotations

import numpy as np
import pytest

import napari_scfm as scfm
from napari_scfm.errors import ScfmError
from napari_scfm.experiments.guess import spread_of
from napari_scfm.experiments.turns import Turns, with_more_hidden, without_genes


def spec_of(**fields):
    given = {"model": "ridge", "baselines": ("gene-mean",), "seed": 3}
    return scfm.ExperimentSpec(**{**given, **fields})


def values(result, model, gene):
    """Return a model's predictions of one gene, by cell."""
    at = np.array(result.genes)[result.columns] == gene
    return dict(
        zip(result.cells[result.rows[at]], result.prediction(model)[at], strict=True)
    )


@pytest.mark.parametrize("model", ["ridge", "cellplm-mini"])
def test_each_gene_in_turn_is_as_if_it_were_the_only_one(slides, model):
    genes = ("EPCAM", "CD3E", "VIM")
    spec = spec_of(model=model, mask={"genes": genes}, in_turn=True, device="cpu")
    result = scfm.run_on_slide(slides(), spec)
    assert result.genes == list(genes) or set(result.genes) == set(genes)
    for gene in genes:
        alone = spec_of(model=model, mask={"genes": (gene,)}, device="cpu")
        single = scfm.run_on_slide(slides(), alone)
        for name in result.models:
            assert values(result, name, gene) == values(single, name, gene)
    together = scfm.run_on_slide(slides(), spec.model_copy(update={"in_turn": False}))
    assert not np.array_equal(together.prediction(), result.prediction())


def test_cells_and_entries_stay_hidden_in_every_turn(slides):
    cells, entries = ("1_3", "1_8"), {"B2M": ("1_5", "1_6")}
    mask = {"genes": ("EPCAM", "VIM"), "cells": cells, "single": entries}
    result = scfm.run_on_slide(slides(), spec_of(mask=mask, in_turn=True))
    for gene in ("EPCAM", "VIM"):
        alone = spec_of(mask={**mask, "genes": (gene,)})
        single = scfm.run_on_slide(slides(), alone)
        assert values(result, "ridge", gene) == values(single, "ridge", gene)
    rest = scfm.run_on_slide(slides(), spec_of(mask={**mask, "genes": ()}))
    for gene in ("B2M", "CD68"):
        assert values(result, "ridge", gene) == values(rest, "ridge", gene)
    assert np.isfinite(result.prediction()).all()
    hidden = scfm.MaskSpec(**mask).resolve(slides().fov("F001").table)
    assert len(result.rows) == hidden.n_hidden


def test_every_gene_of_the_panel_can_be_taken_in_turn(slides):
    panel = tuple(slides.table.var_names)
    with pytest.raises(ScfmError, match="All 14 genes are hidden"):
        scfm.run_on_slide(slides(), spec_of(mask={"genes": panel}, reference=()))
    mask = {"genes": panel, "cells": ("1_3",)}
    spec = spec_of(mask=mask, reference=(), in_turn=True)
    result = scfm.run_on_slide(slides(), spec)
    assert result.summary["n_genes"][0] == 14
    assert np.isfinite(result.prediction()).all()
    first = spec_of(mask={**mask, "genes": panel[:1]}, reference=())
    single = scfm.run_on_slide(slides(), first)
    assert values(result, "ridge", panel[0]) == values(single, "ridge", panel[0])


def test_an_exception_is_no_turn_of_its_own(slides):
    """A gene that some cells still show is hidden alone where it is hidden."""
    mask = scfm.MaskSpec(genes=("EPCAM", "VIM")) - scfm.MaskSpec(every_nth=2)
    table = slides().fov("F001").table
    turns = list(Turns(table, mask, mask.resolve(table), in_turn=True))
    assert [turn.gene for turn in turns] == ["EPCAM", "VIM"]
    assert [turn.mask.n_hidden for turn in turns] == [20, 20]
    answers = np.concatenate([turn.answers for turn in turns])
    assert np.array_equal(np.sort(answers), np.arange(40))


def test_without_a_gene_there_are_no_turns(slides):
    spec = spec_of(mask={"cell_fraction": 0.2}, in_turn=True)
    with pytest.raises(ScfmError, match="hides no gene"):
        scfm.run_on_slide(slides(), spec)


def test_a_mask_without_its_genes_keeps_the_rest():
    mask = scfm.MaskSpec(genes=("A",), cells=("c",), patterns=("K*",), seed=4)
    whole = (mask | scfm.MaskSpec(gene_count=3, seed=9)) - scfm.MaskSpec(cells=("d",))
    left = without_genes(whole)
    assert left.cells == ("c",)
    assert left.genes == left.patterns == ()
    assert all(part.gene_count == 0 for part in left.also)
    assert left.minus == whole.minus


@pytest.mark.parametrize("model", ["ridge", "cellplm-mini"])
def test_repeats_differ_and_their_spread_is_kept(slides, tmp_path, model):
    mask = {"genes": ("EPCAM",), "cell_fraction": 0.1, "seed": 2}
    spec = spec_of(model=model, mask=mask, draws=4, device="cpu")
    result = scfm.run_on_slide(slides(), spec)
    plain = scfm.run_on_slide(slides(), spec.model_copy(update={"draws": 0}))
    for mine, theirs in zip(result.predictions, plain.predictions, strict=True):
        assert np.array_equal(mine.values, theirs.values)
        assert theirs.spread is None
        assert mine.spread.dtype == np.float32
        assert mine.spread.shape == mine.values.shape
        assert (mine.spread > 0).mean() > 0.5
    assert plain.calibration.empty
    assert set(result.calibration["model"]) == set(result.models)
    assert len(result.calibration["interval"].unique()) == 2
    again = scfm.load_result(result.save(tmp_path / "r"))
    assert np.array_equal(again.predictions[0].spread, result.predictions[0].spread)
    other = scfm.run_on_slide(slides(), spec.model_copy(update={"seed": 5}))
    assert not np.array_equal(other.predictions[0].spread, result.predictions[0].spread)


def test_draws_of_a_latent(slides, networks):
    spec = spec_of(
        model="vae",
        also=("gmvae",),
        mask={"genes": ("EPCAM",)},
        draws=3,
        spread="latent",
    )
    result = scfm.run_on_slide(slides(), spec, models=networks)
    spread = {one.name: one.spread for one in result.predictions}
    assert spread["gene-mean"] is None
    assert (spread["vae"] > 0).all()
    assert (spread["gmvae"] > 0).all()
    assert any("no latent" in note for note in result.notes)
    again = scfm.run_on_slide(slides(), spec, models=networks)
    assert np.array_equal(again.predictions[0].spread, spread["vae"])


@pytest.mark.parametrize("model", ["ridge", "cellplm-mini"])
def test_a_model_without_a_latent_says_so(slides, model):
    spec = spec_of(model=model, mask={"genes": ("EPCAM",)}, draws=3, spread="latent")
    with pytest.raises(ScfmError, match=f"{model} has no latent to draw from"):
        scfm.run_on_slide(slides(), spec)


def test_one_draw_is_no_spread():
    with pytest.raises(ValueError, match="2 and more"):
        spec_of(mask={"genes": ("EPCAM",)}, draws=1)


def test_spread_is_the_deviation_of_log_counts():
    draws = np.array([[0, 1, np.nan], [3, 1, 2], [8, 1, 2]], dtype=np.float32)
    found = spread_of(draws)
    assert found[0] == pytest.approx(np.std(np.log([1, 4, 9]), ddof=1))
    assert found[1] == 0
    assert np.isnan(found[2])
    assert spread_of(np.zeros((0, 4))) is None


def test_more_is_hidden_at_random_and_nothing_less(slides):
    table = slides().table
    mask = scfm.mask_genes(table, ["EPCAM"])
    more = with_more_hidden(mask, 0.1, (1, 0))
    assert (mask - more).n_hidden == 0
    added = (more - mask).n_hidden
    visible = table.n_obs * (table.n_vars - 1)
    assert added == pytest.approx(0.1 * visible, rel=0.3)
    assert more == with_more_hidden(mask, 0.1, (1, 0))
    assert more != with_more_hidden(mask, 0.1, (1, 1))
