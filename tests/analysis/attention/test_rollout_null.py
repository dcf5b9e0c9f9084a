"""What a rollout leaves with a cell is no attention to neighbours, nor chance."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scfm.analysis.attention.attention_field import attention_field
from napari_scfm.models.attention import Attention, Block
from napari_scfm.models.attention.layers import rollout

N = 300


@pytest.mark.parametrize("null", ["keys", "shift"])
def test_the_rollout_of_one_layer_is_tested_like_the_layer(null):
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, (300, 200), (N, 2))
    query, key = rng.uniform(0.8, 1.2, (2, N, 6))
    layer = Attention([Block(np.arange(N), query=query, key=key)], N)
    one, two = (
        attention_field(found, xy, neighbours=12, null=null, permutations=19)
        for found in (layer, rollout([layer]))
    )
    np.testing.assert_allclose(two.residual, one.residual, atol=1e-9)
    np.testing.assert_allclose(two.shuffled, one.shuffled, atol=1e-4)
    assert one.p_value == two.p_value
