"""A session is written and comes back whole, or nothing changes and one sentence."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel

from napari_scfm.analysis.clusters import cluster
from napari_scfm.analysis.streams.streamlines import StreamLook
from napari_scfm.errors import ScfmError
from napari_scfm.experiments.attention.asked import FieldOptions
from napari_scfm.experiments.result import load_result
from napari_scfm.experiments.slide_experiment import run_on_slide
from napari_scfm.experiments.spec import ExperimentSpec
from napari_scfm.masks.parts import Disc
from napari_scfm.masks.spec import MaskSpec
from napari_scfm.models.hub import load_model
from napari_scfm.progress import Cancelled
from napari_scfm.slides.read import read_slide
from napari_scfm.slides.samples import sample_path
from napari_scfm.viewer import acts, tasks
from napari_scfm.viewer.attention.compute import (
    attention_stream,
    paired,
    relooked,
    turned,
)
from napari_scfm.viewer.hiding import masking
from napari_scfm.viewer.open import open_slide, show_fov
from napari_scfm.viewer.session import Clusters, session_of
from napari_scfm.viewer.sessions.file import SessionError, side_car
from napari_scfm.viewer.sessions.restore import can_open, open_session
from napari_scfm.viewer.sessions.save import as_record, save_session
from napari_scfm.viewer.sessions.scene import Steps, take


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Return a folder with a copy of the sample slide in it."""
    folder = tmp_path_factory.mktemp("home")
    shutil.copytree(sample_path("cosmx"), folder / "slide")
    return folder


def clusters_of(work, resolution):
    """Return clusters of one field of view, as sessions held them before groupings."""
    values = cluster(work.model.embed(work.fov.table, mask=work.mask), resolution)
    about = tasks.about_of(work, 0, resolution=resolution)
    return Clusters(work.fov.name, work.model.info.name, values, resolution, about)


@pytest.fixture(scope="module")
def worked(home):
    """Return a viewer in which every kind of work was done, and its file."""
    viewer = ViewerModel()
    session = open_slide(viewer, read_slide(home / "slide"), "F003")
    masking.hide(session, MaskSpec(discs=(Disc(x=60, y=60, radius=25),)))
    show_fov(viewer, "F004")
    masking.hide_random_genes(session, 5)
    masking.hide(session, MaskSpec(cells=tuple(session.fov.table.obs_names[:9])))
    masking.hide_genes(session, ["EPCAM"])
    masking.undo(session)
    session.model = load_model("knn-space")
    made = tasks.predict(tasks.work_of(session, "impute"), tasks.Asked(("gene-mean",)))
    session.model = load_model("cellplm-mini", "cpu")
    session.parts["model source"] = "cellplm-mini"
    work = tasks.work_of(session, "embed")
    session.clusters = clusters_of(work, 0.5)
    session.stream = attention_stream(work, FieldOptions(permutations=9))
    session.update({"log": True, "colormap": "magma", "radius": 12.5})
    session.selection = np.array([3, 4, 50])
    viewer.layers["composite blue"].visible = False
    viewer.layers["composite green"].contrast_limits = (10, 99)
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 50.0, 60.0), 7.0
    acts.show_comparison(session, made)
    session.limits = (0.0, 2.5)
    viewer.scene.camera.zoom = 1.5
    return viewer, save_session(viewer, home / "work" / "mine")


def same(one, two) -> None:
    """Compare what two viewers show and work on."""
    a, b = session_of(one), session_of(two)
    names = "colour_by gene log limits colormap shown side_by_side radius recipe mask"
    for name in [*names.split(), "curtain", "fade_uncertain", "in_turn", "cell"]:
        assert getattr(a, name) == getattr(b, name), name
    np.testing.assert_array_equal(a.selection, b.selection)
    assert one.scene.camera.zoom == two.scene.camera.zoom
    assert tuple(one.scene.camera.center) == tuple(two.scene.camera.center)
    shown = [[x for x in viewer.layers if x.visible] for viewer in (one, two)]
    assert [x.name for x in shown[0]] == [x.name for x in shown[1]]
    for left, right in zip(*shown, strict=True):
        assert left.opacity == right.opacity
        if hasattr(left, "colormap") and hasattr(left.colormap, "colors"):
            np.testing.assert_array_equal(left.colormap.colors, right.colormap.colors)
        if hasattr(left, "contrast_limits"):
            assert left.contrast_limits == right.contrast_limits


