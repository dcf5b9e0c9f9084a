"""``models``: what can guess."""

from __future__ import annotations

from typing import Annotated

import typer


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
