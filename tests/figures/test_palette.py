from __future__ import annotations

import numpy as np
import pytest

from napari_scfm.errors import ScfmError
from napari_scfm.figures.palette import (
    COLORMAPS,
    categorical,
    cielab,
    colour_values,
    error_limits,
    lut,
)


@pytest.mark.parametrize("name", [*COLORMAPS, "viridis_r"])
def test_colour_maps_are_opaque_tables_that_nobody_can_change(name: str):
    table = lut(name)
    assert table.shape == (256, 4)
    assert table.dtype == np.float32
    assert (table[:, 3] == 1).all()
    assert not table.flags.writeable


def test_limits_clip_and_missing_values_are_transparent():
    rgba = colour_values(np.array([-5, 0, 10, 99, np.nan, np.inf]), 0, 10, "magma")
    table = lut("magma")
    np.testing.assert_array_equal(rgba[[0, 1]], table[[0, 0]])
    np.testing.assert_array_equal(rgba[[2, 3]], table[[255, 255]])
    assert (rgba[4:] == 0).all()


def test_equal_limits_give_the_first_colour():
    np.testing.assert_array_equal(colour_values(np.ones(2), 1, 1)[0], lut("viridis")[0])


def test_error_map_is_neutral_at_zero_and_symmetric_limits_put_it_there():
    errors = np.array([-3.0, 0, 1])
    lo, hi = error_limits(errors, 100)
    assert (lo, hi) == (-3, 3)
    middle = colour_values(errors, lo, hi, "error")[1]
    assert np.ptp(middle[:3]) < 0.02
    assert error_limits(np.zeros(3)) == (-1, 1)
    assert error_limits(np.full(2, np.nan)) == (-1, 1)


def test_categories_keep_their_colours_and_stay_apart():
    many = categorical(40)
    for n in (1, 8, 9, 20):
        np.testing.assert_array_equal(categorical(n), many[:n])
    lab = cielab(many[:, :3].astype(float))
    apart = np.linalg.norm(lab[:, None] - lab, axis=-1)
    assert apart[np.triu_indices(40, 1)].min() > 10
    assert categorical(300).shape == (300, 4)
    assert len(np.unique(categorical(256), axis=0)) == 256


def test_unknown_colour_map_is_named_with_what_there_is():
    with pytest.raises(ScfmError, match=r"no-such.*viridis"):
        lut("no-such")
