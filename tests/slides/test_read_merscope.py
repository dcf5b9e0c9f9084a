"""MERSCOPE regions: the real ones in both layouts, and damaged copies."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_scfm.errors import SlideError
from napari_scfm.slides.inspect import inspect
from napari_scfm.slides.merscope import mosaics
from napari_scfm.slides.merscope.boundaries import nearest_outline
from napari_scfm.slides.merscope.tiles import grid
from napari_scfm.slides.read import read_slide


@pytest.fixture(scope="module")
def mouse(real_data):
    return read_slide(real_data / "merscope_mousebrain_mini" / "202109_mousebrain_mini")


@pytest.fixture(scope="module")
def human(real_data):
    return read_slide(real_data / "merscope_human_cellbound_mini")


@pytest.fixture
def region(real_data, tmp_path):
    """A copy of the human region without its hdf5 files, to be damaged."""
    source = real_data / "merscope_human_cellbound_mini" / "region_0"
    target = tmp_path / "run" / "region_0"
    shutil.copytree(
        source, target, ignore=shutil.ignore_patterns("cell_boundaries", "detected*")
    )
    return target


def own_label_share(fov) -> float:
    at = np.rint(fov.table.obsm["spatial"] / fov.pixel_size).astype(int)
    inside = ((at >= 0) & (at < fov.labels.shape[::-1])).all(axis=1)
    at = at.clip(0, np.array(fov.labels.shape[::-1]) - 1)
    hits = fov.labels[at[:, 1], at[:, 0]] == fov.table.obs["label"].to_numpy()
    return float(np.mean(hits & inside))


def test_parquet_layout(mouse):
    assert mouse.format == "merscope"
    assert mouse.fov_cells == {"F000": 505}
    fov = mouse.fov("F000")
    assert list(fov.images) == ["DAPI", "PolyT"]
    assert fov.images["DAPI"].shape == fov.labels.shape == fov.shape
    assert fov.pixel_size == pytest.approx(0.108627, abs=1e-5)
    assert own_label_share(fov) > 0.95
    assert fov.table.obs["has_label"].all()
    assert fov.table.n_vars == 450
    assert fov.table.obsm["control_probes"].shape == (505, 109)
    assert "45 invalid outlines were repaired" in str(mouse.report)


def test_rows_grow_with_y_and_nuclei_are_bright(mouse):
    """The mosaic's DAPI is brighter in the cells, and not if turned over."""
    fov = mouse.fov("F000")
    dapi, cells = fov.images["DAPI"].astype(float), fov.labels > 0
    inside = dapi[cells].mean() / dapi[~cells].mean()
    turned = dapi[cells[::-1]].mean() / dapi[~cells[::-1]].mean()
    assert inside > 1.5 * turned


def test_slide_frame_is_the_vendors(mouse):
    fov = mouse.fov("F000")
    whole = mouse.table.obsm["spatial"]
    assert np.allclose(whole, mouse.table.obs[["center_x", "center_y"]])
    assert np.allclose(fov.table.obsm["spatial"] + fov.origin, whole, atol=0.01)


def test_transcripts_belong_to_the_cells_they_lie_in(mouse):
    fov = mouse.fov("F000")
    table = fov.transcripts
    counted = table[table["cell"] != ""].groupby("cell", observed=True).size()
    total = fov.table.obs["transcript_count"].astype(int)
    both = counted.index.intersection(total.index)
    assert len(both) > 450
    assert (counted[both] == total[both]).mean() > 0.9


def test_hdf5_layout_gives_the_same_labels(mouse, real_data):
    old = read_slide(
        real_data / "merscope_mousebrain_mini" / "202109_mousebrain_mini_legacy_hdf5"
    )
    assert not old.fov("F000").images
    assert len(old.table.obs_names[0]) == 39
    ours = pd.read_csv(
        real_data / "merscope_mousebrain_mini" / "cell_id_map.csv", dtype=str
    )
    names = dict(ours.to_numpy()[:, :2].tolist()) | dict(
        ours.to_numpy()[:, 1::-1].tolist()
    )
    assert [names[i] for i in old.table.obs_names] == list(mouse.table.obs_names)
    assert (old.table.X != mouse.table.X).nnz == 0
    assert np.mean(old.fov("F000").labels == mouse.fov("F000").labels) > 0.999
    assert own_label_share(old.fov("F000")) > 0.95


