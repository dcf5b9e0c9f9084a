"""An AtoMx export, written from the real Lung12 crops as section 1.2 describes it.

y down, upper-case FOV, gzip, ``cell_id`` beside ``cell_ID``, Negative and
SystemControl columns, no row 0, images in a second folder, macOS litter; FOV 3 has
polygons instead of labels.
"""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest
import tifffile
from skimage.measure import find_contours

from napari_scfm.slides.read import read_slide

HEIGHT, WIDTH = 648, 672
LEFT = {2: 4800, 3: 0}


@pytest.fixture(scope="module")
def legacy(real_data):
    return real_data / "cosmx_nsclc_lung12_mini"


@pytest.fixture(scope="module")
def export(legacy, tmp_path_factory):
    root = tmp_path_factory.mktemp("export")
    flat, raw = root / "flatFiles" / "S1", root / "RawFiles" / "S1" / "run"
    flat.mkdir(parents=True)
    source = legacy / "Lung12" / "Lung12-Flat_files_and_images"
    cells = pd.read_csv(source / "Lung12_metadata_file.csv")
    write_counts(source, flat)
    write_metadata(cells, flat)
    write_positions(flat)
    labels = write_images(legacy, raw / "CellStatsDir")
    write_polygons(labels[3], flat)
    return root


def write_gz(frame: pd.DataFrame, path) -> None:
    path.write_bytes(gzip.compress(frame.to_csv(index=False).encode()))


def write_counts(source, flat) -> None:
    counts = pd.read_csv(source / "Lung12_exprMat_file.csv")
    counts = counts[counts.cell_ID != 0].sample(frac=1, random_state=0)
    counts.columns = [c.replace("NegPrb", "Negative") for c in counts.columns]
    counts.insert(5, "SystemControl1", 1)
    write_gz(counts, flat / "S1_exprMat_file.csv.gz")


def write_metadata(cells: pd.DataFrame, flat) -> None:
    left = cells["fov"].map(LEFT)
    x, down = cells["CenterX_local_px"] - left, 3648 - cells["CenterY_local_px"]
    names = [f"c_1_{f}_{c}" for f, c in zip(cells.fov, cells.cell_ID, strict=True)]
    frame = pd.DataFrame(
        {
            "fov": cells.fov,
            "cell_ID": cells.cell_ID,
            "cell_id": names,
            "cell": names,
            "Area": cells.Area,
            "Run_Tissue_name": "S1, left",
            "CenterX_local_px": x,
            "CenterY_local_px": down,
            "CenterX_global_px": 5000 + WIDTH * (cells.fov - 2) + x,
            "CenterY_global_px": 9000 - down,
        }
    )
    write_gz(frame, flat / "S1_metadata_file.csv.gz")


def write_positions(flat) -> None:
    frame = pd.DataFrame(
        {
            "FOV": [2, 3],
            "x_global_px": [5000, 5000 + WIDTH],
            "y_global_px": [9000, 9000],
        }
    )
    for axis in "xy":
        frame[f"{axis}_global_mm"] = frame[f"{axis}_global_px"] * 0.18e-3
    # plain text under a .gz name occurs in the wild
    frame.to_csv(flat / "S1_fov_positions_file.csv.gz", index=False, compression=None)


def write_images(legacy, stats) -> dict[int, np.ndarray]:
    labels = {}
    for fov in (2, 3):
        folder = stats / f"FOV{fov:05d}"
        folder.mkdir(parents=True)
        name = f"CellLabels_F{fov:03d}.tif"
        labels[fov] = tifffile.imread(legacy / "original_crops" / "CellLabels" / name)
        (folder / f"._CellLabels_F{fov:05d}.tif").write_bytes(b"\x00\x05\x16\x07")
        if fov == 2:
            tifffile.imwrite(folder / f"CellLabels_F{fov:05d}.tif", labels[fov])
        stains = np.stack([labels[fov], labels[fov] > 0]).astype(np.uint16)
        (stats / "Morphology2D").mkdir(exist_ok=True)
        tifffile.imwrite(
            stats / "Morphology2D" / f"20240101_120000_S1_C902_P99_N99_F{fov:05d}.TIF",
            stains,
            description='{"ChannelOrder": "BU", "x": [{"ChannelId": "U", '
            '"BiologicalTarget": "DNA", "y": 1}, {"ChannelId": "B", '
            '"BiologicalTarget": "Membrane", "y": 2}]}',
        )
    return labels


def write_polygons(labels: np.ndarray, flat) -> None:
    rows = []
    for cell in np.unique(labels[labels > 0]):
        padded = np.pad(labels == cell, 1)
        ring = max(find_contours(padded, 0.5), key=len) - 1
        rows += [(3, int(cell), f"c_1_3_{cell}", x, y) for y, x in ring]
    columns = ["fov", "cellID", "cell", "x_local_px", "y_local_px"]
    write_gz(pd.DataFrame(rows, columns=columns), flat / "S1-polygons.csv.gz")


def share(fov) -> float:
    xy = np.rint(fov.table.obsm["spatial"] / fov.pixel_size).astype(int)
    xy = xy.clip(0, np.array(fov.labels.shape[::-1]) - 1)
    return float(np.mean(fov.labels[xy[:, 1], xy[:, 0]] == fov.table.obs["label"]))


@pytest.mark.parametrize("start", ["", "flatFiles", "flatFiles/S1"])
def test_the_export_opens_from_any_of_its_folders(export, start):
    slide = read_slide(export / start)
    assert slide.fov_cells == {"F002": 67, "F003": 53}
    assert list(slide.fov("F002").images) == ["Membrane", "DNA"]


def test_names_controls_and_pixel_size(export):
    slide = read_slide(export)
    table = slide.fov("F002").table
    assert table.n_vars == 960
    assert table.obsm["control_probes"].shape[1] == 21
    assert table.obs["cell_id"].iloc[0].startswith("c_1_2_")
    assert "cell_ID" not in table.obs
    assert slide.fov("F002").pixel_size == pytest.approx(0.18)
    assert (table.obs["Run_Tissue_name"] == "S1, left").all()


def test_local_y_down_is_found_by_the_labels(export):
    slide = read_slide(export)
    assert share(slide.fov("F002")) > 0.98
    assert any("Local y runs down: 98" in s for s in slide.report.guessed)


def test_polygons_stand_in_for_a_missing_label_image(export, legacy):
    fov = read_slide(export).fov("F003")
    vendor = tifffile.imread(legacy / "original_crops/CellLabels/CellLabels_F003.tif")
    ids = [int(name.rsplit("_", 1)[1]) for name in fov.table.obs["cell_id"]]
    assert np.mean(np.concatenate([[0], ids])[fov.labels] == vendor) > 0.98
    assert share(fov) > 0.95


def test_both_generations_give_the_same_table_and_slide(export, legacy):
    """Same cells, y down in both: only the place of the crops differs."""
    old, new = read_slide(legacy).table, read_slide(export).table
    assert (old.X != new.X).nnz == 0
    for name in ("F002", "F003"):
        rows = (old.obs["fov"] == name).to_numpy()
        shift = old.obsm["spatial"][rows] - new.obsm["spatial"][rows]
        assert np.ptp(shift, axis=0).max() < 0.2


def test_without_labels_the_sign_of_y_decides(export, tmp_path):
    import shutil

    shutil.copytree(export / "flatFiles" / "S1", tmp_path / "S1")
    slide = read_slide(tmp_path)
    assert any("global y falls with local y" in s for s in slide.report.guessed)
    fov = slide.fov("F003")
    assert fov.labels is not None
    assert share(fov) > 0.95
