"""squidpy itself, to compare with, and cells at random places."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from napari_scfm.analysis.neighbourhoods.quiet import quiet_squidpy

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="session")
def squidpy():
    """squidpy; it warns while it is imported."""
    with quiet_squidpy() as module:
        return module


@pytest.fixture
def cells() -> Callable[..., anndata.AnnData]:
    """Return a function that makes FOVs one over the other, their cells interleaved."""

    def make(sizes: dict[str, int], seed: int = 0) -> anndata.AnnData:
        rng = np.random.default_rng(seed)
        fov = rng.permutation(np.repeat(list(sizes), list(sizes.values())))
        n = len(fov)
        obs = pd.DataFrame(
            {"fov": pd.Categorical(fov), "kind": rng.choice(["a", "b", "c"], n)},
            index=[f"c{i}" for i in range(n)],
        )
        obs["kind"] = obs["kind"].astype("category")
        counts = sparse.csr_matrix(rng.poisson(1.0, (n, 12)).astype(np.float32))
        places = {"spatial": rng.random((n, 2)) * 100}
        made = anndata.AnnData(counts, obs=obs, obsm=places)
        made.var_names = [f"G{i}" for i in range(12)]
        return made

    return make
