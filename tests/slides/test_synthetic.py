"""The simulated tissue keeps what was planted, and is written as vendors write."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from skimage.measure import label as connected

from napari_scfm.errors import SlideError
from napari_scfm.slides.read import read_slide
from napari_scfm.slides.synthetic.cell_types import NAMES, index
from napari_scfm.slides.synthetic.cosmx import write_cosmx
from napari_scfm.slides.synthetic.expression import express
from napari_scfm.slides.synthetic.fields import RandomField
from napari_scfm.slides.synthetic.merscope import write_merscope
from napari_scfm.slides.synthetic.outlines import MIN_AREA
from napari_scfm.slides.synthetic.programs import (
    INTERACTIONS,
    MARKERS,
    PROGRAMS,
    panel,
)
from napari_scfm.slides.synthetic.tissue import Tissue, simulate_tissue
from napari_scfm.slides.synthetic.windows import Window


@pytest.fixture(scope="module")
def tissue() -> Tissue:
    return simulate_tissue(4, 160.0, 130.0, pixel_size=0.25, controls=5)


@pytest.fixture(scope="module")
def crowd():
    """Expression of 3000 cells scattered at random, without pictures."""
    rng = np.random.default_rng(1)
    xy = rng.uniform(0.0, 1000.0, (3000, 2))
    kind = rng.integers(0, len(NAMES), 3000)
    far = 55.0 + 40.0 * np.sin(xy[:, 0] / 80.0)
    made = express(rng, panel(), xy, kind, np.full(3000, 100.0), far, 260.0)
    return xy, kind, made


def test_the_same_seed_gives_the_same_tissue(tissue):
    again = simulate_tissue(4, 160.0, 130.0, pixel_size=0.25, controls=5)
    other = simulate_tissue(5, 160.0, 130.0, pixel_size=0.25, controls=5)
    np.testing.assert_array_equal(again.labels, tissue.labels)
    np.testing.assert_array_equal(again.molecules.x, tissue.molecules.x)
    np.testing.assert_array_equal(again.images["DAPI"], tissue.images["DAPI"])
    pd.testing.assert_frame_equal(again.cells, tissue.cells)
    assert not np.array_equal(other.labels, tissue.labels)


def test_cells_are_whole_numbered_and_leave_gaps(tissue):
    labels = tissue.labels
    count = len(tissue.cells)
    assert np.unique(labels).tolist() == list(range(count + 1))
    assert connected(labels, connectivity=1, background=0).max() == count
    assert 0.55 < (labels > 0).mean() < 0.97
    area = np.bincount(labels.ravel())[1:] * 0.25**2
    assert area.min() >= MIN_AREA
    np.testing.assert_allclose(area, tissue.cells["area"])
    assert 6.0 < np.sqrt(np.median(area) / np.pi) * 2 < 16.0


def test_centres_lie_in_their_cells_and_nuclei_are_bright(tissue):
    rows = (tissue.cells["y"] / 0.25).astype(int)
    columns = (tissue.cells["x"] / 0.25).astype(int)
    own = tissue.labels[rows, columns] == np.arange(1, len(tissue.cells) + 1)
    assert own.mean() > 0.95
    dapi = tissue.images["DAPI"]
    assert dapi[tissue.nucleus > 0.2].mean() > 5 * dapi[tissue.labels == 0].mean()
    assert all(im.min() >= 0 and im.max() <= 1 for im in tissue.images.values())


def test_panck_marks_epithelial_cells_and_cd45_leucocytes(tissue):
    whole = Window(tissue, 0, 0, tissue.labels.shape)
    kind = tissue.cells["cell_type"].to_numpy()[whole.parents]
    light = {name: whole.brightness(name, 1.0)["mean"] for name in ("PanCK", "CD45")}
    epithelial = np.isin(kind, ["tumour", "epithelium"])
    immune = np.isin(kind, ["T cell", "B cell"])
    assert light["PanCK"][epithelial].mean() > 5 * light["PanCK"][~epithelial].mean()
    assert light["CD45"][immune].mean() > 3 * light["CD45"][~immune].mean()


@pytest.mark.parametrize("kind", NAMES)
def test_markers_are_raised_in_their_type(crowd, kind):
    _, kinds, made = crowd
    genes = panel()
    for gene in MARKERS[kind].split():
        counts = made.counts[:, genes.index(gene)]
        bearers = [
            index(name) for name, text in MARKERS.items() if gene in text.split()
        ]
        running = [
            index(name)
            for program in PROGRAMS
            if gene in program.loadings
            for name in program.types
        ]
        receiving = [
            index(name)
            for one in INTERACTIONS
            if gene in one.targets.split()
            for name in one.receivers
        ]
        others = ~np.isin(kinds, bearers + running + receiving)
        if others.any():
            own = counts[kinds == index(kind)].mean()
            assert own > 1.5 * counts[others].mean(), gene


def test_programs_are_shared_with_neighbours_as_planted(crowd):
    xy, _, made = crowd
    for column, program in enumerate(PROGRAMS):
        runs = np.flatnonzero(~np.isnan(made.programs[:, column]))
        value = made.programs[runs, column]
        near = cKDTree(xy[runs]).query(xy[runs], k=2)[1][:, 1]
        shared = np.corrcoef(value, value[near])[0, 1]
        assert shared > 0.4 * program.shared, program.name
        assert shared < program.shared + 0.2, program.name


def test_a_program_moves_its_genes(crowd):
    _, _, made = crowd
    genes = panel()
    for column, program in enumerate(PROGRAMS):
        value = made.programs[:, column]
        runs = ~np.isnan(value)
        for gene, sign in program.loadings.items():
            rate = np.log(made.rates[runs, genes.index(gene)] / made.depth[runs])
            assert sign * np.corrcoef(rate, value[runs])[0, 1] > 0.05, gene


@pytest.mark.parametrize("column", range(len(INTERACTIONS)))
def test_signals_fall_with_distance_and_raise_their_targets(crowd, column):
    xy, kind, made = crowd
    interaction = INTERACTIONS[column]
    signal = made.signals[:, column]
    answers = np.isin(kind, [index(name) for name in interaction.receivers])
    np.testing.assert_array_equal(answers, ~np.isnan(signal))
    assert signal[answers].min() >= 0.0
    assert signal[answers].max() <= 1.0
    senders = xy[kind == index(interaction.sender)]
    far = cKDTree(senders).query(xy[answers])[0]
    assert signal[answers][far < 8].mean() > 1.3 * signal[answers][far > 25].mean()
    genes = panel()
    loud = answers & (signal > np.nanquantile(signal, 0.8))
    quiet = answers & (signal < np.nanquantile(signal, 0.2))
    levels = made.rates / made.depth[:, None]
    targets = [genes.index(gene) for gene in interaction.targets.split()]
    rise = [
        np.exp(np.log(levels[loud & (kind == one), t]).mean())
        / np.exp(np.log(levels[quiet & (kind == one), t]).mean())
        for t in targets
        for one in np.unique(kind[answers])
    ]
    assert np.exp(np.log(rise).mean()) > 1.15


def test_counts_are_overdispersed_and_follow_the_rates(crowd):
    _, _, made = crowd
    total = made.rates.sum(axis=1)
    assert total.mean() == pytest.approx(260.0, rel=0.05)
    assert np.corrcoef(total, made.counts.sum(axis=1))[0, 1] > 0.98
    spread = ((made.counts - made.rates) ** 2).mean() / made.rates.mean()
    assert spread > 1.5


def test_fields_are_smooth_and_of_unit_variance():
    field = RandomField(np.random.default_rng(0), 20.0)
    points = np.random.default_rng(1).uniform(0, 2000, (4000, 2))
    value = field.at(points)
    assert value.std() == pytest.approx(1.0, abs=0.2)
    step = np.array([0.01, 0.0])
    slope = (field.at(points + step) - field.at(points - step)) / 0.02
    np.testing.assert_allclose(slope, field.gradient(points)[:, 0], atol=1e-6)
    picture = field.image((40, 50), 0.5, step=4)
    x, y = np.meshgrid((np.arange(50) + 0.5) * 0.5, (np.arange(40) + 0.5) * 0.5)
    exact = field.at(np.stack([x.ravel(), y.ravel()], axis=1)).reshape(40, 50)
    assert np.abs(picture - exact)[:36, :46].max() < 0.1


@pytest.fixture(scope="module")
def scrap() -> Tissue:
    return simulate_tissue(2, 60.0, 60.0, pixel_size=0.5, controls=3)


@settings(max_examples=25)
@given(at=st.integers(1, 119), way=st.sampled_from(["rows", "columns"]))
def test_a_cut_shares_out_cells_and_molecules(scrap, at, way):
    height, width = scrap.labels.shape
    if way == "rows":
        halves = [(0, 0, (at, width)), (at, 0, (height - at, width))]
    else:
        halves = [(0, 0, (height, at)), (0, at, (height, width - at))]
    parts = [Window(scrap, *half, min_area=0.0) for half in halves]
    whole = Window(scrap, 0, 0, (height, width), min_area=0.0)
    total = np.zeros_like(whole.counts())
    for part in parts:
        counts = part.counts()
        total[0] += counts[0]
        total[part.parents + 1] += counts[1:]
        assert counts[1:].sum() == (part.molecules["cell"] > 0).sum()
    np.testing.assert_array_equal(total, whole.counts())


def test_a_panel_can_be_chosen_and_strangers_are_refused():
    small = simulate_tissue(0, 60.0, 60.0, genes=["EPCAM", "MALAT1"], controls=2)
    assert small.expression.counts.shape[1] == 2
    assert small.molecules.feature.max() <= 3
    with pytest.raises(SlideError, match="KLINGON"):
        simulate_tissue(0, 60.0, 60.0, genes=["KLINGON", "EPCAM"])
    with pytest.raises(SlideError, match="10 x 60"):
        simulate_tissue(0, 10.0, 60.0)


def test_truth_keeps_what_was_planted(tissue):
    truth = tissue.truth()
    np.testing.assert_allclose(truth.layers["rate"], tissue.expression.rates, rtol=1e-6)
    assert set(truth.obs["cell_type"]) <= set(NAMES)
    assert truth.obsm["programs"].shape[1] == len(truth.uns["programs"])
    assert truth.obsm["signals"].shape[1] == len(truth.uns["interactions"])
    assert truth.uns["seed"] == 4


def _own_label(fov) -> float:
    spot = (fov.table.obsm["spatial"] / fov.pixel_size).astype(int)
    rows = np.clip(spot[:, 1], 0, fov.labels.shape[0] - 1)
    columns = np.clip(spot[:, 0], 0, fov.labels.shape[1] - 1)
    return float((fov.labels[rows, columns] == fov.table.obs["label"]).mean())


def test_a_written_cosmx_slide_is_read_back(tissue, tmp_path):
    folder = write_cosmx(tissue, tmp_path / "slide", block=(1, 2), fov_px=300)
    slide = read_slide(folder)
    assert slide.format == "cosmx"
    assert len(slide.fovs) == 2
    truth = pd.read_csv(folder / "truth/truth_cells.csv")
    # the block lies in the middle of the tissue
    left = (tissue.labels.shape[1] - 600) // 2
    top = (tissue.labels.shape[0] - 300) // 2
    for number, name in enumerate(slide.fovs):
        fov = slide.fov(name)
        window = Window(tissue, top, left + 300 * number, (300, 300))
        assert fov.pixel_size == pytest.approx(0.25)
        assert _own_label(fov) > 0.95
        np.testing.assert_array_equal(fov.labels, window.labels)
        genes = len(tissue.genes)
        np.testing.assert_array_equal(
            fov.table.X.toarray(), window.counts()[1:, :genes]
        )
        probes = np.asarray(fov.table.obsm["control_probes"])
        np.testing.assert_array_equal(probes, window.counts()[1:, genes:])
        planted = truth.loc[truth["fov"] == number + 1, "cell_type"]
        assert fov.table.obs["cell_type"].tolist() == planted.tolist()
        spots = fov.transcripts[["x", "y"]].to_numpy() / 0.25
        assigned = (fov.transcripts["cell"].astype(str) != "").to_numpy()
        on = fov.labels[
            np.clip(spots[:, 1].astype(int), 0, 299),
            np.clip(spots[:, 0].astype(int), 0, 299),
        ]
        assert ((on > 0) == assigned).mean() > 0.97


def test_a_written_merscope_region_is_read_back(tissue, tmp_path):
    folder = write_merscope(tissue, tmp_path / "run", fovs=2)
    slide = read_slide(folder)
    assert slide.format == "merscope"
    assert len(slide.fovs) == 2
    truth = pd.read_csv(folder / "truth/truth_cells.csv", dtype={"EntityID": str})
    kinds = dict(zip(truth["EntityID"], truth["cell_type"], strict=True))
    for name in slide.fovs:
        fov = slide.fov(name)
        assert _own_label(fov) > 0.95
        assert fov.pixel_size == pytest.approx(0.25)
        assert set(fov.images) == {"DAPI", "PolyT", "Cellbound1"}
        assert fov.images["DAPI"].shape == fov.labels.shape
        ids = fov.table.obs["cell_id"].astype(str)
        assert fov.table.obs["cell_type"].tolist() == [kinds[one] for one in ids]
        inside = fov.images["PolyT"][fov.labels > 0].mean()
        # cells whose centre lies outside are stained but have no label
        assert inside > 1.5 * fov.images["PolyT"][fov.labels == 0].mean()


def test_a_block_that_does_not_fit_is_refused(tissue, tmp_path):
    with pytest.raises(SlideError, match="too small for 3 x 3 fields"):
        write_cosmx(tissue, tmp_path, block=(3, 3), fov_px=300)
    tiny = simulate_tissue(0, 40.0, 40.0, pixel_size=1.0, genes=["EPCAM"])
    tiny.labels = tiny.labels[:30, :30]
    with pytest.raises(SlideError, match="margin"):
        write_merscope(tiny, tmp_path)
