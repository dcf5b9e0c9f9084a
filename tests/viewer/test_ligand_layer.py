"""A ligand and its receptor beside attention: layers, links, and when they go."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Labels, Surface

from napari_scfm.errors import ModelError, ScfmError, SlideError
from napari_scfm.experiments.attention.asked import FieldOptions
from napari_scfm.models.attention import Attention
from napari_scfm.viewer import acts, card
from napari_scfm.viewer.attention import ligand_layer, partner_layers
from napari_scfm.viewer.attention.numbers import ligand_numbers
from napari_scfm.viewer.export import about_figure, panels_of, write_figure
from napari_scfm.viewer.open import open_slide
from napari_scfm.viewer.session import Stream

N = 20


class Field:
    """What drawing a stream without lines asks for."""

    p_value = 0.5
    significant = False


@pytest.fixture
def session(viewer, make_slide):
    made = open_slide(viewer, make_slide(N, N))
    rng = np.random.default_rng(0)
    attention = Attention.from_matrix(rng.uniform(0.5, 1.5, size=(N, N)))
    near = FieldOptions(neighbours=4)
    made.stream = Stream("F001", "looks", Field(), attention=attention, options=near)
    partner_layers.install(viewer, made)
    ligand_layer.install(viewer, made)
    return made


@pytest.fixture
def laid(session):
    where = ligand_layer.beside(session)
    session.ligand = ligand_layer.lay(where, "CD3E", "KRT8")
    return session


def ours(viewer) -> list:
    return [layer for layer in viewer.layers if "→" in layer.name]


def test_a_pair_is_laid_over_the_neighbours_that_the_streams_have(session) -> None:
    made = ligand_layer.lay(ligand_layer.beside(session), "CD3E", "KRT8")
    assert made.result.n_pairs == 4 * N
    assert made.about["neighbours"] == 4
    assert made.about["ligand"] == "CD3E"
    session.stream = replace(session.stream, options=FieldOptions(radius=6.0))
    near = ligand_layer.lay(ligand_layer.beside(session), "CD3E", "KRT8").result
    xy = session.fov.table.obsm["spatial"]
    far = np.linalg.norm(xy[near.pairs.receivers] - xy[near.pairs.senders], axis=1)
    assert 0 < far.max() <= 6
    session.stream = replace(session.stream, options=FieldOptions())
    wide = ligand_layer.lay(ligand_layer.beside(session), "CD3E", "KRT8").result
    assert wide.n_pairs == N * (N - 1), "30 nearest of 20 are all others"


def test_the_kinds_of_the_streams_are_the_strata(session) -> None:
    assert ligand_layer.beside(session).strata is None
    codes = np.arange(N) % 2
    session.stream = replace(session.stream, kinds=("a", "b"), codes=codes)
    strata = ligand_layer.beside(session).strata
    assert list(strata[:3]) == ["a", "b", "a"]


def test_without_attention_or_genes_it_is_one_sentence(session) -> None:
    where = ligand_layer.beside(session)
    with pytest.raises(ScfmError, match="does not hold"):
        ligand_layer.lay(where, "CD3E", "NOSUCH")
    session.stream = None
    with pytest.raises(ModelError, match="no attention"):
        ligand_layer.beside(session)


def test_layers_of_their_own_and_the_cells_keep_their_colours(viewer, session) -> None:
    cells = viewer.layers["cells F001"]
    before = np.array([cells.get_color(row + 1) for row in range(N)])
    active = viewer.layers.selection.active
    session.ligand = ligand_layer.lay(ligand_layer.beside(session), "CD3E", "KRT8")
    filled, links = ours(viewer)
    assert isinstance(filled, Labels)
    assert isinstance(links, Surface)
    assert (filled.name, links.name) == (
        "CD3E → KRT8, received",
        "CD3E → KRT8, strongest pairs",
    )
    assert "not evidence of communication" in filled.metadata["description"]
    assert viewer.layers.selection.active is active
    values = session.ligand.values
    most, least = int(np.nanargmax(values)), int(np.nanargmin(values))
    assert values[least] == 0
    np.testing.assert_allclose(filled.get_color(least + 1)[:3], (0.34, 0.34, 0.36))
    assert filled.get_color(most + 1)[0] > 0.9, "the end of the scale is yellow"
    after = np.array([cells.get_color(row + 1) for row in range(N)])
    np.testing.assert_array_equal(after, before)


def test_links_join_the_strongest_pairs_from_sender_to_receiver(viewer, laid) -> None:
    receivers, senders, strength = ligand_layer.strongest(laid.ligand.result)
    assert strength[0] == 1
    assert (np.diff(strength) <= 0).all()
    assert (strength > 0).all()
    links = ours(viewer)[1]
    count = len(strength)
    first = np.asarray(links.data[0])[3 * count : 3 * count + 3, ::-1]
    xy = laid.fov.table.obsm["spatial"]
    np.testing.assert_allclose(first[:2].mean(axis=0), xy[senders[0]], atol=1e-4)
    np.testing.assert_allclose(first[2], xy[receivers[0]], atol=1e-4)
    level = laid.ligand.result.product
    assert level.max() == level[(laid.ligand.result.pairs.senders == senders[0])].max()


def test_received_sent_and_links_alone(viewer, laid) -> None:
    filled, links = ours(viewer)
    cold = np.array([filled.get_color(row + 1) for row in range(N)])
    ligand_layer.turn(laid, "sent")
    assert ours(viewer) == [filled, links], "the same layers"
    assert filled.name == "CD3E → KRT8, sent"
    warm = np.array([filled.get_color(row + 1) for row in range(N)])
    assert (cold != warm).any()
    assert "receivers" in laid.ligand.legend.note
    ligand_layer.turn(laid, "links")
    assert not filled.visible
    assert links.visible
    assert laid.ligand.legend.title == ""


def test_partners_of_a_cell_come_before(viewer, laid) -> None:
    filled, links = ours(viewer)
    card.select(laid, 3)
    assert not filled.visible
    assert not links.visible
    acts.run(viewer, "clear")
    assert filled.visible
    assert links.visible


@pytest.mark.parametrize("end", ["fov", "attention", "removed"])
def test_what_ends_it(viewer, laid, end) -> None:
    if end == "fov":
        acts.run(viewer, "next_fov")
    elif end == "attention":
        laid.stream = replace(laid.stream, lines=[])
        assert laid.ligand is not None, "a slider moved"
        laid.stream = None
    else:
        laid.ligand = None
    assert laid.ligand is None
    assert ours(viewer) == []


def test_pairs_are_ranked_over_the_same_neighbours(session) -> None:
    pairs = [("CD3E", "KRT8"), ("EPCAM", "KRT18"), ("CD3E", "MISSING")]
    made = ligand_layer.rank(ligand_layer.beside(session), pairs, 19)
    decoys = made[made["decoy"]]
    assert set(zip(decoys["ligand"], decoys["receptor"], strict=True)) == {
        ("CD3E", "KRT18"),
        ("EPCAM", "KRT8"),
    }
    made = made[~made["decoy"]]
    assert set(zip(made["ligand"], made["receptor"], strict=True)) == set(pairs[:2])
    assert (made["n_pairs"] == 4 * N).all()
    one = ligand_layer.lay(ligand_layer.beside(session), "CD3E", "KRT8").result
    row = made.set_index("ligand").loc["CD3E"]
    assert row["spearman"] == pytest.approx(one.spearman)


def test_the_figure_and_the_numbers_of_a_pair(laid, tmp_path) -> None:
    (panel,) = panels_of(laid, "ligand")
    assert panel.title == "CD3E → KRT8, received"
    assert panel.note.startswith(laid.ligand.result.sentence)
    senders = ligand_layer.strongest(laid.ligand.result)[1]
    xy = laid.fov.table.obsm["spatial"]
    np.testing.assert_allclose(panel.streams.lines[0][0], xy[senders[0]])
    assert about_figure(laid, "ligand")["receptor"] == "KRT8"
    path = write_figure(laid, "ligand", tmp_path / "pair.png", dpi=80)()
    assert path.stat().st_size > 2000
    numbers = ligand_numbers(laid)
    np.testing.assert_allclose(numbers["sent"], laid.ligand.result.sent)
    assert list(numbers["cell"][:2]) == ["cell_0", "cell_1"]
    laid.ligand = None
    with pytest.raises(SlideError, match="no ligand and receptor"):
        panels_of(laid, "ligand")
