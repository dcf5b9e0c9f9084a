"""A stream is computed once; every other look of it leaves model and chance alone."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scfm.analysis.streams.streamlines import StreamLook
from napari_scfm.errors import ScfmError
from napari_scfm.experiments.attention.asked import CLUSTERS, FieldOptions
from napari_scfm.models.hub import load_model
from napari_scfm.slides.read import read_slide
from napari_scfm.slides.samples import sample_path
from napari_scfm.viewer.attention import compute
from napari_scfm.viewer.attention.compute import (
    attention_stream,
    checked_stream,
    paired,
    relooked,
    turned,
)
from napari_scfm.viewer.attention.reach import reach_sentence
from napari_scfm.viewer.tasks import Work
from napari_scfm.widgets.attention.words import chance_of, said, verdict

FEW = 19


@pytest.fixture(scope="module")
def work():
    slide = read_slide(sample_path("cosmx"))
    model = load_model("cellplm-mini", "cpu")
    return Work(slide, slide.fov("F001"), model, "cellplm-mini", "cpu", None)


@pytest.fixture(scope="module")
def near(work):
    """Return streams among near cells."""
    return attention_stream(work, FieldOptions(neighbours=20, permutations=FEW))


@pytest.fixture
def asleep(monkeypatch, work):
    """Let nobody ask the model, or shuffle anything."""

    def asked(*_, **__):
        raise AssertionError("a look must not compute anything anew")

    for name in ("attend", "embed"):
        monkeypatch.setattr(type(work.model), name, asked)
    monkeypatch.setattr(compute, "field_as", asked)


def test_both_directions_are_there_and_the_reports_are_in_order(work):
    told = []
    asked = FieldOptions(permutations=FEW, strata=CLUSTERS, direction="sent")
    made = attention_stream(work, asked, lambda progress: told.append(progress))
    assert made.field is made.fields["sent"]
    assert {name: one.direction for name, one in made.fields.items()} == {
        "received": "received",
        "sent": "sent",
    }
    assert made.kinds[0] == "cluster 0"
    assert made.about["strata"] == CLUSTERS
    assert "clusters of the model's embedding" in chance_of(made)
    assert len(made.codes) == work.fov.table.n_obs
    assert made.palette.shape == (len(made.kinds), 4)
    ours = [one for one in told if one.total == 5]
    assert [one.done for one in ours] == sorted(one.done for one in ours)


def test_a_look_changes_lines_and_nothing_else(near, asleep):
    dense = relooked(near, StreamLook(density=2))
    assert len(dense.lines) > len(near.lines)
    assert dense.field is near.field
    cut = relooked(dense, StreamLook(density=2, cutoff=0.6))
    assert sum(map(len, cut.lines)) < sum(map(len, dense.lines))
    raw = relooked(near, StreamLook(raw=True))
    assert not np.concatenate(raw.beats).any()
    back = relooked(raw, StreamLook())
    for one, two in zip(back.lines, near.lines, strict=True):
        np.testing.assert_array_equal(one, two)


def test_smoothing_is_tested_anew_and_kept_when_turned(near, asleep):
    wide = 3 * near.field.smoothing_um
    smooth = relooked(near, StreamLook(smoothing_um=wide))
    assert smooth.field.smoothing_um == pytest.approx(wide)
    assert 1 / (1 + FEW) <= smooth.field.p_value <= 1
    again = relooked(smooth, StreamLook(smoothing_um=wide, density=0.5))
    assert again.field is smooth.field
    sent = turned(smooth, "sent")
    assert sent.field.direction == "sent"
    assert sent.field.smoothing_um == pytest.approx(wide)
    free = relooked(sent, StreamLook())
    assert free.field is near.fields["sent"]


def test_a_pair_is_tested_alone_and_all_kinds_come_back(near):
    table = near.table
    assert len(table) == len(near.kinds) ** 2
    receiver, sender = near.kinds[7], near.kinds[1]
    pair = paired(near, (receiver, sender))
    here = near.codes == near.kinds.index(receiver)
    assert not pair.field.vectors[~here].any()
    assert pair.pair == (receiver, sender)
    assert set(np.concatenate(pair.sender)) == {near.kinds.index(sender)}
    free = paired(turned(pair, "sent"), None)
    assert free.field is near.fields["sent"]
    assert free.pair is None
    with pytest.raises(ScfmError, match="No cell here is of kind 'nobody'"):
        paired(near, ("nobody", sender))


def test_a_pair_without_partners_says_so(near, work):
    apart = paired(near, (near.kinds[3], near.kinds[7]))
    assert "no stream to draw" in verdict(apart)
    made = attention_stream(work, FieldOptions(permutations=FEW))
    lonely = made.codes.copy()
    names = (*made.kinds, "one cell")
    lonely[5] = len(made.kinds)
    made.codes, made.kinds, made.senders = lonely, names, {}
    alone = paired(made, ("one cell", "one cell"))
    assert alone.lines == []
    assert "no stream to draw" in verdict(alone)
    assert "no stream to draw" in said(alone)


def test_streams_by_sender_name_kinds_that_are_there(near):
    by = relooked(near, StreamLook(colour="sender"))
    who = np.concatenate(by.sender)
    assert who.max() < len(near.kinds)
    own = turned(by, "sent")
    point, kind = own.lines[0][0], own.sender[0][0]
    far = np.linalg.norm(near.xy - point, axis=1)
    around = near.codes[far < 40]
    assert kind in around


def test_checks_are_of_what_is_on_show(near, work):
    smooth = relooked(turned(near, "sent"), StreamLook(smoothing_um=40.0))
    found = checked_stream(work, smooth, ["uniform attention", "coordinates"])
    assert list(found["check"]) == ["uniform attention", "coordinates"]
    assert found["sentence"].str.len().min() > 20


def test_partners_are_counted_before_anything_is_drawn():
    x, y = np.meshgrid(np.arange(5.0), np.arange(5.0))
    xy = np.stack([x.ravel(), y.ravel()], axis=1)
    assert reach_sentence(xy) == "All 24 other cells are partners of each cell."
    assert reach_sentence(xy, neighbours=100).startswith("24 partners per cell")
    said_ = reach_sentence(xy, radius=1)
    assert said_ == "3 partners per cell (median; 2 to 4)."
    assert "25 cells have none" in reach_sentence(xy, radius=0.5)
    assert reach_sentence(xy[:1]) == "There is nobody to attend to."
