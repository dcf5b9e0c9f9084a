"""What read_slide makes of a path."""

from __future__ import annotations

import gzip
import shutil

import pytest

from napari_scfm.errors import SlideError
from napari_scfm.slides.read import read_slide


def test_a_folder_that_is_no_slide_says_what_was_looked_for(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(SlideError) as error:
        read_slide(tmp_path)
    text = str(error.value)
    assert str(tmp_path) in text
    assert "exprMat_file.csv" in text
    assert "cell_by_gene.csv" in text
    assert "Choose the folder" in text


def test_nothing_at_the_path(tmp_path):
    with pytest.raises(SlideError, match="There is nothing at"):
        read_slide(tmp_path / "gone")


def test_a_file_of_no_slide(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("x")
    with pytest.raises(SlideError, match=r"notes\.txt belongs to no slide"):
        read_slide(path)


@pytest.mark.parametrize("levels", [0, 1, 2])
def test_nested_folders(tiny_cosmx, levels):
    folder = tiny_cosmx
    start = tiny_cosmx.parent / "outer"
    if levels:
        target = start / "/".join(["inner"] * (levels - 1)) / "Tiny"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder, target)
        folder = start
    assert read_slide(folder).fovs == ["F001", "F002"]


def test_a_file_in_an_image_folder_opens_the_slide(tiny_cosmx):
    path = tiny_cosmx / "CellLabels" / "CellLabels_F002.tif"
    assert read_slide(path).path == tiny_cosmx


def test_two_slides_are_both_named(tiny_cosmx):
    shutil.copytree(tiny_cosmx, tiny_cosmx.parent / "Other")
    with pytest.raises(SlideError, match="holds 2 slides") as error:
        read_slide(tiny_cosmx.parent)
    assert str(tiny_cosmx) in str(error.value)
    assert str(tiny_cosmx.parent / "Other") in str(error.value)


def test_two_slides_in_one_folder_open_by_file(tiny_cosmx):
    for path in list(tiny_cosmx.glob("Tiny_*")):
        shutil.copy(path, path.with_name(path.name.replace("Tiny", "Tiny2")))
    with pytest.raises(SlideError, match="holds 2 slides"):
        read_slide(tiny_cosmx)
    slide = read_slide(tiny_cosmx / "Tiny2_metadata_file.csv")
    assert "CosMx slide Tiny2." in slide.report.found
    assert (
        "CosMx slide Tiny."
        in read_slide(tiny_cosmx / "Tiny_metadata_file.csv").report.found
    )


def test_a_matrix_unpacked_beside_its_gzip_is_one_slide(tiny_cosmx):
    for path in list(tiny_cosmx.glob("Tiny_*")):
        packed = path.with_name(path.name + ".gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
    slide = read_slide(tiny_cosmx)
    assert slide.name == "Tiny"
    assert slide.table.n_obs == 7


def test_xenium_and_spatialdata_say_what_can_be_opened(real_data, tmp_path):
    folder = real_data / "xenium_mouse_ileum_tiny"
    with pytest.raises(SlideError, match=r"is a Xenium folder\. This version opens"):
        read_slide(folder)
    store = tmp_path / "a.zarr"
    store.mkdir()
    (store / "zarr.json").write_text("{}")
    with pytest.raises(SlideError, match="is a SpatialData store"):
        read_slide(store)


def test_several_tables_in_a_folder(real_data):
    with pytest.raises(SlideError, match="135g") as error:
        read_slide(real_data / "merfish_moffitt_hypothalamus")
    assert "155g" in str(error.value)


def test_unknown_fov_is_named(tiny_cosmx):
    slide = read_slide(tiny_cosmx)
    with pytest.raises(SlideError, match=r"no field of view 'F9'.*F001, F002"):
        slide.fov("F9")


def test_released_fovs_are_read_again(tiny_cosmx):
    slide = read_slide(tiny_cosmx)
    first = slide.fov("F001")
    assert slide.fov("F001") is first
    slide.release("F001")
    assert slide.fov("F001") is not first
