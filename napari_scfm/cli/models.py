"""``models`` and ``train``: what can guess, and how to make one that knows a slide."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_scfm.cli.options import Device, Seed, SlidePath, chosen_table, words
from napari_scfm.errors import ScfmError


def models(
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the models that can be named, what each can do, and its licence.

    Example: napari-scfm models
    """
    from napari_scfm.models.hub import list_models

    infos = list_models()
    if json:
        import json as writer

        typer.echo(writer.dumps([info.to_dict() for info in infos], indent=2))
        return
    width = max(len(info.name) for info in infos)
    for info in infos:
        genes = f"{len(info.genes)} genes" if info.genes else "any genes"
        able = ", ".join(sorted(info.capabilities))
        typer.echo(f"{info.name:<{width}}  {able:<21}  {genes:<10}  {info.description}")


def train(
    path: SlidePath,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the model.")
    ],
    objective: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="What to learn: masked (guess hidden genes and cells).",
        ),
    ] = "masked",
    model: Annotated[
        str,
        typer.Option(
            metavar="M", help="cellplm for a new model, or one to go on from."
        ),
    ] = "cellplm",
    fov: Annotated[
        str, typer.Option(metavar="F,F", help="FOVs to use; default: all.")
    ] = "",
    validation: Annotated[
        str, typer.Option(metavar="F,F", help="FOVs that are never trained on.")
    ] = "",
    epochs: Annotated[
        int, typer.Option(min=1, metavar="N", help="Passes over the FOVs.")
    ] = 50,
    device: Device = "auto",
    seed: Seed = 0,
) -> None:
    """Train a model on a slide and write it into a folder.

    Example: napari-scfm train sample_data/cosmx_synthetic --validation F004 -o mine
    """
    from napari_scfm.cli.bar import progress_bar
    from napari_scfm.experiments.files import check_writable
    from napari_scfm.slides.read import read_slide
    from napari_scfm.training.train import train as train_model

    if out.is_file():
        raise ScfmError(f"{out} is a file.", "Name a folder for the model.")
    check_writable(out)
    table = chosen_table(read_slide(path), fov)
    with progress_bar("Training") as progress:
        trained = train_model(
            model,
            table,
            objective=objective,
            validation=words(validation),
            epochs=epochs,
            seed=seed,
            out=out,
            device=device,
            progress=progress,
        )
    typer.echo(f"{out}: {trained.info.name}, {trained.info.parameters} parameters")
