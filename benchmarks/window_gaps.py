"""How long the window does not answer, act by act, on a large field of view.

A timer of 5 ms beats in the window's thread while a person's acts are played. Between
two beats lies a turn of the event loop, which answers nothing else. Of each turn two
things are noted: the processor time that the window's thread took (``max`` and ``p95``
over the act's turns; other programs do not count), without what the canvas took to draw
itself; and the longest drawing, which is done in software where there is no graphics
card. ``wall`` is the longest time between two beats by the clock, drawing and other
programs included. ``slot`` is the longest of our own slots with what napari does in it.

Run it alone, on a screen of its own::

    xvfb-run -a -s "-screen 0 1920x1200x24" python benchmarks/window_gaps.py
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

os.environ.setdefault("NAPARI_CONFIG", "")
os.environ["NAPARI_SCFM_AUTOSAVE"] = "0"

import anndata as ad
import numpy as np
import pandas as pd
from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QApplication
from scipy import sparse
from vispy.scene import SceneCanvas

from napari_scfm.masks.parts import RandomEntries
from napari_scfm.masks.spec import MaskSpec
from napari_scfm.slides.report import ReadReport
from napari_scfm.slides.slide import FieldOfView, Slide
from napari_scfm.viewer import acts
from napari_scfm.viewer.hiding import masking, selection
from napari_scfm.viewer.open import open_slide
from napari_scfm.widgets.app import start, workbench_of

if TYPE_CHECKING:
    from collections.abc import Callable

BEAT = 5
AIM = 50
"""Milliseconds that no turn should take."""
PIXEL = 0.5
SIDE = 28
"""Pixels of a cell's square, its border included."""