def test_what_was_saved_is_what_opens(worked):
    viewer, path = worked
    assert path.name == "mine.scfm.json"
    fresh = ViewerModel()
    session, before = open_session(fresh, path), session_of(viewer)
    same(viewer, fresh)
    assert session.model.info == before.model.info
    known = {name: source for name, (_, source) in tasks.known_models(session).items()}
    assert known == {"knn-space": "knn-space", "cellplm-mini": "cellplm-mini"}
    made, kept = session.comparison, before.comparison
    assert (made.fov, made.model, made.genes) == (kept.fov, kept.model, kept.genes)
    assert (made.models, made.about) == (kept.models, kept.about)
    for name in ("truth", "prediction", "hidden"):
        np.testing.assert_array_equal(getattr(made, name), getattr(kept, name))
    assert made.summary.equals(kept.summary)
    np.testing.assert_array_equal(session.clusters.values, before.clusters.values)
    assert session.clusters.about == before.clusters.about
    same_streams(session.stream, before.stream)


def same_streams(made, kept) -> None:
    """Compare how two streams are drawn, and what is known of them."""
    assert made.field.shares == kept.field.shares
    assert made.field.p_value == kept.field.p_value
    assert len(made.lines) == len(kept.lines) > 0
    for name in ("lines", "strength", "beats", "sender"):
        for one, two in zip(getattr(made, name), getattr(kept, name), strict=True):
            np.testing.assert_array_equal(one, two)
    assert (made.look, made.pair, made.kinds) == (kept.look, kept.pair, kept.kinds)
    assert (made.options, made.about) == (kept.options, kept.about)
    np.testing.assert_array_equal(made.codes, kept.codes)
    np.testing.assert_array_equal(made.palette, kept.palette)
    pd.testing.assert_frame_equal(made.table, kept.table)


def test_streams_come_back_as_they_were_drawn(home, worked):
    viewer, _ = worked
    session = session_of(viewer)
    before = session.stream
    look = StreamLook(density=1.4, smoothing_um=31.0, cutoff=0.2, colour="sender")
    made = paired(before, (before.kinds[3], before.kinds[4]))
    found = pd.DataFrame([{"check": "uniform attention", "warns": True}])
    session.stream = replace(turned(relooked(made, look), "sent"), checks=found)
    path = save_session(viewer, home / "work" / "streams")
    fresh = ViewerModel()
    back = open_session(fresh, path).stream
    same_streams(back, session.stream)
    assert back.field.direction == "sent"
    assert back.attention is None
    pd.testing.assert_frame_equal(back.checks, found)
    free, whole = paired(back, None), turned(relooked(before, look), "sent")
    same_streams(free, whole)
    with pytest.raises(ScfmError, match="not saved"):
        paired(back, (before.kinds[0], before.kinds[1]))
    session.stream = relooked(session.stream, StreamLook())
    parts = set(side_car(path).iterdir())
    save_session(viewer, path)
    assert set(side_car(path).iterdir()) == parts
    session.stream = before


def test_streams_of_older_sessions_open(home, worked):
    viewer, path = worked
    old = home / "work" / "old.scfm.json"
    shutil.copytree(side_car(path), side_car(old))
    values = json.loads(path.read_text())
    said = values["stream"]
    values["stream"] = {name: said[name] for name in ("part", "fov", "model", "about")}
    old.write_text(json.dumps(values))
    field = session_of(viewer).stream.field
    known = "vectors expectation residual shares grid_x grid_y grid_u grid_v p_value"
    known += " spacing direction method permutations"
    arrays = {f"field_{name}": getattr(field, name) for name in known.split()}
    none = {"lengths": np.zeros(0, np.int64), "points": np.zeros((0, 2))}
    np.savez(side_car(old) / said["part"], **arrays, **none, strength=np.zeros(0))
    made = open_session(ViewerModel(), old).stream
    assert made.field.shares == field.shares
    for one, two in zip(made.lines, session_of(viewer).stream.lines, strict=True):
        np.testing.assert_array_equal(one, two)
    assert np.concatenate(made.beats).all() == field.significant
    assert len(relooked(made, StreamLook(density=2)).lines) > len(made.lines)


