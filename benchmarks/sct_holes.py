"""Hidden regions larger than what sCT reads at once: how their cells are best read.

Run: python benchmarks/sct_holes.py nsclc|merfish --fov F [--panel DIR] [--cells N]
Without a folder an sct-panel is trained first, on all other fields of view.

Eight times all genes of N cells around a drawn cell are hidden. "tiles" reads the field
in its compact groups of 50, as if nothing were hidden; "holes", which is what is
shipped, reads cells of groups that show too little again, ten at a time with the forty
nearest visible cells; "neighbourhoods" reads each hidden cell with its own 49 nearest
visible cells. MCC is on five levels, Pearson of log1p counts, mean over varying genes.
"""

from __future__ import annotations

import argparse
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sct_scores import Asked, by_counts, scores
from slides import slide

import napari_scfm as scfm
from napari_scfm import keys
from napari_scfm.analysis.levels import CellRange
from napari_scfm.models.sct.imputing import Imputing
from napari_scfm.models.sct.model import SCT

if TYPE_CHECKING:
    from anndata import AnnData

    from napari_scfm.models.sct.bags import Window
    from napari_scfm.models.sct.table import Reading

HOLES = 8


def main() -> None:
    """Print a line per way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slide", choices=["nsclc", "merfish"])
    parser.add_argument("--fov", required=True)
    parser.add_argument("--panel", type=Path)
    parser.add_argument("--cells", type=int, default=170)
    asked = parser.parse_args()
    whole = slide(asked.slide)
    tested = (whole.obs[keys.FOV] == asked.fov).to_numpy()
    if asked.panel is None:
        model = scfm.train("sct-panel", whole[~tested].copy())
    else:
        model = scfm.load_model(asked.panel)
    assert isinstance(model, SCT)
    table, rng = whole[tested].copy(), np.random.default_rng(0)
    xy = np.asarray(table.obsm[keys.SPATIAL])[:, :2]
    rows = []
    for _ in range(HOLES):
        far = np.square(xy - xy[rng.integers(len(xy))]).sum(axis=1)
        rows += one(model, table, np.sort(np.argsort(far)[: asked.cells]))
    print(f"{date.today()}, {asked.slide} {asked.fov}: {HOLES} x {asked.cells} cells")
    print(pd.DataFrame(rows).groupby("way", sort=False).mean().round(3).to_string())


def one(model: SCT, table: AnnData, hole: np.ndarray) -> list[dict[str, float | str]]:
    """Return the scores of each way for one hole."""
    mask, found = scfm.mask_cells(table, table.obs_names[hole]), []
    for way in ("tiles", "holes", "neighbourhoods"):
        reading = model._reading(table, mask)
        genes = reading.asked([str(name) for name in table.var_names])
        made = Imputing(model._runs, reading, genes)
        start = time.process_time()
        for windows in ways(reading, way):
            made.run(windows, None, way)
        spent = time.process_time() - start
        told = np.clip(made.values[hole], 0, None)
        found.append({"way": way, "CPU s": spent} | scored(table, hole, told))
    return found


def ways(reading: Reading, way: str) -> list[list[Window]]:
    """Return what is read, one after the other."""
    tiles = reading.windows()
    if way == "holes":
        return [tiles, reading.windows_of_holes(tiles)]
    return [tiles] + ([reading.windows_of_hidden(49)] if way != "tiles" else [])


def scored(table: AnnData, hole: np.ndarray, told: np.ndarray) -> dict[str, float]:
    """Return the scores of what was told of a hole, (cells, genes) counts."""
    truth = table.X[hole].toarray().astype(float)
    rows, columns = (
        np.repeat(hole, table.n_vars),
        np.tile(range(table.n_vars), len(hole)),
    )
    asked = Asked(table, rows, columns, truth.ravel(), CellRange.of(table.X))
    levels = scores(by_counts(asked, told.ravel()), np.ones(len(rows), dtype=bool))
    a, b = (np.log1p(x) - np.log1p(x).mean(axis=0) for x in (truth, told))
    spread = np.sqrt(np.square(a).sum(axis=0) * np.square(b).sum(axis=0))
    vary = spread > 0
    pearson = ((a * b).sum(axis=0)[vary] / spread[vary]).mean()
    rmse = np.sqrt(np.square(np.log1p(truth) - np.log1p(told)).mean())
    return {"MCC, all": levels["mcc_all"], "Pearson": pearson, "RMSE": rmse}


if __name__ == "__main__":
    main()
