"""Clusters at slide size: the graph once, then the resolution slider.

Prints seconds (wall and process CPU) for the graph of nearest neighbours, the graph of
domains, and, on the graph that is there, one step of the resolution slider (Leiden,
naming by size, colours that stay) and acts of a person on the result.

Usage: python benchmarks/clusters.py [cells ...]
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TypeVar

import anndata as ad
import numpy as np

from napari_scfm.analysis.groups.history import GroupingHistory
from napari_scfm.experiments.grouping import cell_graph, grouped

if TYPE_CHECKING:
    from collections.abc import Callable

WIDTH, KINDS, PER_FOV = 64, 30, 4000
Found = TypeVar("Found")


def slide(cells: int) -> tuple[ad.AnnData, np.ndarray]:
    """Return a table with FOVs and positions, and an embedding with kinds of cells."""
    rng = np.random.default_rng(0)
    table = ad.AnnData(np.zeros((cells, 1), np.float32))
    table.obs["fov"] = [f"F{i // PER_FOV:03}" for i in range(cells)]
    table.obsm["spatial"] = rng.uniform(0, 600, (cells, 2))
    centres = rng.normal(size=(KINDS, WIDTH)) * 1.2
    points = centres[rng.integers(0, KINDS, cells)] + rng.normal(size=(cells, WIDTH))
    return table, points.astype(np.float32)


def timed(cells: int, what: str, act: Callable[[], Found]) -> Found:
    """Run an act, print what it took, return what it gave."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = act()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(f"| {cells} | {what} | {wall:.2f} | {cpu:.2f} |", flush=True)
    return found


def measure(cells: int) -> None:
    """Print the rows of one size."""
    table, points = slide(cells)
    graph = timed(cells, "graph", lambda: cell_graph(table, points, "pca"))
    timed(
        cells,
        "graph of domains",
        lambda: cell_graph(table, points, "pca", domains=0.8),
    )
    made = timed(cells, "slider, first step", lambda: grouped(graph, 1.0))
    for resolution in (0.3, 0.9, 1.5, 3.0):
        timed(
            cells,
            f"slider, to {resolution}",
            lambda r=resolution: grouped(graph, r, before=made),
        )
    history = GroupingHistory(made)

    def acts() -> None:
        history.push(made.merge(made.names[:2]))
        history.push(history.current.assign(np.arange(50), "by hand"))
        history.undo()

    timed(cells, "merge, correct 50 cells, undo", acts)


def main() -> None:
    """Measure the sizes that are named, or 20,000 and 100,000 cells."""
    grouped(cell_graph(*slide(300), "pca"))  # imports
    print("| cells | what | s | CPU s |\n| --- | --- | --- | --- |")
    for cells in [int(word) for word in sys.argv[1:]] or [20_000, 100_000]:
        measure(cells)


if __name__ == "__main__":
    main()
