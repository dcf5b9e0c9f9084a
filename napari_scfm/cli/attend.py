"""``attend``: model attention over a slide, tested, drawn as data and checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_scfm import keys
from napari_scfm.cli.analyse import Fovs, loaded_table, write_table
from napari_scfm.cli.field_options import with_field_options
from napari_scfm.cli.options import (
    Device,
    Model,
    OutTable,
    Scheduler,
    Seed,
    SlidePath,
    optional,
    words,
)
from napari_scfm.errors import ScfmError, counted, named

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from napari_scfm.analysis.streams.streamlines import StreamLook
    from napari_scfm.experiments.attention.asked import FieldOptions
    from napari_scfm.experiments.attention.runs import SlideAttention

SHOWN = [
    *("fov", "cells", "geometry", "layout", "rest"),
    *("p_value", "null", "strata"),
]
"""Columns of the fields that are printed; fields.csv has all."""


@with_field_options
def attend(
    path: SlidePath,
    out: OutTable,
    model: Model = "cellplm-mini",
    top_k: Annotated[
        int, typer.Option(min=1, metavar="N", help="Strongest weights kept per cell.")
    ] = 10,
    *,
    asked: FieldOptions,
    look: StreamLook,
    streams: Annotated[
        Path | None,
        optional("FILE", "Write the streams' lines too: a .geojson or .npz file."),
    ] = None,
    tables: Annotated[
        Path | None,
        optional("DIR", "Write tables too, as CSV: types.csv, fields.csv, checks.csv."),
    ] = None,
    check: Annotated[
        str,
        optional(
            "A,B|all",
            "Check the model: random (weights), expression (exchanged), uniform, "
            "coordinates, other (checkpoint).",
        ),
    ] = "",
    other: Annotated[
        str,
        optional("M", "Second model, to check against."),
    ] = "",
    fov: Fovs = "",
    device: Device = "auto",
    scheduler: Scheduler = "",
    seed: Seed = 0,
) -> None:
    """Write model attention: obsp (top-k) and the residual field in obsm.

    The field is what is left after geometry and the layout of cell types (or of
    clusters, where no types are known); one p-value per FOV says whether that
    rest beats chance. Model attention is not evidence of communication.

    Example: napari-scfm attend sample_data/cosmx_synthetic -o attention.h5ad
    """
    from napari_scfm.cli.bar import progress_bar
    from napari_scfm.experiments.attention.files import write_tables
    from napari_scfm.experiments.attention.runs import attend_table

    if streams is not None:
        _check_suffix(streams)
    which = _checks(check, other)
    table = loaded_table(path, fov, out)
    with progress_bar("Attending") as progress:
        found = attend_table(
            table, model, asked, device=device, scheduler=scheduler, progress=progress
        )
    shares = dict.fromkeys(("geometry", "layout", "rest"), "{:.4g}".format)
    typer.echo(found.fields()[SHOWN].to_string(index=False, formatters=shares))
    found.store(table, top_k)
    written = {"fields": found.fields(), "types": found.type_tables()}
    if which:
        written["checks"] = _checked(table, found, model, which, other, device)
        table.uns[keys.UNS]["checks"] = written["checks"]
    if tables is not None:
        write_tables(written, tables)
        typer.echo(f"{tables}: {', '.join(f'{name}.csv' for name in written)}")
    if streams is not None:
        _write_streams(found, look, streams, bool(words(fov)[1:]) or not fov)
    name = found.info.name
    flow = keys.flow(name, asked.direction)
    write_table(table, out, f"obsp['{keys.attention(name)}'], obsm['{flow}']")


def _checks(asked: str, other: str) -> list[str]:
    """Return the checks that ``--check`` names by their first words."""
    if not asked and not other:
        return []
    from napari_scfm.experiments.attention.verdicts import CHECKS, OTHER

    known = {check.split()[0]: check for check in CHECKS}
    told = words(asked)
    if "all" in told:
        told = [word for word in known if other or known[word] != OTHER]
    unknown = [word for word in told if word not in known]
    if unknown:
        raise ScfmError(
            f"--check knows no {named(unknown)}.", f"It knows all, {', '.join(known)}."
        )
    if other and OTHER not in (known[word] for word in told):
        told.append(OTHER.split()[0])
    if OTHER.split()[0] in told and not other:
        raise ScfmError(
            "--check other needs a second model.", "Name it with --other MODEL."
        )
    return [check for word, check in known.items() if word in told]


def _checked(
    table: AnnData,
    found: SlideAttention,
    model: str,
    which: list[str],
    other: str,
    device: str,
) -> pd.DataFrame:
    """Run the checks FOV by FOV; print what each says."""
    import pandas as pd

    from napari_scfm.cli.bar import progress_bar
    from napari_scfm.experiments.attention.checks import check_attention
    from napari_scfm.models.hub import load_model

    loaded = load_model(model, device)
    second = load_model(other, device) if other else ""
    parts = []
    for one in found.fovs:
        with progress_bar(f"Checking {one.fov}".strip()) as progress:
            rows = check_attention(
                loaded,
                table[one.cells].copy(),
                found.options,
                which,
                other=second,
                kinds=one.kinds,
                progress=progress,
            )
        for row in rows.itertuples():
            mark = "! " if row.warns else "  "
            typer.echo(f"{mark}{one.fov}: {row.sentence}")
        rows.insert(0, "fov", one.fov)
        parts.append(rows)
    return pd.concat(parts, ignore_index=True)


def _check_suffix(path: Path) -> None:
    from napari_scfm.experiments.attention.files import SUFFIXES

    if path.suffix not in SUFFIXES:
        raise ScfmError(
            f"Streams cannot be written to {path}.",
            f"Let the name end in {' or '.join(SUFFIXES)}.",
        )


def _write_streams(
    found: SlideAttention, look: StreamLook, path: Path, whole: bool
) -> None:
    """Write the lines of all FOVs; say where (0, 0) is."""
    from dataclasses import asdict

    from napari_scfm.experiments.attention.files import save_streams

    origin = "the slide's" if whole else "top left pixel of the field of view"
    about = found.about(look=asdict(look), origin=origin)
    drawn = found.streams(look)
    save_streams(drawn, path, about)
    lines = sum(len(one.lines.lines) for one in drawn)
    typer.echo(f"{path}: {counted(lines, 'streamline')}")
