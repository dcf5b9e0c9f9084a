"""MAGIC, Tangram and gimVI: what they read; what they say without their needs."""

from __future__ import annotations

import importlib.util
from importlib.metadata import PackageNotFoundError, version

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

import napari_scfm as scfm
from napari_scfm.errors import MissingExtraError, ModelError
from napari_scfm.masks.mask import Mask
from napari_scfm.models.baselines import beside as beside_module
from napari_scfm.models.baselines import gimvi as gimvi_module
from napari_scfm.models.baselines import registry
from napari_scfm.models.baselines import tangram as tangram_module
from napari_scfm.models.baselines.beside import beside

MODELS = ("magic", "tangram", "gimvi")
PAIRED = ("tangram", "gimvi")
GENES = 16


def needs(name):
    """Skip a test where the package of a model is not installed."""
    one = registry.OPTIONAL[name]
    if not one.installed:
        pytest.skip(
            f"{one.package} is not installed: pip install napari-scfm[{one.extra}]"
        )


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(tangram_module, "EPOCHS", 150)
    monkeypatch.setattr(gimvi_module, "EPOCHS", 150)


def tissue(name, n=60, seed=0, places=True):
    """Return cells of two types that differ in every second gene."""
    rng = np.random.default_rng(seed)
    kind = rng.random(n) < 0.5
    rate = np.where(kind[:, None] == (np.arange(GENES) % 2 == 0), 5.0, 0.4)
    table = ad.AnnData(sparse.csr_matrix(rng.poisson(rate).astype(np.float32)))
    table.obs_names = [f"{name}{i}" for i in range(n)]
    table.var_names = [f"G{i}" for i in range(GENES)]
    table.obs["fov"] = name
    if places:
        table.obsm["spatial"] = rng.uniform(0, 100, (n, 2))
    return table


def hide(table, genes=(), cells=(), share=0.0, seed=0):
    hidden = np.random.default_rng(seed).random(table.shape) < share
    hidden[:, list(genes)] = True
    hidden[list(cells)] = True
    return Mask(hidden, table.obs_names, table.var_names)


def spec(name, mask):
    return scfm.ExperimentSpec(model=name, mask=mask, baselines=("gene-mean",))


@pytest.mark.parametrize("name", MODELS)
def test_without_the_package_it_is_not_listed_and_says_how_to_get_it(name, monkeypatch):
    def nothing(package):
        raise PackageNotFoundError(package)

    monkeypatch.setattr(registry, "version", nothing)
    assert name not in {info.name for info in scfm.list_models()}
    extra = registry.OPTIONAL[name].extra
    with pytest.raises(MissingExtraError, match=rf"napari-scfm\[{extra}\]"):
        scfm.load_model(name)


@pytest.mark.parametrize("name", MODELS)
def test_with_the_package_it_is_listed(name):
    needs(name)
    listed = {info.name: info for info in scfm.list_models()}
    assert listed[name].citation
    assert listed[name].parameters == 0
    assert version(registry.OPTIONAL[name].package)


