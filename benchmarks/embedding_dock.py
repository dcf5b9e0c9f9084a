"""The embedding dock at work: first picture, selection, recolouring, drawing.

A window with the dock, the workbench (its Clusters step open, classes of the slide on
show) and a slide of fields of view of up to 20,000 cells each. Times of acts are
processor time of the window's thread until the call returns, canvas, dock and
workbench together; "drawn" adds what the window then draws before it rests. "Draw" is
what the picture takes to draw, pixels read back. Without a graphics card that is the
processor's work, too.

Usage: xvfb-run -a -s "-screen 0 1920x1200x24" python benchmarks/embedding_dock.py [cells ...]
"""  # noqa: E501

from __future__ import annotations

import os
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_scfm.slides.slide import FieldOfView, Slide

os.environ["NAPARI_CONFIG"] = ""
os.environ["NAPARI_SCFM_AUTOSAVE"] = "0"  # nothing is to be found in the cache
UMAP = "napari_scfm.widgets.embedding.dock.umap_picture"
MOST, SIZE, GENES, KINDS, PIXEL = 20_000, 1024, 100, 12, 0.5


def make_fov(name: str, cells: int, rates: np.ndarray, number: int) -> FieldOfView:
    """Return square cells on a grid, of several kinds."""
    import anndata as ad
    import pandas as pd
    from scipy import sparse

    from napari_scfm.slides.slide import FieldOfView

    rng = np.random.default_rng(number)
    side = int(np.ceil(np.sqrt(cells)))
    at = np.arange(SIZE) * side // SIZE
    labels = at[:, None] * side + at[None, :] + 1
    labels[labels > cells] = 0
    kinds = rng.integers(0, KINDS, cells)
    counts = rng.poisson(rates[kinds] * rng.gamma(4, 0.25, (cells, 1)))
    table = ad.AnnData(sparse.csr_matrix(counts.astype("f4")))
    table.obs_names = [f"{name}_{i}" for i in range(cells)]
    table.var_names = [f"GENE{i}" for i in range(GENES)]
    table.obs["fov"] = name
    table.obs["cell_id"] = list(table.obs_names)
    table.obs["label"] = np.arange(1, cells + 1)
    table.obs["cell_type"] = pd.Categorical([f"kind {k}" for k in kinds])
    grid = np.divmod(np.arange(cells), side)
    table.obsm["spatial"] = (np.stack(grid[::-1], 1) + 0.5) * SIZE / side * PIXEL
    return FieldOfView(
        name,
        pixel_size=PIXEL,
        shape=(SIZE, SIZE),
        read_table=lambda: table,
        read_labels=lambda: labels.astype(np.uint16),
    )


def make_slide(cells: int) -> Slide:
    """Return a slide of so many cells."""
    import anndata as ad

    from napari_scfm.slides.report import ReadReport
    from napari_scfm.slides.slide import Slide

    rates = np.random.default_rng(0).gamma(0.5, 1.0, (KINDS, GENES))
    sizes = np.diff([*range(0, cells, MOST), cells])
    fovs = {
        f"F{n:03d}": make_fov(f"F{n:03d}", int(size), rates, n)
        for n, size in enumerate(sizes, start=1)
    }
    return Slide(
        Path("kinds"),
        format="h5ad",
        fov_cells={name: fov.table.n_obs for name, fov in fovs.items()},
        report=ReadReport(),
        read_table=lambda: ad.concat([fov.table for fov in fovs.values()]),
        read_fov=fovs.__getitem__,
    )


def median_ms(act: Callable[[int], Any], runs: int = 9, drawn: bool = False) -> float:
    """Return the median processor time of an act in ms, after one warm-up."""
    act(0)
    times = []
    for number in range(1, runs + 1):
        settle()
        started = time.thread_time()
        act(number)
        if drawn:
            settle()
        times.append((time.thread_time() - started) * 1e3)
    return statistics.median(times)


def settle() -> None:
    """Let the window draw what is due, also what it does a little later."""
    from qtpy.QtWidgets import QApplication

    for _ in range(20):
        QApplication.processEvents()
        time.sleep(0.01)


def rest(until: Callable[[], bool]) -> float:
    """Let the window live until something holds; return seconds."""
    from qtpy.QtWidgets import QApplication

    started = time.perf_counter()
    while not until():
        QApplication.processEvents()
        time.sleep(0.002)
    return time.perf_counter() - started


