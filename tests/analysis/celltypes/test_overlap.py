"""ARI and NMI of told and known types, whatever they are called."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scfm.analysis.celltypes.overlap import overlap
from napari_scfm.errors import SpecError


def test_names_do_not_matter_and_unlabelled_cells_do_not_count():
    found = overlap(["a", "a", "b", "b", None, "unknown"], list("xxyyxy"))
    assert (found.ari, found.nmi) == pytest.approx((1.0, 1.0))
    assert (found.n_known, found.n_told, found.n_cells) == (2, 2, 4)


def test_scores_are_those_of_the_formulas():
    # contingency [[2, 1], [0, 3]]: RI by pairs, by hand
    found = overlap(list("aaabbb"), list("xxyyyy"))
    same, known, told, pairs = 1 + 0 + 3, 3 + 3, 1 + 6, 15
    expected = known * told / pairs
    most = (known + told) / 2
    assert found.ari == pytest.approx((same - expected) / (most - expected))
    p = np.array([[2, 1], [0, 3]]) / 6
    rows, columns = p.sum(1), p.sum(0)
    mutual = sum(
        v * np.log(v / (rows[i] * columns[j])) for (i, j), v in np.ndenumerate(p) if v
    )
    entropy = -(rows * np.log(rows)).sum() - (columns * np.log(columns)).sum()
    assert found.nmi == pytest.approx(2 * mutual / entropy)


def test_silence_is_a_class_of_its_own():
    loud = overlap(list("aabb"), ["x", "y", "z", "z"])
    silent = overlap(list("aabb"), ["x", "unknown", "z", "z"])
    assert silent.ari == pytest.approx(loud.ari)
    assert (loud.n_told, silent.n_told) == (3, 2)
    with pytest.raises(SpecError, match="nothing to score against"):
        overlap([None, "unknown"], ["x", "y"])
    with pytest.raises(SpecError, match="2 known labels cannot be compared with 1"):
        overlap(["a", "b"], ["x"])
