"""``sct``: say where the released sCT weights lie, and read their licence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_scfm.cli.options import Device, optional
from napari_scfm.errors import ModelError


def sct(
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="[PATH]",
            help="params.joblib or its folder; leave it out to see what is known.",
            show_default=False,
        ),
    ] = None,
    genes: Annotated[
        Path | None,
        optional(
            "FILE",
            "Table with the columns position and ensembl_id, or the folder of the "
            "two gene maps, where they do not lie beside the weights.",
        ),
    ] = None,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Say that you read the notice.")
    ] = False,
    device: Device = "auto",
) -> None:
    """Say where your copy of the sCT weights lies; from then on it is called "sct".

    The weights are not part of napari-scfm, and are not for commercial use.

    Example: napari-scfm sct ~/sCellTransformer --accept-licence
    """
    from napari_scfm.models.sct import kept, licence

    if accept_licence:
        licence.accept(licence.RELEASED)
    if path is None and kept.weights() is None:
        _tell_notice()
        if accept_licence:
            return
        raise ModelError("It is not known where the sCT weights lie.", kept.WHERE)
    found = path or kept.weights()
    assert found is not None
    for line in _checked(found, genes, device):
        typer.echo(line)


def _checked(path: Path, genes: Path | None, device: str) -> list[str]:
    """Load weights, keep where they lie, return what is to be said of them."""
    from napari_scfm.models.sct import kept, licence
    from napari_scfm.models.sct.cost import estimate
    from napari_scfm.models.sct.files import find_files
    from napari_scfm.models.sct.model import SCT

    files = find_files(path)
    if files is None:
        raise ModelError(f"{path} holds no sCT weights.", kept.WHERE)
    _tell_notice()
    if not licence.accepted(licence.RELEASED):
        raise ModelError(
            "The notice above was not accepted yet, so the weights were not read.",
            "Repeat the command with --accept-licence if you agree.",
        )
    model = SCT.load(files, genes=genes, device="cpu")
    kept.keep(files.weights, genes)
    known = model.info
    said = [f"sct: {known.description}", f"Licence {known.licence}; {known.citation}."]
    said.append(estimate(model.config, device).sentence())
    if not known.genes:
        said.append("Which position is which gene is not known: add --genes FILE.")
    return said


def _tell_notice() -> None:
    from napari_scfm.models.sct import licence

    typer.echo(licence.NOTICE, err=True)
