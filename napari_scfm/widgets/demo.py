"""The demo: the whole path on the sample slide, as a person would walk it.

Opens the last FOV, which cellplm-mini was not trained on, hides 20 genes, predicts,
compares, clusters, draws the attention streams, and writes what came out.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QApplication

from napari_scfm.errors import ScfmError
from napari_scfm.viewer.acts import colour_by_gene
from napari_scfm.viewer.export import write_figure
from napari_scfm.viewer.hiding import masking

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_scfm.widgets.workbench import Workbench

FOV, MODEL, GENES, FIRST_GENE = "F004", "cellplm-mini", 20, "EPCAM"


def run_demo(out: str | Path) -> tuple[Viewer, list[Path]]:
    """Walk the path; return the viewer, left open, and the files written to ``out``.

    Raises
    ------
    ScfmError
        With the sentence of the step that failed.
    """
    from napari_scfm.slides.samples import sample_path
    from napari_scfm.widgets.app import start, workbench_of

    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    viewer = start(sample_path("cosmx"), FOV)
    try:
        written = _walk(viewer, workbench_of(viewer), folder)
    except Exception:
        viewer.close()
        raise
    return viewer, written


def _walk(viewer: Viewer, bench: Workbench, folder: Path) -> list[Path]:
    session = bench.context.session
    written = []
    _show(bench, bench.colour, bench.model)
    colour_by_gene(session, FIRST_GENE)
    bench.model.load_name(MODEL)
    _finish(bench)
    masking.hide_random_genes(session, GENES)
    _show(bench, bench.model, bench.compare)
    bench.compare.run()
    _finish(bench)
    written.append(_picture(viewer, folder / "window_compare.png"))
    written.append(write_figure(session, "compare", folder / "compare.png")())
    written.append(folder / "summary.csv")
    session.comparison.summary.to_csv(written[-1], index=False)
    _show(bench, bench.compare, bench.clusters, bench.attention)
    bench.clusters.run()
    _finish(bench)
    written.append(write_figure(session, "clusters", folder / "clusters.png")())
    bench.attention.run()
    _finish(bench)
    written.append(write_figure(session, "attention", folder / "attention.png")())
    written.append(_picture(viewer, folder / "window.png"))
    return written


def _show(bench: Workbench, *steps: object) -> None:
    """Open some steps of the workbench and close the others."""
    for step in bench.steps:
        step.expand(animate=False) if step in steps else step.collapse(animate=False)


def _finish(bench: Workbench) -> None:
    """Let the window live until the job under way has ended; raise its error."""
    while bench.jobs.running:
        QApplication.processEvents()
        time.sleep(0.005)
    message = bench.context.session.message
    if message.level == "error":
        raise ScfmError(message.text)


def _picture(viewer: Viewer, path: Path) -> Path:
    """Save a picture of the whole window, once everything in it is drawn."""
    for _ in range(5):
        QApplication.processEvents()
        time.sleep(0.05)
    viewer.screenshot(str(path), canvas_only=False, flash=False)
    return path
