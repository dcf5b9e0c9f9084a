"""``sweep``: hide more and more, and see who still guesses right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_scfm.cli import reference_option
from napari_scfm.cli.options import Device, Neighbourhood, Precision, SlidePath, words
from napari_scfm.errors import SpecError

if TYPE_CHECKING:
    from napari_scfm.experiments.sweep import SweepSpec
    from napari_scfm.experiments.sweep_result import SweepResult
    from napari_scfm.slides.slide import Slide

SHOWN = ("mcc_all", "mcc_expressed", "mae_counts", "pearson")
"""Measures that are printed; curves.csv has all."""


def sweep(
    path: SlidePath,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for the sweep.")
    ],
    what: Annotated[
        str,
        typer.Option(
            metavar="entries|cells|genes",
            help="What is hidden: random entries, whole cells of neighbourhoods of "
            "50, or random genes.",
        ),
    ] = "entries",
    values: Annotated[
        str,
        typer.Option(
            metavar="V,V",
            help="How much: 15%,30%,40%,80% of the entries; 1,10,20,40 cells; or "
            "numbers of genes. Default: the published values.",
        ),
    ] = "",
    models: Annotated[
        str, typer.Option(metavar="M,M", help="Names, folders or checkpoints.")
    ] = "cellplm-mini",
    baselines: Annotated[
        str,
        typer.Option(
            metavar="B,B",
            help="Printed beside gene-mean and knn-space, which are always there.",
        ),
    ] = "ridge",
    seeds: Annotated[
        str, typer.Option(metavar="N,N", help="Seeds of what is hidden.")
    ] = "0,1,2",
    fov: Annotated[
        str,
        typer.Option(
            "--fov", metavar="F,F|all", help="Fields of view; default: the first."
        ),
    ] = "",
    eligible: Annotated[
        str,
        typer.Option(
            metavar="all|expressed", help="Which entries may be hidden (entries)."
        ),
    ] = "all",
    bags: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="Neighbourhoods in each field of view (cells)."
        ),
    ] = 20,
    bag_size: Annotated[
        int, typer.Option(min=2, metavar="N", help="Cells in each of them (cells).")
    ] = 50,
    reference: Annotated[
        str,
        typer.Option(
            metavar="F,F|FILE.h5ad|none",
            help=reference_option.HELP,
        ),
    ] = "",
    spec: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Run this sweep.json instead.")
    ] = None,
    neighbourhood: Neighbourhood = None,
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Hide more and more, let models guess back, and draw the curves.

    Prints mean and standard deviation over the seeds for every model and value; writes
    sweep.json, runs.parquet, curves.csv, curves.png and curves.pdf.

    Example: napari-scfm sweep sample_data/cosmx_synthetic --what entries
    --values 15%,30%,40%,80% --models cellplm-mini,ridge -o sweep
    """
    from napari_scfm.cli.bar import progress_bar
    from napari_scfm.experiments.sweep import read_sweep_spec
    from napari_scfm.experiments.sweep_result import check_sweep_folder
    from napari_scfm.experiments.sweep_run import run_sweep
    from napari_scfm.slides.read import read_slide

    check_sweep_folder(out)
    asked: dict[str, Any] = {
        **{"what": what, "values": values, "models": models, "baselines": baselines},
        **{"seeds": seeds, "fov": fov, "eligible": eligible, "bags": bags},
        **{"bag_size": bag_size, "reference": reference, "device": device},
        **{"neighbourhood": neighbourhood, "precision": precision},
    }
    slide = read_slide(path)
    wanted = read_sweep_spec(spec) if spec else _spec(slide, asked)
    with progress_bar("Sweep") as progress:
        result = run_sweep(slide, wanted, progress=progress)
    result.save(out, also=lambda folder: _draw(result, folder))
    _print(result)
    typer.echo(f"Written to {out}.", err=True)


def _spec(slide: Slide, asked: dict[str, Any]) -> SweepSpec:
    from napari_scfm.experiments.sweep import PUBLISHED, sweep_spec

    what = asked["what"]
    values: tuple[float, ...] = tuple(map(_value, words(asked["values"])))
    if not values and what in PUBLISHED:
        values = PUBLISHED[what]
    if not values:
        raise SpecError(
            "A sweep over genes needs to know how many.", "Add --values 10,50,100."
        )
    fovs, asked_fovs = tuple(slide.fovs), words(asked["fov"])
    if [name.lower() for name in asked_fovs] != ["all"]:
        fovs = tuple(asked_fovs)
    fitted = reference_option.reference_fields(slide.fovs, [asked["reference"]])
    return sweep_spec(
        what=what,
        values=values,
        models=tuple(words(asked["models"])),
        baselines=tuple(words(asked["baselines"])),
        seeds=tuple(map(_seed, words(asked["seeds"]))),
        eligible=asked["eligible"],
        bags={"count": asked["bags"], "size": asked["bag_size"]}
        if what == "cells"
        else None,
        fovs=fovs,
        **fitted,
        neighbourhood=asked["neighbourhood"],
        device=asked["device"],
        precision=asked["precision"],
    )


def _value(text: str) -> float:
    try:
        if text.endswith("%"):
            return float(text.removesuffix("%")) / 100
        return float(text)
    except ValueError:
        raise SpecError(
            f"--values {text} is no number.", "Give such as 15%,30% or 1,10,20."
        ) from None


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise SpecError(
            f"--seeds {text} is no seed.", "Give whole numbers from 0: 0,1,2."
        )
    return int(text)


def _draw(result: SweepResult, folder: Path) -> None:
    from napari_scfm.figures.report.sheet import sweep_chart

    title = result.spec.slide and f"{result.spec.slide}: guessing as more is hidden"
    about = {"sweep": result.spec.model_dump(mode="json")}
    for name in ("curves.png", "curves.pdf"):
        sweep_chart(result.table, folder / name, title=title, provenance=about)


def _print(result: SweepResult) -> None:
    """Print the curves, and what should be known of them."""
    curves = result.curves
    shares = result.spec.what == "entries"
    shown = curves[["model", "kind"]].copy()
    shown["hidden"] = [f"{100 * v:g}%" if shares else f"{v:g}" for v in curves["value"]]
    for name in SHOWN:
        pairs = zip(curves[name], curves[f"{name}_sd"], strict=True)
        shown[name] = [_mean_sd(mean, sd) for mean, sd in pairs]
    shown["n_entries"] = curves["n_entries"].round().astype(int)
    shown["n_left_out"] = curves["n_entries_left_out"].round().astype(int)
    typer.echo(shown.to_string(index=False))
    for note in result.notes:
        typer.echo(note, err=True)


def _mean_sd(mean: float, sd: float) -> str:
    if mean != mean:
        return "undefined"
    return f"{mean:.3f}" + ("" if sd != sd else f" ± {sd:.3f}")