def test_empty_fov_column_is_cut_in_tiles(human):
    assert human.fov_cells == {"r0c0": 174, "r0c1": 241, "r1c0": 309, "r1c1": 334}
    assert any("the fov column is empty" in s for s in human.report.guessed)
    fov = human.fov("r1c1")
    assert list(fov.images) == [
        "Cellbound1",
        "Cellbound2",
        "Cellbound3",
        "DAPI",
        "PolyT",
    ]
    assert own_label_share(fov) > 0.95
    assert human.table.n_obs == 1058
    assert human.table.obs_names.is_unique
    assert "112824700230101249" in human.table.obs_names


def test_other_plane_of_a_stain_is_told(region):
    (region / "images" / "mosaic_DAPI_z3.tif").unlink()
    assert "Mosaic DAPI: z2 of 2 (none at z3)" in str(read_slide(region).report)


def test_several_hdf5_files_with_missing_cells(region, real_data):
    source = real_data / "merscope_human_cellbound_mini" / "region_0"
    (region / "cell_boundaries.parquet").unlink()
    shutil.copytree(source / "cell_boundaries", region / "cell_boundaries")
    slide = read_slide(region)
    labelled = sum(slide.fov(f).table.obs["has_label"].sum() for f in slide.fovs)
    assert labelled == 80
    assert " no pixels" in str(slide.report)
    assert slide.table.n_obs == 1058


def test_metadata_in_another_order(region):
    before = read_slide(region).fov("r0c0").table
    path = region / "cell_metadata.csv"
    rows = pd.read_csv(path, dtype={"EntityID": "str"})
    rows.iloc[::-1].to_csv(path, index=False)
    after = read_slide(region).fov("r0c0").table
    assert list(after.obs_names) == list(before.obs_names)[::-1]
    assert (after[before.obs_names].X != before.X).nnz == 0


def test_cells_without_counts_and_counts_without_cells(region):
    path = region / "cell_by_gene.csv"
    lines = path.read_text().splitlines(keepends=True)
    lines[1] = "7" + lines[1][1:]
    path.write_text("".join(lines))
    slide = read_slide(region)
    assert slide.table.n_obs == 1057
    assert sum(slide.fov_cells.values()) == 1057
    assert "712824700230101249" in str(slide.report)
    assert "without a row in the count matrix (112824700230101249)" in str(slide.report)


def test_fov_column_cuts_the_region(region):
    path = region / "cell_metadata.csv"
    rows = pd.read_csv(path, dtype={"EntityID": "str"})
    rows["fov"] = np.where(rows["center_x"] < 6650, 7, 12)
    rows.to_csv(path, index=False)
    slide = read_slide(region)
    assert slide.fovs == ["F007", "F012"]
    xy = slide.fov("F007").table.obsm["spatial"]
    assert (xy >= 0).all()


def test_a_row_cut_in_the_middle(region):
    path = region / "cell_by_gene.csv"
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(
        SlideError, match=r"cell_by_gene\.csv has .* in row 1059 and is"
    ):
        inspect(read_slide(region))


def test_negative_counts_and_genes_named_twice(region):
    path = region / "cell_by_gene.csv"
    text = path.read_text()
    path.write_text(text.replace("112824700230101249,0", "112824700230101249,-1", 1))
    with pytest.raises(SlideError, match="negative: cell 112824700230101249, gene CD4"):
        _ = read_slide(region).table
    path.write_text(text.replace(",TLL1,", ",CD4,", 1))
    with pytest.raises(SlideError, match="more than once: CD4"):
        read_slide(region)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cell_boundaries.parquet", "cannot be read as parquet"),
        ("images/micron_to_mosaic_pixel_transform.csv", "no 3 x 3 matrix"),
    ],
)
def test_damaged_files_are_named(region, name, message):
    (region / name).write_bytes(b"not what it was")
    with pytest.raises(SlideError, match=message):
        read_slide(region)


