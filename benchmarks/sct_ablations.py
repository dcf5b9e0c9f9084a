"""What the choices of the sCT paper are worth on the panel of a real slide.

Run: python benchmarks/sct_ablations.py merfish|nsclc --fov F [--epochs N]

Every variant is an sct-panel trained on all other fields of view from the same seed,
with as many steps and as many cells in each; one thing differs. Tested in the held-out
field: 20 neighbourhoods of 50 cells, of which 15 % of all entries are hidden, or 10
whole cells. Levels are the likeliest bins; "known" leaves out that 0 can be said, as
where the paper scores expressed genes.

"cross-entropy" is that of the five levels at the hidden entries: what a network knows,
whichever level it says.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from sct_scores import Asked, Said, bin_chances, neighbourhoods, protocols, scores
from slides import slide

import napari_scfm as scfm
from napari_scfm import keys
from napari_scfm.analysis.levels import CellRange
from napari_scfm.training.sct.settings import SCTSettings

if TYPE_CHECKING:
    from anndata import AnnData

    from napari_scfm.masks.mask import Mask
    from napari_scfm.models.base import CellModel

TASKS = ("15% of entries", "10 of 50 cells")
PAPER = {"whole_cells": 0.0, "more_entries": 0.0, "more_genes": 0.0, "even": False}
VARIANTS: dict[str, dict[str, Any]] = {
    "base: shared norm, 50 cells, stratified and whole cells": {},
    "nothing of the surroundings (released network)": {"surroundings": ()},
    "plain layer norm": {"norm": "plain"},
    "10 cells at a time": {"cells": 10, "sequences": 5},
    "1 cell at a time": {"cells": 1, "sequences": 50},
    "no coordinates": {"encoding": "none"},
    "paper's masking: stratified": PAPER,
    "paper's ablation: uniform 15 %": {**PAPER, "masking": "uniform"},
    "uniform 5 %": {**PAPER, "masking": "uniform", "hide_expressed": 0.05},
}


def main() -> None:
    """Print a line per variant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slide", choices=["nsclc", "merfish"])
    parser.add_argument("--fov", required=True)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", default=list(VARIANTS))
    asked = parser.parse_args()
    whole = slide(asked.slide)
    tested = (whole.obs[keys.FOV] == asked.fov).to_numpy()
    table = neighbourhoods(whole[tested].copy(), 20, 0)
    masks = protocols(table, whole[~tested], 0)
    base = SCTSettings(draws=16, more_genes=0.0)
    print(f"{date.today()}, {asked.slide} {asked.fov}, {asked.epochs} epochs")
    head = "cross-entropy | MCC all | MCC expr. | known"
    print(
        "| variant | CPU s | " + " | ".join(f"{task}: {head}" for task in TASKS) + " |"
    )
    print("| --- " * (2 + 4 * len(TASKS)) + "|")
    for name in asked.only:
        start = time.process_time()
        model = scfm.train(
            "sct-panel",
            whole[~tested].copy(),
            epochs=asked.epochs,
            seed=asked.seed,
            settings=replace(base, **VARIANTS[name]),
        )
        seconds = time.process_time() - start
        cells = [f"{x:.3f}" for t in TASKS for x in tried(model, table, masks[t])]
        print(f"| {name} | {seconds:.0f} | {' | '.join(cells)} |", flush=True)


def tried(model: CellModel, table: AnnData, mask: Mask) -> list[float]:
    """Return cross-entropy and MCC of what a mask hides."""
    hidden = mask.matrix.tocoo()
    counts = table.X.tocsr()
    truth = np.asarray(counts[hidden.row, hidden.col]).ravel().astype(float)
    asked = Asked(table, hidden.row, hidden.col, truth, CellRange.of(counts))
    chances = bin_chances(model, table, mask, asked)
    levels = asked.ranges.levels(np.log1p(truth), asked.rows)
    said = chances[np.arange(len(levels)), levels]
    found = scores(Said(asked, chances.argmax(axis=1)), np.ones(len(truth), dtype=bool))
    lost = float(-np.log(np.maximum(said, 1e-9)).mean())
    return [lost, found["mcc_all"], found["mcc_expressed"], found["mcc_known"]]


if __name__ == "__main__":
    main()
