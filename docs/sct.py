"""Makes the pictures of sct.md by walking its path with mouse and buttons.

Run: python docs/sct.py SLIDE --fov F --gene G --model SCT --beside OTHER --out FOLDER
It trains for some epochs in the window, loads the sct-panel of ``--model`` (without one
it saves what it trained and goes on with that), hides cells, predicts, exports, and
reopens the session. Without a slide it walks on the sample. Prints what is said.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("NAPARI_CONFIG", "")
os.environ["NAPARI_SCFM_AUTOSAVE"] = "0"
os.environ["NAPARI_SCFM_CONFIG"] = tempfile.mkdtemp()  # nobody agreed to anything yet

import numpy as np
from pointing import (
    choosing,
    drag,
    key,
    only,
    photo,
    press,
    reopened,
    rest,
    said,
)
from qtpy.QtCore import Qt

from napari_scfm.models.files import write_json
from napari_scfm.slides.samples import sample_path
from napari_scfm.viewer.acts import colour_by_gene
from napari_scfm.widgets.app import start, workbench_of

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_scfm.widgets.workbench import Workbench

SIZE = (1500, 960)
BASELINES = ("gene-mean", "knn-space", "ridge")
TOLD = ("pearson", "cosine", "rmse", "mcc_all", "mcc_expressed")
RELEASED = {
    "alphabet_size": 7,
    "num_downsamples": 8,
    "attention_heads": 16,
    "key_size": 64,
    "token_embed_dim": 64,
    "embed_dim": 1024,
    "ffn_embed_dim": 2048,
    "num_layers": 4,
    "num_cells": 50,
}
"""Sizes of the released network: enough for its card, which reads no weights."""


def main() -> None:
    """Walk the path of the guide."""
    asked = options()
    asked.out.mkdir(parents=True, exist_ok=True)
    viewer = start(asked.slide, asked.fov)
    viewer.theme = asked.theme
    viewer.window.resize(*SIZE)
    bench = workbench_of(viewer)
    rest(1)
    viewer.reset_view()
    colour_by_gene(bench.context.session, asked.gene)
    bench.context.session.log = True
    released(viewer, bench, asked.out)
    train(viewer, bench, asked)
    second = load(viewer, bench, asked)
    hide(viewer, bench, asked)
    predict(viewer, bench, second, asked.out)
    export(bench, asked.out)
    reopened(viewer, bench, asked.out / "6_reopened.png")


def options() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slide", nargs="?", default=sample_path("cosmx"), type=Path)
    parser.add_argument("--fov", default="F004")
    parser.add_argument("--gene", default="EPCAM", help="that colours the view")
    parser.add_argument("--model", help="folder of an sct-panel")
    parser.add_argument("--beside", default="cellplm-mini", help="a second model")
    parser.add_argument("--epochs", default=2, type=int, help="of training on show")
    parser.add_argument("--reach", default=0.17, type=float, help="of the lasso")
    parser.add_argument("--theme", default="dark", choices=("dark", "light"))
    parser.add_argument("--out", default="demo/sct", type=Path)
    return parser.parse_args()


def released(viewer: Viewer, bench: Workbench, out: Path) -> None:
    """Choose sct, then a folder as it is downloaded; agree to nothing."""
    only(bench, bench.model)
    bench.model.names.setCurrentText("sct")
    press(bench.model.load)
    folder = Path(tempfile.mkdtemp())
    write_json(folder / "config.json", RELEASED)
    (folder / "params.joblib").touch()
    with choosing(folder):
        press(bench.model.offer.files)
    said(bench)
    photo(viewer, out / "7_licence.png")


def train(viewer: Viewer, bench: Workbench, asked: argparse.Namespace) -> None:
    """Choose what to learn, and watch it begin."""
    step = bench.train
    only(bench, step)
    step.form.objective.setCurrentIndex(step.form.objective.findData("sct"))
    step.form.epochs.setValue(asked.epochs)
    press(step.train)
    said(bench)
    print(step.status.text().replace("<br>", "\n"))
    photo(viewer, asked.out / "1_trained.png")
    with choosing(Path(tempfile.mkdtemp()) / "my-sct"):
        press(step.save)
    said(bench)


def load(viewer: Viewer, bench: Workbench, asked: argparse.Namespace) -> str:
    """Load a second model, whose name is returned, and the sct-panel; read its card."""
    only(bench, bench.model)
    session = bench.context.session
    mine = session.model.info.name
    bench.model.load_name(asked.beside)
    said(bench)
    second = session.model.info.name
    if asked.model:
        with choosing(Path(asked.model)):
            press(bench.model, "From folder")
    else:
        bench.model.names.setCurrentText(mine)
        press(bench.model.load)
    said(bench)
    print(bench.model.card.text().replace("<br>", "\n"))
    photo(viewer, asked.out / "2_card.png")
    return second


def hide(viewer: Viewer, bench: Workbench, asked: argparse.Namespace) -> None:
    """Draw a lasso and hide the cells in it."""
    only(bench, bench.mask)
    press(bench.mask, "Cells")
    rest(0.5)
    press(bench.mask, "Lasso")
    xy = bench.context.session.fov.table.obsm["spatial"]
    low, high = xy.min(axis=0), xy.max(axis=0)
    angle = np.linspace(0, 2 * np.pi, 40)
    wobble = 1 + 0.2 * np.sin(3 * angle)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1) * wobble[:, None]
    drag(viewer, (low + high) / 2 + circle * (high - low) * asked.reach)
    press(bench.mask, "Hide selected")
    print(bench.context.session.message.text)
    key(Qt.Key.Key_Escape)
    photo(viewer, asked.out / "3_hidden.png")


def predict(viewer: Viewer, bench: Workbench, second: str, out: Path) -> None:
    """Ask the sct-panel, the second model and three baselines."""
    only(bench, bench.compare)
    who = bench.compare.who
    for name, box in who.models.items():
        box.setChecked(name == second)
    for name, box in who.baselines.items():
        box.setChecked(name in BASELINES)
    press(bench.compare.predict)
    said(bench)
    made = bench.context.session.comparison
    print(bench.compare.status.text())
    print(made.summary.set_index("model")[list(TOLD)].round(3).to_string())
    for note in bench.context.session.model.notes:
        print(note)
    photo(viewer, out / "4_compare.png")


def export(bench: Workbench, out: Path) -> None:
    """Write the figure of three panels, and the tables."""
    only(bench, bench.export)
    bench.export.what.value = "compare"
    with choosing(out / "5_figure.png"):
        press(bench.export, "Save figure")
    said(bench)
    only(bench, bench.compare)
    folder = Path(tempfile.mkdtemp()) / "result"
    with choosing(folder):
        press(bench.compare.keep.save)
    said(bench)
    print(", ".join(sorted(path.name for path in folder.iterdir())))
    press(bench.compare.keep.copy)
    print(bench.context.session.message.text)


if __name__ == "__main__":
    main()