def big_slide(cells: int, genes: int, seed: int = 0) -> Slide:
    """Return a slide of two fields of view; the first has so many cells."""
    made = {"F001": cells, "F002": max(cells // 10, 50)}
    known = {name: _fov(name, n, genes, seed) for name, n in made.items()}
    return Slide(
        Path(tempfile.mkdtemp()) / "synthetic",  # autosaves lie beside a slide
        format="cosmx",
        fov_cells=made,
        report=ReadReport(),
        read_table=lambda: ad.concat([fov.table for fov in known.values()]),
        read_fov=known.__getitem__,
    )


def _fov(name: str, cells: int, genes: int, seed: int) -> FieldOfView:
    wide = int(np.ceil(np.sqrt(cells)))
    place = np.arange(cells)
    row, column = place // wide, place % wide
    labels = np.zeros((wide * SIDE, wide * SIDE), dtype=np.uint16)
    block = np.zeros((wide, wide), dtype=np.uint16)
    block[row, column] = place + 1
    inner = np.kron(block, np.ones((SIDE, SIDE), dtype=np.uint16))
    edge = (np.indices(inner.shape) % SIDE < 2).any(axis=0)
    labels[:] = np.where(edge, 0, inner)
    rng = np.random.default_rng(seed)
    counts = sparse.random(
        cells, genes, 0.12, "csr", np.float32, rng,
        data_rvs=lambda n: rng.poisson(1.5, n).astype(np.float32) + 1,
    )  # fmt: skip
    kinds = pd.Categorical(np.array(["tumour", "stroma", "T cell"])[place % 3])
    obs = pd.DataFrame(
        {"fov": name, "cell_id": place.astype(str), "label": place + 1,
         "cell_type": kinds},
        index=[f"{name}_{i}" for i in place],
    )  # fmt: skip
    xy = (np.stack([column, row], axis=1) + 0.5) * SIDE * PIXEL
    table = ad.AnnData(
        counts.tocsr(), obs=obs, var=pd.DataFrame(index=_names(genes)),
        obsm={"spatial": xy.astype(float)},
    )  # fmt: skip
    image = np.where(edge, 30, 90).astype(np.uint8)
    return FieldOfView(
        name, pixel_size=PIXEL, shape=labels.shape, read_table=lambda: table,
        read_labels=lambda: labels, images={"DAPI": image, "membrane": image // 2},
    )  # fmt: skip


def _names(genes: int) -> list[str]:
    """Return gene names; the first are known to cellplm-mini."""
    from napari_scfm.models.hub import load_model

    known = list(load_model("cellplm-mini").info.genes)[:genes]
    return known + [f"GENE{i}" for i in range(genes - len(known))]


class Watch(QObject):
    """What each turn of the event loop took, and how long canvases took to draw."""

    def __init__(self) -> None:
        super().__init__()
        self._timer = QTimer()
        self._timer.timeout.connect(self._beat)
        self._timer.start(BEAT)
        self.clear()

    def _beat(self) -> None:
        wall, busy = time.perf_counter(), time.thread_time()
        self.walls.append(1000 * (wall - self._wall))
        own = 1000 * (busy - self._busy) - sum(self.drawn[self._seen :])
        self.turns.append(max(own, 0.0))
        self._wall, self._busy, self._seen = wall, busy, len(self.drawn)

    def clear(self) -> None:
        """Forget what was seen."""
        self.turns: list[float] = []
        self.walls: list[float] = []
        self.drawn: list[float] = []
        self.ours: list[tuple[float, str]] = []
        self._wall, self._busy, self._seen = time.perf_counter(), time.thread_time(), 0

    def timed(self, owner: Any, name: str, kept: str, label: str = "") -> None:
        """Time every call of a method."""
        real = getattr(owner, name)

        def call(*given: Any, **named: Any) -> Any:
            begun = time.thread_time()
            try:
                return real(*given, **named)
            finally:
                took = 1000 * (time.thread_time() - begun)
                if kept == "drawn":
                    self.drawn.append(took)
                else:
                    self.ours.append((took, label or name))

        setattr(owner, name, call)


def canvases() -> list[SceneCanvas]:
    """Return what napari draws in."""
    found = []
    for widget in QApplication.allWidgets():
        canvas = getattr(widget, "_vispy_canvas", None)
        if isinstance(canvas, SceneCanvas):
            found.append(canvas)
    return found


def rest(seconds: float) -> None:
    """Let the window live."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        QApplication.processEvents()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        time.sleep(0.001)


def finish(bench: Any) -> None:
    """Let the window live until the job under way has ended."""
    while bench.jobs.running:
        rest(0.01)
    if bench.context.session.message.level == "error":
        raise SystemExit(bench.context.session.message.text)


def lasso(viewer: Any, session: Any) -> None:
    """Draw a lasso around a third of the tissue and hide what is in it."""
    session.tool = "lasso"
    gesture = selection.gesture_for(session)
    size = np.array(session.fov.shape) * PIXEL
    turn = np.linspace(0, 2 * np.pi, 40)
    track = size / 2 + 0.3 * size * np.stack([np.sin(turn), np.cos(turn)], axis=1)
    event = SimpleNamespace(
        type="mouse_press", button=1, modifiers=(), handled=False,
        position=track[0], pos=track[0] * viewer.scene.camera.zoom,
    )  # fmt: skip
    running = gesture(viewer, event)
    next(running)
    event.type = "mouse_move"
    for point in track[1:]:
        event.position, event.pos = point, point * viewer.scene.camera.zoom
        next(running)
        rest(0.015)
    event.type = "mouse_release"
    next(running, None)
    rest(0.3)
    acts.run(viewer, "hide_selected")
    session.tool = "pan"


def open_report(viewer: Any) -> Any:
    """Open the report and wait until its numbers are there."""
    from napari_scfm.viewer.report import show_report

    dock = show_report(viewer)
    while not dock.stack.isVisible():
        rest(0.01)
    return dock


def sort_genes(viewer: Any) -> None:
    """Sort the report's genes by error, then the other way round."""
    from qtpy.QtCore import Qt

    page = open_report(viewer).pages["Genes"]
    for order in (Qt.SortOrder.DescendingOrder, Qt.SortOrder.AscendingOrder):
        page.table.sortByColumn(1, order)
        rest(0.3)


def play(viewer: Any, bench: Any, watch: Watch) -> list[tuple[str, ...]]:
    """Do a person's acts; return the lines of the table."""
    session = bench.context.session
    forty = MaskSpec(entries=RandomEntries(fraction=0.4, eligible="all"))

    def predict() -> None:
        bench.compare.predict.click()
        finish(bench)

    script: list[tuple[str, Callable[[], Any]]] = [
        ("colour by gene", lambda: acts.step_gene(session, 1)),
        ("hide a lasso", lambda: lasso(viewer, session)),
        ("undo", lambda: acts.run(viewer, "undo")),
        ("hide 40 % of entries", lambda: _hide(bench, forty)),
        ("undo", lambda: acts.run(viewer, "undo")),
        ("redo", lambda: acts.run(viewer, "redo")),
        ("undo", lambda: acts.run(viewer, "undo")),
        ("hide 100 genes", lambda: masking.hide_random_genes(session, 100)),
        ("predict", predict),
        ("next gene", lambda: acts.run(viewer, "next_gene")),
        ("blink", lambda: acts.run(viewer, "blink")),
        ("side by side again", lambda: acts.run(viewer, "side_by_side")),
        ("another model on show", lambda: _show(bench, "ridge")),
        ("blink", lambda: acts.run(viewer, "blink")),
        ("side by side again", lambda: acts.run(viewer, "side_by_side")),
        ("report opens", lambda: open_report(viewer)),
        ("report: genes", lambda: open_report(viewer).show_page("Genes")),
        ("sort genes by error", lambda: sort_genes(viewer)),
        ("report: scatter", lambda: open_report(viewer).show_page("Scatter")),
    ]
    return [act(watch, name, do) for name, do in script]


def _hide(bench: Any, spec: MaskSpec) -> None:
    bench.mask.hide(spec)
    finish(bench)


def _show(bench: Any, name: str) -> None:
    bench.compare.show_model(name)
    finish(bench)


def act(watch: Watch, name: str, do: Callable[[], Any]) -> tuple[str, ...]:
    """Do one act and return its line."""
    watch.clear()
    begun = time.perf_counter()
    do()
    rest(1.0)
    took = time.perf_counter() - begun - 1.0
    turns, drawn = np.array(watch.turns), watch.drawn or [0.0]
    slow, what = max(watch.ours, default=(0.0, ""))
    line = (
        name, f"{took:6.2f}", f"{turns.max():5.0f}", f"{np.percentile(turns, 95):5.0f}",
        f"{np.sum(turns > AIM):5d}", f"{max(drawn):5.0f}", f"{max(watch.walls):5.0f}",
        f"{slow:5.0f}", what,
    )  # fmt: skip
    print("  ".join((line[0].ljust(22), *line[1:])), flush=True)
    return line


def main() -> None:
    """Play the acts and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=20_000)
    parser.add_argument("--genes", type=int, default=1_000)
    given = parser.parse_args()
    slide = big_slide(given.cells, given.genes)
    viewer = start()
    begun = time.perf_counter()
    open_slide(viewer, slide, "F001")
    print(f"opening the field of view: {time.perf_counter() - begun:.2f} s")
    bench = workbench_of(viewer)
    bench.model.load_name("cellplm-mini")
    finish(bench)
    for step in bench.steps:
        step.collapse(animate=False)
    bench.mask.expand(animate=False)
    bench.compare.expand(animate=False)
    for name, box in bench.compare.baselines.items():
        box.setChecked(name in ("gene-mean", "ridge"))
    rest(2.0)
    watch = Watch()
    for canvas in canvases():
        watch.timed(canvas, "on_draw", "drawn")
    watch_ours(watch)
    print(f"{given.cells} cells x {given.genes} genes; ms but for the act's seconds")
    print("act                     seconds  max    p95  > 50   draw   wall   slot")
    play(viewer, bench, watch)
    viewer.close()


def watch_ours(watch: Watch) -> None:
    """Time our own code that runs in the window's thread."""
    from napari_scfm.viewer import compare
    from napari_scfm.viewer.painter import Painter
    from napari_scfm.widgets import jobs
    from napari_scfm.widgets.steps import compare as step_compare
    from napari_scfm.widgets.steps import mask as step_mask

    for owner, name in (
        (acts, "run"), (acts, "show_comparison"), (masking, "hide"), (masking, "_push"),
        (compare, "recolour"), (compare, "arrange"), (jobs, "_delivered"),
        (Painter, "paint"), (Painter, "mark_hidden"),
        (step_mask.MaskStep, "_on_mask"), (step_compare.CompareStep, "_on_comparison"),
    ):  # fmt: skip
        watch.timed(owner, name, "ours")


if __name__ == "__main__":
    main()
