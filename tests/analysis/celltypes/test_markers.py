"""Marker lists are read, found in the panel, and score the planted types."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import sparse

import napari_scfm as scfm
from napari_scfm.analysis.celltypes.marker_lists import marker_columns, read_markers
from napari_scfm.analysis.celltypes.marker_scores import (
    marker_confidence,
    marker_scores,
)
from napari_scfm.errors import SpecError
from napari_scfm.masks.mask import Mask


def test_csv_and_json_say_the_same(tmp_path):
    lists = {"B cell": ["MS4A1", "CD79A"], "T cell": ["CD3E"]}
    (tmp_path / "m.json").write_text(json.dumps(lists))
    (tmp_path / "m.csv").write_text(
        "type,gene,source\nB cell,MS4A1,x\nB cell,CD79A,\nT cell, CD3E,y\n"
        "B cell,MS4A1,z\n"
    )
    assert read_markers(tmp_path / "m.json") == lists
    assert read_markers(tmp_path / "m.csv") == lists


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("m.csv", "cluster,marker\n0,EPCAM\n", "not type and gene"),
        ("m.json", '["EPCAM"]', "not an object of lists"),
        ("m.json", "{", "no JSON"),
        ("m.csv", "type,gene\n", "names no marker"),
        ("absent.csv", None, "cannot be read"),
    ],
)
def test_other_files_are_refused_with_the_form(tmp_path, name, text, said):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(SpecError, match=said) as refused:
        read_markers(tmp_path / name)
    assert "columns type and gene" in str(refused.value)


def test_genes_are_found_by_identity_and_missing_ones_are_told():
    slide = scfm.read_slide(scfm_sample())
    table = slide.fov("F004").table
    found = marker_columns(
        table.var,
        # an Ensembl id, a symbol, one that is not there, and a type without any
        {"epithelial": ["ENSG00000119888", "KRT8"], "T": ["CD3E", "NOPE"], "x": ["Q"]},
    )
    genes = {k: list(table.var_names[v]) for k, v in found.columns.items()}
    assert {k: sorted(v) for k, v in genes.items()} == {
        "epithelial": ["EPCAM", "KRT8"],
        "T": ["CD3E"],
    }
    assert any("not in the panel: NOPE, Q" in note for note in found.notes)
    assert any("left out: x" in note for note in found.notes)


def scfm_sample():
    from napari_scfm.slides.samples import sample_path

    return sample_path("cosmx")


def test_types_with_the_same_markers_are_told(cells):
    found = marker_columns(
        cells.var, {"a": ["g00"], "b": ["g00", "zz"], "c": ["g10", "g11"]}
    )
    assert any("cannot be told apart: a, b" in note for note in found.notes)
    with pytest.raises(SpecError, match="markers of 1 type of 2"):
        marker_columns(cells.var, {"a": ["g00"], "b": ["zz"]})


def test_planted_types_are_told(cells, markers):
    told = scfm.annotate(cells, by="markers", markers=markers)
    assert told.agreement(cells.obs["cell_type"]).scores["accuracy"] > 0.95
    assert told.about["genes"]["alpha"] == ["g00", "g01", "g02", "g03"]


def test_scores_are_the_mean_z_less_that_of_the_controls(cells):
    # one control gene per marker, and only one gene is left to be it
    counts = cells.X.toarray()[:, [0, 10, 20]]
    depth = counts.sum(1, keepdims=True)
    factor = np.median(depth[depth > 0]) / np.where(depth > 0, depth, 1)
    logs = np.log1p(counts * factor)
    z = (logs - logs.mean(0)) / (logs.std(0) + 0.05)
    found = marker_scores(
        sparse.csr_matrix(counts), {"a": np.array([0, 1]), "b": np.array([2])}, 1
    )
    full = depth.ravel() > 0
    expected = (z[:, :2].mean(1) - z[:, 2]) * np.sqrt(2)
    np.testing.assert_allclose(found[full, 0], expected[full], atol=2e-5)


def test_hidden_markers_do_not_speak(cells, markers):
    rng = np.random.default_rng(0)
    hidden = rng.random(cells.shape) < 0.3
    hidden[:5, :4] = True  # every marker of alpha
    hidden[7] = True
    mask = Mask(hidden, cells.obs_names, cells.var_names)
    told = scfm.annotate(cells, by="markers", markers=markers, mask=mask)
    changed = cells.copy()
    dense = cells.X.toarray()
    dense[hidden] += 9
    changed.X = sparse.csr_matrix(dense)
    again = scfm.annotate(changed, by="markers", markers=markers, mask=mask)
    np.testing.assert_array_equal(told.scores, again.scores)
    assert np.isnan(told.scores[:5, 0]).all()
    assert (told.shares[:5, 0] == 0).all()
    assert "alpha" not in set(told.labels[:5])
    assert told.labels[7] == "unknown"
    assert told.agreement(cells.obs["cell_type"]).scores["accuracy_told"] > 0.85


def test_a_mask_that_hides_nothing_changes_nothing(cells, markers):
    columns = marker_columns(cells.var, markers).columns
    nothing = sparse.csr_array(cells.shape, dtype=bool)
    np.testing.assert_allclose(
        marker_scores(cells.X, columns, hidden=nothing),
        marker_scores(cells.X, columns),
        atol=1e-5,
    )


def test_depth_alone_says_nothing(cells, markers):
    columns = marker_columns(cells.var, markers).columns
    deeper = cells.X.toarray() * np.where(np.arange(cells.n_obs) % 2, 1, 5)[:, None]
    one, other = marker_scores(deeper, columns), marker_scores(cells.X, columns)
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.99
    shift = (one - other)[::2].mean()  # of the cells that are deeper
    assert abs(shift) < 0.05


def test_a_cell_that_expresses_no_marker_is_unsure(cells, markers):
    cells.X = cells.X.toarray()
    cells.X[0] = 0
    cells.X[1] = 1
    told = scfm.annotate(cells, by="markers", markers=markers, threshold=0.5)
    assert list(told.labels[:2]) == ["unknown", "unknown"]
    assert told.confidence[0] == pytest.approx(0.25)
    assert (told.confidence[2:] > 0.6).mean() > 0.9


def test_confidence_shares_with_none_of_them():
    scores = np.array([[0, 0], [2, 0], [-50, -60], [800, 0]], dtype=np.float32)
    found = marker_confidence(scores)
    np.testing.assert_allclose(found[0], [1 / 3, 1 / 3], atol=1e-6)
    e = np.exp(2.0)
    np.testing.assert_allclose(found[1], [e / (e + 2), 1 / (e + 2)], atol=1e-6)
    assert found[2].max() < 1e-12
    np.testing.assert_allclose(found[3], [1, 0], atol=1e-6)
