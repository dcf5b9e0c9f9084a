"""Makes the pictures of clusters.md by walking its path with mouse and buttons.

Run: python docs/clusters.py SLIDE --fov F --model FOLDER --out FOLDER
It clusters, looks, names, asks for neighbours, and saves. With ``--reference`` it tells
cell types by labelled cells, compares them with known ones, and learns kinds from a few
examples. Without a slide it walks on the sample.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("NAPARI_CONFIG", "")
os.environ["NAPARI_SCFM_AUTOSAVE"] = "0"

import numpy as np
from pointing import (
    canvas,
    choosing,
    click,
    finish,
    key,
    only,
    photo,
    pixel,
    press,
    rest,
    said,
    scroll,
    stroke,
    twice,
    write_into,
)
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_scfm.slides.samples import sample_path
from napari_scfm.widgets.app import start, workbench_of

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_scfm.widgets.embedding.dock import EmbeddingDock
    from napari_scfm.widgets.workbench import Workbench

SIZE = (1500, 1000)
EACH = 8
"""Examples of each kind."""


def main() -> None:
    """Walk one of the two paths of the guide."""
    asked = options()
    asked.out.mkdir(parents=True, exist_ok=True)
    viewer = start(asked.slide, asked.fov)
    viewer.theme = asked.theme
    viewer.window.resize(*SIZE)
    rest(1)
    viewer.reset_view()
    bench = workbench_of(viewer)
    bench.model.load_name(asked.model)
    finish(bench)
    only(bench, bench.clusters)
    if asked.reference:
        types(viewer, bench, asked)
        domains(viewer, bench, asked.out)
        learn(viewer, bench, asked)
        compare(bench, asked)
        viewer.close()
        return
    cluster(viewer, bench, asked.out)
    compare(bench, asked)
    dock = embedding(viewer, bench, asked.out)
    markers(viewer, bench, asked)
    name(viewer, bench, asked)
    dock.parent().close()
    neighbours(viewer, bench, asked)
    keep(viewer, bench, asked.out)
    viewer.close()


def options() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slide", nargs="?", default=sample_path("cosmx"), type=Path)
    parser.add_argument("--fov", default="F004")
    parser.add_argument("--model", default="cellplm-mini", help="name or folder")
    parser.add_argument("--merge", default="0,1", help="two classes that are one")
    parser.add_argument("--name", default="tumour", help="of the class they make")
    parser.add_argument("--reference", type=Path, help="labelled cells, an .h5ad")
    parser.add_argument("--labels", default="cell_type", help="known types, in obs")
    parser.add_argument("--kinds", default="tumour,T cell", help="to be learned")
    parser.add_argument("--theme", default="dark", choices=("dark", "light"))
    parser.add_argument("--out", default="demo/clusters", type=Path)
    return parser.parse_args()


def cluster(viewer: Viewer, bench: Workbench, out: Path) -> None:
    """Sort all cells of the slide."""
    press(bench.clusters, "Cluster")
    said(bench)
    photo(viewer, out / "1_clusters.png")


def embedding(viewer: Viewer, bench: Workbench, out: Path) -> EmbeddingDock:
    """Draw the cells as points, and a lasso around those of one class."""
    _, dock = viewer.window.add_plugin_dock_widget("napari-scfm", "Embedding")
    rest(0.5)
    press(dock, "Draw")
    while "UMAP" not in dock.pictures or dock.jobs.running:
        rest(0.1)
    rest(1)
    session, shown = bench.context.session, dock.picture
    points = shown.xy[session.grouping.labels == 2]
    middle = np.median(points, axis=0)
    reach = np.quantile(np.linalg.norm(points - middle, axis=1), 0.8)
    angle = np.linspace(0, 2 * np.pi, 30)
    ring = middle + reach * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    places = dock.scatter.to_pixels(ring).round().astype(int).tolist()
    stroke(dock.scatter.native, [QPoint(x, y) for x, y in places])
    print(session.message.text)
    photo(viewer, out / "2_embedding.png")
    QTest.keyClick(dock.scatter.native, Qt.Key.Key_Escape)
    return dock


def markers(viewer: Viewer, bench: Workbench, asked: argparse.Namespace) -> None:
    """Find marker genes, and paint the first of a class that is to be named."""
    section = bench.clusters.markers
    section.unfold()
    scroll(bench, section)
    press(section, "Find marker genes")
    said(bench)
    view = section.table.table
    at = list(section.found["group"]).index(asked.merge.split(",")[0])
    view.scrollTo(view.model().index(at, 0), view.ScrollHint.PositionAtTop)
    scroll(bench, section)
    click(view.viewport(), view.visualRect(view.model().index(at, 0)).center())
    photo(viewer, asked.out / "3_markers.png")
    section.unfold(False)


def name(viewer: Viewer, bench: Workbench, asked: argparse.Namespace) -> None:
    """Make one class of two, give it a name, and show it alone."""
    session, listed = bench.context.session, bench.clusters.classes
    session.colour_by = "clusters"
    scroll(bench, listed)
    table, grouping = listed.table, session.grouping
    for number, one in enumerate(asked.merge.split(",")):
        line = table.visualItemRect(table.item(grouping.names.index(one), 0))
        control = Qt.KeyboardModifier.ControlModifier
        held = control if number else Qt.KeyboardModifier.NoModifier
        click(table.viewport(), line.center(), held)
    press(listed.merge)
    print(session.message.text)
    line = table.selectionModel().selectedRows()[0].row()
    twice(table.viewport(), table.visualItemRect(table.item(line, 0)).center())
    write_into(table, asked.name)
    print(session.grouping.about)
    spots = bench.legend.spots()
    place = session.grouping.names.index(asked.name)
    twice(bench.legend, spots[place].center().toPoint())
    photo(viewer, asked.out / "4_named.png")
    twice(bench.legend, bench.legend.spots()[place].center().toPoint())


def neighbours(viewer: Viewer, bench: Workbench, asked: argparse.Namespace) -> None:
    """Ask who lies beside whom; click the class that was named beside another."""
    section = bench.clusters.neighbourhoods
    section.unfold()
    scroll(bench, section)
    column = bench.context.session.grouping.key
    section.kinds.setCurrentIndex(section.kinds.findText(column))
    section.where.setCurrentIndex(1)
    press(section, "Who lies beside")
    said(bench)
    shown = section.map.map
    times = np.array(section.map.enrichment.times)
    row = shown.names.index(asked.name)
    times[row, row] = 0
    scroll(bench, section.map, 0)
    other = int(np.nanargmax(times[row]))
    click(shown, shown.square(row, other).center().toPoint())
    print(section.map.map.sentence(row, other))
    print(bench.context.session.message.text)
    photo(viewer, asked.out / "5_beside.png")
    key(Qt.Key.Key_Escape)
    section.unfold(False)


def keep(viewer: Viewer, bench: Workbench, out: Path) -> None:
    """Write the figure of the classes, and the table with them."""
    only(bench, bench.export)
    bench.export.what.value = "clusters"
    with choosing(out / "6_figure.png"):
        press(bench.export, "Save figure")
    said(bench)
    only(bench, bench.clusters)
    with choosing(out / "named.h5ad"):
        press(bench.clusters, "Save with the table")
    said(bench)


def types(viewer: Viewer, bench: Workbench, asked: argparse.Namespace) -> None:
    """Tell types by labelled cells, and compare them with known ones."""
    step = bench.clusters
    step.cluster.unfold(False)
    step.types.unfold()
    with choosing(asked.reference):
        press(step.types.reference.choose)
    said(bench)
    press(step.types, "Tell cell types")
    said(bench)
    scroll(bench, step.types)
    photo(viewer, asked.out / "1_types.png")
    step.types.unfold(False)
    step.sorted.unfold(False)
    compare(bench, asked)
    scores = step.scores
    scores.unfold()
    scroll(bench, scores.save, 0)
    scroll(bench, scores.said, 0)
    times = scores.match.table.to_numpy(dtype=float)
    square = np.unravel_index(np.argmax(times * (times < times.max())), times.shape)
    click(scores.map, scores.map.square(*map(int, square)).center().toPoint())
    print(bench.context.session.message.text)
    photo(viewer, asked.out / "2_compared.png")
    key(Qt.Key.Key_Escape)
    scores.unfold(False)


def compare(bench: Workbench, asked: argparse.Namespace) -> None:
    """Print how well the classes on show agree with known types."""
    scores = bench.clusters.scores
    scores.unfold()
    scores.column.setCurrentIndex(scores.column.findText(asked.labels))
    press(scores, "Compare")
    said(bench)
    found = scores.match.overlap
    print(f"ARI {found.ari:.2f}, NMI {found.nmi:.2f}, {found.n_told} classes")
    scores.unfold(False)


def learn(viewer: Viewer, bench: Workbench, asked: argparse.Namespace) -> None:
    """Click a few cells of each kind, and learn them."""
    session, section = bench.context.session, bench.clusters.learn
    section.unfold()
    table = session.fov.table
    known = table.obs[asked.labels].astype(str).to_numpy()
    rng = np.random.default_rng(0)
    for kind in asked.kinds.split(","):
        key("S")
        rows = rng.choice(np.flatnonzero(known == kind), EACH, replace=False)
        for number, row in enumerate(rows):
            shift = Qt.KeyboardModifier.ShiftModifier
            held = shift if number else Qt.KeyboardModifier.NoModifier
            click(canvas(), pixel(viewer, table.obsm["spatial"][row]), held)
        section.kind.setEditText(kind)
        press(section, "Add selected")
        print(session.message.text)
    press(section, "Learn these")
    said(bench)
    scroll(bench, section)
    photo(viewer, asked.out / "4_learned.png")
    section.unfold(False)


def domains(viewer: Viewer, bench: Workbench, out: Path) -> None:
    """Sort the cells into regions of the tissue."""
    step = bench.clusters
    step.cluster.unfold()
    step.sorted.unfold()
    step.asking.by.setCurrentIndex(1)
    press(step.cluster, "Cluster")
    said(bench)
    photo(viewer, out / "3_domains.png")


if __name__ == "__main__":
    main()
