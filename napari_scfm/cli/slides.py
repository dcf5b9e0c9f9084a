"""``demo``, ``view`` and ``inspect``: look at a slide."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_scfm.cli.options import Fov, SlidePath
from napari_scfm.cli.window import require_window


def demo(
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the results.")
    ] = Path("demo"),
    close: Annotated[
        bool, typer.Option("--close", help="Close the window when all is written.")
    ] = False,
) -> None:
    """Run the whole path on the synthetic sample slide, in a napari window.

    Opens the sample, loads cellplm-mini, hides 20 genes, predicts them, compares,
    clusters, draws the attention streams, and writes the window's picture, the
    figures and summary.csv.

    Example: napari-scfm demo -o demo
    """
    require_window()
    from napari_scfm.widgets.app import demo as run_demo

    for path in run_demo(out, close=close):
        typer.echo(str(path))


def view(path: SlidePath, fov: Fov = "") -> None:
    """Open a slide in napari with the workbench beside it.

    Example: napari-scfm view sample_data/cosmx_synthetic --fov F004
    """
    require_window()
    from napari_scfm.widgets.app import view as open_window

    open_window(path, fov=fov or None)


def inspect(
    path: SlidePath,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a slide holds, and what the reader found, skipped and guessed.

    Example: napari-scfm inspect sample_data/merscope_synthetic --json
    """
    from napari_scfm.cli.bar import progress_bar
    from napari_scfm.slides.inspect import inspect as look
    from napari_scfm.slides.inspect import to_text
    from napari_scfm.slides.read import read_slide

    with progress_bar("Reading") as progress:
        found = look(read_slide(path), progress=progress)
    if json:
        import json as writer

        typer.echo(writer.dumps(found, indent=2))
    else:
        typer.echo(to_text(found))
