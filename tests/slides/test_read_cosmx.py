"""CosMx legacy flat files: real slides, and a tiny one that is damaged."""

from __future__ import annotations

import gzip
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_scfm.errors import SlideError
from napari_scfm.slides.inspect import inspect, to_text
from napari_scfm.slides.read import read_slide

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def lung12(real_data):
    return read_slide(real_data / "cosmx_nsclc_lung12_mini")


def own_label_share(fov) -> float:
    xy = np.rint(fov.table.obsm["spatial"] / fov.pixel_size).astype(int)
    return float(np.mean(fov.labels[xy[:, 1], xy[:, 0]] == fov.table.obs["label"]))


def test_lung12_cells_lie_in_their_labels(lung12):
    assert lung12.format == "cosmx"
    assert lung12.fov_cells == {"F002": 67, "F003": 53}
    fov = lung12.fov("F002")
    assert fov.shape == fov.labels.shape == (3648, 5472)
    assert fov.labels.dtype == np.uint16
    assert fov.pixel_size == 0.18
    assert own_label_share(fov) == pytest.approx(66 / 67)
    assert np.array_equal(np.unique(fov.labels), np.arange(68))
    assert fov.table.obs["has_label"].all()


def test_lung12_pixels_are_those_of_the_vendor(lung12, real_data):
    fov = lung12.fov("F003")
    vendor = tifffile.imread(
        real_data / "cosmx_nsclc_lung12_mini/Lung12/Lung12-Flat_files_and_images"
        "/CellLabels/CellLabels_F003.tif"
    )
    row = 7
    cell = int(fov.table.obs_names[row].split("_")[1])
    assert np.array_equal(fov.labels == row + 1, vendor == cell)


def test_lung12_picture_is_bright_where_cells_are(lung12):
    fov = lung12.fov("F002")
    nuclei = fov.images["composite blue"]
    assert nuclei.shape == fov.shape
    cells = fov.labels > 0
    imaged = np.s_[:648, 4800:]
    inside, outside = nuclei[imaged][cells[imaged]], nuclei[imaged][~cells[imaged]]
    assert inside.mean() > 2 * outside.mean()


def test_lung12_transcripts_fall_in_their_cells(lung12):
    fov = lung12.fov("F002")
    table = fov.transcripts
    assert list(table.columns) == ["x", "y", "gene", "cell"]
    at = np.rint(table[["x", "y"]].to_numpy() / fov.pixel_size).astype(int)
    label = fov.table.obs.set_index("cell_id")["label"]
    inside = (table["cell"] != "").to_numpy()
    found = fov.labels[at[inside, 1], at[inside, 0]]
    assert np.mean(found == label.reindex(table["cell"][inside]).to_numpy()) > 0.99


def test_lung12_counts_match_the_derived_table(lung12, real_data):
    import anndata as ad

    published = ad.read_h5ad(
        real_data / "cosmx_nsclc_lung12_mini/cosmx_nsclc_lung12_mini.h5ad"
    )
    table = lung12.table
    assert list(table.obs_names) == list(published.obs_names)
    assert (table.X != published[:, table.var_names].X).nnz == 0
    controls = table.obsm["control_probes"]
    assert controls.shape == (120, 20)
    assert np.array_equal(controls.to_numpy(), published.obsm["neg_probes"].to_numpy())


def test_lung12_fovs_touch_on_the_slide(lung12):
    """The two crops meet at the border of their FOVs; y runs down."""
    whole = lung12.table.obsm["spatial"]
    for name in lung12.fovs:
        fov = lung12.fov(name)
        rows = (lung12.table.obs["fov"] == name).to_numpy()
        local = fov.table.obsm["spatial"]
        assert np.allclose(whole[rows] - local, fov.origin, atol=0.2)
    gap = np.subtract(lung12.fov("F003").origin, lung12.fov("F002").origin)
    assert np.allclose(gap, (5472 * 0.18, 0), atol=0.2)
    y_up = lung12.table.obs["CenterY_global_px"].to_numpy()
    assert np.corrcoef(whole[:, 1], y_up)[0, 1] < -0.99


