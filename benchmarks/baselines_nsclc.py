"""What the baselines reach on a real CosMx slide: lung cancer, four fields of view.

Run: python benchmarks/baselines_nsclc.py [--data FILE.h5ad] [--fov 22] [--seeds 0 1 2]

Genes: 100 genes, 25 of each sparsity stratum of the whole slide, are hidden in one
field of view; the other three are the reference. Cells: a tenth of the cells of that
field is hidden, all genes are scored. Scores are on log1p counts, Pearson per gene
over the cells, averaged over genes.
"""

from __future__ import annotations

import argparse
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import anndata as ad
import pandas as pd

from napari_scfm import keys
from napari_scfm.experiments.run import run_experiment
from napari_scfm.experiments.spec import ExperimentSpec
from napari_scfm.masks.make import mask_genes, mask_random_cells
from napari_scfm.masks.strata import mask_strata

if TYPE_CHECKING:
    from napari_scfm.masks.mask import Mask

DATA = (
    Path(__file__).parents[2]
    / "shared/data/cosmx_nsclc_lung5_rep3/cosmx_nsclc_lung5_rep3_4fov.h5ad"
)
NAMES = ("gene-mean", "knn-space", "knn-expression", "ridge")
SHOWN = ["pearson", "rmse", "mae", "cosine", "mcc_all", "mcc_expressed", "n_genes"]


def main() -> None:
    """Print one table per protocol, and how long it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--fov", default="22", help="the tested field of view")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--models", nargs="+", default=list(NAMES))
    asked = parser.parse_args()
    slide = ad.read_h5ad(asked.data)
    slide.obs[keys.FOV] = slide.obs[keys.FOV].astype(str)
    tested = slide.obs[keys.FOV] == asked.fov
    table, reference = slide[tested].copy(), slide[~tested].copy()
    print(
        f"{date.today()}, {asked.data.name}: FOV {asked.fov} tested "
        f"({table.n_obs} cells), {reference.n_obs} cells of "
        f"{reference.obs[keys.FOV].nunique()} FOVs as reference, seeds {asked.seeds}"
    )
    masks = {
        "100 genes hidden, 25 per stratum": lambda seed: mask_genes(
            table, mask_strata(slide, 25, seed).hidden_genes
        ),
        "10 % of the cells hidden": lambda seed: mask_random_cells(table, 0.1, seed),
    }
    for title, mask in masks.items():
        rows = [score(table, reference, mask(s), s, asked.models) for s in asked.seeds]
        scores = pd.concat(rows).groupby("model", sort=False)
        print(f"\n{title}\n{scores[[*SHOWN, 'seconds']].mean().round(3).to_string()}")


def score(
    table: ad.AnnData, reference: ad.AnnData, mask: Mask, seed: int, models: list[str]
) -> pd.DataFrame:
    """Return the summary of all baselines, each run and timed by itself."""
    rows = []
    for name in models:
        spec = ExperimentSpec(model=name, mask=mask, baselines=(), seed=seed)
        start = time.perf_counter()
        summary = run_experiment(table, spec, reference=reference).summary
        rows.append(summary.assign(seconds=time.perf_counter() - start))
    return pd.concat(rows)


if __name__ == "__main__":
    main()
