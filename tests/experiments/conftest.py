"""A small slide in memory, whose counts a test may change."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

import napari_scfm as scfm
from napari_scfm.models.cellplm.config import CellPLMConfig
from napari_scfm.models.cellplm.info import model_info
from napari_scfm.models.cellplm.model import CellPLM
from napari_scfm.models.cellplm.network import CellPLMNetwork
from napari_scfm.slides.report import ReadReport
from napari_scfm.slides.samples import sample_path

GENES = (
    *("EPCAM", "KRT8", "KRT18", "KRT19", "CD3E", "CD3D", "CD68", "COL1A1", "VIM"),
    *("IGKC", "MALAT1", "B2M", "LYZ", "PECAM1"),
)


class MemorySlide:
    """Makes slides of one table: ``slide(counts=None)``."""

    def __init__(self, table):
        self.table = table

    def __call__(self, counts=None):
        table = self.table.copy()
        if counts is not None:
            table.X = counts
        parts = {
            name: table[table.obs["fov"] == name].copy()
            for name in dict.fromkeys(table.obs["fov"])
        }

        def fov(name):
            return scfm.FieldOfView(
                name,
                pixel_size=0.12,
                shape=(100, 100),
                read_table=lambda: parts[name],
            )

        return scfm.Slide(
            Path("somewhere"),
            format="h5ad",
            fov_cells={name: part.n_obs for name, part in parts.items()},
            report=ReadReport(),
            read_table=lambda: table,
            read_fov=fov,
        )


@pytest.fixture(scope="session")
def slides():
    """Three FOVs of 40 cells of the sample slide, 14 genes."""
    whole = scfm.read_slide(sample_path("cosmx"))
    parts = []
    for name in ("F001", "F002", "F004"):
        part = whole.fov(name).table[:40, list(GENES)].copy()
        kept = ad.AnnData(
            sparse.csr_matrix(part.X, dtype=np.float32),
            obs=pd.DataFrame(
                {
                    "fov": np.full(40, name),
                    "cell_type": part.obs["cell_type"].astype(str).to_numpy(),
                },
                index=part.obs_names,
            ),
            var=part.var[[]].copy(),
        )
        kept.obsm["spatial"] = np.asarray(part.obsm["spatial"])[:, :2]
        parts.append(kept)
    return MemorySlide(ad.concat(parts))


@pytest.fixture(scope="session")
def networks():
    """Untrained networks of the original kind by name: "vae", "gmvae"."""
    found = {}
    for kind in ("vae", "gmvae"):
        torch.manual_seed(1)
        config = CellPLMConfig(
            gene_list=GENES,
            enc_hid=16,
            enc_layers=2,
            enc_head=4,
            post_latent_dim=6,
            dec_hid=12,
            out_dim=len(GENES),
            latent_mod=kind,
            num_clusters=3,
        )
        network = CellPLMNetwork(config)
        for weights in network.parameters():
            weights.data.normal_(0, 0.3)
        found[kind] = CellPLM(network, model_info(config, None, kind, 1), device="cpu")
    return found
