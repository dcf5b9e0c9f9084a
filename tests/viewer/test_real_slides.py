"""Every real slide opens, is coloured and selected from, in a viewer."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scfm.slides.read import read_slide
from napari_scfm.viewer import acts
from napari_scfm.viewer.hiding import masking
from napari_scfm.viewer.hiding.selection import cell_at
from napari_scfm.viewer.open import open_slide

SLIDES = (
    "cosmx_nsclc_lung12_mini",
    "cosmx_breast_dbkero_fov16",
    "merscope_human_cellbound_mini/region_0",
    "merscope_mousebrain_mini/202109_mousebrain_mini",
    "merscope_mousebrain_mini/202109_mousebrain_mini_legacy_hdf5",
    "merfish_moffitt_hypothalamus/merfish_moffitt_a1_5sections_135g.h5ad",
)


@pytest.mark.parametrize("name", SLIDES)
def test_a_real_slide_is_shown_and_pointed_at(viewer, real_data, name):
    session = open_slide(viewer, read_slide(real_data / name))
    table = session.fov.table
    top = int(np.asarray(table.X.sum(axis=0)).argmax())
    acts.colour_by_gene(session, table.var_names[top])
    colours = viewer.layers[f"cells {session.fov.name}"].colormap.colors
    assert len(np.unique(colours[1:], axis=0)) > 5
    xy = table.obsm["spatial"]
    rows = np.linspace(0, len(xy) - 1, 40).astype(int)
    hit = [row in cell_at(session, xy[row][::-1]) for row in rows]
    assert np.mean(hit) > 0.8, "a cell's centre lies in its label"
    session.selection = rows[:3]
    masking.hide_selected(session)
    assert len(session.mask.hidden_cells) == 3
    if len(session.slide.fovs) > 1:
        assert acts.run(viewer, "next_fov")
        assert session.mask is None
