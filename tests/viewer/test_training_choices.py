"""What the Train step offers, refuses and says, without a window."""

from __future__ import annotations

import math
from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from napari_scfm.errors import ModelError, ScfmError, SlideError, SpecError
from napari_scfm.masks.make import mask_genes
from napari_scfm.models.hub import load_model
from napari_scfm.progress import Progress
from napari_scfm.viewer.session import Session
from napari_scfm.viewer.training import choices as training
from napari_scfm.viewer.training import run as train_run
from napari_scfm.viewer.training.choices import Plan, default_held_out, prepare
from napari_scfm.viewer.training.curve import Curve, in_words
from napari_scfm.viewer.training.trained import advice, flattered, training_lines


@pytest.fixture
def session(make_slide):
    """Return a session that shows the second of three fields of view."""
    slide = make_slide(8, 8, 8)
    return Session(slide=slide, fov=slide.fov("F002"))


def trained(**record):
    """Return what the words need of a trained model."""
    config = SimpleNamespace(extra={"training": record}, head_type=None)
    return SimpleNamespace(config=config)


def test_only_columns_with_2_to_60_classes_are_labels():
    n = 200
    obs = pd.DataFrame(
        {
            "fov": ["F1", "F2"] * (n // 2),
            "region": pd.Categorical(["a", "b"] * (n // 2)),
            "one": "x",
            "many": [f"c{i % 61}" for i in range(n)],
            "sixty": [f"c{i % 60}" for i in range(n)],
            "area": np.arange(n) % 3,
            "flag": np.arange(n) % 2 == 0,
            "gaps": [None, "a", "b", "Unknown"] * (n // 4),
            "cell_type": ["T", "B"] * (n // 2),
        }
    )
    found = training.label_columns(obs)
    assert found == {"cell_type": 2, "region": 2, "sixty": 60, "flag": 2, "gaps": 2}
    assert next(iter(found)) == "cell_type"


def test_the_field_of_view_on_show_is_held_out_unless_it_is_the_only_one(
    session, make_slide
):
    assert default_held_out(session) == ("F002",)
    alone = make_slide(8)
    assert default_held_out(Session(slide=alone, fov=alone.fov("F001"))) == ()
    assert default_held_out(Session()) == ()


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (Plan(fresh=False), "No model is loaded to go on from"),
        (Plan(held_out=("F001", "F002", "F003")), "none is left to train on"),
        (Plan("annotate"), "has no labels to learn from"),
        (Plan("supcon"), "has no labels to learn from"),
        (Plan("impute"), "No gene to impute is chosen"),
        (Plan("impute", genes=("NOSUCH", "EPCAM")), "does not measure NOSUCH"),
    ],
)
def test_a_plan_that_cannot_work_is_refused_in_words(session, plan, words):
    with pytest.raises(ScfmError, match=words) as caught:
        prepare(session, plan)
    assert caught.value.action


def test_without_a_slide_there_is_nothing_to_train_on():
    with pytest.raises(SlideError, match="No slide is open"):
        prepare(Session(), Plan())


def test_a_baseline_cannot_be_trained(session):
    session.model = load_model("gene-mean")
    with pytest.raises(ModelError, match="gene-mean has no weights to train"):
        prepare(session, Plan(fresh=False))


def test_target_genes_must_be_known_to_the_loaded_model(session):
    session.model = load_model("cellplm-mini", "cpu")
    table = session.fov.table
    table.var_names = ["EPCAM", "CD3E", "KRT8", "NOTINMODEL", "COL1A1"]
    with pytest.raises(ModelError, match="cellplm-mini does not know NOTINMODEL"):
        prepare(session, Plan("impute", fresh=False, genes=("EPCAM", "NOTINMODEL")))


def test_genes_are_those_typed_or_those_hidden(session):
    session.mask = mask_genes(session.fov.table, ["KRT8"])
    assert prepare(session, Plan("impute")).plan.genes == ("KRT8",)
    typed = Plan("impute", genes=tuple(training.genes_in("epcam\nCD3E; 'EPCAM',krt18")))
    assert prepare(session, typed).plan.genes == ("EPCAM", "CD3E", "KRT18")


def test_labels_with_one_class_in_what_is_learned_from_are_refused(make_slide):
    slide = make_slide(12, 12, 12)
    session = Session(slide=slide, fov=slide.fov("F002"))
    table = session.slide.table
    table.obs["region"] = np.where(table.obs["fov"] == "F002", "tumour", "stroma")
    work = prepare(session, Plan("annotate", labels="region", held_out=("F002",)))
    with pytest.raises(SpecError, match="hold 1 class: 'stroma'"):
        train_run.train_on(work)


def test_a_second_model_gets_a_name_of_its_own(session):
    session.parts[training.TRAINED] = {"trained-masked": None}
    assert prepare(session, Plan()).name == "trained-masked-2"
    assert prepare(session, Plan("supcon", labels="x")).name == "trained-supcon"


def test_minutes_become_as_many_epochs_as_fit(session, monkeypatch):
    ran = []
    now = iter([0.0, 20.0])
    monkeypatch.setattr(train_run.time, "perf_counter", lambda: next(now))

    def run(work, table, more, epochs, progress):
        ran.append(epochs)
        progress(Progress(1, 2, "Epoch 1", {"epoch": 1}))
        return load_model("cellplm-mini", "cpu")

    monkeypatch.setattr(train_run, "_trained", run)
    told: list[Progress] = []
    train_run.train_on(prepare(session, Plan(minutes=2.0)), told.append)
    assert ran == [1, 5]
    assert [p.message for p in told] == ["Timing one epoch", "Epoch 1"]
    assert not told[0].figures


def test_a_model_is_saved_only_where_nothing_is_overwritten(tmp_path):
    model = load_model("cellplm-mini", "cpu")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ModelError, match="holds other files"):
        train_run.save(model, tmp_path, "cpu")
    folder = tmp_path / "new"
    written = train_run.save(model, folder, "cpu")
    assert written.info.name == "new"
    assert written.info.sha256 == model.info.sha256
    assert train_run.save(model, folder, "cpu").info.name == "new"
    blocked = tmp_path / "notes.txt" / "model"
    with pytest.raises(ModelError, match="cannot be written"):
        train_run.save(model, blocked, "cpu")


def test_a_curve_grows_with_the_reports():
    curve = Curve()
    assert not curve.add(Progress(0, 0, "reading"))
    assert not curve.steps
    curve.add(Progress(0, 20, "", {"epoch": 1, "epochs": 2}))
    curve.add(
        Progress(
            5,
            20,
            "",
            {"epoch": 1, "epochs": 2, "loss": 0.9, "rate": 4.0, "seconds_left": 200.0},
        )
    )
    assert curve.steps == [(0.5, 0.9)]
    assert curve.pace() == "Epoch 1 of 2 · 4 steps per second · about 3 minutes left"
    for epoch, loss in ((1, 0.5), (2, math.nan)):
        ended = {"epoch": epoch, "epochs": 2, "train_loss": 0.6}
        curve.add(Progress(10 * epoch, 20, "", ended | {"validation_loss": loss}))
    assert curve.training == {1: 0.6, 2: 0.6}
    assert curve.best == 1
    assert curve.done == 2
    assert curve.pace().startswith("Epoch 2 of 2")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (3, "a few seconds"),
        (33, "about 30 seconds"),
        (58, "about 1 minute"),
        (200, "about 3 minutes"),
        (3700, "about 1 hour"),
        (5400, "about 1.5 hours"),
        (20_000, "about 6 hours"),
    ],
)
def test_times_are_said_in_words(seconds, words):
    assert in_words(seconds) == words


