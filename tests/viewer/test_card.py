"""The card of a cell as data, and which cells mattered as layers and as a figure."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels, Surface

from napari_scfm.models.base import CellModel, ModelInfo
from napari_scfm.models.hub import load_model
from napari_scfm.viewer import acts, card, influence_layers, tasks
from napari_scfm.viewer.export import about_figure, available, panels_of, write_figure
from napari_scfm.viewer.hiding import masking
from napari_scfm.viewer.influence_layers import wedges
from napari_scfm.viewer.open import open_slide


class Looks(CellModel):
    """Predicts the mean of the FOV."""

    info = ModelInfo("looks", capabilities=frozenset({"impute"}))

    def impute(self, table, genes, *, mask=None, progress=None, **more):
        out = np.zeros((table.n_obs, len(genes)), np.float32)
        counts = mask.visible(table).toarray()
        for fov in table.obs["fov"].unique():
            rows = np.flatnonzero(table.obs["fov"] == fov)
            out[rows] = counts[rows].sum() / len(rows)
        return out


@pytest.fixture
def session(viewer, make_slide):
    made = open_slide(viewer, make_slide(20, 20))
    made.model = Looks()
    card.follow(made)
    influence_layers.install(viewer, made)
    return made


@pytest.fixture
def predicted(session):
    session.model = load_model("knn-space")
    masking.hide_genes(session, ["KRT8", "CD3E"])
    session.comparison = tasks.predict(tasks.work_of(session, "impute"))
    session.model = Looks()
    return session


def mattered(session, row: int):
    made = card.which_cells_mattered(tasks.work_of(session, "impute"), row)
    session.influence = made
    return made


def names(viewer) -> list[str]:
    return [layer.name for layer in viewer.layers if "mattered" in layer.name]


def test_the_card_opens_for_one_selected_cell(session) -> None:
    assert session.cell is None
    session.selection = np.array([4])
    assert session.cell == 4
    session.selection = np.array([4, 5])
    assert session.cell is None
    card.select(session, 7)
    assert session.cell == 7
    acts.clear_selection(session)
    assert session.cell is None


def test_what_a_card_tells_of_a_cell_of_which_nothing_is_hidden(session) -> None:
    made = card.card_of(session, 5)
    assert (made.name, made.kind, made.fov) == ("cell_5", "T cell", "F001")
    counts = session.fov.table.X[[5]].toarray()
    assert made.facts.startswith(f"{counts.sum():.0f} counts of")
    assert made.hidden == "Nothing of it is hidden from the model."
    assert made.guesses == ()
    xy = session.fov.table.obsm["spatial"]
    apart = np.linalg.norm(xy - xy[5], axis=1)
    far = [cell.distance for cell in made.neighbours]
    np.testing.assert_allclose(far, np.sort(apart)[1:9])
    assert 5 not in [cell.row for cell in made.neighbours]
    assert {cell.kind for cell in made.neighbours} == {"T cell", "tumour"}


def test_guesses_of_every_model_with_the_worst_first(predicted) -> None:
    made = card.card_of(predicted, 3)
    assert made.model == "knn-space"
    assert "2 of 5 genes are hidden" in made.hidden
    assert {guess.gene for guess in made.guesses} == {"KRT8", "CD3E"}
    errors = [guess.error for guess in made.guesses]
    assert errors == sorted(errors, reverse=True)
    result = predicted.comparison.result
    for guess in made.guesses:
        column = predicted.comparison.column(guess.gene)
        assert guess.truth == predicted.comparison.truth[3, column]
        assert list(guess.predicted) == result.models
        for model, value in guess.predicted.items():
            assert value == pytest.approx(result.matrix(model)[3, column])
    assert made.errors["knn-space"] == pytest.approx(np.mean(errors))


def test_neighbours_that_are_hidden_whole_are_marked(session) -> None:
    session.selection = np.array([6])
    masking.hide_selected(session)
    told = {cell.row: cell.hidden for cell in card.card_of(session, 5).neighbours}
    assert told.pop(6)
    assert not any(told.values())
    assert card.card_of(session, 6).hidden == "The whole cell is hidden from the model."


def test_which_cells_mattered_is_drawn_and_removed(viewer, session) -> None:
    masking.hide_genes(session, ["KRT8"])
    active = viewer.layers.selection.active
    made = mattered(session, 9)
    cells, links = (layer for layer in viewer.layers if "mattered" in layer.name)
    assert isinstance(cells, Labels)
    assert isinstance(links, Surface)
    assert cells.name == "which cells mattered for F001_9 (predicted by looks)"
    assert viewer.layers.selection.active is active
    assert viewer.layers.index(cells) < viewer.layers.index(
        viewer.layers["outlines F001"]
    )
    ids = set(np.unique(np.asarray(cells.data))) - {0}
    assert ids == set(made.near.rows + 1)
    where = session.fov.table.obsm["spatial"][made.near.rows[0]][::-1]
    assert cells.get_value(tuple(where), world=True) == made.near.rows[0] + 1
    most = made.near.rows[int(influence_layers.changes(made).argmax())]
    colour = np.asarray(cells.get_color(int(most) + 1))[:3]
    np.testing.assert_allclose(colour, (0.94, 0.975, 0.131), atol=0.02)
    session.influence = None
    assert names(viewer) == []


def test_another_question_takes_the_place_of_the_one_before(viewer, session) -> None:
    masking.hide_genes(session, ["KRT8"])
    mattered(session, 9)
    mattered(session, 10)
    assert len(names(viewer)) == 2
    assert "F001_10" in names(viewer)[0]
    acts.run(viewer, "next_fov")
    assert names(viewer) == []
    assert session.influence is None
    assert session.cell is None


def test_a_cell_of_which_nothing_is_hidden_is_hidden_whole(session) -> None:
    made = mattered(session, 9)
    assert made.genes == list(session.fov.table.var_names)
    assert made.notes[0].startswith("Nothing of F001_9 is hidden")
    assert session.mask is None or session.mask.n_hidden == 0


def test_links_are_wider_the_more_a_neighbour_mattered() -> None:
    starts = np.array([[0.0, 10.0], [10.0, 0.0]])
    vertices, faces, values = wedges(starts, np.zeros(2), np.array([0.0, 1.0]))
    assert vertices.shape == (12, 2)
    assert faces.shape == (4, 3)
    assert sorted(set(values)) == [0, 1]
    above = vertices[6:].reshape(2, 3, 2)
    width = np.linalg.norm(above[:, 0] - above[:, 1], axis=1)
    assert width[1] > 3 * width[0] > 0
    np.testing.assert_allclose(above[:, :2].mean(axis=1), starts)
    np.testing.assert_allclose(above[:, 2], 0)


def test_the_figure_of_which_cells_mattered(session, tmp_path) -> None:
    masking.hide_genes(session, ["KRT8"])
    assert "influence" not in available(session)
    made = mattered(session, 9)
    (panel,) = panels_of(session, "influence")
    assert np.isfinite(panel.values).sum() == len(made.near.rows)
    assert panel.predicted
    assert panel.note == made.sentence
    about = about_figure(session, "influence")
    assert (about["model"], about["cell"], about["fov"]) == ("looks", "F001_9", "F001")
    path = write_figure(session, "influence", tmp_path / "mattered.png", dpi=80)()
    assert path.stat().st_size > 2000
