"""``demo``, ``view`` and ``inspect``: look at a slide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_scfm.cli.options import Fov, SlidePath, choose_fov
from napari_scfm.cli.window import require_window

if TYPE_CHECKING:
    from napari_scfm.genes.panel import PanelReport
    from napari_scfm.slides.slide import Slide


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


def view(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH",
            help="A slide, a saved session (NAME.scfm.json) or the folder of a result.",
            show_default=False,
        ),
    ],
    fov: Fov = "",
) -> None:
    """Open a slide, a saved session or a result in napari, with the workbench.

    Example: napari-scfm view sample_data/cosmx_synthetic --fov F004
    """
    require_window()
    from napari_scfm.widgets.app import view as open_window

    open_window(path, fov=fov or None)


def inspect(
    path: SlidePath,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="M",
            help="Also say which genes of the slide this model knows, and how.",
        ),
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a slide holds, and what the reader found, skipped and guessed.

    With --model also how its genes meet the model's (matched, unmatched, ambiguous,
    through orthologs) and whether its values are raw counts.

    Example: napari-scfm inspect sample_data/merscope_synthetic --model cellplm-mini
    """
    from napari_scfm.cli.bar import progress_bar
    from napari_scfm.slides.inspect import inspect as look
    from napari_scfm.slides.inspect import to_text
    from napari_scfm.slides.read import read_slide

    slide = read_slide(path)
    panel = _panel(slide, model) if model else None
    with progress_bar("Reading") as progress:
        found = look(slide, progress=progress)
    if json:
        import json as writer

        more = {} if panel is None else {"panel": panel[0].to_dict() | panel[1]}
        typer.echo(writer.dumps(found | more, indent=2))
        return
    typer.echo(to_text(found))
    if panel is not None:
        typer.echo(f"\nValues: {panel[1]['values']}. {panel[1]['note']}".rstrip())
        typer.echo(panel[0].to_text())


def _panel(slide: Slide, model: str) -> tuple[PanelReport, dict[str, str]]:
    """Return how the genes meet, and on what scale the first FOV's values are."""
    from napari_scfm.genes.panel import panel_report
    from napari_scfm.models.hub import load_model
    from napari_scfm.models.scale import scale_note, scale_of

    info = load_model(model, "cpu").info
    table = slide.fov(choose_fov(slide, "")).table
    report = panel_report(table.var, info.name, info.genes)
    note = scale_note(table.X, list(table.var_names))
    return report, {"values": scale_of(table.X), "note": note}
