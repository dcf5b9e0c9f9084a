"""Label images: polygons, numbering, outlines, discs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.draw import polygon
from skimage.segmentation import find_boundaries

from napari_scfm.slides.raster import (
    boundaries,
    discs,
    has_pixels,
    paint,
    rasterise,
    relabel,
)

SQUARE = np.array([[2, 3], [7, 3], [7, 8], [2, 8]], dtype=float)


def test_a_square_covers_its_pixels_edges_included():
    labels = rasterise([SQUARE], (12, 11))
    assert labels.dtype == np.uint16
    expected = np.zeros((12, 11), dtype=int)
    expected[3:9, 2:8] = 1
    assert np.array_equal(labels, expected)


def test_holes_parts_and_missing_outlines():
    hole = np.array([[4, 5], [5.5, 5], [5.5, 6.5], [4, 6.5]])
    other = SQUARE + np.array([20, 0])
    labels = rasterise([None, [SQUARE, hole + 0.2, other], []], (12, 40))
    assert labels[6, 5] == 0
    assert labels[4, 3] == labels[5, 25] == 2
    assert set(np.unique(labels)) == {0, 2}


def test_the_later_cell_takes_the_overlap_and_it_is_counted():
    labels, contested = paint([SQUARE, SQUARE + np.array([3, 0])], (12, 20))
    assert contested == 3 * 6
    assert (labels[3:9, 5:8] == 2).all()


def test_polygons_over_the_border_are_cut():
    labels = rasterise([SQUARE - (5, 6), SQUARE + 100], (10, 10))
    assert (labels[:3, :3] == 1).all()
    assert labels.sum() == 9


@given(
    st.lists(st.tuples(st.floats(-3, 33), st.floats(-3, 33)), min_size=3, max_size=9)
)
def test_inside_agrees_with_scikit_image_off_the_edges(points):
    ring = np.array(points)
    ours = rasterise([ring], (30, 30)) > 0
    theirs = np.zeros((30, 30), dtype=bool)
    theirs[polygon(ring[:, 1], ring[:, 0], (30, 30))] = True
    rows, columns = np.nonzero(ours != theirs)
    for row, column in zip(rows, columns, strict=True):
        assert edge_distance(ring, column, row) < 1e-6


def edge_distance(ring: np.ndarray, x: float, y: float) -> float:
    start, stop = ring, np.roll(ring, -1, axis=0)
    along = stop - start
    length = np.maximum((along**2).sum(axis=1), 1e-300)
    t = np.clip(((np.array([x, y]) - start) * along).sum(axis=1) / length, 0, 1)
    return float(np.hypot(*(start + t[:, None] * along - (x, y)).T).min())


@pytest.mark.parametrize("top", [50, 2**27])
def test_relabel_numbers_in_table_order(top):
    vendor = np.array([[0, 9, 9], [4, top, 0], [4, 4, 7]], dtype=np.uint32)
    labels = relabel(vendor, np.array([top, 4, 123, 9]))
    assert labels.dtype == np.uint16
    assert labels.tolist() == [[0, 4, 4], [2, 1, 0], [2, 2, 0]]
    assert has_pixels(labels, 4).tolist() == [True, True, False, True]


def test_more_cells_than_uint16_holds():
    labels = relabel(np.array([[0, 70_000]]), np.arange(1, 70_001))
    assert labels.dtype == np.uint32
    assert labels[0, 1] == 70_000


def test_boundaries_are_those_of_scikit_image():
    rng = np.random.default_rng(0)
    labels = np.kron(rng.integers(0, 6, (9, 9)), np.ones((5, 7))).astype(np.uint16)
    kept = boundaries(labels)
    edge = find_boundaries(labels, connectivity=1, mode="thick")
    assert kept.dtype == labels.dtype
    assert np.array_equal(kept, np.where(edge, labels, 0))


def test_discs_go_to_the_nearest_point():
    labels = discs(np.array([[10.0, 10.0], [16.0, 10.0]]), (20, 30), radius=5)
    assert labels[10, 10] == 1
    assert labels[10, 16] == 2
    assert labels[10, 12] == 1
    assert labels[10, 14] == 2
    assert labels[0, 0] == 0
    assert discs(np.empty((0, 2)), (5, 5)).sum() == 0
    assert discs(np.array([[2.0, 2.0]]), (50, 50))[2, 2] == 1
    assert discs(np.array([[-90.0, 2.0]]), (50, 50)).sum() == 0
