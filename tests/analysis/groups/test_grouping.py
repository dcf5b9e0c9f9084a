"""Whatever is done to them, classes partition the cells and keep their colours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from napari_scfm.analysis.groups.composition import composition
from napari_scfm.analysis.groups.grouping import Grouping
from napari_scfm.analysis.groups.history import DEPTH, GroupingHistory
from napari_scfm.errors import ScfmError

WORDS = st.sampled_from(["T cells", "B cells", "0", "1", "2.1", "stroma"])


def names_of(made: Grouping) -> list[str]:
    """Return the name of each cell's class, "" of cells in none."""
    return [made.names[code] if code >= 0 else "" for code in made.labels]


def colours_of(made: Grouping) -> dict[str, tuple[float, ...]]:
    """Return the colour of each class."""
    colours = map(tuple, made.colours.tolist())
    return dict(zip(made.names, colours, strict=True))


class Acts(RuleBasedStateMachine):
    """A person at the legend, who merges, splits, renames, corrects and undoes."""

    @initialize(labels=st.lists(st.integers(-1, 5), min_size=1, max_size=25))
    def begin(self, labels):
        self.history = GroupingHistory(Grouping.of("cluster", labels))
        self.done = [self.history.current]

    @property
    def now(self):
        return self.history.current

    def push(self, made):
        before, at = self.now, self.history.at
        self.history.push(made, "did")
        if made != before:
            self.done = [*self.done[: at + 1], made]

    def others_stay(self, made, touched):
        """Check cells and colours of the classes that the act did not name."""
        old, new = colours_of(self.now), colours_of(made)
        for was, name in zip(names_of(self.now), names_of(made), strict=True):
            assert was in touched or was == name
        for name in set(old) & set(new) - set(touched):
            assert old[name] == new[name]

    @precondition(lambda self: self.now.names)
    @rule(data=st.data(), into=st.none() | WORDS)
    def merge(self, data, into):
        some = data.draw(st.lists(st.sampled_from(self.now.names), min_size=1))
        target = {into} & set(self.now.names)
        sizes = dict(zip(self.now.names, self.now.sizes, strict=True))
        made = self.now.merge(some, into or "")
        self.others_stay(made, {*some, *target})
        for was, name in zip(names_of(self.now), names_of(made), strict=True):
            if was in some:
                assert name in ((into,) if into else some)
                one = name
        head = one if one in target else max(sizes[name] for name in some)
        heads = [n for n in some if sizes[n] == head] if one not in target else [one]
        assert colours_of(made)[one] in [colours_of(self.now)[n] for n in heads]
        self.push(made)

    @precondition(lambda self: self.now.names)
    @rule(data=st.data())
    def split(self, data):
        name = data.draw(st.sampled_from(self.now.names))
        rows = self.now.rows(name)
        part = st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows))
        parts = np.array(data.draw(part))
        made = self.now.split(name, parts)
        self.others_stay(made, {name})
        if len(set(parts)) == 1:
            assert made == self.now
            return
        after = np.array(names_of(made))[rows]
        assert len(set(after)) == len(set(parts))
        for value in set(parts):
            assert len(set(after[parts == value])) == 1
        kept = [
            n for n in set(after) if colours_of(made)[n] == colours_of(self.now)[name]
        ]
        assert len(kept) == 1
        assert (after == kept[0]).sum() == max(np.bincount(parts))
        self.push(made)

    @precondition(lambda self: self.now.names)
    @rule(data=st.data(), new=WORDS)
    def rename(self, data, new):
        old = data.draw(st.sampled_from(self.now.names))
        if new != old and new in self.now.names:
            with pytest.raises(ScfmError, match=r"Merge the two"):
                self.now.rename(old, new)
            return
        made = self.now.rename(old, new)
        assert colours_of(made)[new] == colours_of(self.now)[old]
        np.testing.assert_array_equal(made.labels, self.now.labels)
        self.push(made)

    @rule(data=st.data(), name=WORDS)
    def assign(self, data, name):
        n = len(self.now.labels)
        rows = data.draw(st.lists(st.integers(0, n - 1), unique=True))
        made = self.now.assign(rows, name)
        was, now = names_of(self.now), names_of(made)
        assert all(now[i] == (name if i in rows else was[i]) for i in range(n))
        for one in set(made.names) & set(self.now.names):
            assert colours_of(made)[one] == colours_of(self.now)[one]
        self.push(made)

    @rule()
    def undo(self):
        at = self.history.at
        assert self.history.undo() is self.done[max(at - 1, 0)]

    @rule()
    def redo(self):
        at = self.history.at
        assert self.history.redo() is self.done[min(at + 1, len(self.done) - 1)]

    @invariant()
    def classes_partition_the_cells(self):
        if not hasattr(self, "history"):
            return
        made = self.now
        assert len(made.labels) == len(self.done[0].labels)
        assert (made.sizes > 0).all()
        assert made.sizes.sum() == (made.labels >= 0).sum()
        assert len(set(made.names)) == len(made.names)

    @invariant()
    def no_two_classes_look_alike(self):
        if hasattr(self, "history"):
            colours = list(colours_of(self.now).values())
            assert len(set(colours)) == len(colours)


TestActs = Acts.TestCase
TestActs.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)


