"""Selecting is not hiding; hiding can be undone; each FOV has its own mask."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_scfm.errors import MaskError, ModelError
from napari_scfm.models.base import CellModel, ModelInfo
from napari_scfm.viewer import acts
from napari_scfm.viewer.hiding import masking
from napari_scfm.viewer.hiding.picking import combined, how_of
from napari_scfm.viewer.hiding.selection import cells_in_box, cells_in_polygon
from napari_scfm.viewer.open import open_slide
from napari_scfm.viewer.painter import thick_boundaries

rows = st.lists(st.integers(0, 30), unique=True).map(sorted).map(np.array)


def test_hide_undo_redo(viewer, make_slide):
    session = open_slide(viewer, make_slide(6))
    session.selection = np.array([1, 3])
    assert session.mask is None
    acts.run(viewer, "hide_selected")
    assert session.mask.hidden_cells == ["F001_1", "F001_3"]
    masking.hide_genes(session, ["CD3E"])
    assert masking.describe(session.mask).startswith("Hidden: 1 gene and 2 cells")
    acts.run(viewer, "undo")
    assert session.mask.hidden_genes == []
    acts.run(viewer, "redo")
    assert session.mask.hidden_genes == ["CD3E"]
    acts.run(viewer, "unhide_selected")
    assert session.mask.hidden_cells == []


def test_hidden_cells_wear_a_ring(viewer, make_slide):
    session = open_slide(viewer, make_slide(6))
    session.selection = np.array([1])
    acts.run(viewer, "hide_selected")
    ring = viewer.layers["hidden from the model F001"]
    assert ring.get_color(2)[3] > 0.9
    assert ring.get_color(1)[3] == 0
    acts.run(viewer, "undo")
    assert not ring.visible
    session.selection = np.array([0])
    acts.run(viewer, "hide_selected")
    assert ring.visible
    assert ring.get_color(2)[3] == 0
    assert ring.get_color(1)[3] > 0.9


def test_each_fov_keeps_its_mask(viewer, make_slide):
    session = open_slide(viewer, make_slide(6, 6))
    masking.hide_genes(session, ["CD3E"])
    acts.run(viewer, "next_fov")
    assert session.mask is None
    acts.run(viewer, "previous_fov")
    assert session.mask.hidden_genes == ["CD3E"]


def test_hiding_nothing_says_so(viewer, make_slide):
    session = open_slide(viewer, make_slide(4))
    assert not acts.run(viewer, "hide_selected")
    assert session.message.level == "error"
    assert "No cell is selected" in session.message.text
    with pytest.raises(MaskError, match="No gene is named"):
        masking.hide_genes(session, [])
    with pytest.raises(MaskError, match="XIST"):
        masking.hide_genes(session, ["XIST"])
    assert session.mask is None


def test_gene_names_may_be_typed_in_small_letters(viewer, make_slide):
    session = open_slide(viewer, make_slide(4))
    assert masking.hide_genes(session, ["epcam", "Krt8", "EPCAM"]) == 2
    assert session.mask.hidden_genes == ["EPCAM", "KRT8"]
    assert masking.as_spelled(["ab"], ["AB", "Ab"]) == ["ab"], "which is meant?"


def test_random_shares_repeat_with_their_seed(viewer, make_slide):
    session = open_slide(viewer, make_slide(20))
    masking.hide_share(session, "cells", 0.25, seed=3)
    first = session.mask.hidden_cells
    masking.clear(session)
    masking.hide_share(session, "cells", 0.25, seed=3)
    assert session.mask.hidden_cells == first
    assert len(first) == 5
    masking.clear(session)
    masking.hide_random_genes(session, 2, seed=1)
    assert len(session.mask.hidden_genes) == 2


class Knows(CellModel):
    """Knows some genes of the slide."""

    def __init__(self, *genes: str) -> None:
        self.info = ModelInfo("knows", genes=genes)

    def impute(self, table, genes, *, mask=None, progress=None):
        return np.ones((table.n_obs, len(genes)), dtype=np.float32)


def test_random_genes_are_known_to_the_model_unless_it_knows_few(viewer, make_slide):
    session = open_slide(viewer, make_slide(20))
    session.model = Knows("KRT8", "KRT18", "VIM")
    masking.hide_random_genes(session, 1)
    assert set(session.mask.hidden_genes) <= {"KRT8", "KRT18"}
    masking.clear(session)
    masking.hide_random_genes(session, 2)
    assert len(session.mask.hidden_genes) == 2
    masking.clear(session)
    session.model = Knows("KRT8", "EPCAM", "CD3E")
    seen = set()
    for seed in range(20):
        masking.clear(session)
        masking.hide_random_genes(session, 2, seed)
        seen |= set(session.mask.hidden_genes)
    assert len(seen) == 5, "three known genes are too few to hide two of"
    session.model = Knows("VIM")
    with pytest.raises(ModelError, match="knows genes like VIM"):
        masking.hide_random_genes(session, 2)


@given(rows, rows)
def test_gestures_are_set_algebra(old, hit):
    assert set(combined(old, hit, "add")) == set(old) | set(hit)
    assert set(combined(old, hit, "subtract")) == set(old) - set(hit)
    assert set(combined(old, hit, "replace")) == set(hit)


def test_keys_decide_what_a_gesture_does():
    assert how_of(["Shift"]) == "add"
    assert how_of(["Alt"]) == "subtract"
    assert how_of([]) == "replace"


def test_box_and_lasso_take_centres_inside():
    xy = np.array([[1.0, 1.0], [5.0, 1.0], [5.0, 5.0]])
    assert list(cells_in_box(xy, (6, 6), (4, 0))) == [1, 2]
    triangle = np.array([[0, 0], [6, 0], [6, 4.0]])
    assert list(cells_in_polygon(xy, triangle)) == [1]
    assert list(cells_in_polygon(xy, triangle[:2])) == []
    bow_tie = np.array([[0, 0], [6, 6], [6, 0], [0, 6.0]])
    points = np.array([[1.0, 3.0], [5.0, 3.0], [3.0, 1.0]])
    assert list(cells_in_polygon(points, bow_tie)) == [0, 1]


def test_thick_boundaries_lie_around_the_inner_part():
    labels = np.zeros((20, 20), dtype=np.uint16)
    labels[2:18, 2:18] = 1
    edge = thick_boundaries(labels, 3)
    assert edge[2, 10] == 1
    assert edge[4, 10] == 1
    assert edge[10, 10] == 0