def test_masks_of_every_fov_come_back_with_undo_and_redo(worked):
    viewer, path = worked
    fresh = ViewerModel()
    session = open_session(fresh, path)
    for name, history in session_of(viewer).histories.items():
        back = session.histories[name]
        assert [step.spec for step in back.steps] == [x.spec for x in history.steps]
        assert back.at == history.at
    hidden = session.mask.n_hidden
    masking.redo(session)
    assert "EPCAM" in session.mask.hidden_genes
    masking.undo(session)
    assert session.mask.n_hidden == hidden


def test_leaving_side_by_side_goes_back_to_the_view_before(worked):
    fresh = ViewerModel()
    session = open_session(fresh, worked[1])
    session.side_by_side = False
    assert fresh.scene.camera.zoom == 7.0
    assert not fresh.layers["composite blue"].visible
    assert fresh.layers["composite red"].visible


def test_the_same_session_is_the_same_text_and_writes_nothing_twice(worked, tmp_path):
    viewer, path = worked
    text, folder = path.read_text("utf-8"), side_car(path)
    written = {part: part.stat().st_mtime_ns for part in folder.rglob("*")}
    assert len(list(folder.iterdir())) == 3
    save_session(viewer, path)
    assert path.read_text("utf-8") == text
    assert {part: part.stat().st_mtime_ns for part in folder.rglob("*")} == written
    fresh = ViewerModel()
    open_session(fresh, path)
    save_session(fresh, path)
    assert path.read_text("utf-8") == text, "what was opened is saved as it was"


def test_curtain_fading_card_and_the_model_on_show_come_back(worked, tmp_path):
    viewer = ViewerModel()
    session = open_session(viewer, worked[1])
    session.side_by_side = False
    work = tasks.work_of(session, "impute")
    session.comparison = tasks.predict(work, tasks.Asked(("gene-mean",), draws=2))
    session.selection = np.array([7])
    session.cell = 11
    acts.show_model(session, "gene-mean")
    session.update({"curtain": 0.4, "fade_uncertain": True})
    path = save_session(viewer, tmp_path / "a.scfm.json")
    fresh = ViewerModel()
    back = open_session(fresh, path)
    same(viewer, fresh)
    assert back.comparison.model == "gene-mean"
    np.testing.assert_array_equal(back.comparison.spread, session.comparison.spread)


def test_parts_that_nobody_names_are_dropped_and_foreign_files_stay(worked, tmp_path):
    viewer, _ = worked
    path = save_session(viewer, tmp_path / "a.scfm.json")
    (side_car(path) / "notes.txt").write_text("mine")
    fresh = ViewerModel()
    session = open_session(fresh, path)
    session.side_by_side = False
    session.update({"comparison": None, "clusters": None, "stream": None})
    save_session(fresh, path)
    assert [part.name for part in side_car(path).iterdir()] == ["notes.txt"]


def test_session_and_slide_may_move_together(home, tmp_path):
    old = tmp_path / "old"
    old.mkdir()
    shutil.copytree(home / "slide", old / "slide")
    one = ViewerModel()
    open_slide(one, read_slide(old / "slide"), "F002")
    save_session(one, old / "work.scfm.json")
    old.rename(tmp_path / "new")
    session = open_session(ViewerModel(), tmp_path / "new" / "work.scfm.json")
    assert session.slide.path.parent == tmp_path / "new"


@pytest.fixture
def copy(worked, tmp_path):
    """Return a function that copies the session, changed, and returns its path."""

    def make(change=lambda values: None):
        path = worked[1]
        shutil.copytree(side_car(path), tmp_path / side_car(path).name)
        values = json.loads(path.read_text("utf-8"))
        change(values)
        (tmp_path / path.name).write_text(json.dumps(values), "utf-8")
        return tmp_path / path.name

    return make


