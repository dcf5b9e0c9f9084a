"""Whom a cell attends to and who attends to it: numbers, colours, links."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from napari_scfm.analysis.attention.attention_field import attention_field
from napari_scfm.analysis.streams.streamlines import StreamLook
from napari_scfm.errors import SlideError
from napari_scfm.experiments.attention.asked import FieldOptions
from napari_scfm.models.attention import Attention, Block
from napari_scfm.models.base import CellModel, ModelInfo
from napari_scfm.viewer import acts, card, tasks
from napari_scfm.viewer.attention import partner_layers, partners
from napari_scfm.viewer.attention.numbers import partner_numbers, write_numbers
from napari_scfm.viewer.attention.partner_look import PartnerLook
from napari_scfm.viewer.attention.partner_map import ITSELF
from napari_scfm.viewer.attention.partners import Shares
from napari_scfm.viewer.export import (
    about_figure,
    available,
    panels_of,
    write_figure,
)
from napari_scfm.viewer.fov_layers import OPACITY
from napari_scfm.viewer.hiding import masking
from napari_scfm.viewer.open import open_slide
from napari_scfm.viewer.session import Stream

N = 20


def weights() -> np.ndarray:
    """Return attention with a popular key (2) and one strong pair (3 from 4)."""
    made = np.ones((N, N))
    made[:, 2] = 3.0
    made[3, 4] = 8.0
    return made


@pytest.fixture
def session(viewer, make_slide):
    made = open_slide(viewer, make_slide(N, N))
    partner_layers.install(viewer, made)
    attention = Attention.from_matrix(weights())
    made.stream = Stream("F001", "looks", FIELD, attention=attention)
    return made


class Field:
    """What drawing a stream without lines asks for."""

    p_value = 0.5
    significant = False


FIELD = Field()


def links(viewer) -> list:
    return [layer for layer in viewer.layers if "attend" in layer.name]


def test_the_number_of_a_pair_is_the_same_from_both_sides() -> None:
    made = weights()
    rng = np.random.default_rng(0)
    made *= rng.uniform(0.5, 2, size=(N, 1))
    shares = Shares(Attention.from_matrix(made.copy()))
    np.fill_diagonal(made, 0)
    expected = made / made.sum(axis=1, keepdims=True) * (N - 1)
    others = np.arange(N) != 3
    for way, pairs in (("from", expected[3]), ("by", expected[:, 3])):
        times = shares.times(3, way, "even")
        np.testing.assert_allclose(times[others], pairs[others])
        assert np.isnan(times[3])
    usual = expected.sum(axis=0) / (N - 1)
    over = shares.times(3, "from", "usual")
    np.testing.assert_allclose(over[others], (expected[3] / usual)[others])


def test_factors_and_matrix_say_the_same_and_bags_are_kept_apart() -> None:
    rng = np.random.default_rng(1)
    cells = np.array([0, 2, 3, 5])
    query, key = rng.uniform(0.1, 1, size=(2, 4, 3))
    made = Attention([Block(cells, query=query, key=key)], 7)
    times = Shares(made).times(2, "by", "even")
    assert set(np.flatnonzero(np.isfinite(times))) == {0, 3, 5}
    inside = Shares(Attention.from_matrix(query @ key.T)).times(1, "by", "even")
    np.testing.assert_allclose(times[cells], inside)


def test_a_selected_cell_shows_its_partners_in_the_streams_attention(
    viewer, session
) -> None:
    assert session.partners is None
    card.select(session, 3)
    made = session.partners
    assert made.title == "Whom cell_3 attends to"
    assert made.top[0].row == 4
    assert made.top[0].times == pytest.approx(8 * 19 / (8 + 3 + 17))
    assert made.top[1].row == 2
    assert made.said.startswith("Shared out as if evenly over 9 of 19 cells.")
    legend = session.parts["painter"].legend
    assert legend.title == made.title
    assert "model attention (looks)" in legend.note
    cells = viewer.layers["cells F001"]
    np.testing.assert_allclose(cells.get_color(4), ITSELF, atol=1e-6)
    light = [float(np.sum(cells.get_color(row + 1)[:3])) for row in (4, 2, 9)]
    assert light[0] > light[1] > light[2], "more attention is lighter"
    assert float(cells.get_color(10)[3]) == 1, "nothing is dimmed"
    assert "attention ×: 5.4" in " ".join(
        f"{name}: {value}" for name, value in cells.features.iloc[4].items()
    )


def test_links_lead_from_key_to_query(viewer, session) -> None:
    card.select(session, 3)
    (layer,) = links(viewer)
    xy = session.fov.table.obsm["spatial"]
    first = np.asarray(layer.data[0])[3 * len(session.partners.top) :][:3, ::-1]
    np.testing.assert_allclose(first[:2].mean(axis=0), xy[4])
    assert np.linalg.norm(first[2] - xy[3]) < np.linalg.norm(first[2] - xy[4])
    partner_layers.look_at(session, "by")
    assert links(viewer) == [layer], "the same layer, other links"
    assert layer.name == "Who attends to cell_3 (looks)"
    first = np.asarray(layer.data[0])[3 * len(session.partners.top) :][:3, ::-1]
    to = xy[session.partners.top[0].row]
    np.testing.assert_allclose(first[2], to)
    base = first[:2].mean(axis=0)
    assert np.linalg.norm(base - xy[3]) < np.linalg.norm(base - to)


def test_what_a_popular_key_gets_from_everybody_is_taken_out(session) -> None:
    card.select(session, 5)
    assert session.partners.top[0].row == 2
    assert "98% of the differences are the same" in session.partners.said
    partner_layers.look_at(session, "from", "usual")
    times = session.partners.times
    assert times[2] == pytest.approx(1, abs=0.03)
    assert "taken out" in session.partners.said
    partner_layers.look_at(session, "by")
    card.select(session, 2)
    assert "number 1 of 20 cells" in session.partners.said


def test_near_partners_share_among_themselves_only(session) -> None:
    near = FieldOptions(neighbours=5)
    session.stream = replace(session.stream, options=near)
    card.select(session, 3)
    made = session.partners
    assert np.isfinite(made.times).sum() == 5
    assert "among the 5 nearest cells" in made.legend.note
    xy = session.fov.table.obsm["spatial"]
    order = np.argsort(np.linalg.norm(xy - xy[3], axis=1), kind="stable")
    nearest = sorted(order[1:6])
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(made.times)), nearest)
    np.testing.assert_allclose(np.nansum(made.times), 5, rtol=1e-6)
    partner_layers.look_at(session, "by")
    by = session.partners.times
    card.select(session, int(np.flatnonzero(np.isfinite(by))[0]))
    partner_layers.look_at(session, "from")
    assert session.partners.times[3] == pytest.approx(by[session.cell])


@pytest.mark.parametrize("end", ["escape", "cell", "fov", "gene", "tiles", "stream"])
def test_what_ends_it_brings_the_colours_back(viewer, session, end) -> None:
    cells = viewer.layers["cells F001"]
    before = np.array([cells.get_color(row + 1) for row in range(N)])
    card.select(session, 3)
    if end == "escape":
        acts.run(viewer, "clear")
    elif end == "cell":
        session.selection = np.array([3, 4])
        session.selection = np.array([], dtype=int)
    elif end == "fov":
        acts.run(viewer, "next_fov")
        before = np.array([cells.get_color(row + 1) for row in range(N)])
    elif end == "gene":
        acts.colour_by_gene(session, "KRT8")
        acts.run(viewer, "clear")
        session.colour_by = "type"
    elif end == "tiles":
        session.side_by_side = True
        assert session.partners is None
        session.side_by_side = False
        assert session.partners is not None, "they are back after the tiles"
        acts.run(viewer, "clear")
    else:
        session.stream = None
        acts.run(viewer, "clear")
    assert session.partners is None
    assert links(viewer) == []
    after = np.array([cells.get_color(row + 1) for row in range(N)])
    np.testing.assert_array_equal(after, before)


def test_another_colour_turns_it_off_until_it_is_asked_again(session) -> None:
    card.select(session, 3)
    acts.colour_by_gene(session, "KRT8")
    assert session.partner_look.way == "off"
    card.select(session, 4)
    assert session.partners is None
    partner_layers.look_at(session, "from")
    assert session.partners.row == 4


def test_a_moved_slider_does_not_paint_the_cells_again(session) -> None:
    card.select(session, 3)
    made = session.partners
    session.stream = replace(session.stream, lines=[])
    assert session.partners is made
    other = Attention.from_matrix(np.ones((N, N)))
    session.stream = replace(session.stream, attention=other)
    assert session.partners is not made
    np.testing.assert_allclose(session.partners.times[:3], 1)


def test_without_an_attention_at_hand_nothing_is_shown(session) -> None:
    session.stream = replace(session.stream, attention=None)
    card.select(session, 3)
    assert session.partners is None
    assert partners.partners_of(session, 3, PartnerLook()) is None


class Looks(CellModel):
    """Attends to everybody alike."""

    info = ModelInfo("looks", capabilities=frozenset({"attend"}))

    def impute(self, table, genes, **given):
        return np.ones((table.n_obs, len(genes)), np.float32)

    def attend(self, table, **given):
        return Attention.from_matrix(np.ones((table.n_obs, table.n_obs)))


@pytest.mark.parametrize("change", ["mask", "model", "nothing"])
def test_what_a_card_asked_holds_until_mask_or_model_change(session, change) -> None:
    session.stream, session.model = None, Looks()
    card.select(session, 3)
    assert session.partners is None
    kept = partners.attend(tasks.work_of(session, "attend"))
    session.parts[partners.ATTENTION] = kept
    partner_layers.look_at(session, "from")
    np.testing.assert_allclose(np.delete(session.partners.times, 3), 1)
    if change == "mask":
        masking.hide_genes(session, ["KRT8"])
    elif change == "model":
        session.model = Looks()
    assert (session.partners is None) == (change != "nothing")
    card.select(session, 4)
    assert (session.partners is None) == (change != "nothing")


def test_streams_step_back_behind_the_links_and_come_forward(viewer, session) -> None:
    xy = session.fov.table.obsm["spatial"]
    field = attention_field(session.stream.attention, xy, permutations=0)
    across = np.array([[2.0, 10.0], [8.0, 10.0], [18.0, 12.0]])
    drawn = {"lines": [across], "strength": [np.ones(3)]}
    drawn |= {"beats": [np.ones(3, bool)], "sender": [np.full(3, -1)]}
    session.stream = replace(session.stream, field=field, look=StreamLook(), **drawn)
    names = ("model attention (looks)", "cells F001", "outlines F001")
    before = [viewer.layers[name].opacity for name in names]
    card.select(session, 3)
    streams, cells, outlines = (viewer.layers[name].opacity for name in names)
    assert streams < 0.3
    assert (cells, outlines) == (OPACITY, 1.0)
    session.stream = replace(session.stream, look=StreamLook(density=2.0))
    assert viewer.layers[names[0]].opacity == streams, "also after a slider moved"
    acts.run(viewer, "clear")
    assert [viewer.layers[name].opacity for name in names] == before


def test_the_figure_and_the_numbers_of_partners(session, tmp_path) -> None:
    assert "partners" not in available(session)
    card.select(session, 3)
    (panel,) = panels_of(session, "partners")
    assert panel.title == "Whom cell_3 attends to (model attention, looks)"
    assert panel.limits == session.partners.limits
    assert panel.note.endswith("not that cells communicate.")
    xy = session.fov.table.obsm["spatial"]
    np.testing.assert_allclose(panel.streams.lines[0][0], xy[4])
    assert panel.streams.strength[0][0] == 1
    assert panels_of(session, "view")[0].title == panel.title, "the view is the same"
    about = about_figure(session, "view")
    assert (about["cell"], about["shows"]) == ("cell_3", "attends to")
    path = write_figure(session, "partners", tmp_path / "partners.svg")()
    assert "attends to" in path.read_text()
    numbers = partner_numbers(session)
    assert len(numbers) == N
    assert set(numbers["of_cell"]) == {"cell_3"}
    np.testing.assert_allclose(numbers["attends_to"], session.partners.times)
    partner_layers.look_at(session, "by", "usual")
    made = write_numbers(numbers, tmp_path / "numbers.csv")
    read = pd.read_csv(made)["attended_by_usual"]
    np.testing.assert_allclose(read, session.partners.times)
    session.cell = None
    with pytest.raises(SlideError, match="no attention of one cell"):
        panels_of(session, "partners")
