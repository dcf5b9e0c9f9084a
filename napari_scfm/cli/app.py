"""The command line's root: commands, version, and what becomes of an error.

Exit status: 0, 1 (ran and failed: one sentence on stderr), 2 (usage).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

import napari_scfm
from napari_scfm.cli import (
    analyse,
    annotate,
    attend,
    cluster,
    experiment,
    export,
    influence,
    ligands,
    models,
    neighbours,
    perturb,
    report,
    sct,
    slides,
    sweep,
    train,
)
from napari_scfm.errors import ScfmError
from napari_scfm.progress import Cancelled

app = typer.Typer(
    name="napari-scfm",
    help="Hide genes or cells of a CosMx or MERSCOPE slide and watch a cell "
    "language model guess them back.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"napari-scfm {napari_scfm.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Hide genes or cells of a slide and watch a cell language model guess back."""


COMMANDS: dict[Callable[..., None], str] = {
    slides.demo: "Run the whole path on the sample slide.",
    slides.view: "Open a slide in napari with the workbench.",
    slides.inspect: "Say what a slide holds and what was guessed.",
    models.models: "List the models and what each can do.",
    sct.sct: "Say where your copy of the sCT weights lies.",
    experiment.experiment: "Hide genes or cells, predict them, score.",
    report.report: "Write charts and tables of a result.",
    sweep.sweep: "Hide more and more; curves over models and seeds.",
    analyse.embed: "Write each cell's embedding.",
    analyse.impute: "Write predicted counts.",
    perturb.perturb: "Change a gene in some cells, see what follows.",
    influence.influence: "Hide a cell's neighbours in turn: which mattered?",
    cluster.cluster: "Write clusters or spatial domains, and marker genes.",
    annotate.annotate: "Tell cell types: a model, a reference or markers.",
    attend.attend: "Write model attention and its residual field.",
    neighbours.neighbours: "Which kinds of cells lie beside which.",
    ligands.ligands: "Ligand-receptor pairs beside model attention.",
    train.train: "Train a model on a slide.",
    export.export: "Draw a FOV as a figure.",
}
"""Each command with its line in the root's help."""

for command, line in COMMANDS.items():
    app.command(short_help=line)(command)


def main() -> None:
    """Run the command line; whatever the user can put right ends as one sentence."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["export"]:
        arguments = export.spread_colors(arguments)
    try:
        app(arguments)
    except ScfmError as error:
        _fail(str(error))
    except Cancelled as stop:
        _fail(str(stop) or "Cancelled; nothing was written.")
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        _fail(f"{error.strerror or error}{where and ':' + where}.")


def _fail(sentence: str) -> None:
    typer.echo(f"napari-scfm: {sentence}", err=True)
    sys.exit(1)