@given(
    st.lists(st.integers(-1, 4), min_size=1, max_size=30),
    st.lists(st.integers(0, 2), min_size=30, max_size=30),
)
def test_composition_counts_every_cell_of_a_class_once(labels, fovs):
    made = Grouping.of("cluster", labels)
    table = composition(made, [f"F{fov}" for fov in fovs[: len(labels)]])
    assert list(table.columns) == list(made.names)
    assert list(table.sum()) == list(made.sizes)
    for fov, row in table.iterrows():
        inside = np.array([f"F{value}" == fov for value in fovs[: len(labels)]])
        assert row.sum() == (made.labels[inside] >= 0).sum()


def test_history_forgets_the_oldest_and_says_what_it_undoes():
    history = GroupingHistory(Grouping.of("cluster", [0, 1]))
    assert not history.can_undo
    assert not history.undoes
    for i in range(DEPTH + 5):
        history.push(
            history.current.rename(history.current.names[0], f"name {i}"), str(i)
        )
    assert len(history.steps) == DEPTH
    assert history.undoes == str(DEPTH + 4)
    history.undo()
    assert history.redoes == str(DEPTH + 4)
    history.push(history.current.rename("1", "else"), "else")
    assert not history.can_redo


def test_an_act_that_changes_nothing_is_no_step():
    history = GroupingHistory(Grouping.of("cluster", [0, 1]))
    history.push(history.current.rename("0", "0"), "nothing")
    assert not history.can_undo


def test_subclusters_of_a_class_take_its_place_and_of_a_selection_stand_behind():
    rng = np.random.default_rng(0)
    centres = np.repeat([[0, 0], [9, 0], [0, 9]], [60, 40, 50], axis=0)
    points = centres + rng.normal(size=(150, 2)) / 4
    made = Grouping.of("cluster", np.repeat([0, 1], [100, 50]), ["stroma", "tumour"])
    whole = made.subcluster(made.labels == 0, points, 0.1)
    assert whole.names == ("stroma.1", "stroma.2", "tumour")
    assert list(whole.sizes) == [60, 40, 50]
    assert colours_of(whole)["stroma.1"] == colours_of(made)["stroma"]
    some = made.subcluster(np.arange(30, 130), points, 0.1)
    assert some.names == ("stroma", "tumour", "part.1", "part.2", "part.3")
    assert list(some.sizes) == [30, 20, 40, 30, 30]
    assert colours_of(some)["stroma"] == colours_of(made)["stroma"]
    assert made.subcluster(np.arange(20), points, 0.1) == made


def test_colours_follow_the_cells_when_the_number_of_clusters_changes():
    coarse = Grouping.of("cluster", np.repeat([0, 1], [70, 30]))
    # numbered by size, the second is the first now
    fine = Grouping.of("cluster", np.repeat([1, 2, 0], [40, 30, 30])).coloured_as(
        coarse
    )
    assert colours_of(fine)["0"] == colours_of(coarse)["1"]
    assert colours_of(fine)["1"] == colours_of(coarse)["0"]
    assert colours_of(fine)["2"] not in colours_of(coarse).values()


def test_a_class_has_its_colour_in_every_fov():
    made = Grouping.of("cluster", [0, 1, 2, 0, -1])
    assert made.rgba.shape == (5, 4)
    np.testing.assert_array_equal(made.rgba[0], made.rgba[3])
    assert made.rgba[4, 3] == 0
    assert (made.rgba[:4, 3] == 1).all()


def test_more_classes_than_colours_repeat_them():
    made = Grouping.of("cluster", np.arange(300))
    assert len(set(colours_of(made).values())) == 256
    assert made.assign([0], "new").names[-1] == "new"


def test_confidence_goes_with_the_cells_until_a_hand_moves_them():
    sure = np.array([0.9, 0.8, 0.7, 0.6], dtype=np.float32)
    made = replace(Grouping.of("k", [0, 1, 1, 2], list("abc")), confidence=sure)
    other = made.rename("a", "x").merge(["b", "c"])
    np.testing.assert_array_equal(other.confidence, sure)
    moved = other.assign([1], "x")
    np.testing.assert_allclose(moved.confidence, [0.9, np.nan, 0.7, 0.6])
    assert moved != replace(moved, confidence=None)
    assert moved == replace(moved)
    with pytest.raises(ScfmError, match="2 confidences of 4 cells"):
        replace(made, confidence=sure[:2])


def test_faults_are_named_together():
    with pytest.raises(ScfmError) as found:
        Grouping.of("a/b", [0, 3], ["same", "same", ""])
    for words in ("'a/b'", "two classes are named same", "no name", "from 0 to 3"):
        assert words in str(found.value)
    made = Grouping.of("cluster", [0, 1])
    with pytest.raises(ScfmError, match=r"no class 7 in cluster.*0, 1"):
        made.rows("7")
    with pytest.raises(ScfmError, match="No class was named"):
        made.merge([])
    with pytest.raises(ScfmError, match="1 cell, but there are 2"):
        made.split("0", [0, 1])
    with pytest.raises(ScfmError, match="rows 0 to 9"):
        made.assign([0, 9], "x")
    with pytest.raises(ScfmError, match="3 cells, the slide 2"):
        made.assign(np.ones(3, dtype=bool), "x")
    with pytest.raises(ScfmError, match="FOVs of 1"):
        composition(made, ["F1"])
