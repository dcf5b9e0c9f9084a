"""What a slider of the attention step costs: following the lines, ribbons, layers.

A field of view with streams is on show in the workbench. Each act sets the session's
stream to another look, as the sliders do; the time ends when the call returns, with
both layers changed and all parts of the workbench told, before the redraw. Process
time, so that other programs do not count. "lines" is the part that follows the field,
"matplotlib" what its integrator takes for the same field at the same density.

Usage: xvfb-run -a -s "-screen 0 1920x1200x24" python benchmarks/stream_sliders.py [n]
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

os.environ["NAPARI_CONFIG"] = ""
os.environ["NAPARI_SCFM_AUTOSAVE"] = "0"

from recolour import make_slide

from napari_scfm.analysis.streams.flow_lines import flow_lines
from napari_scfm.analysis.streams.streamlines import StreamLook, trace
from napari_scfm.experiments.attention.asked import FieldOptions, Kinds, field_as
from napari_scfm.experiments.attention.sending import senders_of
from napari_scfm.models.attention import Attention, Block
from napari_scfm.viewer.attention import compute, motion
from napari_scfm.viewer.colouring import category_rgba
from napari_scfm.viewer.session import Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_scfm.analysis.attention.attention_field import AttentionField
    from napari_scfm.viewer.session import Session

RUNS, KINDS, WIDTH = 7, 12, 128


def factors(xy: np.ndarray, seed: int = 0) -> Attention:
    """Return attention whose queries and keys change smoothly over the tissue."""
    rng = np.random.default_rng(seed)
    waves = rng.normal(size=(2, WIDTH)) * 12 / np.ptp(xy)
    query, key = (np.exp(np.cos(xy @ waves + rng.random(WIDTH) * 7)) for _ in range(2))
    return Attention([Block(np.arange(len(xy)), query, key)], len(xy))


def stream_on(xy: np.ndarray) -> Stream:
    """Return streams of both directions among the 30 nearest cells."""
    attention = factors(xy)
    codes = (xy[:, 0] / (xy[:, 0].max() + 1) * KINDS).astype(int)
    kinds = Kinds(codes, tuple(f"kind {i}" for i in range(KINDS)), "cell_type")
    asked = FieldOptions(neighbours=30)
    ways = ("received", "sent")
    fields = {
        way: field_as(attention, xy, kinds, replace(asked, direction=way))
        for way in ways
    }
    return Stream(
        "F001", "factors", fields["received"], kinds=kinds.names, codes=codes,
        palette=category_rgba(np.arange(KINDS), KINDS), fields=fields, whole=fields,
        attention=attention, options=asked, xy=xy,
        senders=senders_of(attention, kinds, asked, xy),
    )  # fmt: skip


def median_ms(act: Callable[[int], object], runs: int = RUNS) -> float:
    """Return the median process time of an act in ms, after one warm-up."""
    act(0)
    times = []
    for number in range(1, runs + 1):
        started = time.process_time()
        act(number)
        times.append((time.process_time() - started) * 1e3)
    return statistics.median(times)


def lines_ms(field: AttentionField, density: float) -> tuple[float, float]:
    """Return the times of our integrator and of matplotlib's, ms."""
    grid = field.grid_x, field.grid_y, field.grid_u, field.grid_v
    ny, nx = field.grid_u.shape
    share = density * nx / max(nx, ny), density * ny / max(nx, ny)
    ours = median_ms(lambda _: flow_lines(*grid, density))
    return ours, median_ms(lambda _: trace(*grid, share), 3)


def looks(session: Session) -> list[tuple[str, Callable[[int], StreamLook]]]:
    """Return the acts: what is moved, and the look of each turn."""
    usual = session.stream.field.smoothing_um
    return [
        (f"density {d:g}", lambda i, d=d: StreamLook(density=d + i / 1000))
        for d in (0.6, 1.0, 2.0, 3.0)
    ] + [
        ("smoothing", lambda i: StreamLook(smoothing_um=usual * (1 + i / 10))),
        (
            "smoothing, density 2",
            lambda i: StreamLook(density=2, smoothing_um=usual * (1 + i / 10)),
        ),
        ("cut-off", lambda i: StreamLook(cutoff=0.3 + i / 100)),
        ("colour", lambda i: StreamLook(colour=("sender", "strength")[i % 2])),
        ("raw arrows", lambda i: StreamLook(raw=i % 2 == 0)),
    ]


def main() -> None:
    """Print one row per slider."""
    from napari_scfm.viewer.open import open_slide
    from napari_scfm.widgets.app import start

    cells = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    viewer = start()
    slide = make_slide(cells)
    session = open_slide(viewer, slide)
    xy = np.asarray(slide.fov("F001").table.obsm["spatial"], dtype=float)
    session.stream = compute.relooked(stream_on(xy), StreamLook())

    def relook(look: StreamLook) -> None:
        session.stream = compute.relooked(session.stream, look)

    print(f"| {cells} cells | slider, ms | lines, ms | matplotlib, ms |")
    print("| --- | --- | --- | --- |")
    for name, look in looks(session):
        taken = median_ms(lambda i, look=look: relook(look(i)))
        row = f"| {name} | {taken:.0f} |"
        if name.startswith("density"):
            ours, theirs = lines_ms(session.stream.field, look(0).density)
            row += f" {ours:.0f} | {theirs:.0f} |"
        print(row if row.count("|") > 3 else row + " | |")
    relook(StreamLook())
    frame = median_ms(lambda i: motion.step(viewer, session, i / 10))
    print(f"| a frame of travelling heads | {frame:.0f} | | |")
    viewer.close()


if __name__ == "__main__":
    main()
