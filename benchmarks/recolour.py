"""Recolour the cells of a FOV by another gene: ours against napari's usual way.

Ours is what the workbench does when a gene is picked (colours, legend, hover table).
The usual way hands napari a DirectLabelColormap with one colour per cell, on int32
labels. Times end when the call returns, before the redraw.

Usage: xvfb-run -a -s "-screen 0 1920x1200x24" python benchmarks/recolour.py [cells ...]
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_scfm.slides.slide import Slide

os.environ["NAPARI_CONFIG"] = ""
SIZE, GENES, PIXEL = 4256, 40, 0.12


def make_slide(cells: int) -> Slide:
    """Return a slide of square cells on a grid, with Poisson counts."""
    import anndata as ad
    from scipy import sparse

    from napari_scfm.slides.report import ReadReport
    from napari_scfm.slides.slide import FieldOfView, Slide

    side = int(np.ceil(np.sqrt(cells)))
    at = np.arange(SIZE) * side // SIZE
    labels = at[:, None] * side + at[None, :] + 1
    labels[labels > cells] = 0
    rng = np.random.default_rng(0)
    table = ad.AnnData(sparse.csr_matrix(rng.poisson(0.5, (cells, GENES)).astype("f4")))
    table.obs_names = [f"c{i}" for i in range(cells)]
    table.var_names = [f"GENE{i}" for i in range(GENES)]
    table.obs["fov"] = "F001"
    table.obs["cell_id"] = list(table.obs_names)
    table.obs["label"] = np.arange(1, cells + 1)
    grid = np.divmod(np.arange(cells), side)
    table.obsm["spatial"] = (np.stack(grid[::-1], 1) + 0.5) * SIZE / side * PIXEL
    fov = FieldOfView(
        "F001",
        pixel_size=PIXEL,
        shape=(SIZE, SIZE),
        read_table=lambda: table,
        read_labels=lambda: labels.astype(np.uint16),
    )
    return Slide(
        Path("grid"),
        format="h5ad",
        fov_cells={"F001": cells},
        report=ReadReport(),
        read_table=lambda: table,
        read_fov=lambda name: fov,
    )


def median_ms(act: Callable[[int], None], runs: int) -> float:
    """Return the median time of an act in ms, after one warm-up."""
    act(0)
    times = []
    for number in range(1, runs + 1):
        started = time.perf_counter()
        act(number)
        times.append((time.perf_counter() - started) * 1e3)
    return statistics.median(times)


def measure(cells: int) -> tuple[float, float]:
    """Return (ours, DirectLabelColormap) in ms."""
    import napari
    from napari.utils.colormaps import DirectLabelColormap

    from napari_scfm.figures.palette import colour_values
    from napari_scfm.viewer.acts import colour_by_gene
    from napari_scfm.viewer.open import open_slide

    viewer = napari.Viewer()
    slide = make_slide(cells)
    session = open_slide(viewer, slide)
    ours = median_ms(lambda i: colour_by_gene(session, f"GENE{i}"), 15)
    labels = np.asarray(slide.fov("F001").labels, dtype=np.int32)
    counts = slide.table.X.toarray()
    layer = viewer.add_labels(labels, name="usual")

    def usual(number: int) -> None:
        rgba = colour_values(counts[:, number], 0, 3, "viridis")
        colours = dict(enumerate(rgba, start=1))
        layer.colormap = DirectLabelColormap(color_dict={None: "black", **colours})

    theirs = median_ms(usual, 3)
    viewer.close()
    return ours, theirs


def main() -> None:
    """Print one row per number of cells."""
    sizes = [int(word) for word in sys.argv[1:]] or [1000, 5000, 20000, 60000]
    print("| cells | workbench, ms | DirectLabelColormap, ms | ratio |")
    print("| --- | --- | --- | --- |")
    for cells in sizes:
        ours, theirs = measure(cells)
        print(f"| {cells} | {ours:.1f} | {theirs:.0f} | {theirs / ours:.0f}x |")


if __name__ == "__main__":
    main()