@pytest.fixture
def busy(make_slide):
    """Return a viewer with other work in it, and a function that says it is whole."""
    viewer = ViewerModel()
    session = open_slide(viewer, make_slide(8, 5))
    acts.colour_by_gene(session, "KRT8")
    masking.hide_genes(session, ["CD3E"])
    before = take(viewer)

    def whole() -> bool:
        now = take(viewer)
        assert (now.slide, now.fov, now.view) == (
            before.slide,
            before.fov,
            before.view,
        )
        assert now.masks["F001"].steps == before.masks["F001"].steps
        assert now.models == before.models
        return now.layers == before.layers

    return viewer, whole


def refused(busy, path, *match: str, **asked):
    """Open what cannot be opened; nothing changes and every problem is told."""
    viewer, whole = busy
    with pytest.raises(SessionError) as caught:
        open_session(viewer, path, **asked)
    for words in match:
        assert words in str(caught.value)
    assert whole()
    return str(caught.value)


def test_a_newer_session_names_the_version(busy, copy):
    path = copy(lambda values: values.update(version=9, program="7.1"))
    refused(busy, path, "newer version (napari-scfm 7.1)", "Update napari-scfm.")


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"format": "other"}', "\0\xff"])
def test_a_file_that_is_no_session_is_refused(busy, tmp_path, text):
    path = tmp_path / "a.scfm.json"
    path.write_bytes(text.encode("latin-1"))
    refused(busy, path, str(path))


def test_an_unknown_field_is_named(busy, copy):
    refused(busy, copy(lambda v: v["view"].update(wand=1)), "damaged", "view.wand")


def test_everything_that_is_lost_is_said_at_once(busy, copy):
    def change(values):
        values["masks"]["F004"]["steps"][-1]["cells"] = ["nobody"]
        values["models"][1]["sha256"] = "0" * 64
        values["view"]["selection"] = ["4_1", "no_one"]

    path = copy(change)
    shutil.rmtree(side_car(path) / json.loads(path.read_text())["comparison"]["part"])
    (side_car(path) / json.loads(path.read_text())["stream"]["part"]).write_bytes(b"x")
    told = refused(
        busy,
        path,
        "nobody",
        "another one than it was (sha256",
        "no_one",
        "is missing",
        "is damaged",
        "Nothing was opened.",
    )
    assert told.count("\n  - ") == 5


def test_the_rest_opens_if_the_person_says_so(busy, copy):
    path = copy(lambda v: v["masks"]["F004"]["steps"][-1].update(cells=["nobody"]))
    asked = []
    viewer, whole = busy
    with pytest.raises(Cancelled):
        open_session(viewer, path, accept=lambda told: asked.append(told))
    assert whole()
    session = open_session(viewer, path, accept=lambda told: True)
    assert len(asked[0]) == 1
    assert "What is hidden of F004 is left out" in asked[0][0]
    assert session.mask is None
    assert "F003" in session.histories
    assert session.comparison is not None


def test_a_missing_folder_beside_it_is_said(busy, copy):
    path = copy()
    shutil.rmtree(side_car(path))
    refused(busy, path, "comparison is left out", "clusters", "attention", "missing")


def moved(values):
    values["slide"]["place"] = {"relative": "gone", "absolute": "/nowhere/slide"}


def test_a_slide_that_moved_is_asked_for(busy, copy, home):
    path = copy(moved)
    refused(busy, path, "neither at", "gone", "nowhere")
    asked = []

    def find(wanted):
        asked.append(wanted)

    with pytest.raises(Cancelled, match="Nothing was changed"):
        open_session(busy[0], path, find)
    assert busy[1]()
    assert asked[0].name == "Synthetic"
    assert len(asked[0].tried) == 2
    session = open_session(busy[0], path, lambda _: home / "slide")
    assert session.fov.name == "F004"
    assert session.slide.path == home / "slide"


