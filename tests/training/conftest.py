"""A tissue of two cell types that a small network learns in seconds."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from napari_scfm.training.settings import TrainSettings

GENES = 24
SMALL = TrainSettings(
    width=32,
    layers=1,
    heads=4,
    latent=16,
    neighbours=(4,),
    draws=6,
    anchors=64,
    projection=8,
)


def tissue(fovs: int = 3, cells: int = 80, seed: int = 0) -> anndata.AnnData:
    """Two cell types, one on each side of every FOV, with 12 markers each."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, 200, (fovs * cells, 2))
    kind = (xy[:, 0] > 100).astype(int)
    rate = np.where(np.arange(GENES)[None, :] % 2 == kind[:, None], 6.0, 0.5)
    counts = rng.poisson(rate * rng.gamma(4, 0.25, (len(xy), 1)))
    obs = pd.DataFrame(
        {
            "fov": np.repeat([f"F{i + 1:03d}" for i in range(fovs)], cells),
            "cell_type": np.where(kind, "odd", "even"),
        },
        index=[f"cell{i}" for i in range(len(xy))],
    )
    # identifiers in the style of Ensembl, so that no table of symbols is needed
    var = pd.DataFrame(index=[f"ENSG{90000000000 + i:011d}" for i in range(GENES)])
    table = anndata.AnnData(sparse.csr_matrix(counts, dtype=np.float32), obs, var)
    table.obsm["spatial"] = xy
    return table


@pytest.fixture(scope="session")
def make_tissue():
    return tissue


@pytest.fixture(scope="session")
def small() -> TrainSettings:
    return SMALL


@pytest.fixture
def table() -> anndata.AnnData:
    return tissue()
