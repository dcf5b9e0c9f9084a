"""How well hidden genes and hidden cells of a real slide are guessed.

Run: python benchmarks/guessing.py nsclc|merfish --fov F [--seeds 0 1 2]

One field of view is tested, the others are the reference. Genes: up to 25 of each
sparsity stratum are hidden in the tested field. Cells: a tenth of its cells is hidden;
then 1, 10, 20 or 40 of the 50 cells around each of 20 places. Scores are on log1p
counts, Pearson and RMSE per gene over the hidden cells, averaged over genes.

Baselines are fitted to the reference and to everything visible in the tested field.
The networks are trained on the reference alone: "masked" once for every task, "impute"
for the hidden genes.

The ceiling is what counting noise leaves: the tested counts are split in two by
binomial thinning, the correlation r of the halves gives sqrt(2 r / (1 + r)), the
largest Pearson that a perfect guess of the rates could have with the counts.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.spatial import KDTree
from slides import slide

import napari_scfm as scfm
from napari_scfm import keys
from napari_scfm.masks.make import mask_random_cells
from napari_scfm.training.settings import TrainSettings

if TYPE_CHECKING:
    from anndata import AnnData

    from napari_scfm.masks.mask import Mask

BASELINES = ("gene-mean", "knn-space", "knn-expression", "ridge")
SHOWN = ["pearson", "cosine", "rmse", "mae", "mcc_all", "mcc_expressed", "n_genes"]
PLACES, AROUND = 20, 50
# the recipe as it ships for few cells per gene, a wider and longer one for many
RECIPES: dict[str, tuple[int, dict[str, Any]]] = {
    "nsclc": (12, {}),
    "merfish": (
        30,
        {"width": 256, "latent": 128, "own_width": 128}
        | {"dropout": 0.2, "input_dropout": 0.1},
    ),
}


def main() -> None:
    """Print one table per task, mean over seeds, with the deviation of Pearson."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slide", choices=["nsclc", "merfish"])
    parser.add_argument("--fov", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    asked = parser.parse_args()
    whole = slide(asked.slide)
    tested = whole.obs[keys.FOV] == asked.fov
    table, reference = whole[tested].copy(), whole[~tested].copy()
    print(
        f"{date.today()}, {asked.slide}: FOV {asked.fov} tested ({table.n_obs} cells), "
        f"{reference.n_obs} cells of {reference.obs[keys.FOV].nunique()} others as "
        f"reference, seeds {asked.seeds}, epochs and settings {RECIPES[asked.slide]}"
    )
    rows = [
        one_seed(whole, table, reference, seed, *RECIPES[asked.slide])
        for seed in asked.seeds
    ]
    report(pd.concat(rows))


def one_seed(
    whole: AnnData,
    table: AnnData,
    reference: AnnData,
    seed: int,
    epochs: int,
    settings: dict[str, Any],
) -> pd.DataFrame:
    """Return the scores of every task and model."""
    genes = scfm.mask_strata(whole, 25, seed).hidden_genes
    tasks = {"genes": scfm.mask_genes(table, genes)}
    tasks["cells 10 %"] = mask_random_cells(table, 0.1, seed)
    tasks |= {f"{n} of {AROUND}": hide_around(table, n, seed) for n in (1, 10, 20, 40)}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for objective in ("masked", "impute"):
            start = time.process_time()
            scfm.train(
                "cellplm",
                reference,
                objective=objective,
                genes=genes if objective == "impute" else (),
                epochs=epochs,
                seed=seed,
                settings=TrainSettings(**settings),
                out=Path(folder, objective),
            )
            seconds = time.process_time() - start
            print(
                f"seed {seed}: {objective} trained in {seconds:.0f} CPU s", flush=True
            )
        for task, mask in tasks.items():
            trained = ["masked", "impute"] if task == "genes" else ["masked"]
            models = [str(Path(folder, name)) for name in trained]
            found = score(table, reference, mask, seed, models)
            rows.append(found.assign(task=task, ceiling=ceiling(table, mask, seed)))
    return pd.concat(rows)


def score(
    table: AnnData, reference: AnnData, mask: Mask, seed: int, models: list[str]
) -> pd.DataFrame:
    """Return the summary of all baselines and models, each run by itself."""
    rows = []
    for name in (*BASELINES, *models):
        spec = scfm.ExperimentSpec(model=name, mask=mask, baselines=(), seed=seed)
        summary = scfm.run_experiment(table, spec, reference=reference).summary
        rows.append(summary.assign(model=Path(name).name))
    return pd.concat(rows)


def hide_around(table: AnnData, number: int, seed: int) -> Mask:
    """Hide some of the cells around each of a few random cells."""
    rng = np.random.default_rng(seed)
    xy = table.obsm[keys.SPATIAL]
    places = rng.choice(table.n_obs, PLACES, replace=False)
    near = KDTree(xy).query(xy[places], k=AROUND)[1]
    chosen = [rng.choice(cells, number, replace=False) for cells in near]
    return scfm.mask_cells(table, table.obs_names[np.unique(chosen)])


def ceiling(table: AnnData, mask: Mask, seed: int) -> float:
    """Return the largest mean Pearson that counting noise leaves."""
    hidden = mask.matrix.toarray()
    counts = table.X.toarray()[np.ix_(hidden.any(1), hidden.any(0))].astype(int)
    rng = np.random.default_rng(seed)
    half = rng.binomial(counts, 0.5)
    one, two = (
        np.log1p(part) - np.log1p(part).mean(0) for part in (half, counts - half)
    )
    scale = np.sqrt((one**2).sum(0) * (two**2).sum(0))
    r = np.where(scale > 0, (one * two).sum(0) / np.maximum(scale, 1e-12), 0.0)
    r = np.clip(r[counts.std(0) > 0], 0, 1)
    return float(np.sqrt(2 * r / (1 + r)).mean())


def report(scores: pd.DataFrame) -> None:
    """Print one table per task."""
    for task, rows in scores.groupby("task", sort=False):
        groups = rows.groupby("model", sort=False)
        out = groups[SHOWN].mean().round(3)
        out.insert(1, "sd", groups["pearson"].std(ddof=0).round(3))
        best = out.loc[list(BASELINES), "pearson"].max()
        out.insert(2, "to best baseline", (out["pearson"] / best).round(2))
        print(f"\n{task} (ceiling of Pearson {rows['ceiling'].mean():.3f})")
        print(out.to_string())


if __name__ == "__main__":
    main()
