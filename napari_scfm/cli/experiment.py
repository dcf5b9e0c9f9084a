"""``experiment``: hide, guess back, compare with the truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_scfm import keys
from napari_scfm.cli.options import (
    Device,
    Fov,
    Model,
    Neighbourhood,
    Precision,
    Seed,
    SlidePath,
    choose_fov,
    words,
)
from napari_scfm.errors import SpecError

if TYPE_CHECKING:
    from anndata import AnnData
    from pandas import Index

    from napari_scfm.experiments.result import ExperimentResult
    from napari_scfm.masks.spec import MaskSpec
    from napari_scfm.slides.slide import Slide

SHOWN = (
    *("model", "kind", "rmse", "mae", "pearson", "cosine", "mcc_all"),
    *("mcc_expressed", "n_entries", "n_genes", "n_cells"),
)
"""Columns of the summary that are printed; summary.csv has all."""
POOLED = (
    *("model", "kind", "pooled_rmse", "pooled_mae", "pooled_pearson"),
    *("pooled_cosine", "mcc_all", "n_entries", "n_genes", "n_cells"),
)
"""What is printed of a denoising experiment (--mask-dropout)."""


def experiment(
    path: SlidePath,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the result.")
    ],
    fov: Fov = "",
    model: Model = "cellplm-mini",
    mask_genes: Annotated[
        str,
        typer.Option(
            metavar="A,B|N",
            help="Genes to hide, or how many to draw (of those the model knows).",
        ),
    ] = "",
    mask_cells: Annotated[
        str,
        typer.Option(metavar="X,Y|P%", help="Cells to hide, or a random share: 10%."),
    ] = "",
    mask_entries: Annotated[
        float,
        typer.Option(min=0, max=1, metavar="P", help="Random share of all entries."),
    ] = 0.0,
    mask_strata: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="N genes from each sparsity stratum."),
    ] = 0,
    mask_dropout: Annotated[
        str,
        typer.Option(
            metavar="exp|uniform",
            help="A tenth of each cell's non-zero counts: denoising. exp takes low "
            "counts rather than high ones (DeepImpute).",
        ),
    ] = "",
    baselines: Annotated[
        str, typer.Option(metavar="B,B", help="Baselines printed beside the model.")
    ] = "gene-mean,knn-space,ridge",
    reference: Annotated[
        str,
        typer.Option(
            metavar="F,F|none",
            help="FOVs in which all was measured, for fitting the baselines; "
            "default: all others.",
        ),
    ] = "",
    spec: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Run this spec.json instead.")
    ] = None,
    neighbourhood: Neighbourhood = None,
    device: Device = "auto",
    precision: Precision = "auto",
    seed: Seed = 0,
) -> None:
    """Hide genes, cells or entries of a FOV, predict them, and score against truth.

    Prints the summary (one row per model and baseline, on log1p counts; of a dropout
    on log1p of counts per 10,000, all entries pooled) and writes spec.json,
    summary.csv, per-gene and per-cell tables and all predictions.

    Example: napari-scfm experiment sample_data/cosmx_synthetic --fov F004
    --mask-genes EPCAM,CD3E -o result
    """
    from napari_scfm.cli.bar import progress_bar
    from napari_scfm.experiments.result_folder import check_result_folder
    from napari_scfm.experiments.run import run_experiment
    from napari_scfm.experiments.spec import ExperimentSpec, read_spec
    from napari_scfm.slides.read import read_slide

    check_result_folder(out)
    slide = read_slide(path)
    given = read_spec(spec) if spec else None
    name = choose_fov(slide, fov or (given.fov if given else ""))
    table = slide.fov(name).table
    place: dict[str, Any] = {"slide": slide.name, "fovs": (name,)}
    asked: dict[str, Any] = {
        "genes": mask_genes,
        "cells": mask_cells,
        "entries": mask_entries,
        "strata": mask_strata,
        "dropout": mask_dropout,
    }
    if given:
        wanted = given.model_copy(update=place)
    else:
        mask = _mask_from_options(table, asked, model, seed)
        wanted = ExperimentSpec(
            model=model,
            mask=mask,
            baselines=tuple(words(baselines)),
            seed=seed,
            device=device,
            precision=precision,
            neighbourhood=neighbourhood,
            **place,
        )
    others = _reference(slide, name, reference)
    with progress_bar("Experiment") as progress:
        result = run_experiment(table, wanted, reference=others, progress=progress)
    result.save(out)
    _print(result, POOLED if wanted.mask.dropout else SHOWN)
    typer.echo(f"Written to {out}.", err=True)


def _print(result: ExperimentResult, shown: tuple[str, ...]) -> None:
    """Print the summary, and what should be known of it."""
    summary = result.summary[list(shown)]
    typer.echo(summary.to_string(index=False, float_format="%.3f"))
    for note in result.notes:
        typer.echo(note, err=True)


def _mask_from_options(
    table: AnnData, asked: dict[str, Any], model: str, seed: int
) -> MaskSpec:
    from napari_scfm.masks.spec import MaskSpec

    fields: dict[str, Any] = {"seed": seed}
    genes, cells = asked["genes"], asked["cells"].strip()
    if genes.strip().isdigit():
        fields["genes"] = _drawn(table, model, int(genes), seed)
    elif genes:
        fields["genes"] = _named_or_refused("genes", genes, table.var_names, "20")
    if cells.endswith("%"):
        fields["cell_fraction"] = _percent(cells)
    elif cells:
        fields["cells"] = _named_or_refused("cells", cells, table.obs_names, "10%")
    if asked["entries"]:
        fields["entries"] = {"fraction": asked["entries"]}
    if asked["strata"]:
        fields["per_stratum"] = asked["strata"]
    if asked["dropout"]:
        fields["dropout"] = {"rule": _rule(asked["dropout"])}
    if len(fields) == 1:
        raise SpecError(
            "The experiment hides nothing.",
            "Add --mask-genes, --mask-cells, --mask-entries, --mask-strata, "
            "--mask-dropout or --spec.",
        )
    return MaskSpec(**fields)


def _rule(text: str) -> str:
    if text not in ("exp", "uniform"):
        raise SpecError(f"--mask-dropout {text} is no rule.", "Give exp or uniform.")
    return text


def _named_or_refused(kind: str, text: str, known: Index, such: str) -> tuple[str, ...]:
    """Return the names in an option; a number that is no name is not a name."""
    try:
        float(text)
    except ValueError:
        return tuple(words(text))
    if text in known:
        return (text,)
    raise SpecError(
        f"--mask-{kind} {text} is no name, and not how many {kind} to hide.",
        f"Give names, or such as {such}.",
    )


def _drawn(table: AnnData, model: str, number: int, seed: int) -> tuple[str, ...]:
    from napari_scfm.experiments.draws import draw_genes
    from napari_scfm.models.hub import load_model

    known = load_model(model, "cpu").info.genes
    return draw_genes(table, number, seed, known, model)


def _percent(text: str) -> float:
    try:
        share = float(text.removesuffix("%")) / 100
    except ValueError:
        share = -1.0
    if not 0 < share < 1:
        raise SpecError(
            f"--mask-cells {text} is no share of cells.",
            "Give names, or a percentage between 0% and 100%, such as 10%.",
        )
    return share


def _reference(slide: Slide, fov: str, asked: str) -> AnnData | None:
    """Return the cells in which everything was measured: other FOVs."""
    if asked.strip().lower() == "none":
        return None
    names = words(asked) or [name for name in slide.fovs if name != fov]
    if fov in names:
        raise SpecError(
            f"FOV {fov} is predicted and cannot be its own reference.",
            "Leave it out of --reference.",
        )
    for name in names:
        slide.fov(name)
    if not names:
        return None
    return slide.table[slide.table.obs[keys.FOV].isin(names)].copy()
