"""The scores in the card of cellplm-mini, beside the baselines.

The held-out FOV of the sample slide is guessed twice: every gene once while a fifth of
the genes is hidden in all its cells, and every cell once while a tenth of its cells is
hidden altogether. Baselines are fitted to everything that is visible, the other FOVs
included; the model saw the other FOVs in training and reads only this one.

Run: python benchmarks/mini_card.py [MODEL] [SLIDE] [FOV]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import napari_scfm as scfm
from napari_scfm.masks.mask import Mask

if TYPE_CHECKING:
    from anndata import AnnData

SLIDE = Path(__file__).parents[1] / "sample_data" / "cosmx_synthetic"
BASELINES = ("gene-mean", "knn-space", "knn-expression", "ridge")


def folds(n: int, k: int) -> list[np.ndarray]:
    """Split n positions into k random parts of nearly one size."""
    order = np.random.default_rng(0).permutation(n)
    return [order[i::k] for i in range(k)]


def guess(model: str, table: AnnData, rows: np.ndarray, kind: str) -> np.ndarray:
    """Return a guess of every entry of the FOV, each made while it was hidden."""
    out = np.full((len(rows), table.n_vars), np.nan)
    count = 5 if kind == "genes" else 10
    for part in folds(table.n_vars if kind == "genes" else len(rows), count):
        hidden = np.zeros(table.shape, dtype=bool)
        if kind == "genes":
            hidden[np.ix_(rows, part)] = True
        else:
            hidden[rows[part]] = True
        mask = Mask(hidden, table.obs_names, table.var_names)
        made = scfm.load_model(model).fit(table, mask=mask)
        got = made.impute(table, list(table.var_names), mask=mask)[rows]
        seen = hidden[rows]
        out[seen] = got[seen]
    return out


def pearson(truth: np.ndarray, made: np.ndarray) -> float:
    """Return the mean over genes of Pearson's r on log1p counts; constant = 0."""
    x, y = np.log1p(truth), np.log1p(np.clip(made, 0, None))
    x, y = x - x.mean(0), y - y.mean(0)
    scale = np.sqrt((x**2).sum(0) * (y**2).sum(0))
    varied = (x**2).sum(0) > 0
    r = np.where(scale > 1e-9, (x * y).sum(0) / np.maximum(scale, 1e-9), 0.0)
    return float(r[varied].mean())


def rmse(truth: np.ndarray, made: np.ndarray) -> float:
    """Return the mean over genes of the root mean squared error of log1p counts."""
    error = np.log1p(np.clip(made, 0, None)) - np.log1p(truth)
    return float(np.sqrt((error**2).mean(0)).mean())


def main() -> None:
    """Print the table of the card."""
    given = sys.argv[1:]
    model = given[0] if given else "cellplm-mini"
    slide = scfm.read_slide(given[1] if len(given) > 1 else SLIDE)
    fov = given[2] if len(given) > 2 else slide.fovs[-1]
    table = slide.table
    rows = np.flatnonzero(table.obs["fov"] == fov)
    truth = np.asarray(table.X[rows].todense(), dtype=float)
    print(f"FOV {fov}: {len(rows)} cells, {table.n_vars} genes\n")
    print("| model | hidden genes: Pearson | RMSE | hidden cells: Pearson | RMSE |")
    print("|---|---|---|---|---|")
    for name in (model, *BASELINES):
        cells = []
        for kind in ("genes", "cells"):
            made = guess(name, table, rows, kind)
            cells += [f"{pearson(truth, made):.3f}", f"{rmse(truth, made):.3f}"]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
