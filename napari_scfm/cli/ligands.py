"""``ligands``: ligand-receptor pairs beside a model's attention, over neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_scfm.cli.options import (
    Device,
    Fov,
    Model,
    Radius,
    Seed,
    SlidePath,
    choose_fov,
    optional,
)
from napari_scfm.cli.tables import write_csv
from napari_scfm.errors import ScfmError, counted

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from anndata import AnnData

    from napari_scfm.experiments.attention.asked import FieldOptions
    from napari_scfm.models.attention import Attention
    from napari_scfm.models.base import CellModel
    from napari_scfm.progress import ProgressCallback

TOP = 15
"""Pairs that are printed."""

PRINTED = ["ligand", "receptor", "spearman", "expected", "z", "p_value", "q_value"]
NULLS = ("shift", "keys")
CAVEAT = "Model attention, key to query; it is not evidence of communication."


def ligands(
    path: SlidePath,
    out: Annotated[
        Path,
        typer.Option(
            "-o",
            "--out",
            metavar="OUT.csv",
            help="--all: one row per pair of molecules; else one row per cell.",
        ),
    ],
    ligand: Annotated[
        str,
        optional("A", "Ligand: a gene, or a complex with subunits joined by _."),
    ] = "",
    receptor: Annotated[str, optional("B", "Receptor.")] = "",
    everything: Annotated[
        bool,
        typer.Option("--all", help="All pairs that the panel holds, ranked."),
    ] = False,
    resource: Annotated[
        Path | None,
        optional(
            "FILE",
            "Where --all takes pairs from: a CSV file with the columns ligand and "
            "receptor; default: LIANA's consensus, from the installed package.",
        ),
    ] = None,
    fov: Fov = "",
    model: Model = "cellplm-mini",
    layer: Annotated[
        str,
        typer.Option(metavar="N|rollout", help="Layer; -1 is the last."),
    ] = "-1",
    neighbours: Annotated[
        int,
        typer.Option(min=1, metavar="K", help="Senders: so many nearest cells."),
    ] = 30,
    radius: Radius = None,
    strata: Annotated[
        str,
        optional(
            "COLUMN",
            "Column of cell kinds whose layout counts as explained, or "
            "`embedding` for clusters; default: cell types where known, else clusters.",
        ),
    ] = "",
    null: Annotated[
        str,
        typer.Option(
            metavar="shift|keys",
            help="Chance: the map of keys shifted over the tissue, or keys exchanged "
            "between cells, which forgets that neighbours are alike.",
        ),
    ] = "shift",
    decoys: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="--all: mismatched pairs to rank as well, the yardstick.",
        ),
    ] = 200,
    permutations: Annotated[
        int, typer.Option(min=0, metavar="N", help="Draws of chance.")
    ] = 99,
    device: Device = "auto",
    seed: Seed = 0,
) -> None:
    """Lay ligand-receptor pairs beside attention and say how they correlate.

    For neighbouring cells: ligand in the sender times receptor in the receiver, and
    its rank correlation with what a model's attention holds beyond popular keys and
    cell types, against chance. It says what the attention follows; it is not evidence
    of communication.

    Example: napari-scfm ligands sample_data/cosmx_synthetic --fov F004 --ligand CXCL12
    --receptor CXCR4 -o pair.csv
    """
    from napari_scfm.cli.bar import progress_bar
    from napari_scfm.experiments.attention.ligands import ligand_receptor, rank_pairs
    from napari_scfm.experiments.attention.molecules import molecules
    from napari_scfm.experiments.attention.resource import resource_for
    from napari_scfm.experiments.files import check_writable
    from napari_scfm.models.hub import load_model
    from napari_scfm.slides.read import read_slide

    _check(ligand, receptor, everything, resource, null, out)
    asked = _asked(layer, strata, seed)
    check_writable(out)
    slide = read_slide(path)
    table = slide.fov(choose_fov(slide, fov)).table
    pairs = resource_for(table, resource) if everything else None
    if pairs is None:
        molecules(table, [ligand, receptor])
    loaded = load_model(model, device)
    with progress_bar("Ligands and receptors") as progress:
        attention, kinds = _attended(loaded, table, asked, progress)
        how: dict[str, Any] = {
            "neighbours": neighbours,
            "radius": radius,
            "permutations": permutations,
            "seed": seed,
            "strata": kinds,
            "null": null,
            "progress": progress,
        }
        if pairs is not None:
            rows = rank_pairs(table, attention, pairs.pairs, decoys=decoys, **how)
        else:
            made = ligand_receptor(table, attention, ligand, receptor, **how)
    if pairs is not None:
        _print(rows, pairs.name, len(pairs.pairs))
    else:
        typer.echo(made.sentence)
        rows = made.per_cell(table)
    typer.echo(CAVEAT, err=True)
    write_csv(rows, out, counted(len(rows), "row"), index=False)


def _check(
    ligand: str,
    receptor: str,
    everything: bool,
    resource: Path | None,
    null: str,
    out: Path,
) -> None:
    """Refuse options that do not fit together, before anything is read."""
    if out.suffix != ".csv":
        raise ScfmError(f"{out} is no table.", "Let the name end in .csv.")
    if null not in NULLS:
        raise ScfmError(f"--null cannot be {null!r}.", f"Choose {' or '.join(NULLS)}.")
    if everything and (ligand or receptor):
        raise ScfmError(
            "--all ranks every pair, so that no single one can be asked for.",
            "Leave out --all, or --ligand and --receptor.",
        )
    if not everything and not (ligand and receptor):
        raise ScfmError(
            "A pair needs a ligand and a receptor.",
            "Give --ligand A --receptor B, or --all for every pair of a resource.",
        )
    if resource is not None and not everything:
        raise ScfmError(
            "--resource is a list of pairs, but one pair is asked for.",
            "Give --all with it, or leave it out.",
        )


def _asked(layer: str, strata: str, seed: int) -> FieldOptions:
    from napari_scfm.experiments.attention.asked import FieldOptions

    try:
        number = layer if layer == "rollout" else int(layer)
    except ValueError:
        raise ScfmError(
            f"--layer {layer} is no layer.", "Give a number (-1: the last) or rollout."
        ) from None
    return FieldOptions(layer=number, strata=strata, seed=seed)  # type: ignore[arg-type]


def _attended(
    model: CellModel,
    table: AnnData,
    asked: FieldOptions,
    progress: ProgressCallback,
) -> tuple[Attention, np.ndarray]:
    """Return the attention of a FOV and the kind of each cell; say what is odd."""
    from napari_scfm.experiments.attention.asked import (
        attend_as,
        cell_kinds,
        sees_places,
    )

    if not sees_places(model, table):
        typer.echo(
            f"Model {model.info.name} does not read coordinates: its attention between "
            "neighbours is that between any cells of such expression.",
            err=True,
        )
    attention = attend_as(model, table, asked, progress=progress)
    kinds = cell_kinds(table, lambda: model.embed(table), asked.strata, asked.seed)
    return attention, kinds.labels


def _print(rows: pd.DataFrame, name: str, listed: int) -> None:
    from napari_scfm.experiments.attention.ligands import LEVEL, yardstick

    real = rows[~rows["decoy"]]
    typer.echo(
        f"{name}: the panel holds {len(real)} of {counted(listed, 'pair')}; the surest:"
    )
    typer.echo(real[PRINTED].head(TOP).to_string(index=False, float_format="%.3g"))
    if real["p_value"].isna().all():
        typer.echo(yardstick(rows))
        return
    sure = int((real["q_value"] <= LEVEL).sum())
    typer.echo(
        f"{yardstick(rows)} {sure} of {len(real)} keep q <= {LEVEL:g} "
        "(Benjamini-Hochberg)."
    )