def test_polygons_give_the_derived_labels(real_data):
    slide = read_slide(real_data / "cosmx_breast_dbkero_fov16" / "DBKero")
    fov = slide.fov("F016")
    derived = tifffile.imread(
        real_data / "cosmx_breast_dbkero_fov16/derived/CellLabels/CellLabels_F016.tif"
    )
    ids = [int(name.split("_")[1]) for name in fov.table.obs_names]
    as_vendor = np.concatenate([[0], ids])[fov.labels]
    assert fov.pixel_size == pytest.approx(0.12028, abs=1e-4)
    assert np.count_nonzero(as_vendor != derived) < 1e-4 * np.count_nonzero(derived)
    assert own_label_share(fov) > 0.99
    area = np.bincount(fov.labels.ravel())[1:]
    assert np.median(area / fov.table.obs["Area"]) == pytest.approx(1, abs=0.02)
    assert any("polygons overlap" in s for s in slide.report.found)


def test_gzip_without_images_opens_as_points(real_data):
    slide = read_slide(real_data / "cosmx_nsclc_lung5_rep3")
    assert slide.fov_cells == {"F016": 4347, "F017": 3250, "F021": 3173, "F022": 2693}
    fov = slide.fov("F022")
    assert fov.labels is None
    assert not fov.images
    assert fov.pixel_size == 0.18
    assert fov.table.n_obs == 2693
    xy = fov.table.obsm["spatial"]
    assert (xy >= -1).all()
    assert (xy <= np.array(fov.shape[::-1]) * 0.18 + 1).all()
    assert "region" in fov.table.obs


def test_gene_names_with_slashes_and_a_file_as_path(real_data):
    folder = real_data / "cosmx_mousebrain_quarter_tiny" / "Run5642_S3_Quarter"
    slide = read_slide(folder / "Run5642_S3_Quarter_tx_file.csv")
    assert "Aph1b/c" in slide.table.var_names
    assert slide.table.n_obs == 27
    assert len(slide.fov("F001").transcripts) == 4188


# the tiny slide -----------------------------------------------------------------


def test_tiny_slide_reads_each_fov_by_itself(tiny_cosmx):
    slide = read_slide(tiny_cosmx)
    assert slide.fov_cells == {"F001": 3, "F002": 4}
    fov = slide.fov("F002")
    assert fov.table.X[:, 0].toarray().ravel().tolist() == [21, 22, 23, 24]
    assert fov.table.obs["label"].tolist() == [1, 2, 3, 4]
    assert fov.table.obsm["control_probes"]["NegPrb1"].tolist() == [1, 0, 1, 0]
    assert own_label_share(fov) == 1
    assert slide.table.n_obs == 7
    assert slide.table.obs_names.is_unique
    assert "cell_ID 0" in str(slide.report)


def test_order_of_the_count_matrix_does_not_matter(tiny_cosmx):
    before = read_slide(tiny_cosmx).table.to_df()
    path = tiny_cosmx / "Tiny_exprMat_file.csv"
    rows = pd.read_csv(path).sample(frac=1, random_state=1)
    rows.to_csv(path, index=False)
    assert read_slide(tiny_cosmx).table.to_df().equals(before)


def test_cells_in_one_file_only_are_reported(tiny_cosmx):
    path = tiny_cosmx / "Tiny_exprMat_file.csv"
    rows = pd.read_csv(path)
    rows = rows[~((rows.fov == 2) & (rows.cell_ID == 4))]
    rows.loc[rows.cell_ID == 8, "cell_ID"] = 99
    rows.to_csv(path, index=False)
    slide = read_slide(tiny_cosmx)
    fov = slide.fov("F002")
    assert list(fov.table.obs_names) == ["2_2", "2_6"]
    assert np.array_equal(np.unique(fov.labels), [0, 1, 2])
    assert slide.fov_cells["F002"] == 2
    text = str(slide.report)
    assert "2 cells of the metadata without a row in the count matrix" in text
    assert (
        "1 rows of the count matrix have no cell in the metadata (cell_ID 99)" in text
    )
    assert "2 labels have no cell in the table" in text


