"""``embed`` and ``impute``: a model over a slide.

Each writes an .h5ad with the slide's cells and the result under scverse's keys.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_scfm import keys
from napari_scfm.cli.options import (
    Device,
    Model,
    Neighbourhood,
    OutTable,
    Precision,
    Scheduler,
    SlidePath,
    chosen_table,
    words,
)
from napari_scfm.errors import ModelError, ScfmError, counted, named

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData

Fovs = Annotated[
    str, typer.Option("--fov", metavar="F,F", help="FOVs to run on; default: all.")
]


def embed(
    path: SlidePath,
    out: OutTable,
    model: Model = "cellplm-mini",
    fov: Fovs = "",
    device: Device = "auto",
    precision: Precision = "auto",
    scheduler: Scheduler = "",
) -> None:
    """Write each cell's embedding to obsm["X_<model>"].

    Example: napari-scfm embed sample_data/cosmx_synthetic -o embedded.h5ad
    """
    where = (device, precision, scheduler)
    table, name = embedded(path, fov, out, model, where)
    write_table(table, out, f"obsm['{keys.embedding(name)}']")


def impute(
    path: SlidePath,
    out: OutTable,
    model: Model = "cellplm-mini",
    genes: Annotated[
        str,
        typer.Option(
            metavar="A,B",
            help="Genes to predict, measured or not; default: all measured genes.",
        ),
    ] = "",
    fov: Fovs = "",
    neighbourhood: Neighbourhood = None,
    device: Device = "auto",
    precision: Precision = "auto",
    scheduler: Scheduler = "",
) -> None:
    """Write predicted counts: measured genes to layers, others to obsm.

    Nothing is hidden here: a measured gene is predicted from all that was measured,
    itself included. Use `experiment` to see how well a hidden gene is guessed.

    Example: napari-scfm impute sample_data/cosmx_synthetic --genes EPCAM -o out.h5ad
    """
    from napari_scfm.cli.bar import progress_bar
    from napari_scfm.experiments.provenance import provenance
    from napari_scfm.experiments.slide_runs import impute_slide
    from napari_scfm.models.hub import load_model

    table = loaded_table(path, fov, out)
    wanted = words(genes) or list(table.var_names)
    with progress_bar("Predicting") as progress:
        values = impute_slide(
            table,
            wanted,
            model,
            device=device,
            precision=precision,
            neighbourhood=neighbourhood,
            scheduler=scheduler,
            progress=progress,
        )
    info = load_model(model, "cpu").info
    _refuse_unknown(values, wanted, info.name)
    where = _store_imputed(table, values, wanted, info.name)
    table.uns[keys.UNS] = provenance(
        info,
        imputed_genes=wanted,
        precision=precision,
        neighbourhood=neighbourhood or 0,
    )
    write_table(table, out, where, frames=True)


def loaded_table(path: Path, fov: str, out: Path) -> AnnData:
    """Return the table, once it is sure that the result can be written."""
    from napari_scfm.experiments.files import check_writable
    from napari_scfm.models.scale import scale_note
    from napari_scfm.slides.read import read_slide

    if out.suffix != ".h5ad":
        raise ScfmError(f"The table cannot be {out}.", "Let the name end in .h5ad.")
    if out.is_dir():
        raise ScfmError(f"{out} is a folder.", "Name a file that ends in .h5ad.")
    check_writable(out)
    table = chosen_table(read_slide(path), fov)
    if note := scale_note(table.X, list(table.var_names)):
        typer.echo(note, err=True)
    return table


def embedded(
    path: Path, fov: str, out: Path, model: str, where: tuple[str, str, str]
) -> tuple[AnnData, str]:
    """Return the embedded table and the model's name.

    Parameters
    ----------
    path, fov, out, model
        As in the commands.
    where
        Device, precision and scheduler.
    """
    from napari_scfm.cli.bar import progress_bar
    from napari_scfm.experiments.provenance import provenance
    from napari_scfm.experiments.slide_runs import embed_slide
    from napari_scfm.models.hub import load_model

    table = loaded_table(path, fov, out)
    with progress_bar("Embedding") as progress:
        device, precision, scheduler = where
        values = embed_slide(
            table,
            model,
            device=device,
            precision=precision,
            scheduler=scheduler,
            progress=progress,
        )
    info = load_model(model, "cpu").info
    table.obsm[keys.embedding(info.name)] = values
    table.uns[keys.UNS] = provenance(info, **groupings_of(table))
    return table, info.name


def groupings_of(table: AnnData) -> dict[str, Any]:
    """Return what a table says of groups that it holds, to be kept in a new entry."""
    said = table.uns.get(keys.UNS, {}).get(keys.GROUPINGS)
    return {keys.GROUPINGS: said} if said else {}


def _refuse_unknown(values: np.ndarray, genes: list[str], model: str) -> None:
    import numpy as np

    nowhere = np.isnan(values).all(axis=0)
    if len(values) and nowhere.all():
        raise ModelError(
            f"{model} can predict none of the {len(genes)} genes ({named(genes)}).",
            "Ask for genes that it knows: `napari-scfm models --json` lists them.",
        )
    if nowhere.any():
        unknown = [gene for gene, lost in zip(genes, nowhere, strict=True) if lost]
        typer.echo(f"{model} cannot predict {named(unknown)}: left empty.", err=True)


def _store_imputed(
    table: AnnData, values: np.ndarray, genes: list[str], model: str
) -> str:
    import numpy as np
    import pandas as pd

    place = table.var_names.get_indexer(genes)
    key = keys.imputed(model)
    stored = []
    if (place >= 0).any():
        layer = np.full(table.shape, np.nan, np.float32)
        layer[:, place[place >= 0]] = values[:, place >= 0]
        table.layers[key] = layer
        stored.append(f"layers['{key}']")
    if (place < 0).any():
        others = [gene for gene, at in zip(genes, place, strict=True) if at < 0]
        frame = pd.DataFrame(values[:, place < 0], table.obs_names, others)
        table.obsm[key] = frame
        stored.append(f"obsm['{key}']")
    return ", ".join(stored)


def write_table(table: AnnData, out: Path, what: str, frames: bool = False) -> None:
    """Write the table; say where it is and what was stored in it.

    Parameters
    ----------
    table, out, what
        The cells, the file, and what was stored.
    frames
        Whether frames in ``obsm`` stay frames, which CELLxGENE refuses.
    """
    from napari_scfm.experiments.cellxgene import fit_for_cellxgene
    from napari_scfm.experiments.files import write_h5ad

    if not frames:
        fit_for_cellxgene(table)
    write_h5ad(table, out)
    typer.echo(f"{out}: {counted(table.n_obs, 'cell')}, {what}")
