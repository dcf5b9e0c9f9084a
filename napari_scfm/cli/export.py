"""``export``: a figure of a FOV, drawn without a window and without OpenGL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_scfm.cli.field_options import told_of_streams, with_field_options
from napari_scfm.cli.options import (
    Device,
    Fov,
    Model,
    Seed,
    SlidePath,
    choose_fov,
    words,
)
from napari_scfm.errors import ScfmError

if TYPE_CHECKING:
    from napari_scfm.analysis.streams.streamlines import StreamLook
    from napari_scfm.experiments.attention.asked import FieldOptions
    from napari_scfm.figures.panel import Panel


@with_field_options
def export(
    path: SlidePath,
    out: Annotated[
        Path,
        typer.Option(
            "-o", "--out", metavar="FIG", help="A .png, .tif, .pdf or .svg file."
        ),
    ],
    fov: Fov = "",
    color: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME ...",
            help="One panel each: a gene, a column of the table (cell_type), or a "
            "channel.",
        ),
    ] = None,
    channels: Annotated[
        str,
        typer.Option(metavar="C,C", help="Channels under the cells; `none`, `all`."),
    ] = "none",
    clusters: Annotated[
        bool, typer.Option("--clusters", help="Add a panel of the model's clusters.")
    ] = False,
    attention: Annotated[
        bool,
        typer.Option(
            "--streams", "--attention", help="Add a panel of attention streams."
        ),
    ] = False,
    *,
    asked: FieldOptions,
    look: StreamLook,
    outlines: Annotated[bool, typer.Option(help="Draw the cells' outlines.")] = True,
    model: Model = "cellplm-mini",
    title: Annotated[
        str, typer.Option(metavar="TEXT", help="Title; default: slide and FOV.")
    ] = "",
    dpi: Annotated[
        int,
        typer.Option(min=50, max=1200, metavar="N", help="Pixels per inch."),
    ] = 300,
    dark: Annotated[bool, typer.Option("--dark", help="Dark background.")] = False,
    device: Device = "auto",
    seed: Seed = 0,
) -> None:
    """Draw a FOV as a figure: cells by value or category, streams, legend, scale bar.

    Example: napari-scfm export sample_data/cosmx_synthetic --fov F004
    --color EPCAM cell_type -o figure.pdf

    Example: napari-scfm export sample_data/cosmx_synthetic --streams
    --neighbours 30 --streams-by sender -o streams.pdf
    """
    from napari_scfm.cli.panels import FovPanels
    from napari_scfm.figures.export import export_figure
    from napari_scfm.figures.files import format_of
    from napari_scfm.slides.read import read_slide

    format_of(out)
    if out.is_dir():
        raise ScfmError(f"{out} is a folder.", "Name a file for the figure.")
    slide = read_slide(path)
    view = slide.fov(choose_fov(slide, fov))
    maker = FovPanels(
        view,
        model=model,
        device=device,
        seed=seed,
        channels=_channels(channels, list(view.images)),
        outlines=outlines,
    )
    panels: list[Panel] = [maker.named(name) for name in color or []]
    if not attention and told_of_streams(asked, look):
        raise ScfmError(
            "Options of the streams were given, but no streams are drawn.",
            "Add --streams.",
        )
    if clusters:
        panels.append(maker.clusters())
    if attention:
        panels.append(maker.attention(asked, look))
    if not panels:
        panels.append(maker.plain())
    written = export_figure(
        view,
        panels,
        out,
        title=title or f"{slide.name}, FOV {view.name}",
        dpi=dpi,
        dark=dark,
        provenance=maker.provenance(slide),
    )
    typer.echo(str(written))


def _channels(asked: str, there: list[str]) -> tuple[str, ...]:
    if asked == "none":
        return ()
    return tuple(there) if asked == "all" else tuple(words(asked))


def spread_colors(arguments: list[str]) -> list[str]:
    """Let one ``--color`` take several names, as in ``--color EPCAM CD3E -o a.png``."""
    spread: list[str] = []
    taking = False
    for word in arguments:
        if word.startswith("-"):
            taking = word == "--color"
            spread.append(word)
            continue
        if taking and spread[-1] != "--color":
            spread.append("--color")
        spread.append(word)
    return spread