def test_a_cell_without_pixels_stays_in_the_table(tiny_cosmx):
    path = tiny_cosmx / "CellLabels" / "CellLabels_F001.tif"
    labels = tifffile.imread(path)
    labels[labels == 4] = 0
    tifffile.imwrite(path, labels)
    slide = read_slide(tiny_cosmx)
    fov = slide.fov("F001")
    assert fov.table.obs["has_label"].tolist() == [True, False, True]
    assert fov.table.obs["label"].tolist() == [1, 2, 3]
    assert "1 cell has no pixels (1_4)" in str(slide.report)


def test_labels_of_another_slide_are_reported(tiny_cosmx):
    path = tiny_cosmx / "CellLabels" / "CellLabels_F001.tif"
    tifffile.imwrite(path, np.roll(tifffile.imread(path), 25, axis=1))
    slide = read_slide(tiny_cosmx)
    _ = slide.fov("F001").labels
    assert any("F001: only 0.0% of the centroids" in s for s in slide.report.guessed)


def test_fovs_without_or_with_one_cell_open(tiny_cosmx):
    path = tiny_cosmx / "Tiny_metadata_file.csv"
    rows = pd.read_csv(path)
    rows[(rows.fov == 2) & (rows.cell_ID == 2)].to_csv(path, index=False)
    slide = read_slide(tiny_cosmx)
    assert slide.fov_cells == {"F001": 0, "F002": 1}
    assert slide.fov("F001").table.shape == (0, 5)
    assert not slide.fov("F001").labels.any()
    assert slide.fov("F002").table.shape == (1, 5)
    assert inspect(slide)["cells"] == 1


def test_no_cell_at_all(tiny_cosmx):
    path = tiny_cosmx / "Tiny_metadata_file.csv"
    pd.read_csv(path).iloc[:0].to_csv(path, index=False)
    slide = read_slide(tiny_cosmx)
    assert slide.table.shape == (0, 5)
    assert "no cell" in to_text(inspect(slide))


def test_given_pixel_size_wins(tiny_cosmx):
    fov = read_slide(tiny_cosmx, pixel_size=0.5).fov("F001")
    assert fov.pixel_size == 0.5
    assert own_label_share(fov) == 1


def test_inspect_tells_everything_and_keeps_nothing(tiny_cosmx):
    slide = read_slide(tiny_cosmx)
    seen = []
    found = inspect(slide, progress=seen.append)
    assert [f["cells"] for f in found["fovs"]] == [3, 4]
    assert found["genes"] == 5
    assert found["control_probes"] == ["NegPrb1"]
    assert found["channels"] == ["composite blue", "composite green", "composite red"]
    assert found["fovs"][0]["labels"]["centroids_in_own_label"] == 1
    assert [p.done for p in seen] == [1, 2]
    text = to_text(found)
    assert "F002" in text
    assert "Local y runs up" in text


# damage -------------------------------------------------------------------------


