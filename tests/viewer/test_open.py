"""Opening slides, moving between FOVs, and what the layers hold."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scfm.errors import SlideError
from napari_scfm.viewer import acts
from napari_scfm.viewer.fov_layers import fov_layer_data
from napari_scfm.viewer.open import open_slide
from napari_scfm.viewer.session import session_of


def layer(viewer, name):
    return viewer.layers[name]


def test_a_fov_is_channels_cells_and_outlines_in_um(viewer, make_slide):
    session = open_slide(viewer, make_slide(8))
    assert [entry.name for entry in viewer.layers] == [
        "DAPI",
        "membrane",
        "cells F001",
        "outlines F001",
    ]
    for entry in viewer.layers:
        assert tuple(entry.scale) == (0.5, 0.5)
        assert {str(unit) for unit in entry.units} == {"micrometer"}
    cells = layer(viewer, "cells F001")
    assert cells.data.dtype == np.uint16
    assert not cells.editable
    assert not layer(viewer, "outlines F001").editable
    assert layer(viewer, "DAPI").blending == "additive"
    assert cells.metadata["adata"] is session.fov.table
    assert cells.metadata["region_key"] == "fov"
    assert cells.metadata["instance_key"] == "label"


def test_outlines_hold_boundary_pixels_only(viewer, make_slide):
    open_slide(viewer, make_slide(4))
    edge = layer(viewer, "outlines F001").data
    assert edge[1, 1] == 1
    assert edge[4, 4] == 0


def test_the_next_fov_takes_the_place_of_the_first(viewer, make_slide):
    session = open_slide(viewer, make_slide(8, 5))
    acts.colour_by_gene(session, "KRT8")
    viewer.scene.camera.zoom = 33.0
    assert acts.run(viewer, "next_fov")
    assert session.fov.name == "F002"
    assert [entry.name for entry in viewer.layers][-2:] == [
        "cells F002",
        "outlines F002",
    ]
    assert len(viewer.layers) == 4
    assert session.gene == "KRT8"
    assert viewer.scene.camera.zoom == 33.0
    assert acts.run(viewer, "next_fov")
    assert "last field of view" in session.message.text
    assert acts.run(viewer, "previous_fov")
    assert session.fov.name == "F001"


def test_page_keys_are_bound_on_our_layers_only(viewer, make_slide):
    session = open_slide(viewer, make_slide(4, 4))
    foreign = viewer.add_points(np.zeros((1, 2)))
    assert not foreign.keymap
    keymap = layer(viewer, "cells F001").keymap
    (page_down,) = [key for key in keymap if "PageDown" in str(key)]
    keymap[page_down](layer(viewer, "cells F001"))
    assert session.fov.name == "F002"


def test_the_camera_looks_at_the_cells_of_a_mostly_empty_frame(viewer, make_slide):
    slide = make_slide(2)
    slide.fov("F001").shape = (4000, 4000)
    open_slide(viewer, slide)
    assert np.all(np.asarray(viewer.scene.camera.center)[-2:] < 20)


@pytest.mark.parametrize("cells", [0, 1])
def test_a_fov_with_hardly_a_cell_opens(viewer, make_slide, cells):
    session = open_slide(viewer, make_slide(cells, 4), "F001")
    acts.colour_by_gene(session, "CD3E")
    session.selection = np.arange(cells)
    assert session.n_cells == cells
    for by in ("type", "counts", "clusters", "nothing"):
        session.colour_by = by
    assert acts.run(viewer, "next_fov")


def test_opening_skips_an_empty_first_fov(viewer, make_slide):
    assert open_slide(viewer, make_slide(0, 3)).fov.name == "F002"


def test_cells_without_a_segmentation_are_discs_in_table_order(viewer, make_slide):
    open_slide(viewer, make_slide(4, labelled=False))
    data = layer(viewer, "cells F001").data
    assert data[5, 5] == 1
    assert data[5, 35] == 4


def test_too_many_cells_are_refused_before_anything_is_drawn(viewer, make_slide):
    slide = make_slide(4)
    table = slide.fov("F001").table
    big = table[np.zeros(65_535, dtype=int)]
    object.__setattr__(slide.fov("F001"), "table", big)
    with pytest.raises(SlideError, match="65535 cells"):
        open_slide(viewer, slide)
    assert len(viewer.layers) == 0


def test_an_unknown_fov_changes_nothing(viewer, make_slide):
    session = open_slide(viewer, make_slide(4))
    with pytest.raises(SlideError, match="F009"):
        open_slide(viewer, session.slide, "F009")
    assert session.fov.name == "F001"
    assert len(viewer.layers) == 4


def test_commands_without_a_slide_say_so(viewer):
    for command in acts.COMMANDS:
        acts.run(viewer, command)
    assert session_of(viewer).message.text


def test_layer_data_is_what_napari_readers_return(make_slide):
    slide = make_slide(4)
    kinds = [entry[2] for entry in fov_layer_data(slide, slide.fov("F001"))]
    assert kinds == ["image", "image", "labels", "labels"]


def test_two_viewers_have_two_sessions(viewer, make_slide):
    from napari.components import ViewerModel

    other = ViewerModel()
    open_slide(viewer, make_slide(4))
    assert session_of(other).slide is None
    assert session_of(viewer) is session_of(viewer)


def test_many_stains_start_with_the_nuclei_and_one_other():
    from napari_scfm.viewer.fov_layers import shown_channels

    stains = ["Cellbound1", "Cellbound2", "Cellbound3", "DAPI", "PolyT"]
    assert shown_channels(stains) == ["DAPI", "Cellbound1"]
    assert shown_channels(stains[:3]) == stains[:3]
