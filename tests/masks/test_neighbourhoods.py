"""Bags of neighbours: true neighbourhoods, inside one field of view, disjoint."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from napari_scfm.errors import MaskError
from napari_scfm.masks.neighbourhoods import neighbourhood_bags
from napari_scfm.masks.spec import MaskSpec


def table(sizes=(300, 400), *, placed=True):
    n = sum(sizes)
    rng = np.random.default_rng(2)
    made = ad.AnnData(rng.poisson(1.0, (n, 4)).astype(np.float32))
    made.obs_names = [f"cell{i}" for i in range(n)]
    names = np.repeat([f"F{i + 1:03d}" for i in range(len(sizes))], sizes)
    made.obs["fov"] = pd.Categorical(names)
    if placed:
        made.obsm["spatial"] = rng.uniform(0, 300, (n, 2))
    return made


def test_each_bag_is_the_seed_cell_and_its_nearest_in_its_fov():
    made = table()
    rows, bags = neighbourhood_bags(made, count=4, size=50, seed=3)
    xy = made.obsm["spatial"]
    fov = made.obs["fov"].to_numpy()
    assert len(rows) == len(bags) == 200
    assert len(set(rows)) == 200, "disjoint"
    for name in pd.unique(bags):
        cells = rows[bags == name]
        same = np.flatnonzero(fov == fov[cells[0]])
        away = np.linalg.norm(xy[same] - xy[cells[0]], axis=1)
        assert set(cells) == set(same[np.argsort(away)[:50]])
        assert name.startswith(f"{fov[cells[0]]}_bag")


def test_a_seed_repeats_and_another_differs():
    made = table()
    first = neighbourhood_bags(made, 3, 20, seed=1)[0]
    assert np.array_equal(first, neighbourhood_bags(made, 3, 20, seed=1)[0])
    assert not np.array_equal(first, neighbourhood_bags(made, 3, 20, seed=2)[0])


def test_bags_overlap_only_where_there_is_no_room():
    made = table((60,))
    rows, bags = neighbourhood_bags(made, 5, 50)
    assert len(pd.unique(bags)) == 5
    assert len(set(rows)) <= 60
    for name in pd.unique(bags):
        assert len(set(rows[bags == name])) == 50


def test_small_fields_of_view_give_no_bag():
    made = table((40, 60))
    _, bags = neighbourhood_bags(made, 3, 50)
    assert all(name.startswith("F002") for name in bags)
    with pytest.raises(MaskError, match="the largest holds 60"):
        neighbourhood_bags(made, 1, 61)
    with pytest.raises(MaskError, match="fewer or smaller"):
        neighbourhood_bags(made, 61, 50)
    with pytest.raises(MaskError, match="0 bags"):
        neighbourhood_bags(made, 0, 50)


def test_without_coordinates_bags_are_random_cells_of_one_study():
    made = table((90, 120), placed=False)
    rows, bags = neighbourhood_bags(made, 3, 50)
    assert len(set(rows)) == 150 or len(set(rows)) >= 100
    fov = made.obs["fov"].to_numpy()
    for name in pd.unique(bags):
        cells = rows[bags == name]
        assert len(set(cells)) == 50
        assert len(set(fov[cells])) == 1
        assert np.ptp(cells) > 50, "not a run of neighbours in the table"


def test_cells_on_one_spot_keep_their_seed_cell():
    made = table((80,))
    made.obsm["spatial"] = np.zeros((80, 2))
    rows, bags = neighbourhood_bags(made, 2, 30)
    for name in pd.unique(bags):
        assert len(set(rows[bags == name])) == 30


@pytest.mark.parametrize("hidden", [1, 10, 20, 40])
def test_the_whole_cell_protocol_hides_so_many_of_each_bag(hidden):
    made = table()
    rows, bags = neighbourhood_bags(made, 4, 50)
    read = made[rows].copy()
    read.obs["fov"] = pd.Categorical(bags)
    mask = MaskSpec(of_each_bag=hidden, seed=5).resolve(read)
    drawn = pd.Series(mask.whole_cells).groupby(bags).sum()
    assert (drawn == hidden).all()
    assert mask.n_hidden == 4 * hidden * read.n_vars
    alone = read[bags == bags[0]].copy()
    same = MaskSpec(of_each_bag=hidden, seed=5).resolve(alone)
    assert same.hidden_cells == list(mask.cells[mask.whole_cells & (bags == bags[0])])


def test_a_bag_keeps_one_cell_visible():
    made = table((50, 80))
    with pytest.raises(
        MaskError, match=r"50 cells cannot be hidden .*F001 \(50 cells\)"
    ):
        MaskSpec(of_each_bag=50).resolve(made)
