"""The picture of a crowd: who is in it, its colours, what is kept, what is selected."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_scfm.analysis.groups.grouping import Grouping
from napari_scfm.errors import ModelError, SlideError
from napari_scfm.experiments.run import run_experiment
from napari_scfm.experiments.spec import ExperimentSpec
from napari_scfm.masks.spec import MaskSpec
from napari_scfm.models.base import CellModel, ModelInfo
from napari_scfm.viewer.colouring import UNKNOWN
from napari_scfm.viewer.compared import comparison_from
from napari_scfm.viewer.embedding import figure, selecting
from napari_scfm.viewer.embedding.colours import Paint, choices, paint_of
from napari_scfm.viewer.embedding.crowd import Crowd
from napari_scfm.viewer.embedding.density import density
from napari_scfm.viewer.embedding.order import drawing_order
from napari_scfm.viewer.embedding.picture import PCA, asked_of, first_picture
from napari_scfm.viewer.embedding.store import Store
from napari_scfm.viewer.export import available, panels_of, write_figure
from napari_scfm.viewer.hiding.masking import hide
from napari_scfm.viewer.hiding.picking import pick
from napari_scfm.viewer.open import open_slide, show_fov
from napari_scfm.viewer.session import Clusters, Legend


class Counter(CellModel):
    """Embeds by expression and remembers which cells it read."""

    def __init__(self, sha256: str = "a") -> None:
        able = frozenset({"embed"})
        self.info = ModelInfo("counter", sha256=sha256, capabilities=able)
        self.read: list[int] = []

    def embed(self, table, *, mask=None, progress=None):
        self.read.append(table.n_obs)
        counts = table.X if mask is None else mask.visible(table)
        return np.asarray(counts.toarray(), dtype=np.float32)

    def impute(self, table, genes, *, mask=None, progress=None):
        raise NotImplementedError


@pytest.fixture
def session(viewer, make_slide):
    made = open_slide(viewer, make_slide(12, 9, 7))
    made.model = Counter()
    return made


@pytest.fixture
def picture(session):
    made = first_picture(asked_of(session, whole=True), Store())
    session.embedding = made
    return made


def test_a_crowd_knows_the_row_of_each_cell_in_its_field_of_view(session):
    crowd = Crowd.of_slide(session.slide)
    fov = session.slide.fov("F002")
    rows = crowd.rows(fov)
    assert list(crowd.table.obs_names[rows]) == list(fov.table.obs_names)
    places = crowd.places(fov)
    np.testing.assert_array_equal(places[rows], np.arange(9))
    assert (places >= 0).sum() == 9
    gene = crowd.counts("KRT8")
    np.testing.assert_array_equal(gene, crowd.table[:, "KRT8"].X.toarray().ravel())


def test_rows_are_found_by_name_where_the_orders_differ(session):
    crowd = Crowd.of_slide(session.slide)
    turned = Crowd(crowd.slide, crowd.table[::-1], crowd.fovs, crowd.codes[::-1])
    fov = session.slide.fov("F001")
    found = turned.table.obs_names[turned.rows(fov)]
    assert list(found) == list(fov.table.obs_names)


def test_the_model_reads_a_field_of_view_at_a_time_and_each_only_once(session):
    store = Store()
    made = first_picture(asked_of(session, whole=True), store)
    assert session.model.read == [12, 9, 7]
    again = first_picture(asked_of(session, whole=True), store)
    one = first_picture(asked_of(session, whole=False), store)
    assert session.model.read == [12, 9, 7]
    np.testing.assert_array_equal(made.xy, again.xy)
    np.testing.assert_array_equal(one.vectors, made.vectors[:12])
    table = made.crowd.table
    np.testing.assert_array_equal(made.vectors, table.X.toarray())


def test_another_mask_or_other_weights_are_read_anew(session):
    store = Store()
    before = first_picture(asked_of(session, whole=True), store)
    hide(session, MaskSpec(genes=("KRT8",)))
    after = first_picture(asked_of(session, whole=True), store)
    assert session.model.read == [12, 9, 7, 12]
    column = after.crowd.table.var_names.get_loc("KRT8")
    assert not after.vectors[:12, column].any()
    assert after.vectors[12:, column].any()
    assert after.key != before.key
    session.model = Counter("b")
    first_picture(asked_of(session, whole=False), store)
    assert session.model.read == [12]


def test_pictures_outlast_the_session_and_a_broken_file_is_no_picture(tmp_path):
    places = np.arange(6, dtype=np.float32).reshape(3, 2)
    Store(tmp_path).put("key", places, lasting=True)
    np.testing.assert_array_equal(Store(tmp_path).get("key"), places)
    (tmp_path / "key.npy").write_bytes(b"no picture")
    assert Store(tmp_path).get("key") is None


def test_counts_need_no_model_and_hide_what_is_hidden(session):
    session.model = None
    store = Store()
    made = first_picture(asked_of(session, whole=True), store)
    assert made.asked.of == "counts"
    assert made.xy.shape == (28, 2)
    hide(session, MaskSpec(genes=tuple(session.fov.table.var_names)))
    hidden = first_picture(asked_of(session, whole=True), store)
    assert np.ptp(hidden.vectors[:12], axis=0).max() < 1e-5


def test_what_cannot_be_drawn_is_said(session):
    session.model.info = replace(session.model.info, capabilities=frozenset())
    with pytest.raises(ModelError, match="cannot embed"):
        asked_of(session, whole=True)
    session.fov = None
    with pytest.raises(SlideError, match="No slide"):
        asked_of(session, whole=True, counts=True)


def test_cells_of_other_fields_are_kept_apart_and_can_be_gone_to(
    viewer, session, picture
):
    rows = np.array([1, 2, 13, 20, 27])
    selecting.select(session, picture, rows)
    np.testing.assert_array_equal(session.selection, [1, 2])
    assert selecting.spread(picture) == {"F002": 2, "F003": 1}
    selecting.go_to(viewer, session, picture, "F002")
    assert session.fov.name == "F002"
    np.testing.assert_array_equal(session.selection, [1, 8])
    assert set(selecting.selected(session, picture)) == set(rows)
    selecting.select(session, picture, np.array([13, 1]), "subtract")
    assert set(selecting.selected(session, picture)) == {2, 20, 27}


def test_the_tissue_and_the_crowd_have_the_same_colours(session, picture):
    painter = session.parts["painter"]
    for state in ({"colour_by": "gene", "gene": "KRT8"}, {"colour_by": "type"}):
        session.update(state)
        paint = paint_of(session, picture.crowd)
        canvas = painter.layers.cells.colormap.colors
        np.testing.assert_allclose(paint.rgba[:12], canvas[1:13], atol=1e-6)
        assert paint.legend == painter.legend
        assert len(np.unique(paint.rgba[12:], axis=0)) > 1  # other fields, too


def test_clusters_of_the_whole_slide_are_painted_on_all_of_it(session, picture):
    labels = np.arange(28) % 3
    made = Clusters("F001", "counter", labels[:12], 1.0)
    session.update({"clusters": made, "colour_by": "clusters"})
    alone = paint_of(session, picture.crowd)
    assert "other fields" in alone.legend.note
    assert set(alone.codes[12:]) == {-1}
    made.grouping = Grouping.of("counter_cluster", labels, ["0", "1", "2"])
    every = paint_of(session, picture.crowd)
    np.testing.assert_array_equal(every.codes, labels)
    np.testing.assert_array_equal(every.rgba[0], every.rgba[27])
    np.testing.assert_array_equal(every.rgba[0, :3], every.legend.categories[0][1][:3])


def test_points_are_coloured_by_columns_and_fields_of_view(session, picture):
    crowd = picture.crowd
    crowd.table.obs["score"] = np.linspace(-1, 1, len(crowd))
    crowd.table.obs["kind_of"] = ["a", "b"] * 14
    crowd.table.uns["kind_of_colors"] = ["#ff0000", "#0000ff"]
    offered = choices(session, crowd)
    assert {"tissue", "fov", "column:score", "column:kind_of"} <= set(offered)
    assert "column:cell_id" not in offered
    by_kind = paint_of(session, crowd, "column:kind_of")
    np.testing.assert_array_equal(by_kind.rgba[0], [1, 0, 0, 1])
    assert by_kind.says(1) == "b"
    assert paint_of(session, crowd, "column:score").legend.limits[0] < 0
    by_fov = paint_of(session, crowd, "fov")
    np.testing.assert_array_equal(by_fov.codes, crowd.codes)


def test_a_bin_has_the_colour_of_most_of_its_cells():
    red, blue = (1.0, 0.0, 0.0, 1.0), (0.0, 0.0, 1.0, 1.0)
    legend = Legend("kind", categories=(("red", red), ("blue", blue)))
    codes = np.array([0, 0, 1, 1, -1])
    xy = np.array([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [1.5, 0.5], [0.5, 1.5]])
    paint = Paint(np.zeros((5, 4), np.float32), legend, codes)
    found = density(xy, paint, (0, 2, 0, 2), (2, 2))
    np.testing.assert_array_equal(found[0, 0, :3], red[:3])
    np.testing.assert_array_equal(found[0, 1, :3], blue[:3])
    assert found[1, 1, 3] == 0
    assert found[0, 0, 3] > found[0, 1, 3] > 0
    weak = np.array([True, True, False, True, True])
    dimmed = density(xy, paint, (0, 2, 0, 2), (2, 2), weak=weak)
    np.testing.assert_array_equal(dimmed[0, 0, :3], blue[:3])
    assert dimmed[0, 1, 3] < found[0, 1, 3]


def test_high_values_lie_over_low_ones_and_unknown_ones_below():
    values = np.array([3.0, np.nan, 1.0, 2.0])
    paint = Paint(None, Legend("gene", (0.0, 3.0), "viridis"), values=values)
    xy = np.zeros((4, 2))
    assert list(drawing_order(paint, xy)) == [1, 2, 3, 0]
    front = np.array([False, True, True, False])
    assert list(drawing_order(paint, xy, front)) == [3, 0, 1, 2]
    xy[3] = np.nan
    assert list(drawing_order(paint, xy)) == [1, 2, 0]


def test_the_picture_is_a_panel_of_the_export(session, picture, tmp_path):
    assert figure.ready(session)
    assert "embedding" in available(session)
    session.update({"colour_by": "gene", "gene": "KRT8"})
    (panel,) = panels_of(session, "embedding")
    assert len(panel.places) == len(panel.values) == 28
    assert panel.title == f"{PCA} of counter"
    for name in ("points.png", "points.svg"):
        made = write_figure(session, "embedding", tmp_path / name, dpi=80)()
        assert made.stat().st_size > 2000


def test_another_slide_has_no_picture_to_export(viewer, session, picture, make_slide):
    open_slide(viewer, make_slide(5))
    assert "embedding" not in available(session)
    with pytest.raises(SlideError, match="Press Draw"):
        panels_of(session, "embedding")


def test_the_selection_of_the_tissue_is_that_of_the_picture(viewer, session, picture):
    pick(session, np.array([4]))
    assert list(selecting.selected(session, picture)) == [4]
    show_fov(viewer, "F003")
    pick(session, np.array([0, 6]))
    assert set(selecting.selected(session, picture)) == {21, 27}


def test_the_prediction_of_all_fields_of_view_that_were_predicted_is_painted(session):
    first, second = session.slide.fovs[:2]
    table = session.slide.table
    gene = str(session.fov.table.var_names[0])
    spec = ExperimentSpec(
        model="gene-mean",
        mask=MaskSpec(genes=(gene,)),
        baselines=(),
        fovs=(first, second),
    )
    some = table[table.obs["fov"].isin([first, second])].copy()
    result = run_experiment(some, spec)
    session.comparison = comparison_from(result, session.fov, {})
    session.gene, session.colour_by = gene, "gene"
    crowd = Crowd.of_slide(session.slide)
    where = np.isin(crowd.codes, [0, 1])
    for by in ("prediction", "error"):
        paint = paint_of(session, crowd, by)
        np.testing.assert_array_equal(np.isfinite(paint.values), where)
        assert "grey: not predicted" in paint.legend.note
        grey = (paint.rgba == UNKNOWN).all(axis=1)
        np.testing.assert_array_equal(~grey, where)
    far = np.flatnonzero(crowd.codes == 1)
    truth = crowd.counts(gene)[far]
    guess = paint_of(session, crowd, "prediction").values[far]
    np.testing.assert_allclose(paint.values[far], guess - truth, rtol=1e-5)