def measure(cells: int) -> dict[str, float]:
    """Return what each act takes."""
    import napari

    from napari_scfm.viewer.arrival import show_workbench
    from napari_scfm.viewer.open import open_slide
    from napari_scfm.widgets.embedding.dock import EmbeddingDock

    viewer = napari.Viewer(show_welcome_screen=False)
    viewer.window.resize(1500, 1000)
    session = open_slide(viewer, make_slide(cells))
    workbench = show_workbench(viewer)
    workbench.clusters.expand(animate=False)
    sort(session)
    dock = EmbeddingDock(viewer)
    viewer.window.add_dock_widget(dock, name="Embedding")
    rest(dock.isVisible)
    with mock.patch(UMAP, lambda picture, *_: picture):  # not what is measured here
        dock.draw()
        found = {"first picture, s": rest(lambda: len(dock.scatter.drawn) > 0)}
        rest(lambda: dock.jobs.running)
        rest(lambda: not dock.jobs.running)
    found |= acts(dock, session) | draws(dock)
    viewer.close()
    return found


def sort(session: Any) -> None:
    """Put classes of the whole slide on show."""
    from napari_scfm.analysis.groups.grouping import Grouping
    from napari_scfm.analysis.groups.history import GroupingHistory
    from napari_scfm.viewer.grouping import Groups, take

    codes = session.slide.table.obs["cell_type"].astype("category").cat.codes
    made = Grouping.of("kinds", np.asarray(codes))
    take(session, Groups(GroupingHistory(made), "none", {}))


def acts(dock: Any, session: Any) -> dict[str, float]:
    """Return the times of selecting and recolouring, in ms."""
    from napari_scfm.viewer.acts import colour_by_gene
    from napari_scfm.viewer.hiding.picking import pick

    wide, high = dock.scatter.native.width(), dock.scatter.native.height()
    turn = np.linspace(0, 2 * np.pi, 80)

    def lasso(number: int) -> None:
        radius = 0.12 + 0.02 * (number % 5)
        ring = np.stack([np.cos(turn), np.sin(turn)], axis=1) * radius + 0.5
        dock.pick(dock.gestures.inside(ring * (wide, high)))

    def on_tissue(number: int) -> None:
        pick(session, np.arange(number, session.n_cells, 10 + number % 3))

    def gene(number: int) -> None:
        colour_by_gene(session, f"GENE{number}")
        dock.recolour()

    found = {"lasso, ms": median_ms(lasso)}
    found["lasso drawn, ms"] = median_ms(lasso, drawn=True)
    found["selected on the tissue, ms"] = median_ms(on_tissue)
    found["... drawn, ms"] = median_ms(on_tissue, drawn=True)
    found["gene, ms"] = median_ms(gene)
    return found


def draws(dock: Any) -> dict[str, float]:
    """Return the times of drawing, in ms."""
    scatter, found = dock.scatter, {}
    dock.context.command("clear")()
    scatter.settle()
    found["draw all, ms"] = median_ms(lambda _: scatter.canvas.render())

    def move(number: int) -> None:
        scatter.camera.pan(scatter.scale * (-1) ** number, 0)
        scatter.moved()
        scatter.canvas.render()

    found["draw while moving, ms"] = median_ms(move)
    scatter.show_crowded(True)

    def count(number: int) -> None:
        scatter.camera.pan(scatter.scale * (-1) ** number, 0)
        scatter.count()
        scatter.canvas.render()

    found["density while moving, ms"] = median_ms(count)
    scatter.show_crowded(False)
    return found


def main() -> None:
    """Print one row per number of cells."""
    import sklearn.decomposition  # noqa: F401  costs seconds, once

    sizes = [int(word) for word in sys.argv[1:]] or [5_000, 20_000, 100_000]
    rows = {cells: measure(cells) for cells in sizes}
    heads = list(next(iter(rows.values())))
    print(f"| cells | {' | '.join(heads)} |")
    print("| --- " * (len(heads) + 1) + "|")
    for cells, found in rows.items():
        print(f"| {cells:,} | " + " | ".join(f"{v:.1f}" for v in found.values()) + " |")


if __name__ == "__main__":
    main()
