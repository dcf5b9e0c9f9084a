"""Which cells mattered: knock-outs by hand, in one batch, one by one, and refitted."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import napari_scfm as scfm
from napari_scfm.errors import MaskError, ModelError, SpecError
from napari_scfm.experiments import knockouts
from napari_scfm.masks.mask import Mask
from napari_scfm.models.bags import bags
from napari_scfm.models.base import CellModel, ModelInfo
from napari_scfm.progress import Cancelled
from napari_scfm.slides.samples import sample_path


class Nearest(CellModel):
    """Predicts the mean of what is visible within 6 um in the same FOV, not "X"."""

    reach = 6.0

    def __init__(self) -> None:
        self.info = ModelInfo("nearest", capabilities=frozenset({"impute"}))
        self.calls = 0

    def impute(self, table, genes, *, mask=None, progress=None):
        self.calls += 1
        out = np.full((table.n_obs, len(genes)), np.nan, np.float32)
        counts = mask.visible(table).toarray()
        shown = ~mask.matrix.toarray()
        for rows in bags(table):
            xy = table.obsm["spatial"][rows]
            apart = np.linalg.norm(xy[:, None] - xy[None], axis=2)
            near = (apart <= self.reach).astype(float)
            for j, gene in enumerate(genes):
                at = table.var_names.get_loc(gene)
                total = near @ counts[rows, at]
                if gene != "X":
                    out[rows, j] = total / np.maximum(near @ shown[rows, at], 1)
        return out


class Alone(Nearest):
    """Looks at no other cell."""

    reach = 0.0


def line(places=(0, 3, -4, 30, 40, 50, 60), fovs=None) -> ad.AnnData:
    """Return cells on a line; gene A of cell i holds 10 i, gene X 1."""
    n = len(places)
    counts = np.ones((n, 3), dtype=np.float32)
    counts[:, 0] = 10 * np.arange(n)
    table = ad.AnnData(sparse.csr_matrix(counts))
    table.obs_names = [f"c{i}" for i in range(n)]
    table.var_names = ["A", "B", "X"]
    table.obs["fov"] = ["1"] * n if fovs is None else list(fovs)
    table.obs["cell_type"] = ["t", "u"] * (n // 2) + ["t"] * (n % 2)
    table.obsm["spatial"] = np.stack([places, np.zeros(n)], axis=1).astype(float)
    return table


@pytest.fixture(scope="module")
def tissue() -> ad.AnnData:
    return scfm.read_slide(sample_path("cosmx")).fov("F004").table


def middle(table: ad.AnnData) -> int:
    xy = table.obsm["spatial"]
    return int(np.argmin(np.linalg.norm(xy - xy.mean(axis=0), axis=1)))


def one_by_one(model, table, row, mask, groups, genes) -> np.ndarray:
    """Return what the plain way gives: one call of the model for each group."""
    found = []
    for rows in groups:
        both = mask | scfm.mask_cells(table, np.asarray(rows, dtype=np.int64))
        found.append(model.impute(table, genes, mask=both)[row])
    return np.stack(found)


def test_knock_outs_by_hand() -> None:
    table = line()
    found = scfm.influence(Nearest(), table, "c0", genes=["A"], neighbours=2)
    # c1 (A = 10) and c2 (A = 20) are within reach: 15 before, 20 or 10 without one
    assert found.near.cells.tolist() == ["c1", "c2"]
    assert found.near.distance.tolist() == [3, 4]
    np.testing.assert_allclose(found.before, [15])
    np.testing.assert_allclose(found.near.single[:, 0], [20, 10])
    np.testing.assert_allclose(found.near.joint, [0])
    np.testing.assert_allclose(found.far.single, 15)
    per = found.per_neighbour.set_index("cell")
    log = np.log1p
    np.testing.assert_allclose(
        per.loc[["c1", "c2"], "change"],
        [log(20) - log(15), log(15) - log(10)],
        rtol=1e-6,
    )
    # the truth of c0 is 0: 20 is a worse guess than 15, 10 a better one
    assert per.loc["c1", "error_change"] == pytest.approx(log(20) - log(15))
    assert per.loc["c2", "error_change"] == pytest.approx(log(10) - log(15))
    assert per["beyond_far"].all()
    assert per["cell_type"].to_dict() == {"c1": "u", "c2": "t"}
    assert found.sentence.startswith("Without c2 (t, 4 µm) the guess of nearest moves")
    assert "gets better" in found.sentence


def test_the_table_of_all_knock_outs() -> None:
    found = scfm.influence(Nearest(), line(), 0, genes=["A", "X"], neighbours=2)
    rows = found.table
    kinds = (
        ["neighbour"] * 2 + ["all neighbours"] + ["far cell"] * 2 + ["all far cells"]
    )
    assert rows["hidden"].tolist() == kinds
    assert set(rows["cell"][3:5]) <= {"c3", "c4", "c5", "c6"}
    assert (rows["change"][3:] == 0).all()
    gene = found.per_gene.set_index("gene")
    assert gene.loc["A", "without_neighbours"] == 0
    assert gene.loc["A", "neighbour"] == "c2"
    assert np.isnan(gene.loc["X", "before"])
    assert any("cannot predict 1 gene" in note for note in found.notes)
    assert found.provenance["neighbours"] == 2


def test_a_model_that_looks_at_no_other_cell_says_so() -> None:
    found = scfm.influence(Alone(), line(), "c0", genes=["A"], neighbours=3)
    assert found.ignores_neighbours
    assert (found.per_neighbour["change"] == 0).all()
    assert not found.per_neighbour["beyond_far"].any()
    assert found.sentence == (
        "nearest ignores the neighbours of c0: hiding 3 neighbours, one by one and all "
        "at once, changed nothing."
    )


def test_far_cells_that_matter_as_much_are_told() -> None:
    class Bag(Nearest):
        reach = 1e9

    found = scfm.influence(Bag(), line(), "c0", genes=["A"], neighbours=2)
    assert "Near cells mattered no more than far ones." in found.sentence


@pytest.mark.parametrize("memory", [knockouts.MEMORY, 1, 3_000_000])
def test_one_batch_gives_what_single_calls_give(tissue, memory) -> None:
    model = scfm.load_model("cellplm-mini", "cpu")
    row, genes = middle(tissue), list(tissue.var_names[:7])
    mask = scfm.mask_genes(tissue, genes) | scfm.mask_cells(tissue, [3, 4, 5])
    found = scfm.influence(model, tissue, row, mask=mask, neighbours=4, far=2)
    groups = [[], *found.near.rows[:, None], found.near.rows]
    groups += [*found.far.rows[:, None], found.far.rows]
    question = knockouts.Question(tissue, mask, row, genes)
    batched = knockouts.predictions(model, question, groups, memory=memory)
    expected = one_by_one(model, tissue, row, mask, groups, genes)
    np.testing.assert_allclose(batched, expected, rtol=1e-5)
    np.testing.assert_allclose(found.before, expected[0], rtol=1e-5)
    np.testing.assert_allclose(found.near.joint, expected[5], rtol=1e-5)
    np.testing.assert_allclose(found.far.joint, expected[-1], rtol=1e-5)
    assert np.ptp(expected, axis=0).max() > 1e-4, "the neighbours do matter"


def test_one_call_holds_many_copies_and_many_calls_few(tissue) -> None:
    def calls(memory: int, draws: bool = False) -> int:
        model = Nearest()
        model.draws_latent = draws
        question = knockouts.Question(
            line(), scfm.mask_cells(line(), ["c0"]), 0, ["A", "B"]
        )
        groups = [np.array([n]) for n in range(1, 7)]
        knockouts.predictions(model, question, groups, memory=memory)
        return model.calls

    assert calls(knockouts.MEMORY) == 1
    assert calls(1) == 6
    assert calls(knockouts.MEMORY, draws=True) == 6, "or chance would pass for change"


@pytest.mark.parametrize("name", ["knn-space", "ridge", "knn-expression"])
def test_a_fitted_model_loses_the_cell_from_its_fit(tissue, name) -> None:
    row = middle(tissue)
    genes = ["EPCAM", "COL1A1"]
    model = scfm.load_model(name)
    found = scfm.influence(model, tissue, row, genes=genes, neighbours=2, far=0)
    for place in range(2):
        left = tissue[np.arange(tissue.n_obs) != found.near.rows[place]].copy()
        mine = int(left.obs_names.get_loc(found.cell))
        rows, columns = [mine, mine], left.var_names.get_indexer(genes)
        hidden = sparse.coo_array((np.ones(2, bool), (rows, columns)), left.shape)
        mask = Mask(hidden, left.obs_names, left.var_names)
        other = scfm.load_model(name)
        expected = other.fit(left, mask=mask).impute(left, genes, mask=mask)[mine]
        # in a table of one FOV nothing but the cell is gone
        np.testing.assert_allclose(found.near.single[place], expected, rtol=2e-3)
    assert any("fitted anew 4 times" in note for note in found.notes)


def test_a_model_that_is_given_is_not_changed(tissue) -> None:
    model = scfm.load_model("knn-space")
    model.fit(tissue)
    genes = ["EPCAM"]
    mask = scfm.mask_cells(tissue, [0])
    before = model.impute(tissue, genes, mask=mask)
    scfm.influence(model, tissue, 10, genes=genes, neighbours=1, far=0)
    np.testing.assert_array_equal(model.impute(tissue, genes, mask=mask), before)


def test_a_reference_teaches_a_fitted_model_a_gene_hidden_here() -> None:
    slide = scfm.read_slide(sample_path("cosmx"))
    table, others = slide.fov("F004").table, slide.fov("F001").table
    mask = scfm.mask_genes(table, ["EPCAM"])
    model, row = scfm.load_model("ridge"), middle(table)
    alone = scfm.influence(model, table, row, mask=mask, neighbours=1, far=0)
    taught = scfm.influence(
        model, table, row, mask=mask, neighbours=1, far=0, reference=others
    )
    assert alone.ignores_neighbours, "nobody shows the gene"
    assert not taught.ignores_neighbours


@settings(max_examples=8)
@given(seed=st.integers(0, 2**31 - 1))
def test_hidden_values_do_not_reach_the_numbers(seed) -> None:
    table = line()
    rng = np.random.default_rng(seed)
    mask = scfm.mask_genes(table, ["B"]) | scfm.mask_cells(table, ["c0", "c5"])
    first = scfm.influence(Nearest(), table, "c0", mask=mask, neighbours=2)
    other = table.copy()
    counts = other.X.toarray()
    hidden = mask.matrix.toarray()
    counts[hidden] = rng.integers(0, 1000, int(hidden.sum()))
    other.X = sparse.csr_matrix(counts)
    second = scfm.influence(Nearest(), other, "c0", mask=mask, neighbours=2)
    np.testing.assert_array_equal(first.before, second.before)
    for part in ("near", "far"):
        a, b = getattr(first, part), getattr(second, part)
        np.testing.assert_array_equal(a.single, b.single)
        np.testing.assert_array_equal(a.joint, b.joint)
    np.testing.assert_array_equal(second.truth, counts[0])


def test_neighbours_are_visible_cells_of_the_same_fov() -> None:
    table = line(fovs=["1", "1", "2", "1", "1", "2", "2"])
    mask = scfm.mask_cells(table, ["c0", "c3"])
    found = scfm.influence(Nearest(), table, "c0", mask=mask, neighbours=12)
    assert found.near.cells.tolist() == ["c1", "c4"]
    assert not len(found.far.rows)
    assert any("Only 0 of 2 far cells" in note for note in found.notes)
    near = scfm.influence(Nearest(), table, "c0", mask=mask, radius=3)
    assert near.near.cells.tolist() == ["c1"]


def test_far_cells_repeat_with_their_seed(tissue) -> None:
    def far(seed: int) -> list[str]:
        found = scfm.influence(
            Nearest(), tissue, 100, genes=["EPCAM"], neighbours=3, far=5, seed=seed
        )
        assert found.far.distance.min() > 2 * found.near.distance.max()
        return found.far.cells.tolist()

    assert far(1) == far(1)
    assert far(1) != far(2)


def test_knocking_out_everything_leaves_nothing_to_read() -> None:
    table = line(places=(0, 3, 5))
    mask = scfm.mask_cells(table, ["c0"])
    model = scfm.load_model("knn-space")
    found = scfm.influence(model, table, "c0", mask=mask, neighbours=2)
    assert np.isnan(found.near.joint).all()
    assert not np.isnan(found.near.single).any()
    assert "nothing is left to read" in found.sentence


def test_progress_goes_up_and_cancel_stops_at_once(tissue) -> None:
    told = []
    model = scfm.load_model("gene-mean")
    scfm.influence(
        model, tissue, 5, genes=["EPCAM"], neighbours=2, far=2, progress=told.append
    )
    done = [now.done for now in told]
    assert done == sorted(done)
    assert (told[-1].done, told[-1].total) == (700, 700)
    assert "knock-out 3 of 7" in {now.message for now in told}

    def stop(now):
        if now.done >= 200:
            raise Cancelled

    with pytest.raises(Cancelled):
        scfm.influence(
            model, tissue, 5, genes=["EPCAM"], neighbours=2, far=2, progress=stop
        )


@pytest.mark.parametrize(
    ("how", "kind", "sentence"),
    [
        ({}, SpecError, "Nothing of cell c0 is hidden"),
        ({"genes": ["A", "NOPE"]}, MaskError, "no gene NOPE"),
        ({"genes": ["A"], "neighbours": 0}, SpecError, "0 neighbours are none"),
        ({"genes": ["A"], "radius": -1}, SpecError, "-1 um are none"),
        ({"genes": ["A"], "radius": 1}, SpecError, "no visible neighbour within 1 um"),
        ({"genes": ["A"], "far": -1}, SpecError, "-1 far cells"),
        ({"genes": ["X"]}, ModelError, "can predict none of X"),
    ],
)
def test_what_cannot_be_asked(how, kind, sentence) -> None:
    with pytest.raises(kind, match=sentence):
        scfm.influence(Nearest(), line(), "c0", **how)


def test_cells_and_models_that_are_not_there() -> None:
    with pytest.raises(MaskError, match="no cell nobody"):
        scfm.influence(Nearest(), line(), "nobody", genes=["A"])
    with pytest.raises(SpecError, match="no cell at position 7"):
        scfm.influence(Nearest(), line(), 7, genes=["A"])
    mute = Nearest()
    mute.info = ModelInfo("mute", capabilities=frozenset({"embed"}))
    with pytest.raises(ModelError, match="mute cannot impute; it can embed"):
        scfm.influence(mute, line(), "c0", genes=["A"])
