"""Clusters at slide size: the graph once, then the resolution slider, then UMAP.

Prints seconds (wall, and CPU of this process; Leiden works in another, whose CPU is not
counted, and that of UMAP is counted with its imports and compiling) for the nearest
neighbours (with every pair compared, as the program does it, and by
pynndescent with its import and compiling), the graphs, steps of the resolution slider
(Leiden, naming by size, colours that stay), acts of a person on the result, and UMAP
on the same neighbours. "Gap" is the longest time that another thread of this process
had to wait: what a window would stand still. Neighbours say their recall, graphs the
adjusted Rand index of their clusters with those of the exact graph; "another seed" is
what that index is between two seeds of Leiden on the exact graph.

Usage: python benchmarks/clusters.py [cells ...] [--points FILE.npy] [--no-exact]
       [--no-umap]
"""

from __future__ import annotations

import argparse
import resource
import threading
import time
from typing import TYPE_CHECKING, TypeVar

import anndata as ad
import numpy as np
from sklearn.metrics import adjusted_rand_score

from napari_scfm.analysis.apart.work import process_of, umap_apart
from napari_scfm.analysis.clusters import cluster_graph, neighbour_graph
from napari_scfm.analysis.groups.history import GroupingHistory
from napari_scfm.analysis.nearest import Near, nearest
from napari_scfm.experiments.grouping import cell_graph, grouped

if TYPE_CHECKING:
    from collections.abc import Callable

WIDTH, KINDS, PER_FOV, OTHERS = 64, 30, 4000, 14
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


def between(points: np.ndarray, cells: int) -> np.ndarray:
    """Return points between each of some and one of its neighbours."""
    rng, near = np.random.default_rng(0), nearest(points, OTHERS)
    one = rng.integers(0, len(points), cells)
    other = near.index[one, rng.integers(0, OTHERS, cells)]
    share = rng.uniform(0, 0.5, (cells, 1))
    return ((1 - share) * points[one] + share * points[other]).astype(np.float32)


def spent() -> float:
    """Return processor seconds of this process and of those that ended."""
    both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(sum(resource.getrusage(who)[:2]) for who in both)


def timed(cells: int, what: str, act: Callable[[], Found], apart: str = "") -> Found:
    """Run an act in a thread, print what it took, return what it gave.

    ``apart`` names the process that is ended with it, so that its time is counted.
    """
    found: list[Found] = []
    thread = threading.Thread(target=lambda: found.append(act()))
    wall = last = time.perf_counter()
    cpu, gap = spent(), 0.0
    thread.start()
    while thread.is_alive():
        time.sleep(0.002)
        now = time.perf_counter()
        gap, last = max(gap, now - last), now
    if apart:
        process_of(apart).end()
    told = f"{last - wall:.2f} | {spent() - cpu:.2f} | {gap * 1e3:.0f}"
    print(f"| {cells} | {what} | {told} |", flush=True)
    return found[0]


def others(points: np.ndarray) -> Near:
    """Return the neighbours that pynndescent finds, imported and compiled for it."""
    from pynndescent import NNDescent

    found = NNDescent(points, n_neighbors=OTHERS + 1, random_state=0, n_jobs=1)
    index, distance = found.neighbor_graph
    return Near(distance[:, 1:], index[:, 1:])


def compare(cells: int, points: np.ndarray) -> None:
    """Print what approximate neighbours cost, and what they miss."""
    from napari_scfm.analysis import nearest as module

    limit, module.EXACT = module.EXACT, len(points)
    exact = timed(cells, "neighbours, every pair", lambda: nearest(points, OTHERS))
    module.EXACT = limit
    truth = [cluster_graph(neighbour_graph(points, near=exact), 1, s) for s in (0, 1)]
    print(f"| {cells} | another seed, ARI {adjusted_rand_score(*truth):.3f} | | | |")
    ways = {"neighbours": lambda: nearest(points, OTHERS)}
    ways["neighbours, pynndescent"] = lambda: others(points)
    ways["neighbours, pynndescent again"] = lambda: others(points)
    for name, act in ways.items():
        near = timed(cells, name, act)
        rows = range(0, len(points), 97)
        common = [len(np.intersect1d(near.index[i], exact.index[i])) for i in rows]
        made = cluster_graph(neighbour_graph(points, near=near))
        said = f"recall {np.mean(common) / OTHERS:.3f}"
        ari = adjusted_rand_score(truth[0], made)
        print(f"| {cells} | ... {said}, ARI {ari:.3f} | | | |", flush=True)


def measure(cells: int, args: argparse.Namespace) -> None:
    """Print the rows of one size."""
    table, points = slide(cells)
    if args.points:
        points = between(np.load(args.points).astype(np.float32), cells)
    if args.exact:
        compare(cells, points)
    near = timed(cells, "neighbours", lambda: nearest(points, OTHERS))
    how = {"near": near, "apart": True}
    graph = timed(cells, "graph", lambda: cell_graph(table, points, "pca", **how))
    mixed = {"domains": 0.8, "apart": True}
    timed(cells, "graph of domains", lambda: cell_graph(table, points, "pca", **mixed))
    made = timed(cells, "slider, first step", lambda: grouped(graph, 1.0))
    for resolution in (0.3, 0.9, 1.5, 3.0):
        step = f"slider, to {resolution}"
        timed(cells, step, lambda r=resolution: grouped(graph, r, before=made))
    history = GroupingHistory(made)

    def acts() -> None:
        history.push(made.merge(made.names[:2]))
        history.push(history.current.assign(np.arange(50), "by hand"))
        history.undo()

    timed(cells, "merge, correct 50 cells, undo", acts)
    process_of("leiden").end()
    if args.umap:
        umap_apart(points[:500])  # imported and compiled
        timed(cells, "UMAP", lambda: umap_apart(points, near=near), "umap")


def main() -> None:
    """Measure the sizes that are named, or 20,000 and 100,000 cells."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cells", nargs="*", type=int, default=[20_000, 100_000])
    parser.add_argument("--points", help="embedding of a real slide; cells between")
    flag = argparse.BooleanOptionalAction
    parser.add_argument("--exact", action=flag, default=True)
    parser.add_argument("--umap", action=flag, default=True)
    args = parser.parse_args()
    grouped(cell_graph(*slide(300), "pca"))  # imports
    print("| cells | what | s | CPU s | gap ms |\n| --- | --- | --- | --- | --- |")
    for cells in args.cells:
        measure(cells, args)


if __name__ == "__main__":
    main()
