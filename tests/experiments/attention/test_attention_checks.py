"""Checks of a model's attention, on models whose answers are known."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import napari_scfm as scfm
from napari_scfm.errors import ScfmError
from napari_scfm.experiments.attention.asked import FieldOptions
from napari_scfm.experiments.attention.checks import check_attention
from napari_scfm.experiments.attention.verdicts import (
    CHECKS,
    EXCHANGED,
    OTHER,
    PLACES,
    RANDOM,
    UNIFORM,
    Outcome,
    sentence,
    warns,
)
from napari_scfm.models.attention import Attention, Block
from napari_scfm.models.base import CellModel, ModelInfo
from napari_scfm.progress import Cancelled
from napari_scfm.slides.samples import sample_path

N = 240
QUICK = FieldOptions(permutations=19)


class Fake(CellModel):
    """Cells attend to cells like themselves: in their genes, or in their place."""

    def __init__(self, by: str) -> None:
        self.info = ModelInfo(by, capabilities=frozenset({"attend", "embed"}))
        self.by = by

    def impute(self, table, genes, **_):
        raise AssertionError("nothing is predicted here")

    def embed(self, table, *, mask=None, progress=None):
        return np.asarray(table.X)

    def attend(self, table, *, mask=None, progress=None, **_):
        values = table.obsm["spatial"] if self.by == "place" else table.X
        values = np.asarray(values, dtype=np.float64)
        values = values - values.mean(axis=0)
        values = values / np.abs(values).max()
        factor = np.hstack([np.ones((table.n_obs, 1)), values / 2])
        return Attention([Block(np.arange(table.n_obs), factor, factor)], table.n_obs)


@pytest.fixture(scope="module")
def table():
    """Cells of two mixed kinds whose first gene rises to the right inside both."""
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, (300, 200), (N, 2))
    genes = rng.poisson(3.0, (N, 4)).astype(np.float32)
    genes[:, 0] += np.round(xy[:, 0] / 20)
    obs = pd.DataFrame({"cell_type": np.where(np.arange(N) % 2, "a", "b")})
    obs.index = [f"cell{i}" for i in range(N)]
    return ad.AnnData(genes, obs=obs, obsm={"spatial": xy})


def _of(frame, check):
    return frame[frame["check"] == check].iloc[0]


def test_attention_by_expression_hangs_on_expression_and_not_on_places(table):
    frame = check_attention(
        Fake("genes"), table, QUICK, (EXCHANGED, PLACES, UNIFORM), rounds=19
    )
    assert list(frame["check"]) == [EXCHANGED, UNIFORM, PLACES]
    exchanged, places = _of(frame, EXCHANGED), _of(frame, PLACES)
    assert exchanged["p_value"] == 1 / 20
    assert exchanged["repeats"] == 19
    assert exchanged["correlation"] < 0.8
    assert not places["changed"]
    assert places["warns"]
    assert places["correlation"] == pytest.approx(1)
    assert "ignores coordinates" in places["sentence"]
    uniform = _of(frame, UNIFORM)
    assert uniform["correlation"] > 0.8
    assert uniform["p_value"] == 1


def test_attention_by_place_is_the_same_with_any_expression(table):
    frame = check_attention(Fake("place"), table, QUICK, (EXCHANGED, PLACES), rounds=9)
    exchanged, places = _of(frame, EXCHANGED), _of(frame, PLACES)
    assert exchanged["p_value"] == 1
    assert exchanged["warns"]
    assert places["changed"]
    assert places["correlation"] < 0.8
    assert not places["warns"]


def test_another_checkpoint_agrees_with_itself_and_not_with_another(table):
    same = check_attention(
        Fake("genes"), table, QUICK, (OTHER,), other=Fake("genes")
    ).iloc[0]
    assert same["correlation"] == pytest.approx(1)
    assert not same["warns"]
    turned = table.copy()
    turned.obsm["spatial"] = table.obsm["spatial"] * (-1, 1)
    mixed = check_attention(
        Fake("genes"), turned, QUICK, (OTHER,), other=Fake("place")
    ).iloc[0]
    assert mixed["correlation"] < same["correlation"]


def test_a_trained_network_is_checked_against_random_weights():
    slide = scfm.read_slide(sample_path("cosmx"))
    table = slide.fov(slide.fovs[0]).table[:120].copy()
    model = scfm.load_model("cellplm-mini", device="cpu")
    told = []
    frame = check_attention(
        model, table, QUICK, (RANDOM,), seeds=2, progress=told.append
    )
    row = frame.iloc[0]
    assert row["repeats"] == 2
    assert row["lowest"] <= row["correlation"] <= row["highest"]
    assert row["lowest"] < row["highest"]
    assert 1 / 20 <= row["p_value"] <= 1
    assert "2 draws" in row["sentence"]
    assert [one.done for one in told] == [1, 2, 3]
    assert {one.total for one in told} == {3}


def test_checks_stop_when_asked(table):
    def stop(_):
        raise Cancelled

    with pytest.raises(Cancelled):
        check_attention(Fake("genes"), table, QUICK, (PLACES,), progress=stop)


def test_unknown_checks_and_a_missing_checkpoint_are_refused(table):
    with pytest.raises(ScfmError, match="no check colour"):
        check_attention(Fake("genes"), table, QUICK, ("colour",))
    with pytest.raises(ScfmError, match="Name a second model"):
        check_attention(Fake("genes"), table, QUICK, (OTHER,))


@pytest.mark.parametrize(
    ("check", "correlation", "p", "said", "warned"),
    [
        (RANDOM, 0.93, 0.01, "was not learned", True),
        (RANDOM, 0.1, 0.01, "beat chance too", False),
        (RANDOM, 0.1, 0.5, "do not beat chance", False),
        (EXCHANGED, 0.1, 0.5, "need no expression that differs", True),
        (EXCHANGED, 0.9, 0.5, "where the kinds lie", True),
        (EXCHANGED, 0.9, 0.04, "most comes from where", True),
        (EXCHANGED, 0.1, 0.04, "also inside kinds", False),
        (UNIFORM, 0.99, 1.0, "geometry, not the model", True),
        (UNIFORM, 0.2, 1.0, "not those of uniform", False),
        (PLACES, 0.95, 0.01, "from expression, not from places", True),
        (PLACES, 0.3, 0.01, "reads where cells lie", False),
        (OTHER, 0.9, 0.01, "do not hang on one training", False),
        (OTHER, 0.7, 0.01, "partly the same", False),
        (OTHER, 0.1, 0.01, "do not read much", True),
    ],
)
def test_what_each_check_says(check, correlation, p, said, warned):
    found = Outcome(check, correlation, correlation, correlation, p)
    assert said in sentence(found)
    assert warns(found) is warned


def test_random_weights_may_turn_the_same_streams_around():
    found = Outcome(RANDOM, 0.0, -0.95, 0.93, 0.01, repeats=2, pattern=0.94)
    assert warns(found)
    assert "in either direction (r = -0.95 to 0.93, 2 draws)" in sentence(found)


@pytest.mark.parametrize("check", CHECKS)
def test_an_empty_field_cannot_be_compared(check):
    found = Outcome(check, *[float("nan")] * 4)
    assert "nothing to compare" in sentence(found)