def test_a_card_says_objective_data_and_score():
    model = trained(
        objective="masked",
        fovs=["F001", "F003"],
        validation=["F002"],
        epochs=30,
        best_epoch=11,
        slide="lung",
        scores={"loss": 0.4, "pearson_genes": 0.3119, "pearson_cells": 0.2},
    )
    assert training_lines(model) == [
        "Trained to: guess hidden genes and cells.",
        "Learned from F001, F003 of lung, weights of epoch 12 of 30.",
        "Held out F002: Pearson of hidden genes 0.31, of hidden cells 0.20.",
    ]
    assert training_lines(None) == []
    helped = trained(fovs=["F001", "reference 1"], validation=["F002", "reference 2"])
    assert "F001 and a single-cell reference" in training_lines(helped)[1]
    assert training_lines(helped)[2] == "Held out F002."
    alone = trained(objective="masked", fovs=["F001"], validation=[], epochs=1)
    assert "no honest score" in training_lines(alone)[-1]


def test_a_run_that_ended_early_or_too_early_says_so():
    assert "more epochs may help" in advice(trained(best_epoch=9, epochs=10), 10)
    assert "stopped at epoch 7" in advice(trained(best_epoch=2, epochs=10), 7)
    assert advice(trained(best_epoch=2, epochs=10), 10) == ""
    assert advice(trained(best_epoch=-1, epochs=10), 10) == ""


def test_scores_on_what_was_learned_from_carry_a_warning(make_slide):
    slide = make_slide(8, 8)
    model = trained(fovs=["F001"], validation=["F002"], slide=slide.name)
    assert "flatter it. F002 was held out" in flattered(model, slide, "F001")
    assert flattered(model, slide, "F002") == ""
    assert "learned from F001, so" in flattered(model, slide, "F001", "F002")
    elsewhere = trained(fovs=["F001"], validation=[], slide="another")
    assert flattered(elsewhere, slide, "F001") == ""


def test_a_reference_that_is_no_table_is_refused_in_words(session, tmp_path):
    broken = tmp_path / "cells.h5ad"
    broken.write_text("no table")
    work = prepare(session, Plan("impute", genes=("EPCAM",), reference=str(broken)))
    with pytest.raises(SpecError, match=r"cells\.h5ad cannot be read"):
        train_run.train_on(work)
    gone = prepare(
        session, Plan("impute", genes=("EPCAM",), reference=str(tmp_path / "gone"))
    )
    with pytest.raises(SpecError, match="gone is not there"):
        train_run.train_on(gone)


def test_a_reference_is_handed_to_the_training(session, tmp_path, monkeypatch):
    table = session.fov.table
    cells = ad.AnnData(table.X, obs=table.obs[[]], var=table.var)
    cells.write_h5ad(tmp_path / "cells.h5ad")
    given = {}

    def run(work, table, more, epochs, progress):
        given.update(more)
        return load_model("cellplm-mini", "cpu")

    monkeypatch.setattr(train_run, "_trained", run)
    plan = Plan("impute", genes=("MS4A1",), reference=str(tmp_path / "cells.h5ad"))
    train_run.train_on(prepare(session, plan))
    assert given["genes"] == ("MS4A1",)
    assert given["reference"].n_obs == table.n_obs