def test_another_slide_in_its_place_is_told_and_can_be_refused(busy, copy, home):
    other = home / "other"
    if not other.exists():
        shutil.copytree(home / "slide", other)
        counts = next(other.glob("*exprMat*"))
        lines = counts.read_text("utf-8").splitlines()
        head = lines[0].split(",")
        row = next(i for i, x in enumerate(lines) if x.startswith("4,1,"))
        cells = lines[row].split(",")
        gene = head.index("EPCAM")
        cells[gene] = str(int(cells[gene]) + 1)
        lines[row] = ",".join(cells)
        counts.write_text("\n".join(lines) + "\n", "utf-8")
    path = copy(moved)
    refused(busy, path, "F004", "holds other counts", find=lambda _: other)
    told = []
    with pytest.raises(Cancelled):
        open_session(busy[0], path, lambda _: other, lambda told_: told.extend(told_))
    assert any("holds other counts or other names" in line for line in told)
    assert busy[1]()


def test_a_slide_without_the_field_of_view_is_refused(busy, copy):
    other = sample_path("merscope")
    refused(busy, copy(moved), "has no field of view", find=lambda _: other)


def test_open_needs_a_slide_and_a_place_to_write(busy, tmp_path):
    with pytest.raises(SessionError, match="No slide is open"):
        save_session(ViewerModel(), tmp_path / "a")
    (tmp_path / "file").write_text("")
    with pytest.raises(ScfmError, match="cannot be written"):
        save_session(busy[0], tmp_path / "file" / "a")
    (tmp_path / "b.scfm").write_text("")
    with pytest.raises(SessionError, match="is a file where the session's folder"):
        save_session(busy[0], tmp_path / "b.scfm.json")


def test_a_save_that_fails_leaves_the_session_before(worked, copy, monkeypatch):
    path = copy()
    text = path.read_text("utf-8")
    fresh = ViewerModel()
    session = open_session(fresh, path)
    session.clusters = clusters_of(tasks.work_of(session, "embed"), 2.0)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(np, "savez_compressed", full)
        with pytest.raises(SessionError, match="No space left"):
            save_session(fresh, path)
    assert path.read_text("utf-8") == text
    again = open_session(ViewerModel(), path)
    assert again.clusters.resolution == 0.5


def test_long_histories_keep_what_is_nearest_to_now(busy):
    session = session_of(busy[0])
    for gene in ("EPCAM", "KRT8", "KRT18"):
        masking.hide_genes(session, [gene])
    masking.undo(session)
    history = session.histories["F001"]
    steps = Steps(history.steps, history.at)
    assert as_record(steps).at == history.at
    assert len(as_record(steps).steps) == 5
    size = len(steps.current.spec.model_dump_json())
    kept = as_record(steps, room=3 * size)
    assert 1 < len(kept.steps) < 5
    assert kept.steps[kept.at] == history.spec
    assert as_record(steps, room=0).steps == (history.spec,)


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=4), st.just([])
)


@settings(max_examples=20)
@given(data=st.data())
def test_no_damage_to_the_text_gets_half_a_session_in(worked, tmp_path_factory, data):
    """Property: whatever one value is changed to, all opens or nothing does."""
    values = json.loads(worked[1].read_text("utf-8"))
    at, key = values, data.draw(st.sampled_from(sorted(values)))
    while isinstance(at[key], dict | list) and at[key] and data.draw(st.booleans()):
        at = at[key]
        keys = sorted(at) if isinstance(at, dict) else range(len(at))
        key = data.draw(st.sampled_from(list(keys)))
    at[key] = data.draw(LEAVES)
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "mine.scfm").symlink_to(side_car(worked[1]))
    path = folder / "mine.scfm.json"
    path.write_text(json.dumps(values), "utf-8")
    viewer = ViewerModel()
    try:
        session = open_session(viewer, path)
    except ScfmError:
        assert not viewer.layers
        assert session_of(viewer).slide is None
    else:
        assert session.fov is not None


