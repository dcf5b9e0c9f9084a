"""``report``: charts, tables and a page of an experiment's result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_scfm.cli.options import words


def report(
    result: Annotated[
        Path,
        typer.Argument(
            metavar="RESULT",
            help="A folder that `napari-scfm experiment` wrote.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the report.")
    ],
    model: Annotated[
        str,
        typer.Option(
            metavar="M",
            help="Whose predictions the charts show; default: the experiment's model.",
        ),
    ] = "",
    dark: Annotated[bool, typer.Option("--dark", help="Dark background.")] = False,
    formats: Annotated[
        str,
        typer.Option(
            "--format", metavar="F,F", help="Of the charts: svg, png, pdf, tif."
        ),
    ] = "svg,png,pdf",
    dpi: Annotated[
        int, typer.Option(min=50, max=1200, metavar="N", help="Pixels per inch.")
    ] = 300,
) -> None:
    """Write report.html with every chart and number of a result, charts and tables.

    Example: napari-scfm report result -o report
    """
    from napari_scfm.cli.bar import progress_bar
    from napari_scfm.experiments.command import command_line
    from napari_scfm.experiments.result import load_result
    from napari_scfm.figures.report.data import ReportData
    from napari_scfm.figures.report.export import MARK, export_report

    loaded = load_result(result)
    spec = loaded.spec
    with progress_bar("Report") as progress:
        written = export_report(
            ReportData.of(loaded),
            out,
            model=model,
            dark=dark,
            formats=words(formats),
            dpi=dpi,
            command=command_line(spec, spec.slide_path) if spec.slide_path else "",
            progress=progress,
        )
    typer.echo(str(written / MARK))
