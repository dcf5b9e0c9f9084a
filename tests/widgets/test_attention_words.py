"""The verdict under the streams: what was tested, against what, and how much it is."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from napari_scfm.widgets.attention.words import NOTHING, p_words, verdict


def stream(p: float, *, rest: float = 0.2, null: str = "strata", beats=None, **more):
    """Return as much of a stream as its verdict reads."""
    grid = np.zeros((2, 5))
    field = SimpleNamespace(
        p_value=p,
        permutations=99,
        significant=p <= 0.05,
        shares=(0.5, 0.5 - rest, rest),
        null=null,
        grid_u=grid,
        beats_chance=np.ones_like(grid, bool) if beats is None else beats,
    )
    values = {"field": field, "lines": [grid], "about": {"strata": "cell_type"}}
    return SimpleNamespace(**(values | more))


def test_p_says_what_it_is_made_of():
    assert p_words(0.01, 99) == "p = 0.01 = (1 + 0) / (1 + 99)"
    assert p_words(3 / 20, 19) == "p = 0.15 = (1 + 2) / (1 + 19)"


@pytest.mark.parametrize(
    ("null", "chance", "caution"),
    [
        ("strata", "keys exchanged within cell types", "Gradients inside cell types"),
        ("rings", "weights shuffled within rings", "beaten too easily"),
        ("keys", "keys exchanged within cell types", ""),
        ("shift", "the map of keys shifted", ""),
    ],
)
def test_each_chance_is_named_with_what_else_beats_it(null, chance, caution):
    said = verdict(stream(0.01, null=null))
    assert said.startswith("The rest beats chance (p = 0.01")
    assert chance in said
    if caution:
        assert caution in said
    else:
        assert said.endswith(".")
        assert "beaten too easily" not in said
        assert "Gradients" not in said


def test_a_small_rest_and_grey_parts_are_said():
    some = np.array([[1, 0, 0, 0, 0], [1, 0, 0, 0, 0]], bool)
    said = verdict(stream(0.01, rest=1e-5, beats=some))
    assert "less than 0.1% of the arrows' energy" in said
    assert "20% of the tissue" in said
    none = verdict(stream(0.01, beats=np.zeros((2, 5), bool)))
    assert "No place does by itself" in none


def test_what_does_not_beat_chance_is_grey_and_nothing_is_nothing():
    assert "drawn grey" in verdict(stream(0.3, beats=np.zeros((2, 5), bool)))
    some = np.array([[1, 1, 1, 0, 0], [0, 0, 0, 0, 0]], bool)
    mixed = verdict(stream(0.3, beats=some))
    assert "as a whole; place by place 30% of the tissue does" in mixed
    assert "not tested" in verdict(stream(float("nan")))
    assert verdict(stream(0.01, lines=[])) == NOTHING
