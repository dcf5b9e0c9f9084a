"""``perturb``: change a gene in some cells, see what the model then expects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_scfm.cli.options import (
    Device,
    Fov,
    Model,
    Seed,
    SlidePath,
    choose_fov,
    words,
)
from napari_scfm.errors import ScfmError, SpecError, counted, named

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData

    from napari_scfm.experiments.perturbation import Perturbation

TOP = 10
"""Genes that are printed; the file has all."""


def perturb(
    path: SlidePath,
    gene: Annotated[
        str, typer.Option("--gene", metavar="G,G", help="Genes to change, all alike.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            "-o",
            "--out",
            metavar="OUT.h5ad|OUT.csv",
            help="h5ad: the change of every cell and gene; csv: one row per gene.",
        ),
    ],
    fov: Fov = "",
    model: Model = "cellplm-mini",
    cells: Annotated[
        str,
        typer.Option(
            metavar="X,Y|P%|COLUMN=VALUE",
            help="Cells to change: names, a random share (10%), or all with a value "
            "in a column (cell_type=tumour); default: all cells.",
        ),
    ] = "",
    to: Annotated[
        float | None,
        typer.Option(min=0, metavar="N", help="New count; default: 0, a knock-out."),
    ] = None,
    factor: Annotated[
        float | None,
        typer.Option(min=0, metavar="N", help="Multiply the count instead."),
    ] = None,
    device: Device = "auto",
    seed: Seed = 0,
) -> None:
    """Change a gene's counts in some cells and write how all predictions change.

    Two predictions by the same model, as measured and with the change, and their
    difference, in counts. Prints the cell types and genes that change most among the
    cells that were not touched. It says what the model has learnt, not what the
    tissue would do.

    Example: napari-scfm perturb sample_data/cosmx_synthetic --fov F004 --gene MALAT1
    --cells cell_type=tumour --to 0 -o knocked_out.csv
    """
    from napari_scfm.cli.bar import progress_bar
    from napari_scfm.experiments.files import check_writable
    from napari_scfm.experiments.perturb import perturb as run
    from napari_scfm.models.hub import load_model
    from napari_scfm.slides.read import read_slide

    if out.suffix not in (".h5ad", ".csv"):
        raise ScfmError(f"{out} is no table.", "Let the name end in .h5ad or .csv.")
    check_writable(out)
    slide = read_slide(path)
    table = slide.fov(choose_fov(slide, fov)).table
    chosen = _chosen(table, cells, seed)
    loaded = load_model(model, device)
    with progress_bar("Perturbing") as progress:
        result = run(
            loaded,
            table,
            words(gene),
            chosen,
            to=to,
            factor=factor,
            progress=progress,
        )
    _print(result)
    _write(result, table, out)


def _chosen(table: AnnData, text: str, seed: int) -> np.ndarray | list[str] | None:
    """Return the cells that an option means; None for all."""
    from napari_scfm.masks.make import mask_random_cells

    text = text.strip()
    if not text:
        return None
    if text.endswith("%"):
        return mask_random_cells(table, _share(text), seed).whole_cells
    column, equals, value = text.partition("=")
    if not equals or text in table.obs_names:
        return words(text)
    if column not in table.obs:
        raise SpecError(
            f"The table has no column {column!r}.",
            f"Its columns are: {named(table.obs.columns, 30)}.",
        )
    found: np.ndarray = table.obs[column].astype(str).to_numpy() == value
    if not found.any():
        values = sorted(set(table.obs[column].astype(str)))
        raise SpecError(
            f"No cell has {column} {value!r}.", f"Values are: {named(values, 20)}."
        )
    return found


def _share(text: str) -> float:
    try:
        share = float(text.removesuffix("%")) / 100
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise SpecError(f"--cells {text} is no share of cells.", "Give such as 10%.")
    return share


def _print(result: Perturbation) -> None:
    touched, rest = int(result.touched.sum()), result.others & ~result.touched
    told = f"{int(rest.sum())} others" if rest.any() else "these cells"
    typer.echo(
        f"{', '.join(result.genes)} changed in {counted(touched, 'cell')}; mean change "
        f"of the predictions (counts) of {told}:"
    )
    for frame in (result.per_type, result.per_gene.head(TOP)):
        typer.echo(frame.to_string(index=False, float_format="%.4g"))
    for note in result.notes:
        typer.echo(note, err=True)


def _write(result: Perturbation, table: AnnData, out: Path) -> None:
    from napari_scfm.experiments.files import atomic_path, write_h5ad
    from napari_scfm.experiments.perturbation import store

    if out.suffix == ".csv":
        rows = result.per_gene
        kinds = result.by_type.add_prefix("change in ").reset_index()
        with atomic_path(out) as temporary:
            rows.merge(kinds, on="gene").to_csv(temporary, index=False)
        typer.echo(f"{out}: {counted(len(rows), 'gene')}")
        return
    where = store(result, table)
    write_h5ad(table, out)
    typer.echo(f"{out}: {counted(table.n_obs, 'cell')}, {where}")