@pytest.fixture(scope="module")
def result(home):
    """Return the folder of a result over two fields of view, saved beside the slide."""
    spec = ExperimentSpec(
        model="knn-space",
        mask=MaskSpec(genes=("KRT8", "CD3E"), cell_fraction=0.1),
        baselines=("gene-mean",),
        fovs=("F002", "F003"),
    )
    made = run_on_slide(read_slide(home / "slide"), spec)
    return made.save(home / "result")


def test_a_result_folder_brings_its_view_back(result, home):
    assert can_open(result)
    assert can_open(result / "spec.json")
    viewer = ViewerModel()
    session = open_session(viewer, result)
    assert session.fov.name == "F002"
    assert session.slide.path == home / "slide"
    assert session.side_by_side
    assert session.gene in session.comparison.genes
    assert viewer.canvas.grid.enabled
    assert set(session.mask.hidden_genes) == {"KRT8", "CD3E"}
    assert session.recipe == session.comparison.result.spec.mask
    made = session.comparison
    counts = session.fov.table[:, made.genes].X.toarray()
    np.testing.assert_array_equal(made.truth, counts)
    assert (
        made.hidden
        == session.mask.matrix.toarray()[
            :, [session.fov.table.var_names.get_loc(gene) for gene in made.genes]
        ]
    ).all()
    loaded = load_result(result)
    assert made.summary.equals(loaded.summary)


def test_a_result_on_the_open_slide_keeps_the_work(result, home):
    viewer = ViewerModel()
    slide = read_slide(home / "slide")
    session = open_slide(viewer, slide, "F004")
    masking.hide_genes(session, ["EPCAM"])
    show_fov(viewer, "F002")
    masking.hide_genes(session, ["COL1A1"])
    session.model = load_model("ridge")
    open_session(viewer, result)
    assert session.slide is slide
    assert session.model.info.name == "ridge"
    assert set(session.mask.hidden_genes) == {"KRT8", "CD3E"}
    masking.undo(session)
    assert session.mask.hidden_genes == ["COL1A1"]
    show_fov(viewer, "F004")
    assert session.mask.hidden_genes == ["EPCAM"]


def test_a_result_asks_for_its_slide_and_refuses_another(result, home, busy, tmp_path):
    shutil.copytree(result, tmp_path / "result")
    spec = json.loads((result / "spec.json").read_text("utf-8"))
    spec["slide_path"] = "/nowhere/slide"
    path = tmp_path / "result" / "spec.json"
    path.write_text(json.dumps(spec), "utf-8")
    refused(busy, path, "/nowhere/slide")
    other = sample_path("merscope")
    refused(busy, path, "No field of view of", find=lambda _: other)
    session = open_session(ViewerModel(), path, lambda _: home / "slide")
    assert session.side_by_side
    (path.parent / "entries.parquet").write_bytes(b"no parquet")
    refused(busy, path.parent, "damaged", find=lambda _: home / "slide")


def test_a_result_finds_the_slide_that_moved_with_it(result, home, tmp_path):
    for name in ("result", "slide"):
        shutil.copytree(home / name, tmp_path / name)
    path = tmp_path / "result" / "spec.json"
    values = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(values | {"slide_path": "/before/slide"}), "utf-8")
    session = open_session(ViewerModel(), tmp_path / "result")
    assert session.slide.path == tmp_path / "slide"


def test_folders_that_are_no_result_are_left_to_others(home, tmp_path):
    assert not can_open(home / "slide")
    assert not can_open(tmp_path)
    assert not can_open(tmp_path / "none.scfm.json")


def test_a_real_slide_comes_back(real_data, tmp_path):
    slide = read_slide(real_data / "cosmx_nsclc_lung12_mini")
    viewer = ViewerModel()
    session = open_slide(viewer, slide)
    masking.hide_random_genes(session, 20)
    masking.hide(session, MaskSpec(cells=tuple(session.fov.table.obs_names[:6])))
    session.model = load_model("knn-space")
    work = tasks.work_of(session, "impute")
    acts.show_comparison(session, tasks.predict(work, tasks.Asked(("gene-mean",))))
    path = save_session(viewer, tmp_path / "real")
    fresh = ViewerModel()
    open_session(fresh, path)
    same(viewer, fresh)
