"""Makes the pictures of masking.md by walking its path with mouse and buttons.

Run: python docs/masking.py SLIDE --fov F --gene G --model FOLDER --out FOLDER
Without a slide it walks on the sample. Prints whether the reopened session looks the
same, pixel by pixel.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

os.environ.setdefault("NAPARI_CONFIG", "")
os.environ["NAPARI_SCFM_AUTOSAVE"] = "0"

from pointing import (
    choosing,
    click,
    drag,
    finish,
    key,
    only,
    photo,
    press,
    reopened,
    rest,
)
from qtpy.QtCore import Qt

from napari_scfm.slides.samples import sample_path
from napari_scfm.viewer.acts import colour_by_gene
from napari_scfm.widgets.app import start, workbench_of

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_scfm.widgets.report.dock import ReportDock
    from napari_scfm.widgets.workbench import Workbench

SIZE = (1500, 940)
MINI = "cellplm-mini"


def main() -> None:
    """Walk the path of the guide."""
    asked = options()
    asked.out.mkdir(parents=True, exist_ok=True)
    viewer = start(asked.slide, asked.fov)
    viewer.window.resize(*SIZE)
    bench = workbench_of(viewer)
    rest(1)
    colour_by_gene(bench.context.session, asked.gene)
    bench.context.session.log = True
    load(bench, asked.model)
    hide(viewer, bench, asked.out)
    predict(viewer, bench, asked)
    worst_gene(viewer, bench, asked.out)
    blink(viewer, bench, asked.out)
    export(viewer, bench, asked.out)
    report_of(viewer).parent().close()
    reopened(viewer, bench, asked.out / "7_reopened.png")


def options() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slide", nargs="?", default=sample_path("cosmx"), type=Path)
    parser.add_argument("--fov", default="F004")
    parser.add_argument("--gene", default="EPCAM", help="that colours the first view")
    parser.add_argument("--model", help="folder of a second model, for example trained")
    parser.add_argument("--out", default="demo/masking", type=Path)
    return parser.parse_args()


def load(bench: Workbench, second: str | None) -> None:
    """Load the models; the one loaded first stays on offer."""
    for name in (MINI, second):
        if name:
            bench.model.load_name(name)
            finish(bench)


def hide(viewer: Viewer, bench: Workbench, out: Path) -> None:
    """Draw a lasso, look, and hide what is in it."""
    session = bench.context.session
    only(bench, bench.mask)
    press(bench.mask, "Cells")
    press(bench.mask, "Lasso")
    xy = session.fov.table.obsm["spatial"]
    low, high = xy.min(axis=0), xy.max(axis=0)
    angle = np.linspace(0, 2 * np.pi, 40)
    wobble = 1 + 0.2 * np.sin(3 * angle)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1) * wobble[:, None]
    drag(viewer, (low + high) / 2 + circle * (high - low) * 0.17)
    photo(viewer, out / "1_lasso.png")
    press(bench.mask, "Hide selected")
    key(Qt.Key.Key_Escape)
    photo(viewer, out / "2_hidden.png")


def predict(viewer: Viewer, bench: Workbench, asked: argparse.Namespace) -> None:
    """Ask two models and two baselines."""
    only(bench, bench.compare)
    who = bench.compare.who
    for box in who.models.values():
        box.setChecked(True)
    for name, box in who.baselines.items():
        box.setChecked(name in ("knn-space", "ridge"))
    rest(0.2)
    press(bench.compare.predict)
    finish(bench)
    photo(viewer, asked.out / "3_compare.png")


def report_of(viewer: Viewer) -> ReportDock:
    """Return the docked report."""
    docks = viewer.window.dock_widgets
    return next(dock for name, dock in docks.items() if "Report" in name)


def worst_gene(viewer: Viewer, bench: Workbench, out: Path) -> None:
    """Open the report, sort genes by error, click the worst."""
    press(bench.compare, "Report")
    rest(2)
    report = report_of(viewer)
    press(report, "Genes")
    genes = report.pages["Genes"]
    genes.measures.setCurrentIndex(genes.measures.findText("RMSE"))
    genes.table.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    rest(0.5)
    first = genes.table.visualRect(genes.table.model().index(0, 0)).center()
    click(genes.table.viewport(), first)
    photo(viewer, out / "4_worst_gene.png")


def blink(viewer: Viewer, bench: Workbench, out: Path) -> None:
    """Blink the gene: prediction and truth in place."""
    key("T")
    photo(viewer, out / "5_blink_prediction.png")
    key("T")
    photo(viewer, out / "5_blink_truth.png")
    key("N")


def export(viewer: Viewer, bench: Workbench, out: Path) -> None:
    """Write the figure of three panels, and the report."""
    only(bench, bench.export)
    bench.export.what.value = "compare"
    with choosing(out / "6_figure.png"):
        press(bench.export, "Save figure")
    finish(bench)
    with choosing(Path(tempfile.mkdtemp())):
        press(report_of(viewer).export)
    while not report_of(viewer).session.message.text.startswith("Report written"):
        rest(0.1)
    only(bench, bench.compare)


if __name__ == "__main__":
    main()
