"""Truth, prediction and error: three tiles, one scale, and back again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from napari_scfm.analysis.streams.ribbons import ribbons
from napari_scfm.errors import SlideError
from napari_scfm.figures.palette import colour_values
from napari_scfm.models.hub import load_model
from napari_scfm.slides.read import read_slide
from napari_scfm.slides.samples import sample_path
from napari_scfm.viewer import acts, tasks
from napari_scfm.viewer.attention.drawing import width_at
from napari_scfm.viewer.camera import region
from napari_scfm.viewer.cells import counts_of
from napari_scfm.viewer.colouring import UNKNOWN
from napari_scfm.viewer.export import about_figure, available, panels_of, write_figure
from napari_scfm.viewer.hiding import masking
from napari_scfm.viewer.open import open_slide
from napari_scfm.viewer.session import Clusters, Comparison, Stream


def compared(session) -> Comparison:
    """Return a comparison in which cell 0 was visible and all are guessed 2."""
    genes = ["CD3E", "KRT8"]
    truth = session.fov.table[:, genes].X.toarray()
    guess = np.full(truth.shape, 2.0, dtype=np.float32)
    guess[0] = np.nan
    summary = pd.DataFrame({"model": ["m"], "pearson": [0.5]})
    hidden = ~np.isnan(guess)
    return Comparison(session.fov.name, "m", genes, truth, guess, hidden, summary)


@pytest.fixture
def session(viewer, make_slide):
    made = open_slide(viewer, make_slide(8, 6))
    made.comparison = compared(made)
    return made


def visible(viewer):
    return [layer.name for layer in viewer.layers if layer.visible]


def test_three_tiles_share_one_scale(viewer, session):
    acts.run(viewer, "side_by_side")
    assert (viewer.canvas.grid.enabled, viewer.canvas.grid.stride) == (True, 2)
    gene = session.gene
    truth, guess, error = (viewer.layers[i] for i in (0, 2, 4))
    assert truth.name == f"{gene}: truth"
    assert guess.name == f"{gene}: prediction by m"
    counts = counts_of(session.fov.table, gene)
    high = session.parts["painter"].legend.limits[1]
    at = int(np.flatnonzero(counts[1:] == 2)[0]) + 1
    np.testing.assert_allclose(truth.get_color(at + 1), guess.get_color(at + 1))
    for row in range(1, 8):
        expected = colour_values([2 - counts[row]], -high, high, "error")[0]
        np.testing.assert_allclose(error.get_color(row + 1), expected, atol=1e-6)
    assert guess.get_color(1)[3] < 0.3, "the cell that was visible is faded"
    at = [viewer.canvas.grid.position(i, viewer.layers) for i in (0, 2, 4)]
    assert at in ([(0, 0), (0, 1), (0, 2)], [(0, 0), (1, 0), (2, 0)])
    assert len(visible(viewer)) == 3


def test_walking_genes_stays_among_the_hidden(viewer, session):
    acts.run(viewer, "side_by_side")
    seen = set()
    for _ in range(4):
        acts.run(viewer, "next_gene")
        seen.add(session.gene)
        assert viewer.layers[0].name == f"{session.gene}: truth"
    assert seen == {"CD3E", "KRT8"}


def test_leaving_puts_everything_back(viewer, session):
    viewer.layers["membrane"].visible = False
    before = visible(viewer)
    zoom = viewer.scene.camera.zoom
    acts.run(viewer, "side_by_side")
    assert [name.split(": ")[1][:5] for name in visible(viewer)] == [
        "truth", "predi", "error"
    ]  # fmt: skip
    acts.run(viewer, "side_by_side")
    assert visible(viewer) == before
    assert viewer.scene.camera.zoom == zoom
    assert not viewer.canvas.grid.enabled


def test_the_tiles_show_the_cells_of_a_crop_not_its_empty_frame(viewer, session):
    fov = session.fov
    fov.shape = (4000, 4000)
    viewer.layers["membrane"].translate = (900, 900)
    acts.run(viewer, "side_by_side")
    low, high = region(fov)
    shape = viewer.canvas.grid.actual_shape(viewer.layers)
    tile = np.array(viewer.canvas.size) / shape / viewer.scene.camera.zoom
    assert (tile >= high - low).all()
    assert (tile < 1.2 * (high - low)).any()
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], (low + high) / 2)


def test_a_few_hidden_cells_are_looked_at_closely():
    fov = read_slide(sample_path("cosmx")).fov("F004")
    yx = fov.table.obsm["spatial"][:, ::-1]
    near = np.flatnonzero(np.linalg.norm(yx - yx[0], axis=1) < 15)
    low, high = region(fov, near)
    assert (low <= yx[near].min(axis=0)).all()
    assert (high >= yx[near].max(axis=0)).all()
    everything = np.array(region(fov))
    assert np.prod(high - low) < np.prod(everything[1] - everything[0]) / 3
    np.testing.assert_array_equal(region(fov, np.arange(len(yx))), everything)


def test_tiles_follow_to_another_fov_and_survive_deletion(viewer, session):
    acts.run(viewer, "side_by_side")
    acts.run(viewer, "next_fov")
    assert not viewer.canvas.grid.enabled
    assert visible(viewer)[-2:] == ["cells F002", "outlines F002"]
    assert not acts.run(viewer, "side_by_side")
    assert "nothing to compare" in session.message.text
    session.comparison = compared(session)
    del viewer.layers[0]
    assert acts.run(viewer, "side_by_side")
    assert viewer.layers[0].data.max() == 6
    assert len(visible(viewer)) == 3
    viewer.layers.move(0, len(viewer.layers))
    acts.run(viewer, "side_by_side")
    acts.run(viewer, "side_by_side")
    assert viewer.canvas.grid.actual_shape(viewer.layers) in ((1, 3), (3, 1))
    grid, layers = viewer.canvas.grid, viewer.layers
    shown = [place for place, layer in enumerate(layers) if layer.visible]
    places = {grid.position(place, layers) for place in shown}
    assert len(places) == 3, "each in a tile of its own, wherever it was moved to"


def test_tiles_stand_so_that_the_tissue_is_largest(viewer, session):
    fov = session.fov
    del fov.table.obsm["spatial"]
    for shape, expected in (((1000, 9000), (3, 1)), ((9000, 1000), (1, 3))):
        fov.shape = shape
        viewer.canvas.size = (800, 800)
        acts.run(viewer, "side_by_side")
        assert viewer.canvas.grid.actual_shape(viewer.layers) == expected
        tile = np.array(viewer.canvas.size) / expected / viewer.scene.camera.zoom
        assert (tile >= np.array(shape) * fov.pixel_size).all()
        acts.run(viewer, "side_by_side")


def test_leaving_a_tile_for_blinking_and_back_paints_what_changed(viewer, session):
    acts.run(viewer, "side_by_side")
    acts.run(viewer, "blink")
    assert not viewer.canvas.grid.enabled
    assert session.shown == "prediction"
    acts.run(viewer, "next_gene")
    session.log = True
    acts.run(viewer, "side_by_side")
    assert viewer.layers[0].name == f"{session.gene}: truth"
    counts = counts_of(session.fov.table, session.gene)
    limits = session.parts["painter"].legend.limits
    expected = colour_values([np.log1p(counts[3])], *limits, session.colormap)[0]
    np.testing.assert_allclose(viewer.layers[0].get_color(4), expected, atol=1e-6)


def test_blink_swaps_in_place_and_says_what_is_shown(viewer, session):
    with pytest.raises(SlideError, match="no prediction of the gene"):
        acts.blink(session)
    acts.colour_by_gene(session, "KRT8")
    assert acts.run(viewer, "blink")
    assert session.parts["painter"].legend.note == "predicted by m"
    status = viewer.layers["cells F001"].get_status((2.5, 7.5), world=True)["value"]
    assert status.endswith("KRT8: 0, KRT8 predicted: 2, error: 2"), status
    acts.run(viewer, "blink")
    assert session.parts["painter"].legend.note == "measured"
    status = viewer.layers["cells F001"].get_status((2.5, 2.5), world=True)["value"]
    assert "predicted" not in status, "the cell was visible to the model"


@dataclass
class Field:
    """What a stream needs of an attention field."""

    significant: bool = True
    p_value: float = 0.01
    shares: tuple[float, ...] = (0.5, 0.3, 0.2)
    permutations: int = 99
    direction: str = "received"
    grid_x: tuple[float, ...] = ()
    grid_y: tuple[float, ...] = ()


def stream(fov: str, **field) -> Stream:
    line = np.array([[2.0, 2.0], [6.0, 3.0], [12.0, 3.0]])
    return Stream(fov, "m", Field(**field), [line], [np.ones(3)])


def test_streams_are_titled_model_attention_and_go_with_their_fov(viewer, session):
    session.stream = stream("F001")
    layer = viewer.layers["model attention (m)"]
    low, high = layer.extent.world
    assert low[0] < 2 < 3 < high[0] < 4
    assert (low[1], high[1]) == pytest.approx((2, 12), abs=0.5)
    assert "not evidence of communication" in layer.metadata["description"]
    shown = session.stream
    grey = [np.zeros(len(line), bool) for line in shown.lines]
    session.stream = replace(shown, beats=grey)
    assert len([x for x in viewer.layers if "attention" in x.name]) == 2
    assert viewer.layers["model attention (m)"] is layer, "changed in place"
    inks = viewer.layers["model attention: direction"].edge_color
    assert np.ptp(inks[:, :3]) < 0.01
    acts.run(viewer, "next_fov")
    assert not [x for x in viewer.layers if "attention" in x.name]


def test_streams_have_the_shape_of_those_in_a_figure(viewer, session):
    session.stream = stream("F001")
    made, layer = session.stream, viewer.layers["model attention (m)"]
    width = width_at(viewer.scene.camera.zoom, 10)
    mesh = ribbons(made.lines, width, made.strength)
    count = len(mesh.vertices)
    np.testing.assert_allclose(layer.data[0][count : 2 * count], mesh.vertices[:, ::-1])
    rim = np.ptp(layer.data[0][:count].reshape(-1, 2, 2), axis=1)
    assert (np.hypot(*rim.T) > width / 2).all(), "a dark rim lies below"
    assert layer.vertex_colors[:count, :3].max() < 0.1
    assert layer.vertex_colors[count : 2 * count, :3].min() > 0.8
    head = viewer.layers["model attention: direction"].data[0]
    assert head[1][1] > 0, "the line runs to larger x"


def test_what_can_be_exported_grows_with_what_was_done(viewer, session):
    assert available(session) == ["view"]
    with pytest.raises(SlideError, match="F001 has no model attention to export"):
        panels_of(session, "attention")
    acts.colour_by_gene(session, "KRT8")
    session.clusters = Clusters("F001", "m", np.arange(8) % 3, 1.0)
    session.stream = stream("F001")
    assert available(session) == ["view", "compare", "clusters", "attention"]
    truth, guess, error = panels_of(session, "compare")
    assert truth.limits == guess.limits
    assert error.limits[0] == -error.limits[1]
    assert (truth.predicted, guess.predicted) == (False, True)
    titles = ["KRT8: truth", "KRT8: prediction", "KRT8: error"]
    assert [panel.title for panel in (truth, guess, error)] == titles
    assert {panel.unknown for panel in (truth, guess, error)} == {"not hidden"}
    assert "by m" in guess.note
    assert np.isnan(truth.values[0])
    assert panels_of(session, "clusters")[0].names == ("0", "1", "2")
    over = panels_of(session, "attention")[0]
    assert over.p_value == 0.01
    assert over.faded > 0.5, "the cells are soft under the streams"


def test_a_figure_says_how_it_was_made(viewer, make_slide, tmp_path):
    session = open_slide(viewer, make_slide(20, 20))
    model = load_model("knn-space")
    session.model = model
    masking.hide_genes(session, ["KRT8"])
    made = tasks.predict(
        tasks.work_of(session, "impute"), tasks.Asked(("gene-mean",), seed=3)
    )
    acts.show_comparison(session, made)
    masking.clear(session)
    session.model = None
    path = write_figure(session, "compare", tmp_path / "compare.png", dpi=80)()
    with Image.open(path) as picture:
        written = " ".join(str(value) for value in picture.info.values())
    about = about_figure(session, "compare")
    assert about["model"] == "knn-space"
    assert about["seed"] == 3
    assert about["mask"]["hidden_genes"] == ["KRT8"], "that of the prediction"
    for part in ("knn-space", "sha256", "hidden_genes", "napari-scfm", "torch"):
        assert part in written, part
    assert about_figure(session, "view").keys() == {"slide", "versions"}


@pytest.mark.parametrize("what", ["view", "compare", "clusters", "attention"])
def test_a_figure_is_written_without_a_window(viewer, session, tmp_path, what):
    from napari_scfm.analysis.attention.attention_field import Shares

    acts.colour_by_gene(session, "KRT8")
    session.clusters = Clusters("F001", "m", np.arange(8) % 3, 1.0)
    made = stream("F001")
    made.field = SimpleNamespace(
        **vars(Field()) | {"shares": Shares(0.5, 0.3, 0.2), "p_value": 0.01}
    )
    session.stream = made
    path = write_figure(session, what, tmp_path / f"{what}.png", dpi=80)()
    assert path.stat().st_size > 2000


def test_what_the_model_cannot_guess_is_unknown_not_truth(viewer, session):
    made = session.comparison
    made.prediction[:, made.genes.index("KRT8")] = np.nan
    acts.colour_by_gene(session, "KRT8")
    acts.show_comparison(session, made)
    assert session.gene == "CD3E", "the gene that was guessed is looked at first"
    acts.colour_by_gene(session, "KRT8")
    truth, guess = viewer.layers[0], viewer.layers[2]
    assert truth.get_color(3)[3] > 0.9
    np.testing.assert_allclose(guess.get_color(3), UNKNOWN, atol=1e-6)


def test_another_slide_with_the_same_names_starts_afresh(viewer, make_slide, session):
    masking.hide_genes(session, ["EPCAM"])
    acts.colour_by_gene(session, "EPCAM")
    session.clusters = Clusters("F001", "m", np.zeros(8, dtype=np.int32), 1.0)
    open_slide(viewer, make_slide(5, 6))
    assert session.fov.name == "F001"
    assert session.comparison is None
    assert session.clusters is None
    assert session.mask is None or session.mask.n_hidden == 0
    assert available(session) == ["view"]
    masking.hide_genes(session, ["CD3E"])
    assert session.mask.hidden_genes == ["CD3E"]
