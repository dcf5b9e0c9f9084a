"""A selection made by a rule is hidden as that rule; presets; a result of many FOVs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_scfm.errors import MaskError, ModelError
from napari_scfm.masks.spec import MaskSpec
from napari_scfm.models.hub import load_model
from napari_scfm.viewer import acts, tasks
from napari_scfm.viewer.colouring import certainty, ring_rgba
from napari_scfm.viewer.hiding import masking, picking, presets
from napari_scfm.viewer.hiding.groups import groups_of, rule_of_group
from napari_scfm.viewer.hiding.radius_tools import cells_near
from napari_scfm.viewer.keymap import KEYS
from napari_scfm.viewer.open import open_slide
from napari_scfm.viewer.session import Clusters

TAKEN = set("1234567EPFLZMXBV") | {"Minus", "Equal", "Enter", "Space"}
"""Keys of napari on Labels layers and viewers that are left alone."""


def test_no_key_takes_one_of_naparis_or_is_there_twice():
    keys = [key.key for key in KEYS]
    assert len(set(keys)) == len(keys)
    assert not set(keys) & TAKEN
    assert {key.command for key in KEYS} <= set(acts.COMMANDS)


def test_a_rule_is_hidden_as_a_rule_and_pointing_as_names(viewer, make_slide):
    session = open_slide(viewer, make_slide(12))
    picking.pick_by(session, rule_of_group(session, "cell_type", "T cell"))
    assert list(session.selection) == [1, 3, 5, 7, 9, 11]
    acts.run(viewer, "hide_selected")
    assert session.recipe == MaskSpec(obs={"cell_type": ("T cell",)})
    session.selection = np.array([0, 2])
    acts.run(viewer, "hide_selected")
    assert session.recipe.cells == ("F001_0", "F001_2")
    assert session.recipe.resolve(session.fov.table) == session.mask
    acts.run(viewer, "unhide_selected")
    assert session.recipe.resolve(session.fov.table) == session.mask
    assert len(session.mask.hidden_cells) == 6


def test_shift_and_alt_compose_rules(viewer, make_slide):
    session = open_slide(viewer, make_slide(12))
    picking.pick_by(session, MaskSpec(every_nth=2))
    picking.pick_by(session, MaskSpec(every_nth=3), "add")
    picking.pick(session, np.array([0]), "subtract")
    assert list(session.selection) == [2, 3, 4, 6, 8, 9, 10]
    rule = picking.rule_of(session)
    rows = np.flatnonzero(rule.resolve(session.fov.table).whole_cells)
    np.testing.assert_array_equal(rows, session.selection)
    acts.run(viewer, "invert")
    assert list(session.selection) == [0, 1, 5, 7, 11]
    rows = picking.selected_spec(session).resolve(session.fov.table).whole_cells
    np.testing.assert_array_equal(np.flatnonzero(rows), session.selection)
    acts.run(viewer, "select_all")
    assert len(session.selection) == 12


def test_clusters_can_be_chosen_by_and_go_with_their_fov(viewer, make_slide):
    session = open_slide(viewer, make_slide(6, 6))
    session.clusters = Clusters("F001", "m", np.array([0, 0, 1, 1, 2, 2]), 1.0)
    assert groups_of(session)["clusters"] == ["0", "1", "2"]
    np.testing.assert_array_equal(rule_of_group(session, "clusters", "1"), [2, 3])
    acts.run(viewer, "next_fov")
    assert "clusters" not in groups_of(session)
    with pytest.raises(MaskError, match="no group"):
        rule_of_group(session, "clusters", "1")


@given(
    st.lists(st.tuples(st.floats(0, 50), st.floats(0, 50)), min_size=1, max_size=6),
    st.floats(0.5, 20),
)
@settings(max_examples=40)
def test_a_brush_takes_what_its_disc_passes(track, radius):
    xy = np.stack(np.meshgrid(np.arange(0, 50, 7.0), np.arange(0, 50, 7.0)), -1)
    xy = xy.reshape(-1, 2)
    track = np.array(track)
    hit = np.zeros(len(xy), dtype=bool)
    hit[cells_near(xy, track, radius)] = True
    ends = np.linalg.norm(xy[:, None] - track[None], axis=2).min(axis=1)
    assert hit[ends < radius - 1e-6].all()
    if len(track) == 1:
        assert not hit[ends > radius + 1e-6].any()


def test_single_hidden_entries_show_as_a_paler_ring(viewer, make_slide):
    session = open_slide(viewer, make_slide(6))
    masking.hide(session, MaskSpec(genes=("CD3E",)))
    assert "hidden from the model F001" not in viewer.layers
    single = MaskSpec(single={"EPCAM": ("F001_2",)})
    masking.hide(session, single)
    ring = viewer.layers["hidden from the model F001"]
    part, none = ring.get_color(3)[3], ring.get_color(1)[3]
    assert 0 < part < 0.9
    assert none == 0
    assert masking.describe(session.mask).startswith(
        "Hidden: 1 gene and 1 single entry"
    )
    masking.show_again(session, single)
    assert not ring.visible
    only = MaskSpec(genes=("CD3E",)).resolve(session.fov.table)
    assert session.recipe.resolve(session.fov.table) == session.mask == only
    rgba = ring_rgba(np.array([0, 0.1, 0.9, 1]))
    assert (np.diff(rgba[:, 3]) > 0).all()


def test_presets_are_specs_and_need_what_they_speak_of(viewer, make_slide):
    session = open_slide(viewer, make_slide(12))
    for name, wanted in (
        ("neighbourhood", "No cell"),
        ("marker", "No gene is on show"),
    ):
        with pytest.raises(MaskError, match=wanted):
            presets.apply(session, name)
    session.selection = np.array([5])
    session.radius = 6
    presets.apply(session, "neighbourhood")
    assert "F001_5" in session.mask.hidden_cells
    assert 1 < len(session.mask.hidden_cells) < 12
    acts.colour_by_gene(session, "KRT8")
    presets.apply(session, "marker")
    assert session.in_turn
    assert "KRT8" in session.mask.hidden_genes
    masking.clear(session)
    presets.apply(session, "fov")
    assert len(session.mask.hidden_cells) == 12


def test_a_recipe_survives_its_file(viewer, make_slide, tmp_path):
    session = open_slide(viewer, make_slide(12))
    with pytest.raises(MaskError, match="Nothing is hidden"):
        presets.save_recipe(session, tmp_path / "no.json")
    masking.hide(session, MaskSpec(every_nth=4))
    masking.hide(session, MaskSpec(patterns=("KRT*",)))
    mask, recipe = session.mask, session.recipe
    presets.save_recipe(session, tmp_path / "hidden.json")
    masking.clear(session)
    presets.open_recipe(session, tmp_path / "hidden.json")
    assert (session.mask, session.recipe) == (mask, recipe)
    (tmp_path / "bad.json").write_text('{"genes": 3}')
    with pytest.raises(MaskError, match="holds no recipe"):
        presets.open_recipe(session, tmp_path / "bad.json")


def test_one_run_over_all_fovs_can_be_seen_on_each(viewer, make_slide):
    session = open_slide(viewer, make_slide(12, 16))
    session.model = load_model("gene-mean")
    masking.hide_genes(session, ["CD3E"])
    asked = tasks.Asked(("knn-expression",), fovs=("F001", "F002"), draws=3)
    made = tasks.predict(tasks.work_of(session, "impute"), asked)
    acts.show_comparison(session, made)
    assert made.truth.shape == (12, 1)
    acts.run(viewer, "next_fov")
    assert session.comparison.fov == "F002"
    assert session.comparison.truth.shape == (16, 1)
    assert session.comparison.result is made.result


def test_another_model_on_show_brings_its_own_values(viewer, make_slide):
    session = open_slide(viewer, make_slide(12, 16))
    session.model = load_model("gene-mean")
    masking.hide_genes(session, ["CD3E"])
    asked = tasks.Asked(("ridge",), draws=3)
    made = tasks.predict(tasks.work_of(session, "impute"), asked)
    acts.show_comparison(session, made)
    assert made.models == ("gene-mean", "ridge")
    acts.show_model(session, "ridge")
    shown = session.comparison
    values = made.result.prediction("ridge")
    np.testing.assert_array_equal(shown.prediction[:, 0], values)
    assert shown.about["model"] == "ridge"
    assert viewer.layers[2].name == "CD3E: prediction by ridge"
    with pytest.raises(ModelError, match="magic has predicted nothing"):
        acts.show_model(session, "magic")


def test_unsure_predictions_fade_and_the_legend_says_so(viewer, make_slide):
    session = open_slide(viewer, make_slide(12, 16))
    session.model = load_model("ridge")
    masking.hide_share(session, "entries", 0.5)
    made = tasks.predict(tasks.work_of(session, "impute"), tasks.Asked((), draws=4))
    acts.show_comparison(session, made)
    acts.run(viewer, "blink")
    note = session.parts["painter"].legend.note
    assert note == "predicted by ridge"
    column = made.column(session.gene)
    cells = viewer.layers["cells F001"]
    spread = made.spread[:, column]
    least, most = int(np.nanargmin(spread)), int(np.nanargmax(spread))
    before = cells.get_color(most + 1)[3], cells.get_color(least + 1)[3]
    session.fade_uncertain = True
    assert "faint = unsure" in session.parts["painter"].legend.note
    after = cells.get_color(most + 1)[3], cells.get_color(least + 1)[3]
    assert after[0] < before[0]
    assert after[1] / before[1] > after[0] / before[0]
    assert list(certainty(np.array([0, np.nan]), 1)) == [1, 1]
