"""Which cells mattered: all knock-outs in one call against one call for each.

The middle cell of a field of view, 20 random genes hidden in every cell: 12 neighbours
in turn and together, as many far cells, and the prediction before, 27 in all.
cellplm-mini on one thread. "one by one" is the plain way, ``model.impute`` with a mask
for each knock-out. Each way runs in a process of its own; memory is what the process
took at its peak above what it held before.

Usage: python benchmarks/influence.py [SLIDE [FOV]]   (default: the sample, F004)
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

os.environ.setdefault("OMP_NUM_THREADS", "1")
GENES, RUNS = 20, 5
WAYS = ("one by one", "batched")


def peak() -> float:
    """Return the most memory this process has held, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(way: str, path: str, fov: str) -> dict[str, Any]:
    """Return the best of five CPU times in s, memory in MB, and the numbers."""
    import numpy as np

    import napari_scfm as scfm
    from napari_scfm.masks.make import mask_cells, mask_random_genes

    table = scfm.read_slide(path).fov(fov).table
    mask = mask_random_genes(table, GENES)
    model = scfm.load_model("cellplm-mini", "cpu")
    xy = np.asarray(table.obsm["spatial"])
    row = int(np.argmin(np.linalg.norm(xy - xy.mean(axis=0), axis=1)))
    model.impute(table, mask.hidden_genes, mask=mask)
    found = scfm.influence(model, table, row, mask=mask)
    near, far = found.near.rows, found.far.rows
    groups = [near[:0], *near[:, None], near, *far[:, None], far]
    held = peak()

    def single() -> np.ndarray:
        genes = mask.hidden_genes
        masks = (mask | mask_cells(table, group) for group in groups)
        return np.stack([model.impute(table, genes, mask=m)[row] for m in masks])

    def batched() -> np.ndarray:
        made = scfm.influence(model, table, row, mask=mask)
        near, far = made.near, made.far
        return np.vstack([made.before, near.single, near.joint, far.single, far.joint])

    best, values = fastest(single if way == WAYS[0] else batched)
    size = {"cells": table.n_obs, "genes": table.n_vars, "knock-outs": len(groups)}
    return size | {"seconds": best, "memory": peak() - held, "values": values.tolist()}


def fastest(act: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """Return the least CPU time of some runs, and what came out."""
    best = float("inf")
    for _ in range(RUNS):
        started = time.process_time()
        values = act()
        best = min(best, time.process_time() - started)
    return best, values


def in_a_process(way: str, path: str, fov: str) -> dict[str, Any]:
    """Return the measurement of one way, made in a fresh process."""
    command = [sys.executable, __file__, "--way", way, path, fov]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    measured: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return measured


def main() -> None:
    """Print one row per way, their ratio, and how far the numbers are apart."""
    import numpy as np

    from napari_scfm.slides.samples import sample_path

    if sys.argv[1:2] == ["--way"]:
        print(json.dumps(measure(*sys.argv[2:5])))
        return
    path = sys.argv[1] if len(sys.argv) > 1 else str(sample_path("cosmx"))
    fov = sys.argv[2] if len(sys.argv) > 2 else "F004"
    plain, ours = (in_a_process(way, path, fov) for way in WAYS)
    print("| cells x genes | way | s | memory above, MB | ratio |")
    print("| --- | --- | --- | --- | --- |")
    for way, one in zip(WAYS, (plain, ours), strict=True):
        size = f"{one['cells']} x {one['genes']}"
        ratio = one["seconds"] / plain["seconds"]
        numbers = f"{one['seconds']:.2f} | {one['memory']:.0f} | {ratio:.2f}"
        print(f"| {size} | {way} | {numbers} |")
    first, second = (np.array(one["values"]) for one in (plain, ours))
    apart = np.nanmax(np.abs(second - first) / np.maximum(np.abs(first), 1e-6))
    print(f"{ours['knock-outs']} predictions; largest relative difference {apart:.1g}")


if __name__ == "__main__":
    main()
