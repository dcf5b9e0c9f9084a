"""The real slides that the benchmarks read, as tables with a FOV column."""

from __future__ import annotations

from pathlib import Path

import anndata as ad

from napari_scfm import keys

DATA = Path(__file__).parents[2] / "shared" / "data"
FILES = {
    "nsclc": ("cosmx_nsclc_lung5_rep3/cosmx_nsclc_lung5_rep3_4fov.h5ad", "fov"),
    "types": ("cosmx_nsclc_lung5_rep1_labelled", "fov"),
    "merfish": (
        "merfish_moffitt_hypothalamus/merfish_moffitt_a1_5sections_135g.h5ad",
        "batch",
    ),
    "merfish-155": (
        "merfish_moffitt_hypothalamus/merfish_moffitt_a1_5sections_155g.h5ad",
        "batch",
    ),
}


def slide(name: str) -> ad.AnnData:
    """Return a slide by its short name; its sections or FOVs are the FOVs."""
    file, column = FILES[name]
    path = DATA / file
    table = ad.read_h5ad(next(path.glob("*.h5ad")) if path.is_dir() else path)
    table.obs[keys.FOV] = table.obs[column].astype(str)
    return table