def test_a_mosaic_cut_off_is_named_and_the_table_still_opens(region):
    path = region / "images" / "mosaic_DAPI_z3.tif"
    path.write_bytes(path.read_bytes()[:3000])
    fov = read_slide(region).fov("r1c1")
    assert fov.table.n_obs == 334
    with pytest.raises(SlideError, match=r"mosaic_DAPI_z3\.tif cannot be read"):
        _ = fov.images["DAPI"]


def test_without_boundaries_cells_are_points(region):
    (region / "cell_boundaries.parquet").unlink()
    slide = read_slide(region)
    assert slide.fov("r0c0").labels is None
    assert "No cell boundaries" in str(slide.report)


def test_without_transform_the_manifest_serves(region):
    shutil.rmtree(region / "images")
    slide = read_slide(region)
    assert slide.fov("r0c0").pixel_size == 0.108
    assert any("Pixel size 0.108 um" in s for s in slide.report.guessed)
    (region / "images").mkdir()
    manifest = {
        "bbox_microns": [6500, 1200, 6800, 1500],
        "mosaic_width_pixels": 600,
        "mosaic_height_pixels": 600,
    }
    (region / "images" / "manifest.json").write_text(json.dumps(manifest))
    assert read_slide(region).fov("r0c0").pixel_size == pytest.approx(0.5)


def test_several_regions_ask_to_choose(region):
    shutil.copytree(region, region.parent / "region_1")
    with pytest.raises(SlideError, match="Choose one of the region folders") as error:
        read_slide(region.parent)
    assert "region_1" in str(error.value)
    assert read_slide(region.parent / "region_1").format == "merscope"


def test_tiles_are_equal_and_hold_every_point_once():
    rng = np.random.default_rng(0)
    xy = rng.uniform((50, 10), (671, 430), size=(500, 2))
    tiles, counts, size = grid(xy)
    assert counts == (2, 3)
    assert size == pytest.approx((207, 210), abs=4)
    assert sorted(np.concatenate(list(tiles.values()))) == list(range(500))


@pytest.mark.parametrize("options", [{}, {"tile": (64, 48)}, {"compression": "zlib"}])
def test_windows_of_mosaics(tmp_path, options):
    whole = np.random.default_rng(1).integers(0, 999, (300, 420)).astype(np.uint16)
    path = tmp_path / "mosaic.tif"
    tifffile.imwrite(path, whole, **options)
    for (row, column), (height, width) in [
        ((0, 0), (300, 420)),
        ((37, 101), (90, 70)),
        ((-20, 400), (60, 50)),
        ((290, -9), (30, 20)),
        ((500, 500), (5, 5)),
    ]:
        padded = np.pad(whole, 600)
        expected = padded[row + 600 :, column + 600 :][:height, :width]
        assert np.array_equal(
            mosaics.read_window(path, (row, column), (height, width)), expected
        )


def test_only_the_touched_tiles_are_decoded(tmp_path, monkeypatch):
    path = tmp_path / "mosaic.tif"
    tifffile.imwrite(
        path, np.ones((1024, 1024), np.uint16), tile=(128, 128), compression="zlib"
    )
    decoded = []
    decode = mosaics._place
    monkeypatch.setattr(mosaics, "_place", lambda *a: (decoded.append(a), decode(*a)))
    assert mosaics.read_window(path, (200, 200), (100, 100)).all()
    assert len(decoded) == 4


def test_a_speck_gives_way_to_a_whole_outline():
    square = np.array([[0, 0], [9, 0], [9, 9], [0, 9]], dtype=float)
    assert nearest_outline({0: [square], 1: [square / 100]}, 1) == 0
    assert nearest_outline({0: [square], 1: [square]}, 1) == 1
    assert nearest_outline({3: [square / 100]}, 1) == 3
