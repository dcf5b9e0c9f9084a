"""Fixtures of the models: a small untrained sCT network and a table for it."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

NAMES = tuple(f"G{i}" for i in range(14))
MEASURED = NAMES[:9]
"""Genes of the tables; the network knows more."""


def _small(encoding="none", cells=6, device="cpu", **options):
    import torch

    from napari_scfm.models.sct.config import SCTConfig
    from napari_scfm.models.sct.info import model_info
    from napari_scfm.models.sct.model import SCT
    from napari_scfm.models.sct.network import SCTNetwork
    from napari_scfm.models.sct.options import SCTOptions

    torch.manual_seed(1)
    config = SCTConfig(
        num_downsamples=2,
        attention_heads=2,
        token_embed_dim=32,
        embed_dim=32,
        ffn_embed_dim=32,
        num_layers=2,
        positions=16,
        num_cells=cells,
        coordinate_encoding=encoding,
        measured=NAMES,
    )
    network = SCTNetwork(config)
    for weights in network.parameters():
        weights.data.normal_(0, 0.3)
    info = model_info(config, None, "small", 1)
    return SCT(network, info, device=device, options=SCTOptions(**options))


@pytest.fixture(scope="session")
def small():
    """Makes a network of one kind, the same each time."""
    return _small


@pytest.fixture
def tissue():
    """Twenty cells of two fields, with places."""
    cells = 20
    rng = np.random.default_rng(0)
    genes = len(MEASURED)
    counts = rng.poisson(rng.gamma(2, 2, (cells, 1)) * rng.gamma(1, 1, genes)) + 0.0
    table = ad.AnnData(sparse.csr_matrix(counts.astype(np.float32)))
    table.obs_names = [f"c{i}" for i in range(cells)]
    table.var_names = list(MEASURED)
    table.obs["fov"] = np.where(np.arange(cells) < 13, "A", "B")
    table.obsm["spatial"] = rng.uniform(0, 100, (cells, 2))
    return table
