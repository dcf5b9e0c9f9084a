"""Groupings in a table: what scverse reads, and back."""

from __future__ import annotations

from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_scfm.analysis.groups.grouping import Grouping
from napari_scfm.errors import ScfmError


def table_of(n: int, **columns: object) -> ad.AnnData:
    """Return a table of n cells with some columns."""
    obs = pd.DataFrame(columns, index=[f"cell {i}" for i in range(n)])
    return ad.AnnData(np.ones((n, 2), np.float32), obs)


@given(
    st.lists(st.integers(-1, 9), min_size=1, max_size=30),
    st.lists(st.text("abc 1.-", min_size=1), min_size=10, max_size=10, unique=True),
)
def test_a_grouping_comes_back_as_it_was(labels, names):
    names = [f"{name}|" for name in names]
    made = Grouping.of("kind", labels, names, about="By hand.")
    table = table_of(len(labels))
    made.to_obs(table)
    back = Grouping.from_obs(table, "kind")
    assert back == made
    assert back.about == "By hand."


def test_a_file_comes_back_as_it_was(tmp_path):
    made = Grouping.of("kind", [2, 0, -1, 0], ["b", "none", "a"], about="By hand.")
    table = table_of(4)
    made.to_obs(table)
    table.write_h5ad(tmp_path / "table.h5ad")
    found = ad.read_h5ad(tmp_path / "table.h5ad")
    assert Grouping.from_obs(found, "kind") == made
    assert list(found.obs["kind"].cat.categories) == ["b", "a"]
    assert list(found.uns["kind_colors"]) == ["#e69f00", "#009e73"]


def test_confidence_is_a_column_beside(tmp_path):
    sure = np.array([0.5, np.nan, 1], dtype=np.float32)
    made = replace(Grouping.of("kind", [0, 1, 1], list("ab")), confidence=sure)
    table = ad.AnnData(np.zeros((3, 1), np.float32))
    made.to_obs(table)
    table.write_h5ad(tmp_path / "t.h5ad")
    back = ad.read_h5ad(tmp_path / "t.h5ad")
    np.testing.assert_array_equal(back.obs["kind_confidence"], sure)
    assert Grouping.from_obs(back, "kind") == made


def test_colours_of_others_are_kept_and_missing_ones_filled():
    table = table_of(4, kind=pd.Categorical(["a", "b", "c", "d"]))
    table.uns["kind_colors"] = ["#E69F00", "red", "no colour"]
    made = Grouping.from_obs(table, "kind")
    expected = [[0xE6 / 255, 0x9F / 255, 0, 1], [1, 0, 0, 1]]
    np.testing.assert_allclose(made.colours[:2], expected, atol=1e-6)
    assert len(np.unique(made.colours, axis=0)) == 4


def test_words_numbers_and_missing_values_make_classes():
    table = table_of(
        3, word=["x", "y", None], number=[2, 1, 2], flag=[True, False, True]
    )
    assert Grouping.from_obs(table, "word").labels.tolist() == [0, 1, -1]
    assert Grouping.from_obs(table, "number").names == ("1", "2")
    assert Grouping.from_obs(table, "flag").names == ("False", "True")


def test_what_is_no_grouping_is_refused():
    table = table_of(3, area=[1.5, 2.0, 3.0])
    with pytest.raises(ScfmError, match="numbers with decimals"):
        Grouping.from_obs(table, "area")
    with pytest.raises(ScfmError, match=r"no column 'kind'.*area"):
        Grouping.from_obs(table, "kind")
    with pytest.raises(ScfmError, match="2 cells, the table 3"):
        Grouping.of("kind", [0, 1]).to_obs(table)