def test_another_package_may_own_the_modules_name(monkeypatch):
    """python-magic is imported as ``magic`` too."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: object())
    monkeypatch.setattr(
        registry, "version", lambda package: (_ for _ in ()).throw(PackageNotFoundError)
    )
    assert not registry.OPTIONAL["magic"].installed


@pytest.mark.parametrize("name", MODELS)
def test_it_learns_hidden_genes_from_a_reference_and_repeats(name):
    needs(name)
    table, reference = tissue("A"), tissue("ref", 80, seed=1, places=False)
    del reference.obs["fov"]
    mask = hide(table, genes=(0, 5))
    first = scfm.run_experiment(table, spec(name, mask), reference)
    scores = first.summary.set_index("model")["pearson"]
    assert scores[name] > scores["gene-mean"] + 0.3
    again = scfm.run_experiment(table, spec(name, mask), reference)
    assert np.array_equal(first.prediction(), again.prediction())


@pytest.mark.parametrize("name", MODELS)
def test_hidden_values_never_reach_it(name):
    needs(name)
    table, reference = tissue("A"), tissue("ref", seed=1)
    mask = hide(table, genes=(3,), cells=(7,), share=0.2)
    other = table.copy()
    counts, hidden = other.X.toarray(), mask.dense()
    counts[hidden] = np.random.default_rng(5).integers(0, 1000, hidden.sum())
    other.X = sparse.csr_matrix(counts)
    one, two = (
        scfm.run_experiment(each, spec(name, mask), reference).prediction()
        for each in (table, other)
    )
    assert np.isfinite(one).all()
    assert (one >= 0).all()
    assert np.array_equal(one, two)


@pytest.mark.parametrize("name", MODELS)
def test_it_leaves_the_generators_as_they_were(name):
    needs(name)
    import torch

    table, reference = tissue("A"), tissue("ref", seed=1)
    np.random.seed(3)  # noqa: NPY002
    torch.manual_seed(3)
    expected = np.random.rand(), torch.rand(1).item()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    torch.manual_seed(3)
    scfm.run_experiment(table, spec(name, hide(table, genes=(2,))), reference)
    assert (np.random.rand(), torch.rand(1).item()) == expected  # noqa: NPY002


@pytest.mark.parametrize("name", MODELS)
def test_it_can_be_cancelled(name):
    needs(name)
    table, reference = tissue("A"), tissue("ref", seed=1)
    seen = []

    def stop(progress):
        seen.append(progress)
        if progress.message.startswith(f"{name}: ") and progress.done > 0:
            raise scfm.Cancelled

    with pytest.raises(scfm.Cancelled):
        scfm.run_experiment(table, spec(name, hide(table, genes=(2,))), reference, stop)
    assert seen[-1].done < seen[-1].total


def test_magic_takes_a_hidden_zero_for_no_measurement():
    """Hide most of a gene: what is left must not be diluted by the hidden zeros."""
    needs("magic")
    table = tissue("A", 120)
    hidden = np.zeros(table.shape, bool)
    hidden[np.random.default_rng(1).random(120) < 0.8, 4] = True
    mask = Mask(hidden, table.obs_names, table.var_names)
    found = scfm.load_model("magic").fit(table, mask=mask)
    guess = found.impute(table, ["G4"], mask=mask)[hidden[:, 4], 0]
    truth = table.X.toarray()[hidden[:, 4], 4]
    assert guess.mean() == pytest.approx(truth.mean(), rel=0.3)
    assert np.corrcoef(guess, truth)[0, 1] > 0.6


@pytest.mark.parametrize("name", PAIRED)
def test_without_a_reference_it_says_so(name):
    needs(name)
    table = tissue("A")
    with pytest.raises(ModelError, match="no such reference"):
        scfm.run_experiment(table, spec(name, hide(table, genes=(2,))))


@pytest.mark.parametrize("name", PAIRED)
def test_genes_the_reference_lacks_get_the_gene_mean(name):
    needs(name)
    table, reference = tissue("A"), tissue("ref", seed=1)
    found = scfm.run_experiment(
        table, spec(name, hide(table, genes=(2, 5))), reference[:, :5].copy()
    )
    lost = found.columns == found.genes.index("G5")
    assert np.array_equal(
        found.prediction(name)[lost], found.prediction("gene-mean")[lost]
    )
    assert not np.array_equal(
        found.prediction(name)[~lost], found.prediction("gene-mean")[~lost]
    )


def pool_of(table, reference, mask):
    """Return what a baseline reads of a table beside a reference."""
    model = scfm.load_model("gene-mean")
    both = ad.concat([table, reference])
    hidden = np.zeros(both.shape, bool)
    hidden[: table.n_obs] = mask.dense()
    model.fit(both, mask=Mask(hidden, both.obs_names, both.var_names))
    return model._pool(table, mask)


def test_beside_fills_single_hidden_entries_and_leaves_hidden_genes_out():
    table, reference = tissue("A"), tissue("ref", seed=1)
    table.X[0, 3] = 7
    hidden = np.zeros(table.shape, bool)
    hidden[:, 2] = hidden[0, 3] = hidden[5] = True
    mask = Mask(hidden, table.obs_names, table.var_names)
    (part,) = beside(pool_of(table, reference, mask), "tangram")
    assert 5 not in part.rows, "a cell without visible genes cannot be placed"
    assert 2 not in part.shared
    at = list(part.shared).index(3)
    assert 0 < part.tissue[0, at] != 7
    seen = np.delete(table.X.toarray(), 5, axis=0)[1:, 3]
    np.testing.assert_array_equal(part.tissue[1:, at], seen)
    np.testing.assert_array_equal(part.reference, reference.X.toarray())


def test_beside_draws_from_a_large_reference(monkeypatch):
    monkeypatch.setattr(beside_module, "LARGEST", 10)
    table, reference = tissue("A"), tissue("ref", seed=1)
    mask = hide(table, genes=(2,))
    (part,) = beside(pool_of(table, reference, mask), "tangram")
    assert len(part.reference) == 10
    (again,) = beside(pool_of(table, reference, mask), "tangram")
    np.testing.assert_array_equal(part.reference, again.reference)


def test_beside_refuses_too_few_shared_genes():
    table, reference = tissue("A"), tissue("ref", seed=1)
    mask = hide(table, genes=range(2, GENES))
    with pytest.raises(ModelError, match="both show"):
        beside(pool_of(table, reference, mask), "tangram")


def test_zeros_are_zeros():
    table = tissue("A")
    found = scfm.load_model("zeros").impute(table, ["G1", "absent"])
    assert (found[:, 0] == 0).all()
    assert np.isnan(found[:, 1]).all()
