"""``annotate``: cell types by a model, a reference, marker lists or a few examples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_scfm import keys
from napari_scfm.cli.analyse import Fovs, loaded_table, write_table
from napari_scfm.cli.options import Device, OutTable, Precision, SlidePath, optional
from napari_scfm.cli.tables import check_csv, write_csv
from napari_scfm.errors import ScfmError, named

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData

    from napari_scfm.analysis.celltypes.agreement import Agreement
    from napari_scfm.analysis.celltypes.annotation import Annotation
    from napari_scfm.experiments.annotation import AnnotationOptions

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
            "(the nearest cells of a labelled .h5ad vote), markers (lists of genes) or "
            "examples (a few cells of the slide itself).",
        ),
    ] = HEAD,
    model: Annotated[
        str,
        optional(
            "M",
            "The trained model; for a reference the model in whose embedding "
            "cells are near, default: pca of the shared genes; for examples the model "
            "whose embedding is refined, default: pca.",
        ),
    ] = "",
    reference: Annotated[
        Path | None,
        optional("FILE.h5ad", "Labelled cells, raw counts."),
    ] = None,
    labels: Annotated[
        str, typer.Option(metavar="COLUMN", help="Labels of the reference, in obs.")
    ] = keys.CELL_TYPE,
    markers: Annotated[
        Path | None,
        optional(
            "FILE",
            "A .csv with the columns type and gene, or a .json of type: [genes].",
        ),
    ] = None,
    examples: Annotated[
        Path | None,
        optional(
            "FILE.csv", "Cells of known kind, columns cell (as in obs_names) and kind."
        ),
    ] = None,
    k: Annotated[
        int, typer.Option("-k", min=1, metavar="K", help="Reference cells that vote.")
    ] = 5,
    threshold: Annotated[
        float | None,
        optional(
            "C",
            "Less confident cells are unknown; default: 0, by examples 0.5.",
            min=0.0,
            max=1.0,
        ),
    ] = None,
    key: Annotated[
        str,
        optional(
            "COLUMN",
            "Column of obs to write; default: <model>_cell_type, "
            "reference_cell_type, markers_cell_type or examples_cell_type.",
        ),
    ] = "",
    truth: Annotated[
        str,
        optional(
            "COLUMN",
            "Known types to score against; default: cell_type, where it is there.",
        ),
    ] = "",
    confusion: Annotated[
        Path | None,
        optional("FILE.csv", "Write the cells of each known and told type."),
    ] = None,
    names: Annotated[
        Path | None,
        optional(
            "FILE.csv",
            "Other names of types, columns from and to; told and known types are "
            "renamed, and types of one name become one.",
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
    from napari_scfm.experiments.annotation import AnnotationOptions

    where = Where(path, out, fov, key, truth, confusion)
    if by == "examples" or examples:
        file = _check_examples(by, (reference, markers, examples), names)
        by_examples(where, file, model, threshold, (device, precision))
        return
    if by not in BY:
        ways = named([*BY, "examples"])
        raise ScfmError(f"Types are told by {ways}, not by {by!r}.", "Choose one.")
    options = AnnotationOptions(
        by,
        model,
        reference or "",
        labels,
        markers or "",
        k,
        threshold or 0.0,
        names or "",
    )
    by_files(where, options, (device, precision))


@dataclass(frozen=True)
class Where:
    """What is read and written: the options of :func:`annotate` of these names."""

    path: Path
    out: Path
    fov: str
    key: str
    truth: str
    confusion: Path | None


def _check_examples(
    by: str, ways: tuple[Path | None, Path | None, Path | None], names: Path | None
) -> Path:
    """Return the file of examples; refuse files that would not be read.

    Raises
    ------
    ScfmError
        With all problems.
    """
    reference, markers, examples = ways
    found = []
    if by != "examples":
        found.append(f"Examples are given, but types are told by {by}.")
    if examples is None:
        found.append("Telling types by examples needs a file of examples.")
    others = {"reference": reference, "markers": markers, "names": names}
    given = [name for name, path in others.items() if path and by == "examples"]
    found += [f"Examples need no {name}, but it is given." for name in given]
    if found or examples is None:
        raise ScfmError(found[0], "Correct the command.", found)
    return examples


def by_files(where: Where, options: AnnotationOptions, device: tuple[str, str]) -> None:
    """Tell types by a model, a reference or marker lists; score known ones."""
    from napari_scfm.cli.bar import progress_bar
    from napari_scfm.experiments.annotation import annotate_slide, store_annotation

    table, known = _read(where, options.names)
    with progress_bar("Annotating") as progress:
        told = annotate_slide(
            table, options, device=device[0], precision=device[1], progress=progress
        )
    found = print_told(told, known)
    column = store_annotation(table, told, options, where.key, found)
    _write(where, table, found, f"obs['{column}'], obs['{column}_confidence']")


def _read(
    where: Where, names: str | Path = ""
) -> tuple[AnnData, tuple[str, np.ndarray] | None]:
    """Return the table and what is known of its types.

    Raises
    ------
    ScfmError
        If a confusion is to be written and no type is known.
    """
    from napari_scfm.experiments.annotation import known_types

    check_csv(where.confusion)
    table = loaded_table(where.path, where.fov, where.out)
    known = known_types(table, where.truth, names)
    if where.confusion and known is None:
        raise ScfmError(
            "No cell has a known type, so there is no confusion to write.",
            "Name the column of known types with --truth.",
        )
    return table, known


def _write(where: Where, table: AnnData, found: Agreement | None, what: str) -> None:
    if where.confusion and found is not None:
        rows = found.confusion
        rows = rows.loc[rows.any(axis=1), rows.any(axis=0)]
        write_csv(rows, where.confusion, "confusion, known types in rows")
    write_table(table, where.out, what)


def by_examples(
    where: Where,
    examples: Path,
    model: str,
    threshold: float | None,
    device: tuple[str, str],
) -> None:
    """Learn kinds from a few cells, tell all others, score those that are known."""
    from napari_scfm.cli.bar import progress_bar
    from napari_scfm.experiments.examples import (
        PCA,
        THRESHOLD,
        learn_examples,
        read_examples,
        store_learned,
    )

    table, known = _read(where)
    rows = read_examples(examples, table)
    if known is not None:
        truth = known[1].copy()
        for some in rows.values():
            truth[some] = None
        known = known[0], truth
        typer.echo("The examples themselves are not scored.", err=True)
    least = THRESHOLD if threshold is None else threshold
    made = None
    if model not in ("", PCA):
        from napari_scfm.models.hub import load_model

        made = load_model(model, device[0], precision=device[1])
    with progress_bar("Learning") as progress:
        learned = learn_examples(made, table, rows, threshold=least, progress=progress)
    found = print_told(learned.told, known)
    column = store_learned(table, learned, where.key)
    said = f"obs['{column}'], obs['{column}_confidence']"
    _write(where, table, found, f"{said}, obsm['{learned.embedding_key}']")


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
