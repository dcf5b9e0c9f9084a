"""Every recorded array of the stream fixtures is compared, and none is left out."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import sparse

from napari_scfm.analysis.attention.commot import (
    commot_arrows,
    commot_grid,
    commot_stream,
    commot_vectors,
    normalised,
)
from napari_scfm.analysis.attention.null import closed_form, stratify
from napari_scfm.analysis.streams.streamlines import trace
from napari_scfm.models.attention import Attention, Block

PLOTS = {"random400": (1, 5, 400), "flow900": (5,), "attention300": (5, 300)}
INPUT = {
    "S_data", "S_indices", "S_indptr", "S_shape", "positions", "meta_json",
    "a", "c", "phiQ", "phiK", "W", "strata",
}  # fmt: skip


class Recorded:
    """The arrays of a fixture, and which of them were compared."""

    def __init__(self, path) -> None:
        self.arrays = dict(np.load(path))
        self.open = set(self.arrays) - INPUT

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def compare(self, name: str, got, tolerance: float = 1e-9) -> None:
        want = self.arrays[name]
        np.testing.assert_array_equal(np.isnan(got), np.isnan(want), name)
        error = np.nanmax(np.abs(np.asarray(got, float) - want))
        assert error <= tolerance * np.nanmax(np.abs(want)), name
        self.open.discard(name)


@pytest.fixture
def recorded(shared):
    return lambda name: Recorded(shared / "parity" / "stream" / f"{name}.npz")


def _attention(arrays: Recorded) -> Attention:
    """A from factors where there are any, else COMMOT's S turned round."""
    if "phiQ" not in arrays.arrays:
        rows = (arrays["S_data"], arrays["S_indices"], arrays["S_indptr"])
        sent = sparse.csr_array(rows, shape=tuple(arrays["S_shape"]))
        return Attention.from_matrix(sparse.csr_array(sent.T))
    a, c, q, k = (arrays[name] for name in ("a", "c", "phiQ", "phiK"))
    heads = range(len(a))
    query = np.hstack([a[h][:, None] * q[h] / len(a) for h in heads])
    key = np.hstack([c[h][:, None] * k[h] for h in heads])
    return Attention([Block(np.arange(len(query)), query=query, key=key)], len(query))


def _compare_plot(arrays: Recorded, plot: dict) -> None:
    tag, params, xy = plot["tag"], dict(plot["params"]), arrays["positions"]
    vectors = arrays[f"{plot['summary']}_k{plot['k']}"]
    if plot["plot_method"] == "cell":
        direction = "sent" if plot["summary"] == "sender" else "received"
        tails, steps = commot_arrows(xy, vectors, direction)
        drawn = vectors.sum(axis=1) != 0
        for axis, name in enumerate("xy"):
            arrays.compare(f"{tag}_q{name}", tails[:, axis])
            arrays.compare(
                f"{tag}_q{'uv'[axis]}", np.where(drawn, steps[:, axis], np.nan)
            )
        return
    if params.pop("normalize_v", False):
        vectors = normalised(vectors, params.pop("normalize_v_quantile"))
    knobs = {"grid_density", "grid_knn", "grid_scale"} & set(params)
    grid = commot_grid(xy, vectors, **{name: params.pop(name) for name in knobs})
    if plot["plot_method"] == "grid":
        kept = grid.kept(**params)
        for axis, name in enumerate("xy"):
            arrays.compare(f"{tag}_q{name}", grid.points[kept, axis])
            arrays.compare(f"{tag}_q{'uv'[axis]}", grid.vectors[kept, axis])
        return
    stream = commot_stream(grid, **params)
    arrays.compare(f"{tag}_mask", np.isnan(stream.u))
    for name in ("x", "y", "U", "V", "linewidth"):
        arrays.compare(f"{tag}_{name}", getattr(stream, name.lower()))


@pytest.mark.parametrize("name", PLOTS)
def test_everything_that_commot_draws(recorded, name):
    arrays = recorded(name)
    attention, xy = _attention(arrays), arrays["positions"]
    for k in PLOTS[name]:
        arrays.compare(f"sender_k{k}", commot_vectors(attention, xy, "sent", k))
        arrays.compare(f"receiver_k{k}", commot_vectors(attention, xy, "received", k))
    for plot in json.loads(str(arrays["meta_json"])):
        _compare_plot(arrays, plot)
    if name == "attention300":
        rows, columns = attention.row_sums(), attention.transposed().row_sums()
        arrays.compare("A", attention.dense())
        arrays.compare("own_rowsum", rows)
        arrays.compare("own_colsum", columns)
        taken = attention.apply(xy) / rows[:, None]
        given = attention.apply_transposed(xy) / columns[:, None]
        arrays.compare("own_mean_disp_in", xy - taken)
        arrays.compare("own_mean_disp_out", given - xy)
    assert not arrays.open, "recorded, but compared with nothing"


def test_every_null_array(recorded):
    arrays = recorded("null150")
    attention, xy = Attention.from_matrix(arrays["W"]), arrays["positions"]
    for kind, strata in (("free", None), ("strata", arrays["strata"])):
        expectation, covariance = closed_form(attention, xy, strata)
        arrays.compare(f"{kind}_E", expectation)
        arrays.compare(f"{kind}_C", covariance)
        away = arrays["W"] @ xy - expectation
        distance = np.einsum("ni,nij,nj->n", away, np.linalg.inv(covariance), away)
        arrays.compare(f"{kind}_d2", distance)
        # 20,000 recorded permutations, and our own, have the closed form's moments
        error = np.sqrt(np.einsum("nii->ni", covariance) / 20_000)
        assert (np.abs(arrays[f"{kind}_mc_E"] - expectation) < 5 * error).all()
        size = np.einsum("nii->n", covariance)[:, None, None]
        assert (np.abs(arrays[f"{kind}_mc_C"] - covariance) < 0.05 * size).all()
        groups = stratify(np.zeros(150, dtype=int), xy, strata)
        drawn = [attention.apply(xy[o]) for o in groups.permutations(2000, seed=0)]
        assert (
            np.abs(np.mean(drawn, axis=0) - arrays[f"{kind}_mc_E"])
            < 5 * np.sqrt(11) * error
        ).all()
        arrays.open -= {f"{kind}_mc_E", f"{kind}_mc_C"}
    assert not arrays.open, "recorded, but compared with nothing"


def test_every_recorded_line(recorded):
    lines = recorded("streamlines_mpl")
    for name in PLOTS:
        plot = recorded(name)
        x, y, u, v = (plot[f"plot3_{part}"] for part in ("x", "y", "U", "V"))
        traced = trace(x, y, u, v)
        offsets = np.cumsum([0, *map(len, traced)])
        lines.compare(f"{name}_plot3_offsets", offsets, 0)
        lines.compare(f"{name}_plot3_points", np.concatenate(traced), 1e-6)
    assert not lines.open, "recorded, but compared with nothing"


def test_no_fixture_is_compared_by_nobody(shared):
    known = {*PLOTS, "null150", "streamlines_mpl"}
    found = {path.stem for path in (shared / "parity" / "stream").glob("*.npz")}
    assert found == known
