"""Cells get exactly the colour of their value, whatever is selected or missing."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scfm.errors import SlideError
from napari_scfm.figures.palette import colour_values
from napari_scfm.viewer import acts
from napari_scfm.viewer.colouring import auto_limits, label_colormap
from napari_scfm.viewer.fuzzy import rank
from napari_scfm.viewer.open import open_slide
from napari_scfm.viewer.session import Clusters


def drawn(viewer, session):
    """Return the colour that napari draws each cell in, table order."""
    cells = viewer.layers[f"cells {session.fov.name}"]
    return np.array([cells.get_color(i + 1) for i in range(session.n_cells)])


def test_each_cell_has_the_colour_of_its_count(viewer, make_slide):
    session = open_slide(viewer, make_slide(9))
    acts.colour_by_gene(session, "CD3E")
    counts = session.fov.table[:, "CD3E"].X.toarray().ravel()
    wanted = colour_values(counts, *auto_limits(counts), "viridis")
    np.testing.assert_allclose(drawn(viewer, session), wanted, atol=1e-6)


def test_limits_colours_and_log_change_the_picture(viewer, make_slide):
    session = open_slide(viewer, make_slide(9))
    legends = []
    session.painted.connect(legends.append)
    acts.colour_by_gene(session, "CD3E")
    session.limits = (0.0, 2.0)
    session.colormap = "magma"
    counts = session.fov.table[:, "CD3E"].X.toarray().ravel()
    wanted = colour_values(counts, 0, 2, "magma")
    np.testing.assert_allclose(drawn(viewer, session), wanted, atol=1e-6)
    session.update({"log": True, "limits": None})
    assert legends[-1].title == "CD3E, log1p counts"
    assert legends[-1].limits[1] == pytest.approx(np.log1p(counts).max(), rel=0.1)


def test_a_selection_dims_the_others(viewer, make_slide):
    session = open_slide(viewer, make_slide(6))
    acts.colour_by_gene(session, "CD3E")
    before = drawn(viewer, session)
    session.selection = np.array([2, 4])
    after = drawn(viewer, session)
    np.testing.assert_allclose(after[[2, 4]], before[[2, 4]], atol=1e-6)
    assert (after[[0, 1, 3, 5], 3] < 0.3).all()


def test_types_and_clusters_are_painted_with_a_legend(viewer, make_slide):
    session = open_slide(viewer, make_slide(6))
    legends = []
    session.painted.connect(legends.append)
    assert session.colour_by == "type"
    session.clusters = Clusters("F001", "m", np.array([0, 1, 2, 0, 1, 2]), 1.0)
    session.colour_by = "clusters"
    assert [name for name, _ in legends[-1].categories] == ["0", "1", "2"]
    colours = drawn(viewer, session)
    np.testing.assert_allclose(colours[0], colours[3])
    assert not np.allclose(colours[0], colours[1])


def test_hover_names_cell_type_and_value(viewer, make_slide):
    session = open_slide(viewer, make_slide(6))
    acts.colour_by_gene(session, "CD3E")
    acts.colour_by_gene(session, "KRT8")
    cells = viewer.layers["cells F001"]
    status = cells.get_status((2.5, 12.5), world=True)["value"]
    counts = session.fov.table[:, "KRT8"].X.toarray().ravel()
    assert "cell: cell_2" in status
    assert "type: tumour" in status
    assert f"KRT8: {counts[2]:.3g}" in status
    assert "CD3E" not in status


def test_a_gene_that_is_not_measured_is_refused(viewer, make_slide):
    session = open_slide(viewer, make_slide(4))
    with pytest.raises(SlideError, match="'XIST' is not measured"):
        acts.colour_by_gene(session, "XIST")
    assert session.gene == ""


def test_j_and_k_walk_the_panel_round(viewer, make_slide):
    session = open_slide(viewer, make_slide(4))
    acts.run(viewer, "next_gene")
    assert session.gene == "EPCAM"
    acts.run(viewer, "previous_gene")
    assert session.gene == "COL1A1"
    acts.run(viewer, "next_gene")
    assert session.gene == "EPCAM"


def test_cells_without_a_label_do_not_shift_colours():
    rgba = np.eye(4)[[0, 1, 2]]
    colormap = label_colormap(rgba, np.array([1, 0, 2]))
    np.testing.assert_allclose(colormap.map(np.array([0, 1, 2]))[1:], rgba[[0, 2]])


def test_recolouring_swaps_the_lookup_table_and_leaves_the_pixels(viewer, make_slide):
    session = open_slide(viewer, make_slide(4000))
    acts.colour_by_gene(session, "CD3E")
    layer = viewer.layers["cells F001"]
    pixels, colours = layer.data, layer.colormap.colors.copy()
    acts.colour_by_gene(session, "KRT8")
    assert viewer.layers["cells F001"] is layer
    assert layer.data is pixels
    assert not np.array_equal(layer.colormap.colors, colours)


def test_fuzzy_search_ranks_prefixes_first():
    names = ["COL1A1", "KRT18", "KRT8", "MKI67", "AKRT"]
    assert rank("krt", names) == ["KRT8", "KRT18", "AKRT"]
    assert rank("k8", names) == ["KRT8", "KRT18"]
    assert rank("", names) == names
    assert rank("zzz", names) == []
