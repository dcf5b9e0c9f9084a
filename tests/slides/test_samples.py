"""The sample slides are at hand, small, repeatable, and open as real ones do."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

import napari_scfm
from napari_scfm.errors import SlideError
from napari_scfm.slides import samples
from napari_scfm.slides.read import read_slide
from napari_scfm.slides.synthetic import samples as recipes
from napari_scfm.slides.synthetic.cell_types import NAMES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_samples_open_and_centres_lie_in_their_labels(name):
    slide = read_slide(samples.sample_path(name))
    assert slide.format == name
    fov = slide.fov(slide.fovs[0])
    assert 150 < fov.table.n_obs < 450
    spot = (fov.table.obsm["spatial"] / fov.pixel_size).astype(int)
    own = fov.labels[spot[:, 1], spot[:, 0]] == fov.table.obs["label"]
    assert own.mean() > 0.95
    assert set(slide.table.obs["cell_type"]) == set(NAMES)
    assert not slide.table.var_names.str.startswith(("NegPrb", "Blank")).any()


def test_every_field_of_the_cosmx_sample_has_every_type():
    table = read_slide(samples.sample_path("cosmx")).table
    for _, cells in table.obs.groupby("fov", observed=True):
        assert set(cells["cell_type"]) == set(NAMES)


def test_samples_are_small():
    size = sum(path.stat().st_size for path in (ROOT / "sample_data").rglob("*"))
    assert size < 8_000_000


def test_genes_stand_in_both_cosmx_panels(real_data):
    genes = set(read_slide(samples.sample_path("cosmx")).table.var_names)
    for file in ("cosmx_nsclc_lung12_mini/*/*", "cosmx_breast_dbkero_fov16/DBKero"):
        path = next(real_data.glob(f"{file}/*_exprMat_file.csv"))
        with path.open() as lines:
            header = next(lines).replace('"', "").strip().split(",")
        assert genes <= set(header)


def _text(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def _same_h5ad(one: Path, two: Path) -> None:
    from anndata import read_h5ad
    from pandas.testing import assert_frame_equal

    a, b = read_h5ad(one), read_h5ad(two)
    np.testing.assert_array_equal(a.X, b.X)
    # the last bits of a float depend on the processor's vector units
    np.testing.assert_allclose(a.layers["rate"], b.layers["rate"], rtol=1e-5)
    for key in a.obsm:
        np.testing.assert_allclose(a.obsm[key], b.obsm[key], rtol=1e-6)
    assert_frame_equal(a.obs, b.obs, rtol=1e-6)


def _same_picture(one: Path, two: Path) -> None:
    import tifffile
    from PIL import Image

    if one.suffix == ".jpg":
        a, b = (np.asarray(Image.open(p)).astype(float) for p in (one, two))
        assert np.abs(a - b).mean() < 2.0
        return
    a, b = (tifffile.imread(path) for path in (one, two))
    if "CellLabels" in one.name:
        np.testing.assert_array_equal(a, b)
    assert a.shape == b.shape
    assert np.abs(a.astype(float) - b).max() <= 480


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_the_script_makes_the_samples_again(name, tmp_path):
    import pyarrow.parquet as pq

    made = recipes.make_sample(name, tmp_path)
    shipped = ROOT / "sample_data" / made.name
    files = sorted(p.relative_to(shipped) for p in shipped.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(made) for p in made.rglob("*") if p.is_file())
    for file in files:
        one, two = shipped / file, made / file
        if file.suffix in (".jpg", ".tif"):
            _same_picture(one, two)
        elif file.suffix == ".h5ad":
            _same_h5ad(one, two)
        elif file.suffix == ".parquet":
            assert pq.read_table(one).equals(pq.read_table(two))
        else:
            assert _text(one) == _text(two), file


def test_unknown_samples_are_named():
    with pytest.raises(SlideError, match="cosmx, merscope"):
        samples.sample_path("visium")


@pytest.fixture
def bare_package(monkeypatch, tmp_path) -> Path:
    """An installed package without sample data; returns its cache."""
    module = tmp_path / "lib/napari_scfm/__init__.py"
    monkeypatch.setattr(napari_scfm, "__file__", str(module))
    monkeypatch.setattr(samples, "_cache", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def test_a_sample_that_is_not_installed_is_made_once(bare_package, monkeypatch):
    calls = []

    def make(name: str, parent: Path) -> Path:
        calls.append(name)
        folder = parent / recipes.FOLDERS[name]
        (folder / "region_0").mkdir(parents=True)
        (folder / "region_0/cell_by_gene.csv").write_text("cell,A\n")
        return folder

    monkeypatch.setattr(recipes, "make_sample", make)
    first = samples.sample_path("merscope")
    assert first == bare_package / "merscope_synthetic"
    assert samples.sample_path("merscope") == first
    assert calls == ["merscope"]
    assert os.listdir(bare_package) == ["merscope_synthetic"]


def test_a_sample_that_breaks_off_leaves_nothing(bare_package, monkeypatch):
    def make(name: str, parent: Path) -> Path:
        (parent / recipes.FOLDERS[name]).mkdir()
        raise OSError("disk full")

    monkeypatch.setattr(recipes, "make_sample", make)
    with pytest.raises(SlideError, match="disk full"):
        samples.sample_path("cosmx")
    assert os.listdir(bare_package) == []
