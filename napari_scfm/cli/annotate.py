"""``annotate``: cell types by a trained model, a labelled reference or marker lists."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_scfm import keys
from napari_scfm.cli.analyse import Fovs, loaded_table, write_table
from napari_scfm.cli.options import Device, OutTable, Precision, SlidePath
from napari_scfm.errors import ScfmError, named

if TYPE_CHECKING:
    import numpy as np

    from napari_scfm.analysis.celltypes.agreement import Agreement
    from napari_scfm.analysis.celltypes.annotation import Annotation

HEAD = "head"
PRINTED = [
    *("accuracy", "balanced_accuracy", "macro_f1", "macro_f1_shared", "accuracy_told"),
    *("n_cells", "n_unknown"),
]


def annotate(
    path: SlidePath,
    out: OutTable,
    by: Annotated[
        str,
        typer.Option(
            metavar="WAY",
            help="head (a model trained with `train --objective annotate`), reference "
            "(the nearest cells of a labelled .h5ad vote) or markers (lists of genes).",
        ),
    ] = HEAD,
    model: Annotated[
        str,
        typer.Option(
            metavar="M",
            help="The trained model; for a reference the model in whose embedding "
            "cells are near, default: pca of the shared genes.",
            show_default=False,
        ),
    ] = "",
    reference: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.h5ad", help="Labelled cells, raw counts.", show_default=False
        ),
    ] = None,
    labels: Annotated[
        str, typer.Option(metavar="COLUMN", help="Labels of the reference, in obs.")
    ] = keys.CELL_TYPE,
    markers: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A .csv with the columns type and gene, or a .json of type: [genes].",
            show_default=False,
        ),
    ] = None,
    k: Annotated[
        int, typer.Option("-k", min=1, metavar="K", help="Reference cells that vote.")
    ] = 5,
    threshold: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, metavar="C", help="Less confident cells are unknown."
        ),
    ] = 0.0,
    key: Annotated[
        str,
        typer.Option(
            metavar="COLUMN",
            help="Column of obs to write; default: <model>_cell_type, "
            "reference_cell_type or markers_cell_type.",
            show_default=False,
        ),
    ] = "",
    truth: Annotated[
        str,
        typer.Option(
            metavar="COLUMN",
            help="Known types to score against; default: cell_type, where it is there.",
            show_default=False,
        ),
    ] = "",
    confusion: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="Write the cells of each known and told type.",
            show_default=False,
        ),
    ] = None,
    names: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="Other names of types, columns from and to; told and known types are "
            "renamed, and types of one name become one.",
            show_default=False,
        ),
    ] = None,
    fov: Fovs = "",
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Tell the type of every cell, and how sure that is.

    Writes obs["<key>"], its colours, obs["<key>_confidence"] and the scores of all
    types. Where types are known, accuracy, balanced accuracy and macro-F1 are printed
    beside those of the most common type.

    Example: napari-scfm annotate slide.h5ad --by reference --reference labelled.h5ad
    -o typed.h5ad
    """
    from napari_scfm.analysis.annotate import BY
    from napari_scfm.cli.bar import progress_bar
    from napari_scfm.experiments.annotation import (
        AnnotationOptions,
        annotate_slide,
        known_types,
        store_annotation,
    )

    if by not in BY:
        raise ScfmError(f"Types are told by {named(BY)}, not by {by!r}.", "Choose one.")
    options = AnnotationOptions(
        by,
        model,
        reference or "",
        labels,
        markers or "",
        k,
        threshold,
        names or "",
    )
    check_csv(confusion)
    table = loaded_table(path, fov, out)
    known = known_types(table, truth, options.names)
    if confusion and known is None:
        raise ScfmError(
            "No cell has a known type, so there is no confusion to write.",
            "Name the column of known types with --truth.",
        )
    with progress_bar("Annotating") as progress:
        told = annotate_slide(
            table, options, device=device, precision=precision, progress=progress
        )
    found = print_told(told, known)
    column = store_annotation(table, told, options, key, found)
    if confusion and found is not None:
        write_confusion(found, confusion)
    write_table(table, out, f"obs['{column}'], obs['{column}_confidence']")


def print_told(
    told: Annotation, known: tuple[str, np.ndarray] | None
) -> Agreement | None:
    """Print what was told, and its scores where types are known."""
    for note in told.notes:
        typer.echo(note, err=True)
    typer.echo(told.sentence)
    for name, count in told.to_frame()["label"].value_counts().items():
        if count:
            typer.echo(f"{count:>8}  {name}")
    if known is None:
        return None
    found = told.agreement(known[1])
    print_agreement(known[0], found)
    if found.comparable:
        typer.echo("\nWhat --threshold would tell, and how much of it is right:")
        typer.echo(told.thresholds(known[1]).T.to_string(float_format="%.3f"))
    return found


def print_agreement(column: str, found: Agreement) -> None:
    """Print scores beside those of the most common class, and those of each class."""
    typer.echo(f"\nAgainst obs[{column!r}]:")
    if not found.comparable:
        typer.echo(found.sentence)
        return
    typer.echo(found.summary[PRINTED].to_string(float_format="%.3f"))
    typer.echo("")
    typer.echo(found.per_class.to_string(float_format="%.3f"))
    typer.echo(f"\n{found.sentence}")
    if found.n_unlabelled:
        typer.echo(f"{found.n_unlabelled} cells without a known type are left out.")


def write_confusion(found: Agreement, path: Path) -> None:
    """Write the confusion table, known types in rows."""
    from napari_scfm.experiments.files import atomic_path

    with atomic_path(path) as temporary:
        table = found.confusion
        table.loc[table.any(axis=1), table.any(axis=0)].to_csv(temporary)
    typer.echo(f"{path}: confusion, known types in rows", err=True)


def check_csv(path: Path | None) -> None:
    """Refuse a table that is no .csv, before anything runs."""
    from napari_scfm.experiments.files import check_writable

    if path is None:
        return
    if path.suffix != ".csv":
        raise ScfmError(f"{path} is no table.", "Let the name end in .csv.")
    check_writable(path)
