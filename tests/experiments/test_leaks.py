"""Hidden values never reach a prediction, whatever an experiment does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from scipy import sparse

import napari_scfm as scfm
from napari_scfm.masks.mask import Mask

EVERYBODY = ("gene-mean", "knn-space", "knn-expression", "ridge", "cellplm-mini")
FOVS = ("F001", "F002", "F004")
CELLS, GENES = 120, 14
FEW = {
    "suppress_health_check": [HealthCheck.function_scoped_fixture],
    "phases": [Phase.explicit, Phase.reuse, Phase.generate],
}


@st.composite
def hidden_entries(draw):
    """Draw (cells, genes) bool: whole genes, whole cells and single entries."""
    share = draw(st.sampled_from([0.0, 0.1, 0.5]))
    hidden = np.random.default_rng(draw(st.integers(0, 99))).random((CELLS, GENES))
    hidden = hidden < share
    genes = draw(st.sets(st.integers(0, GENES - 1), min_size=1, max_size=4))
    hidden[:, sorted(genes)] = True
    hidden[draw(st.lists(st.integers(0, CELLS - 1), max_size=10))] = True
    return hidden


@st.composite
def experiments(draw):
    """Draw how an experiment is run."""
    how = {"fovs": draw(st.sampled_from([FOVS[:1], FOVS[:2], FOVS]))}
    way = draw(st.sampled_from(["plain", "in turn", "draws", "bags", "all"]))
    if way in ("in turn", "all"):
        how["in_turn"] = True
    if way in ("draws", "all"):
        how["draws"] = 2
    if way == "bags":
        how["bags"] = {"count": 3, "size": 15}
    how["reference"] = draw(st.sampled_from([None, ()]))
    two = st.lists(st.sampled_from(EVERYBODY), min_size=2, max_size=2, unique=True)
    how["baselines"] = tuple(draw(two))
    if len(how["fovs"]) == 1:
        how["reference"] = draw(st.sampled_from([None, (), ("F004",)]))
    return how


def run(slide, mask, how, networks=None):
    names = tuple(networks or EVERYBODY)
    how = {"baselines": (), **how}
    spec = scfm.ExperimentSpec(
        model=names[0], also=names[1:], mask=mask, device="cpu", **how
    )
    return scfm.run_on_slide(slide, spec, models=networks)


def changed(table, at, values):
    """Return counts with other values in some entries."""
    counts = table.X.toarray()
    counts[at] = np.resize(values, int(at.sum()))
    return sparse.csr_matrix(counts)


def asked(result, table, how, pick):
    """Return which entries are changed, and where the result holds their predictions.

    Those of one field of view; in turn, of one gene. Others may see them: they are
    visible in the other turns and in the reference of the other fields of view.
    """
    names = [name.split(" in ")[0] for name in result.cells[result.rows]]
    rows = table.obs_names.get_indexer(names)
    columns = table.var_names.get_indexer(np.array(result.genes)[result.columns])
    fovs = table.obs["fov"].to_numpy()[rows]
    kept = fovs == how["fovs"][0]
    if how.get("in_turn"):
        hidden = np.unique(columns[kept])
        kept &= columns == hidden[pick % len(hidden)]
    if how.get("bags"):
        home = result.per_cell.drop_duplicates("cell").set_index("cell")["fov"]
        bag = home.reindex(result.cells[result.rows]).to_numpy()
        kept &= bag == bag[kept][pick % int(kept.sum())]
    at = np.zeros(table.shape, dtype=bool)
    at[rows[kept], columns[kept]] = True
    return at, kept


def check(slides, hidden, values, how, pick=0, networks=None):
    table = slides.table
    tested = table.obs["fov"].isin(how["fovs"]).to_numpy()
    if how.get("bags"):
        genes = table.var_names[hidden.all(axis=0)]
        mask = scfm.MaskSpec(
            genes=tuple(genes), of_each_bag=3, entries={"fraction": 0.1}
        )
    else:
        hidden = Mask(hidden[tested], table.obs_names[tested], table.var_names)
        mask = scfm.MaskSpec.from_mask(hidden)
    before = run(slides(), mask, how, networks)
    at, kept = asked(before, table, how, pick)
    after = run(slides(changed(table, at, values)), mask, how, networks)
    assert kept.any()
    assert np.array_equal(before.rows, after.rows)
    for mine, theirs in zip(before.predictions, after.predictions, strict=True):
        assert np.array_equal(mine.values[kept], theirs.values[kept], equal_nan=True)
        if mine.spread is not None:
            assert np.array_equal(
                mine.spread[kept], theirs.spread[kept], equal_nan=True
            )
    return before


VALUES = st.lists(st.sampled_from([0, 1, 7, 1000, 10**6]), min_size=1, max_size=11)


@settings(max_examples=9, **FEW)
@given(
    hidden=hidden_entries(), values=VALUES, how=experiments(), pick=st.integers(0, 9)
)
def test_predictions_do_not_depend_on_hidden_values(
    slides, networks, hidden, values, how, pick
):
    check(slides, hidden, values, how, pick, networks)


def test_nor_do_draws_of_a_latent(slides, networks):
    hidden = np.zeros((CELLS, GENES), dtype=bool)
    hidden[:, 2] = hidden[5:9] = True
    how = {"fovs": FOVS[:2], "draws": 3, "spread": "latent"}
    result = check(slides, hidden, [0, 50], how, networks=networks)
    for one in result.predictions:
        assert (one.spread[np.isfinite(one.values)] > 0).all()


def test_cells_of_the_table_in_a_reference_are_not_seen_through_bags(slides):
    """A reference that holds the tested cells would show what the bags hide."""
    table = slides.table[:40].copy()
    spec = scfm.ExperimentSpec(
        model="ridge",
        mask=scfm.MaskSpec(of_each_bag=5),
        bags={"count": 2, "size": 15},
        baselines=("knn-expression",),
    )
    clean = scfm.run_experiment(table, spec, slides.table[40:].copy())
    both = scfm.run_experiment(table, spec, slides.table.copy())
    assert "40 of 120 reference cells" in both.notes[0]
    for name in clean.models:
        assert np.array_equal(clean.prediction(name), both.prediction(name))


def test_a_visible_value_does_change_predictions(slides):
    """The tests above can fail."""
    hidden = np.zeros((CELLS, GENES), dtype=bool)
    hidden[:, 2] = True
    table = slides.table
    mask = scfm.MaskSpec.from_mask(Mask(hidden, table.obs_names, table.var_names))
    how = {"fovs": FOVS[:1]}
    before = run(slides(), mask, how)
    shown = ~hidden & (table.obs["fov"] == "F001").to_numpy()[:, None]
    after = run(slides(changed(table, shown, [1, 30])), mask, how)
    for mine, theirs in zip(before.predictions, after.predictions, strict=True):
        assert not np.array_equal(mine.values, theirs.values)


@pytest.mark.parametrize("bags", [1, 12])
def test_no_cell_is_hidden_in_one_bag_and_visible_in_another_at_once(slides, bags):
    from napari_scfm.experiments.parts import bag_tables
    from napari_scfm.experiments.spec import Bags

    tables = bag_tables(slides.table[:40].copy(), Bags(count=bags, size=15), seed=1)
    sizes = [part.obs["fov"].value_counts() for part in tables]
    assert sum(len(size) for size in sizes) == bags
    for part, size in zip(tables, sizes, strict=True):
        assert (size == 15).all()
        assert part.obs_names.is_unique
