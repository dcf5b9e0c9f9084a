"""Cell kinds and options of an attention field: one answer for window and command."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from napari_scfm.errors import ModelError, ScfmError
from napari_scfm.experiments.attention.asked import (
    CLUSTERS,
    UNKNOWN,
    FieldOptions,
    Kinds,
    attend_as,
    cell_kinds,
    field_as,
    of_pair,
    refuse_blind,
)
from napari_scfm.models.attention import Attention
from napari_scfm.models.base import CellModel, ModelInfo

N = 60
RNG = np.random.default_rng(0)
SPOTS = np.repeat([[0.0, 0.0], [9.0, 9.0]], N // 2, axis=0) + RNG.normal(0, 1, (N, 2))


class Placeless(CellModel):
    """Attends by expression or by place, and remembers what it was asked."""

    def __init__(self, places: bool = False) -> None:
        self.info = ModelInfo("placeless", capabilities=frozenset({"attend"}))
        self.places = places
        self.asked: dict[str, object] = {}

    def impute(self, table, genes, **_):
        raise AssertionError("nothing is predicted here")

    def attend(self, table, *, mask=None, progress=None, **how):
        self.asked = how
        x = np.asarray(table.obsm["spatial"])[:, 0] if self.places else table.X[:, 0]
        return Attention.from_matrix(np.exp(-0.01 * np.abs(x[:, None] - x)))


def _table(**columns):
    obs = pd.DataFrame(columns, index=[f"cell{i}" for i in range(N)])
    table = ad.AnnData(np.ones((N, 2), np.float32), obs=obs)
    table.obsm["spatial"] = RNG.uniform(0, 100, (N, 2))
    return table


def _never():
    raise AssertionError("no embedding is needed")


def test_kinds_are_the_cells_own_types_and_cells_without_one_are_a_kind():
    types = pd.Categorical(["T cell", "tumour", None] * (N // 3))
    kinds = cell_kinds(_table(cell_type=types), _never)
    assert kinds.names == ("T cell", "tumour", UNKNOWN)
    assert kinds.source == "cell_type"
    assert list(kinds.labels[:3]) == ["T cell", "tumour", UNKNOWN]


def test_kinds_are_clusters_where_this_fov_has_no_types():
    kinds = cell_kinds(_table(cell_type=[np.nan] * N), lambda: SPOTS)
    assert kinds.source == CLUSTERS
    assert set(kinds.names) == {f"cluster {i}" for i in range(len(kinds.names))}
    first, second = kinds.codes[: N // 2], kinds.codes[N // 2 :]
    assert not set(first) & set(second)
    lost = SPOTS.copy()
    lost[3] = np.nan  # a cell that the model cannot read is a kind of its own
    kinds = cell_kinds(_table(cell_type=[np.nan] * N), lambda: lost)
    assert list(np.flatnonzero(kinds.cells_of(UNKNOWN))) == [3]


def test_kinds_follow_a_column_or_clusters_when_asked():
    table = _table(cell_type=["x"] * N, niche=[1, 2] * (N // 2))
    assert cell_kinds(table, _never, "niche").names == ("1", "2")
    assert cell_kinds(table, lambda: SPOTS, CLUSTERS).source == CLUSTERS
    with pytest.raises(ScfmError, match=r"'nich'.*cell_type, niche"):
        cell_kinds(table, _never, "nich")


def test_neighbours_are_refused_to_a_model_that_ignores_places():
    table = _table()
    near = FieldOptions(neighbours=10)
    with pytest.raises(ModelError, match="does not read coordinates"):
        refuse_blind(Placeless(), table, near)
    refuse_blind(Placeless(places=True), table, near)
    refuse_blind(Placeless(), table, FieldOptions())
    with pytest.raises(ScfmError, match="nearest cells and those within"):
        refuse_blind(Placeless(), table, FieldOptions(neighbours=3, radius=20.0))


def test_the_model_is_asked_for_layer_head_and_weighting():
    model = Placeless()
    options = FieldOptions(layer="rollout", head=2, weighting="values")
    attend_as(model, _table(), options)
    assert model.asked == {"layer": "rollout", "head": 2, "weighting": "values"}
    assert options.about() == model.asked


def test_a_pair_keeps_one_kind_of_receivers_and_one_of_senders():
    kinds = Kinds(np.arange(N) % 2, ("a", "b"), "cell_type")
    whole = Attention.from_matrix(np.ones((N, N)))
    dense = of_pair(whole, kinds, ("a", "b")).dense()
    expected = np.outer(np.arange(N) % 2 == 0, np.arange(N) % 2 == 1)
    np.testing.assert_array_equal(dense > 0, expected)
    with pytest.raises(ScfmError, match=r"'c'.*a, b"):
        of_pair(whole, kinds, ("a", "c"))


def test_a_field_is_of_its_pair_and_direction():
    kinds = Kinds(np.arange(N) % 2, ("a", "b"), "cell_type")
    xy = RNG.uniform(0, 100, (N, 2))
    weights = Attention.from_matrix(RNG.uniform(size=(N, N)))
    options = FieldOptions(direction="sent", pair=("a", "b"), permutations=9)
    field = field_as(weights, xy, kinds, options)
    assert field.direction == "sent"
    drawn = np.abs(field.vectors).sum(axis=1) > 0
    np.testing.assert_array_equal(drawn, kinds.cells_of("b"))
