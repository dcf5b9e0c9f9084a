"""Makes the pictures of attention.md by walking its path with mouse and buttons.

Run: python docs/attention.py SLIDE --fov F --model FOLDER --out FOLDER
Without a slide it walks on the sample, with the model that ships. ``--theme light``
and ``--brief`` make the first two pictures only.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("NAPARI_CONFIG", "")
os.environ["NAPARI_SCFM_AUTOSAVE"] = "0"

import numpy as np
from pointing import finish, only, photo, press, rest, scroll
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_scfm.slides.samples import sample_path
from napari_scfm.viewer.acts import colour_by_gene
from napari_scfm.viewer.card import select
from napari_scfm.widgets.app import start, workbench_of

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_scfm.widgets.workbench import Workbench

SIZE = (1500, 940)


def main() -> None:
    """Walk the path of the guide."""
    asked = options()
    asked.out.mkdir(parents=True, exist_ok=True)
    viewer = start(asked.slide, asked.fov)
    viewer.theme = asked.theme
    viewer.window.resize(*SIZE)
    bench = workbench_of(viewer)
    rest(1)
    session = bench.context.session
    if asked.gene:
        colour_by_gene(session, asked.gene)
    elif "cell_type" in session.fov.table.obs:
        session.colour_by = "type"
    bench.model.load_name(asked.model)
    finish(bench)
    streams(viewer, bench, asked.out)
    if not asked.brief:
        one_cell(viewer, bench, asked.out)
        checks(viewer, bench, asked.out)
        everywhere(viewer, bench, asked.out)


def options() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slide", nargs="?", default=sample_path("cosmx"), type=Path)
    parser.add_argument("--fov", default="F004")
    parser.add_argument("--model", default="cellplm-mini", help="name or folder")
    parser.add_argument("--gene", help="that colours the cells; else their types")
    parser.add_argument("--theme", default="dark", choices=("dark", "light"))
    parser.add_argument("--brief", action="store_true", help="two pictures only")
    parser.add_argument("--out", default="demo/attention", type=Path)
    return parser.parse_args()


def streams(viewer: Viewer, bench: Workbench, out: Path) -> None:
    """Draw what is left after geometry and layout, and the raw arrows."""
    step = bench.attention
    only(bench, step)
    press(step, "Draw streams")
    finish(bench)
    rest(1)
    scroll(bench, step.shares)
    photo(viewer, out / "1_streams.png")
    print(bench.context.session.message.text)
    step.look.raw.click()
    rest(0.5)
    photo(viewer, out / "2_raw.png")
    step.look.raw.click()
    rest(0.5)


def everywhere(viewer: Viewer, bench: Workbench, out: Path) -> None:
    """Ask for all cells, where a gradient of expression beats chance."""
    step = bench.attention
    partners, colour = step.asking.partners, step.look.colour
    partners.setCurrentIndex(partners.findData("all"))
    press(step, "Draw streams")
    finish(bench)
    colour.setCurrentIndex(colour.findData("sender"))
    rest(1)
    scroll(bench, step.map)
    photo(viewer, out / "5_all_cells.png")
    print(step.result.text())


def one_cell(viewer: Viewer, bench: Workbench, out: Path) -> None:
    """Click a cell in the middle; look at whom it attends to."""
    step, session = bench.attention, bench.context.session
    xy = np.asarray(session.fov.table.obsm["spatial"])
    middle = int(np.argmin(np.square(xy - np.median(xy, axis=0)).sum(axis=1)))
    select(session, middle)
    rest(0.5)
    step.partners.unfold()
    scroll(bench, step.partners)
    QTest.keyClick(step.partners.controls.scale, Qt.Key.Key_Down)
    viewer.scene.camera.zoom *= 4
    rest(1)
    photo(viewer, out / "3_cell.png")
    viewer.scene.camera.zoom /= 4
    session.selection = np.zeros(0, dtype=np.int64)


def checks(viewer: Viewer, bench: Workbench, out: Path) -> None:
    """Ask what random weights, even attention and exchanged places give."""
    step = bench.attention
    step.checks.unfold()
    press(step.checks, "Check")
    finish(bench)
    rest(0.5)
    scroll(bench, step.checks)
    photo(viewer, out / "4_checks.png")
    found = step.session.stream.checks
    print("\n".join(found["sentence"]))


if __name__ == "__main__":
    main()
