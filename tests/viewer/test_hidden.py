"""Kinds in the slide's colours, and hidden classes that go with their grouping."""

from __future__ import annotations

from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd

from napari_scfm.analysis.groups.grouping import Grouping
from napari_scfm.viewer import hidden
from napari_scfm.viewer.kinds import read_kinds
from napari_scfm.viewer.session import Session


def test_colours_of_the_file_stay_with_their_kinds():
    types = ["b", "a", "c", "a"]
    obs = pd.DataFrame({"kind": pd.Categorical(types, ["c", "none", "b", "a"])})
    obs.index = obs.index.astype(str)
    table = ad.AnnData(obs=obs[:2].copy())
    table.uns["kind_colors"] = ["#ff0000", "#ffffff", "#00ff00", "#0000ff"]
    kinds = read_kinds(SimpleNamespace(obs=obs), table, "kind")
    assert kinds.names == ("c", "b", "a")  # of which there are cells
    np.testing.assert_array_equal(
        kinds.colours[:, :3], [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    )
    assert kinds.sizes == (1, 1, 2)
    np.testing.assert_array_equal(kinds.codes(table), [1, 2])
    palette = kinds.palette(("a", "c"))
    np.testing.assert_array_equal(palette[:, :3], [[0, 0, 1], [1, 0, 0]])
    assert read_kinds(SimpleNamespace(obs=obs), table, "other") is None


def test_hidden_classes_keep_up_with_what_is_done_to_the_grouping():
    session = Session()
    first = Grouping.of("k", [0, 1, 2, 0], ["A", "B", "C"], about="Leiden.")
    session.grouping = first
    hidden.follow(session)
    session.update({"hidden_classes": frozenset("AB"), "hidden_of": hidden.CLUSTERS})
    session.grouping = first.rename("A", "tumour")
    hidden.follow(session)
    assert session.hidden_classes == {"tumour", "B"}
    session.grouping = session.grouping.merge(["B", "C"], "rest")
    hidden.follow(session)
    assert session.hidden_classes == {"tumour"}
    session.grouping = Grouping.of("k", [0, 0, 1, 0], ["tumour", "x"], about="Anew.")
    hidden.follow(session)
    assert not session.hidden_classes
    assert not session.hidden_of
