"""Sections of three planted cell types, in memory."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

KINDS = ("alpha", "beta", "gamma")
GENES = 30


def section(cells: int = 90, seed: int = 0, kinds: tuple[str, ...] = KINDS):
    """Cells of some types; the genes of type i are g<i>0 ... g<i>9."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, len(kinds), cells)
    place = np.array([KINDS.index(name) for name in kinds])[kind]
    rate = np.where(np.arange(GENES)[None, :] // 10 == place[:, None], 4.0, 0.3)
    counts = rng.poisson(rate * rng.gamma(4, 0.25, (cells, 1)))
    table = ad.AnnData(sparse.csr_matrix(counts, dtype=np.float32))
    table.obs_names = [f"s{seed}-{i}" for i in range(cells)]
    table.var_names = [f"g{i // 10}{i % 10}" for i in range(GENES)]
    table.obs["cell_type"] = pd.Categorical(np.array(kinds)[kind])
    table.obs["fov"] = f"S{seed}"
    table.obsm["spatial"] = rng.uniform(0, 200, (cells, 2))
    return table


@pytest.fixture(scope="session")
def make_section():
    return section


@pytest.fixture
def cells():
    return section(seed=1)


@pytest.fixture
def labelled():
    return section(seed=2, cells=120)


@pytest.fixture
def markers():
    return {name: [f"g{i}{j}" for j in range(4)] for i, name in enumerate(KINDS)}
