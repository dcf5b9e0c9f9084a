from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import sparse

from napari_scfm.analysis.attention.commot import (
    commot_grid,
    commot_stream,
    commot_vectors,
    normalised,
)
from napari_scfm.models.attention import Attention, Block

CASES = [("random400", (1, 5, 400)), ("flow900", (5,)), ("attention300", (5, 300))]


@pytest.fixture
def fixture(shared):
    return lambda name: np.load(shared / "parity" / "stream" / f"{name}.npz")


def _attention(arrays) -> Attention:
    sent = sparse.csr_array(
        (arrays["S_data"], arrays["S_indices"], arrays["S_indptr"]),
        shape=tuple(arrays["S_shape"]),
    )
    return Attention.from_matrix(sparse.csr_array(sent.T))


def _close(got: np.ndarray, want: np.ndarray, tolerance: float = 1e-9) -> None:
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    assert np.nanmax(np.abs(got - want)) <= tolerance * np.nanmax(np.abs(want))


@pytest.mark.parametrize(("name", "ks"), CASES)
def test_vectors_equal_commots(fixture, name, ks):
    arrays = fixture(name)
    attention, xy = _attention(arrays), arrays["positions"]
    for k in ks:
        _close(commot_vectors(attention, xy, "sent", k), arrays[f"sender_k{k}"])
        _close(commot_vectors(attention, xy, "received", k), arrays[f"receiver_k{k}"])


def test_factorised_attention_gives_the_same_vectors(fixture):
    arrays = fixture("attention300")
    a, c, q, k = (arrays[name] for name in ("a", "c", "phiQ", "phiK"))
    query = np.hstack([a[h][:, None] * q[h] / len(a) for h in range(len(a))])
    key = np.hstack([c[h][:, None] * k[h] for h in range(len(a))])
    attention = Attention([Block(np.arange(300), query=query, key=key)], 300)
    xy = arrays["positions"]
    _close(commot_vectors(attention, xy, "received", 5), arrays["receiver_k5"])
    _close(commot_vectors(attention, xy, "sent", 300), arrays["sender_k300"])


@pytest.mark.parametrize("name", [case[0] for case in CASES])
def test_every_recorded_plot_has_the_same_arrays(fixture, name):
    arrays = fixture(name)
    checked = 0
    for plot in json.loads(str(arrays["meta_json"])):
        if plot["plot_method"] == "cell":
            continue
        tag, params = plot["tag"], dict(plot["params"])
        vectors = arrays[f"{plot['summary']}_k{plot['k']}"]
        if params.pop("normalize_v", False):
            vectors = normalised(vectors, params.pop("normalize_v_quantile"))
        gridding = {
            key: params.pop(key)
            for key in ("grid_density", "grid_knn", "grid_scale")
            if key in params
        }
        grid = commot_grid(arrays["positions"], vectors, **gridding)
        if plot["plot_method"] == "grid":
            kept = grid.kept(**params)
            _close(grid.points[kept, 0], arrays[f"{tag}_qx"])
            _close(grid.vectors[kept, 0], arrays[f"{tag}_qu"])
            _close(grid.vectors[kept, 1], arrays[f"{tag}_qv"])
        else:
            stream = commot_stream(grid, **params)
            _close(stream.x, arrays[f"{tag}_x"])
            _close(stream.y, arrays[f"{tag}_y"])
            _close(stream.u, arrays[f"{tag}_U"])
            _close(stream.v, arrays[f"{tag}_V"])
            _close(stream.linewidth, arrays[f"{tag}_linewidth"])
        checked += 1
    assert checked >= 4