def cut_last_row(path: Path, packed: bool = False) -> int:
    lines = path.read_text().splitlines(keepends=True)
    lines[-1] = lines[-1][: len(lines[-1]) // 2]
    text = "".join(lines).encode()
    path.write_bytes(gzip.compress(text) if packed else text)
    return len(lines)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", ["exprMat", "metadata"])
def test_a_row_cut_in_the_middle_names_file_and_row(tiny_cosmx, kind, packed):
    path = tiny_cosmx / f"Tiny_{kind}_file.csv"
    row = cut_last_row(path, packed)
    with pytest.raises(SlideError, match=f"{path.name}.* in row {row} .*cut off") as e:
        inspect(read_slide(tiny_cosmx))
    assert "again" in str(e.value)


@pytest.mark.parametrize("kind", ["exprMat", "metadata"])
def test_a_gzip_that_ends_early_names_file_and_row(tiny_cosmx, kind):
    path = tiny_cosmx / f"Tiny_{kind}_file.csv"
    packed = gzip.compress(path.read_bytes())
    path.unlink()
    path = path.with_name(path.name + ".gz")
    path.write_bytes(packed[: len(packed) * 2 // 3])
    with pytest.raises(SlideError, match=rf"{path.name} ends early.*row \d+"):
        inspect(read_slide(tiny_cosmx))


def test_a_gene_named_twice_is_refused(tiny_cosmx):
    path = tiny_cosmx / "Tiny_exprMat_file.csv"
    path.write_text(path.read_text().replace("GENE3", "GENE1", 1))
    with pytest.raises(SlideError, match="more than once: GENE1"):
        read_slide(tiny_cosmx)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("-3", "1 counts are negative: cell 2_4, gene GENE2"),
        ("", r"1 counts are missing \(NaN\): cell 2_4, gene GENE2"),
        ("many", "value 'many' in column 'GENE2'"),
    ],
)
def test_bad_counts_name_cell_and_gene(tiny_cosmx, value, message):
    path = tiny_cosmx / "Tiny_exprMat_file.csv"
    rows = pd.read_csv(path, dtype=str)
    rows.loc[(rows.fov == "2") & (rows.cell_ID == "4"), "GENE2"] = value
    rows.to_csv(path, index=False)
    slide = read_slide(tiny_cosmx)
    assert slide.fov("F001").table.n_obs == 3
    with pytest.raises(SlideError, match=message):
        _ = slide.fov("F002").table
    with pytest.raises(SlideError, match=message):
        _ = slide.table


def test_label_image_of_another_size_is_refused(tiny_cosmx):
    path = tiny_cosmx / "CellLabels" / "CellLabels_F002.tif"
    tifffile.imwrite(path, tifffile.imread(path)[:40])
    slide = read_slide(tiny_cosmx)
    assert slide.fov("F001").table.n_obs == 3
    with pytest.raises(SlideError, match=r"F002\.tif is 60 x 40 px, where FOV F002"):
        slide.fov("F002")


def test_lonely_label_image_too_small_for_its_cells(real_data, tmp_path):
    folder = tmp_path / "DBKero"
    shutil.copytree(real_data / "cosmx_breast_dbkero_fov16" / "DBKero", folder)
    (folder / "CellLabels").mkdir()
    small = np.zeros((1000, 1200), dtype=np.uint16)
    tifffile.imwrite(folder / "CellLabels" / "CellLabels_F016.tif", small)
    slide = read_slide(folder)
    with pytest.raises(SlideError, match="is 1200 x 1000 px, where FOV F016 has cells"):
        slide.fov("F016")


def test_picture_of_another_size_is_refused(tiny_cosmx):
    from PIL import Image

    path = tiny_cosmx / "CellComposite" / "CellComposite_F001.jpg"
    Image.fromarray(np.zeros((30, 30, 3), np.uint8)).save(path)
    fov = read_slide(tiny_cosmx).fov("F001")
    assert fov.labels is not None
    with pytest.raises(SlideError, match="where its FOV has 60 x 60 px"):
        _ = fov.images["composite red"]


@pytest.mark.parametrize("name", ["CellLabels/CellLabels_F001.tif"])
def test_an_image_that_is_none_is_named(tiny_cosmx, name):
    (tiny_cosmx / name).write_bytes(b"II*\x00nothing")
    with pytest.raises(SlideError, match=r"CellLabels_F001\.tif cannot be read"):
        read_slide(tiny_cosmx)


def test_cells_listed_twice_are_refused(tiny_cosmx):
    for kind in ("metadata", "exprMat"):
        path = tiny_cosmx / f"Tiny_{kind}_file.csv"
        text = path.read_text()
        path.write_text(text + text.splitlines()[2] + "\n")
        with pytest.raises(SlideError, match=r"lists 1 cell .*more\s+than once"):
            _ = read_slide(tiny_cosmx).table
        path.write_text(text)


def test_missing_metadata_or_centroids(tiny_cosmx):
    path = tiny_cosmx / "Tiny_metadata_file.csv"
    rows = pd.read_csv(path)
    rows.drop(columns="CenterX_local_px").to_csv(path, index=False)
    with pytest.raises(SlideError, match="no columns CenterX_local_px"):
        read_slide(tiny_cosmx)
    path.unlink()
    with pytest.raises(SlideError, match="no Tiny_metadata_file"):
        read_slide(tiny_cosmx)
