"""``influence``: which cells mattered for the guess of one cell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_scfm import keys
from napari_scfm.cli.mask_options import (
    MaskOptions,
    mask_from_options,
    with_mask_options,
)
from napari_scfm.cli.options import Device, Fov, Model, Seed, SlidePath, choose_fov
from napari_scfm.cli.options import words as words_of
from napari_scfm.cli.tables import check_csv, write_csv
from napari_scfm.errors import SpecError, counted

if TYPE_CHECKING:
    from anndata import AnnData

    from napari_scfm.experiments.influenced import Influence
    from napari_scfm.masks.mask import Mask
    from napari_scfm.models.base import CellModel
    from napari_scfm.slides.slide import Slide

ALL = "all"
PRINTED = ["cell", "cell_type", "distance", "change", "error_change", "beyond_far"]


@with_mask_options
def influence(
    path: SlidePath,
    cell: Annotated[
        str,
        typer.Option(
            metavar="C", help="The cell that is guessed: its name or cell id."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "-o", "--out", metavar="OUT.csv", help="One row per cell that was hidden."
        ),
    ],
    masking: MaskOptions,
    fov: Fov = "",
    model: Model = "cellplm-mini",
    genes: Annotated[
        str,
        typer.Option(
            metavar="A,B|all",
            help="Genes to guess, hidden in this cell; default: what the masking "
            "options hide of it, or else all: the whole cell.",
        ),
    ] = "",
    neighbours: Annotated[
        int,
        typer.Option(min=1, metavar="K", help="How many of the nearest visible cells."),
    ] = 12,
    radius: Annotated[
        float | None,
        typer.Option(metavar="UM", help="All visible cells within so many um instead."),
    ] = None,
    far: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="Random far cells, the yardstick; default: as many as neighbours.",
        ),
    ] = None,
    reference: Annotated[
        str,
        typer.Option(
            metavar="F,F|none",
            help="FOVs that a fitted model learns from as well; default: all others.",
        ),
    ] = "",
    device: Device = "auto",
    seed: Seed = 0,
) -> None:
    """Hide the neighbours of a cell in turn and write how far its guess moves.

    Each of the nearest visible cells is hidden whole, alone and then all together, and
    the model guesses again; as many random far cells are the yardstick. Numbers are
    means over the guessed genes, on log1p counts. error_change above 0: the guess
    became worse without that cell.

    Example: napari-scfm influence sample_data/cosmx_synthetic --fov F004 --cell 4_179
    -o influence.csv
    """
    from napari_scfm.cli.bar import progress_bar
    from napari_scfm.experiments.influence import influence as run
    from napari_scfm.models.hub import load_model
    from napari_scfm.slides.read import read_slide

    check_csv(out)
    slide = read_slide(path)
    name = choose_fov(slide, fov)
    table = slide.fov(name).table
    loaded = load_model(model, device)
    mask = _mask(table, masking, model, seed)
    with progress_bar("Knocking out") as progress:
        made = run(
            loaded,
            table,
            _named(table, cell),
            mask=mask,
            genes=_genes(table, genes, mask),
            neighbours=neighbours,
            radius=radius,
            far=far,
            reference=_reference(loaded, slide, name, reference),
            seed=seed,
            progress=progress,
        )
    _print(made)
    rows = made.table
    write_csv(rows, out, counted(len(rows), "row"), index=False)


def _mask(table: AnnData, options: MaskOptions, model: str, seed: int) -> Mask | None:
    if options == MaskOptions():
        return None
    return mask_from_options(table, options, model, seed).resolve(table)


def _genes(table: AnnData, text: str, mask: Mask | None) -> list[str] | None:
    """Return the genes to guess; None for what the mask hides of the cell."""
    if text.strip() == ALL or (not text.strip() and mask is None):
        return list(table.var_names)
    return words_of(text) or None


def _named(table: AnnData, cell: str) -> str:
    """Return the table's name of a cell that may be given by the vendor's."""
    if cell in table.obs_names or keys.CELL_ID not in table.obs:
        return cell
    found = table.obs_names[table.obs[keys.CELL_ID].astype(str) == cell]
    if len(found) > 1:
        raise SpecError(
            f"{len(found)} cells have the cell id {cell}.",
            f"Give the name of one, such as {found[0]}.",
        )
    return str(found[0]) if len(found) else cell


def _reference(model: CellModel, slide: Slide, fov: str, asked: str) -> AnnData | None:
    """Return the cells that a fitted model learns from as well."""
    from napari_scfm.experiments.knockouts import is_refitted
    from napari_scfm.experiments.slide_experiment import reference_of

    if asked.strip().lower() == "none" or not is_refitted(model):
        return None
    names = tuple(words_of(asked))
    for name in names:
        slide.fov(name)
    return reference_of(slide, fov, names or None)


def _print(made: Influence) -> None:
    typer.echo(made.sentence)
    typer.echo(made.per_neighbour[PRINTED].to_string(index=False, float_format="%.3g"))
    for note in made.notes:
        typer.echo(note, err=True)
