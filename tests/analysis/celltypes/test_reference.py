"""Reference cells vote: on the planted types, never on themselves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.neighbors import KNeighborsClassifier

import napari_scfm as scfm
from napari_scfm.analysis.celltypes.voting import vote
from napari_scfm.errors import ModelError, SpecError
from napari_scfm.masks.mask import Mask
from napari_scfm.models.base import CellModel, ModelInfo


def test_votes_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    reference, codes = rng.normal(size=(200, 3)), rng.integers(0, 3, 200)
    cells = rng.normal(size=(60, 3))
    found = vote(cells, reference, codes, 3, k=5)
    shares = KNeighborsClassifier(5).fit(reference, codes).predict_proba(cells)
    np.testing.assert_allclose(found.shares, shares, atol=1e-3)
    np.testing.assert_allclose(found.shares.sum(1), 1, atol=1e-5)


def test_a_tie_goes_to_the_nearer_votes():
    reference = np.array([[1.0], [1.1], [2.0], [2.1]])
    found = vote(np.array([[0.0], [3.0]]), reference, np.array([1, 1, 0, 0]), 2, k=4)
    assert found.shares.argmax(1).tolist() == [1, 0]


def test_fewer_cells_than_votes():
    found = vote(np.zeros((2, 1)), np.array([[0.0], [1.0]]), np.array([0, 1]), 2, k=5)
    assert found.shares.argmax(1).tolist() == [0, 0]


def test_planted_types_are_told_by_components_and_by_a_model(cells, labelled):
    told = scfm.annotate(cells, by="reference", reference=labelled)
    assert told.classes == ("alpha", "beta", "gamma")
    assert told.agreement(cells.obs["cell_type"]).scores["accuracy"] > 0.95
    assert told.confidence.min() >= 0.2
    assert told.about["model"] == "pca"
    with pytest.raises(ModelError, match="cannot embed"):
        scfm.annotate(cells, by="reference", reference=labelled, model="gene-mean")


def test_the_embedding_of_a_model_is_asked(sample_fovs):
    cells, reference = sample_fovs
    told = scfm.annotate(
        cells, by="reference", reference=reference, model="cellplm-mini"
    )
    assert told.agreement(cells.obs["cell_type"]).scores["macro_f1"] > 0.9
    assert told.about["model"] == "cellplm-mini"
    assert len(told.about["sha256"]) == 64


@pytest.fixture
def sample_fovs():
    from napari_scfm.slides.samples import sample_path

    slide = scfm.read_slide(sample_path("cosmx"))
    return slide.fov("F004").table, slide.fov("F001").table


def test_genes_are_met_by_identity_in_any_order(sample_fovs):
    from napari_scfm.genes.identity import to_ensembl

    cells, reference = sample_fovs
    plain = scfm.annotate(cells, by="reference", reference=reference)
    other = reference[:, ::-1].copy()
    ids = to_ensembl(other.var_names, "human")
    other.var_names = [a or b for a, b in zip(ids, other.var_names, strict=True)]
    again = scfm.annotate(cells, by="reference", reference=other)
    np.testing.assert_array_equal(plain.best, again.best)


def test_a_cell_never_votes_on_itself(labelled):
    wrong = labelled.copy()
    types = wrong.obs["cell_type"].astype(object).to_numpy()
    first = types[0]
    types[0] = "beta" if first != "beta" else "alpha"
    wrong.obs["cell_type"] = types
    told = scfm.annotate(labelled, by="reference", reference=wrong, k=1)
    assert told.labels[0] == first
    # another cell of the same name is not the same cell
    changed = labelled.copy()
    changed.X = changed.X.toarray()
    changed.X[0] += 1e-3
    told = scfm.annotate(changed, by="reference", reference=wrong, k=1)
    assert told.labels[0] == types[0]


def test_unlabelled_reference_cells_do_not_vote(cells, labelled):
    types = labelled.obs["cell_type"].astype(object).to_numpy()
    types[types == "gamma"] = "Unknown"
    types[:3] = None
    labelled.obs["cell_type"] = types
    told = scfm.annotate(cells, by="reference", reference=labelled)
    assert told.classes == ("alpha", "beta")
    assert any("without a label" in note for note in told.notes)


def test_cells_unlike_any_reference_are_noticed(make_section, cells):
    reference = make_section(seed=3, cells=150, kinds=("alpha", "beta"))
    told = scfm.annotate(cells, by="reference", reference=reference)
    assert any("types that it lacks" in note for note in told.notes)
    alike = scfm.annotate(cells, by="reference", reference=make_section(seed=4))
    assert not any("types that it lacks" in note for note in alike.notes)


def test_a_cell_without_counts_is_told_nothing(cells, labelled):
    cells.X = sparse.csr_matrix(
        np.where(np.arange(90)[:, None] == 7, 0, cells.X.toarray())
    )
    told = scfm.annotate(cells, by="reference", reference=labelled)
    assert told.labels[7] == "unknown"
    assert told.confidence[7] == 0
    assert told.told.sum() == 89


class Reader(CellModel):
    """Embeds by counts; a blind one cannot read the first cell of a table."""

    info = ModelInfo("reader", capabilities=frozenset({"embed"}))

    def __init__(self, blind: bool) -> None:
        self.blind = blind

    def embed(self, table, *, mask=None, progress=None):
        found = table.X.toarray()
        found[: int(self.blind)] = np.nan
        return found

    def impute(self, table, genes, **_):
        raise NotImplementedError


def test_cells_that_the_model_cannot_read_are_told_nothing_and_do_not_vote(
    cells, labelled
):
    told = scfm.annotate(cells, by="reference", reference=labelled, model=Reader(True))
    assert told.labels[0] == "unknown"
    assert told.told.sum() == cells.n_obs - 1
    assert any("1 cell of the reference without a count" in n for n in told.notes)
    alone = scfm.annotate(
        cells[1:], by="reference", reference=labelled[1:], model=Reader(False)
    )
    np.testing.assert_array_equal(told.shares[1:], alone.shares)


def test_hidden_counts_do_not_reach_a_type(cells, labelled):
    mask = scfm.mask_genes(cells, ["g00", "g10"])
    first = scfm.annotate(cells, by="reference", reference=labelled, mask=mask)
    changed = cells.X.toarray()
    changed[:, [0, 10]] += 7
    cells.X = changed
    again = scfm.annotate(cells, by="reference", reference=labelled, mask=mask)
    np.testing.assert_array_equal(first.scores, again.scores)


def changed_where(cells, mask, rng):
    """Return the cells with other counts where the mask hides them."""
    other = cells.copy()
    dense = cells.X.toarray()
    hidden = mask.dense()
    dense[hidden] = rng.integers(0, 40, int(hidden.sum()))
    other.X = sparse.csr_matrix(dense)
    return other


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_scattered_hidden_counts_are_not_read(cells, labelled, share):
    rng = np.random.default_rng(0)
    mask = Mask(rng.random(cells.shape) < share, cells.obs_names, cells.var_names)
    other = changed_where(cells, mask, rng)
    first = scfm.annotate(cells, by="reference", reference=labelled, mask=mask)
    again = scfm.annotate(other, by="reference", reference=labelled, mask=mask)
    np.testing.assert_array_equal(first.scores, again.scores)
    # as zeros they would have told fewer cells right
    seen = cells.copy()
    seen.X = mask.visible(cells)
    zeros = scfm.annotate(seen, by="reference", reference=labelled)
    right = first.agreement(cells.obs["cell_type"]).scores["accuracy"]
    assert right >= zeros.agreement(cells.obs["cell_type"]).scores["accuracy"]
    assert right > 0.8


def test_a_cell_that_is_hidden_whole_is_told_nothing(cells, labelled):
    mask = scfm.mask_cells(cells, list(cells.obs_names[:4]))
    told = scfm.annotate(cells, by="reference", reference=labelled, mask=mask)
    assert list(told.labels[:4]) == ["unknown"] * 4
    assert told.told[4:].all()


def test_a_hidden_cell_does_not_find_itself_in_the_reference(labelled):
    mask = scfm.mask_genes(labelled, ["g00", "g11"])
    wrong = labelled.copy()
    types = wrong.obs["cell_type"].astype(object).to_numpy()
    first = types[0]
    types[0] = "beta" if first != "beta" else "alpha"
    wrong.obs["cell_type"] = types
    other = changed_where(labelled, mask, np.random.default_rng(1))
    for cells in (labelled, other):
        told = scfm.annotate(cells, by="reference", reference=wrong, k=1, mask=mask)
        assert told.labels[0] == first


def test_visible_genes_place_a_cell_as_all_of_them_do():
    """With nothing hidden the place is the projection; of a cell on the axes always."""
    from napari_scfm.analysis.celltypes.filled import Axes, placed

    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(12, 3)))[0]
    truth = rng.normal(size=(6, 3)) * 5
    values = sparse.csr_array(truth @ axes.T)
    made = Axes(np.zeros(12), np.ones(12), axes, np.full(3, 25.0), 75.0)
    assert made.noise == 0
    none = sparse.csr_array(values.shape, dtype=bool)
    np.testing.assert_allclose(placed(values, none, made), truth, atol=1e-6)
    hidden = rng.random(values.shape) < 0.4
    seen = sparse.csr_array(np.where(hidden, 0, values.toarray()))
    found = placed(seen, sparse.csr_array(hidden), made)
    np.testing.assert_allclose(found, truth, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda r: r.obs.rename(columns={"cell_type": "kind"}),
            "no labels 'cell_type'",
        ),
        (lambda r: r.obs.assign(cell_type="alpha"), "names 1 type in 120 cells"),
        (lambda r: r.obs.assign(cell_type=r.obs_names), "so it names no types"),
    ],
)
def test_labels_that_tell_nothing_apart_are_refused(cells, labelled, change, said):
    labelled.obs = pd.DataFrame(change(labelled))
    with pytest.raises(SpecError, match=said):
        scfm.annotate(cells, by="reference", reference=labelled)


def test_a_reference_of_other_genes_is_refused(cells, labelled):
    labelled.var_names = [f"other{i}" for i in range(labelled.n_vars)]
    with pytest.raises(SpecError, match=r"shares no gene.*other0.*g00"):
        scfm.annotate(cells, by="reference", reference=labelled)


def test_voting_tells_how_far_it_is_and_can_be_stopped(cells, labelled):
    seen = []
    scfm.annotate(cells, by="reference", reference=labelled, progress=seen.append)
    assert (seen[-1].done, seen[-1].total) == (90, 90)

    def stop(_):
        raise scfm.Cancelled

    with pytest.raises(scfm.Cancelled):
        scfm.annotate(cells, by="reference", reference=labelled, progress=stop)


def test_components_are_those_of_scikit_learn(cells, labelled):
    from sklearn.decomposition import PCA

    from napari_scfm.analysis.celltypes import nearest

    mine, theirs = nearest.principal(cells, labelled)
    counts = np.vstack([cells.X.toarray(), labelled.X.toarray()])
    depth = counts.sum(1, keepdims=True)
    to = np.median(labelled.X.toarray().sum(1))
    logs = np.log1p(counts / depth * to)
    z = (logs - logs.mean(0)) / (logs.std(0) + 0.05)
    expected = PCA(30, svd_solver="covariance_eigh").fit_transform(z)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    both = np.vstack([mine, theirs])
    np.testing.assert_allclose(both @ both.T, expected @ expected.T, atol=1e-4)
