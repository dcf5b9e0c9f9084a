"""``experiment``: hide, guess back, compare with the truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_scfm.cli import reference_option
from napari_scfm.cli.mask_options import (
    MaskOptions,
    mask_from_options,
    with_mask_options,
)
from napari_scfm.cli.options import (
    Device,
    Neighbourhood,
    Precision,
    Seed,
    SlidePath,
    words,
)
from napari_scfm.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from pandas import DataFrame

    from napari_scfm.experiments.result import ExperimentResult
    from napari_scfm.experiments.spec import ExperimentSpec
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
MODEL = "cellplm-mini"


@with_mask_options
def experiment(
    path: SlidePath,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the result.")
    ],
    fov: Annotated[
        list[str] | None,
        typer.Option(
            "--fov",
            metavar="F,F|all",
            help="Fields of view, each tested in turn; default: the first.",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="M",
            help="A name from `napari-scfm models`, a model's folder, or a checkpoint; "
            f"give it again for a further model. Default: {MODEL}.",
        ),
    ] = None,
    masking: MaskOptions | None = None,
    baselines: Annotated[
        str, typer.Option(metavar="B,B", help="Baselines printed beside the model.")
    ] = "gene-mean,knn-space,ridge",
    reference: Annotated[
        list[str] | None,
        typer.Option(
            metavar="F,F|FILE.h5ad|none",
            help=reference_option.HELP,
        ),
    ] = None,
    in_turn: Annotated[
        bool,
        typer.Option(
            "--in-turn", help="Hide every gene alone, in turn, with the others visible."
        ),
    ] = False,
    draws: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Repeat every prediction, for its uncertainty."
        ),
    ] = 0,
    spread: Annotated[
        str,
        typer.Option(
            metavar="mask|latent",
            help="What the repeats change: mask hides a further tenth of what is "
            "visible, latent draws the model's latent.",
        ),
    ] = "mask",
    bags: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Read N random neighbourhoods of each field of view, each alone.",
        ),
    ] = 0,
    bag_size: Annotated[
        int, typer.Option(min=2, metavar="N", help="Cells of a neighbourhood.")
    ] = 50,
    spec: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Run this spec.json instead.")
    ] = None,
    neighbourhood: Neighbourhood = None,
    device: Device = "auto",
    precision: Precision = "auto",
    seed: Seed = 0,
) -> None:
    """Hide genes, cells or entries of FOVs, predict them, and score against truth.

    Prints the summary (one row per model and baseline, on log1p counts; of a dropout
    on log1p of counts per 10,000, all entries pooled) and writes spec.json,
    summary.csv, per-gene and per-cell tables and all predictions.

    Example: napari-scfm experiment sample_data/cosmx_synthetic --fov F004
    --mask-genes EPCAM,CD3E -o result
    """
    from napari_scfm.cli.bar import progress_bar
    from napari_scfm.experiments.result_folder import check_result_folder
    from napari_scfm.experiments.slide_experiment import run_on_slide
    from napari_scfm.experiments.spec import read_spec
    from napari_scfm.slides.read import read_slide

    check_result_folder(out)
    slide = read_slide(path)
    place = _place(slide, fov, reference)
    how = {
        "models": model or [MODEL],
        "baselines": tuple(words(baselines)),
        "in_turn": in_turn,
        "draws": draws,
        "spread": spread,
        "bags": {"count": bags, "size": bag_size} if bags else None,
        "neighbourhood": neighbourhood,
        "device": device,
        "precision": precision,
        "seed": seed,
    }
    if spec:
        wanted = read_spec(spec).model_copy(update=place)
    else:
        wanted = _spec(slide, place, masking or MaskOptions(), how)
    with progress_bar("Experiment") as progress:
        result = run_on_slide(slide, wanted, progress)
    result.save(out)
    _print(result, POOLED if wanted.mask.dropout else SHOWN)
    typer.echo(f"Written to {out}.", err=True)


def _print(result: ExperimentResult, shown: tuple[str, ...]) -> None:
    """Print the summary, each FOV if there are several, and what should be known."""
    typer.echo(_text(result.summary, shown))
    if len(result.spec.fovs) > 1 and len(result.per_fov):
        typer.echo("\n" + _text(result.per_fov, ("fov", *shown)))
    for note in result.notes:
        typer.echo(note, err=True)


def _text(table: DataFrame, shown: Sequence[str]) -> str:
    columns = [name for name in shown if name in table]
    return table[columns].to_string(index=False, float_format="%.3f")


def _place(
    slide: Slide, fov: list[str] | None, reference: list[str] | None
) -> dict[str, Any]:
    """Return the fields of a spec that say where, as far as they are given."""
    place: dict[str, Any] = {}
    if fov:
        place["fovs"] = _fovs(slide, fov)
    if reference:
        place |= reference_option.reference_fields(slide.fovs, reference)
    return place


def _fovs(slide: Slide, asked: list[str]) -> tuple[str, ...]:
    """Return the names in an option; ``all`` are all, unless one is called so."""
    found: list[str] = []
    for text in asked:
        if text in slide.fovs:
            found.append(text)
        elif text.strip().lower() == "all":
            found += slide.fovs
        else:
            found += words(text)
    return tuple(dict.fromkeys(found))


def _spec(
    slide: Slide, place: dict[str, Any], masking: MaskOptions, how: dict[str, Any]
) -> ExperimentSpec:
    """Return the spec of the options.

    Raises
    ------
    SpecError
        If an option has no such value, or nothing is hidden.
    MaskError
        If the mask names what the fields of view do not hold.
    """
    from pydantic import ValidationError

    from napari_scfm.experiments.spec import ExperimentSpec

    how = dict(how)
    model, *also = how.pop("models")
    fovs = place.get("fovs") or tuple(slide.fovs[:1])
    mask = mask_from_options(_table(slide, fovs), masking, model, how["seed"])
    try:
        return ExperimentSpec(model=model, also=tuple(also), mask=mask, **how, **place)
    except ValidationError as error:
        first = error.errors()[0]
        option = "-".join(str(part) for part in first["loc"]).replace("_", "-")
        raise SpecError(
            f"--{option} {first['input']} cannot be used: {first['msg']}.",
            "`napari-scfm experiment --help` says what it takes.",
        ) from error


def _table(slide: Slide, fovs: tuple[str, ...]) -> AnnData:
    """Return the cells of which genes are drawn and named."""
    from napari_scfm import keys
    from napari_scfm.experiments.slide_experiment import check_fovs

    check_fovs(slide, fovs)
    if len(fovs) == 1:
        return slide.fov(fovs[0]).table
    return slide.table[slide.table.obs[keys.FOV].isin(fovs)]
