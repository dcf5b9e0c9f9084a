"""``cluster``: clusters or spatial domains of a slide, and what marks them.

Writes what scanpy, squidpy and CELLxGENE read: a categorical in ``obs``, its colours
in ``uns``, the embedding and UMAP in ``obsm``, marker genes where scanpy keeps them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_scfm import keys
from napari_scfm.cli.analyse import (
    Fovs,
    embedded,
    groupings_of,
    loaded_table,
    write_table,
)
from napari_scfm.cli.options import (
    Device,
    Model,
    OutTable,
    Precision,
    Scheduler,
    Seed,
    SlidePath,
    optional,
)
from napari_scfm.cli.tables import check_csv, write_csv
from napari_scfm.errors import ScfmError, counted, named

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from napari_scfm.analysis.groups.grouping import Grouping

PCA = "pca"
SHOWN = 5
"""Marker genes that are printed of each class."""


def cluster(
    path: SlidePath,
    out: OutTable,
    model: Model = "cellplm-mini",
    on: Annotated[
        str,
        optional(
            "KEY",
            "Cluster an embedding that the table has in obsm, or `pca` of its "
            "counts; then no model runs.",
        ),
    ] = "",
    resolution: Annotated[
        float | None,
        optional(
            "R", "Higher gives more clusters; default: 1, of domains 0.4.", min=0.01
        ),
    ] = None,
    domains: Annotated[
        float | None,
        optional(
            "WEIGHT",
            "Spatial domains: 0 is expression alone, 1 the neighbourhood on the "
            "tissue alone; 0.8 is usual.",
            min=0,
            max=1,
        ),
    ] = None,
    key: Annotated[
        str,
        optional(
            "COLUMN",
            "Column of obs to write; default: <model>_cluster or <model>_domain.",
        ),
    ] = "",
    markers: Annotated[
        Path | None,
        optional(
            "FILE.csv",
            "Marker genes of each class (rank sum test), also to "
            'uns["rank_genes_groups"].',
        ),
    ] = None,
    per_fov: Annotated[
        Path | None,
        optional("FILE.csv", "Cells of each class in each FOV.", "--composition"),
    ] = None,
    umap: Annotated[
        bool, typer.Option("--umap", help='Write UMAP coordinates to obsm["X_umap"].')
    ] = False,
    fov: Fovs = "",
    device: Device = "auto",
    precision: Precision = "auto",
    scheduler: Scheduler = "",
    seed: Seed = 0,
) -> None:
    """Write Leiden clusters, or spatial domains, of all cells of a slide.

    The file has the keys that scanpy, squidpy and CELLxGENE read.

    Example: napari-scfm cluster sample_data/cosmx_synthetic -o clusters.h5ad
    """
    from napari_scfm.cli.bar import progress_bar
    from napari_scfm.experiments.grouping import cell_graph, grouped

    if "/" in key or key in (keys.FOV, keys.CELL_ID, keys.LABEL):
        raise ScfmError(f"The column cannot be {key!r}.", "Choose another name.")
    check_csv(markers, per_fov)
    if on:
        table, name, place = _ready(path, fov, out, on)
    else:
        where = (device, precision, scheduler)
        table, name = embedded(path, fov, out, model, where)
        place = keys.embedding(name)
    points = table.obsm[place]
    with progress_bar("Neighbours") as progress:
        cells = cell_graph(table, points, name, domains=domains, progress=progress)
    if cells.present.lost:
        typer.echo(cells.present.sentence, err=True)
    made = grouped(cells, resolution, seed, key=key)
    used = cells.resolution if resolution is None else resolution
    table.uns[keys.UNS] |= {"seed": seed, "resolution": used, "embedding": place}
    if domains is not None:
        table.uns[keys.UNS]["domains"] = domains
    made.to_obs(table)
    if umap:
        from napari_scfm.analysis.embedding import umap as layout

        table.obsm[keys.UMAP] = layout(points, seed)
    _say(
        made, _marked(table, made, markers), "cluster" if domains is None else "domain"
    )
    if per_fov is not None:
        _write_composition(table, made, per_fov)
    write_table(table, out, f"obs['{made.key}']" + f", obsm['{keys.UMAP}']" * umap)


def _ready(path: Path, fov: str, out: Path, on: str) -> tuple[AnnData, str, str]:
    """Return the table, the name of an embedding of it, and its place in ``obsm``."""
    from napari_scfm.analysis.embedding import pca
    from napari_scfm.experiments.provenance import versions

    table = loaded_table(path, fov, out)
    place = on
    if on == PCA:
        place = keys.embedding(PCA)
        table.obsm[place] = pca(table)
    elif on not in table.obsm:
        raise ScfmError(
            f"The table has no embedding {on!r}.",
            f"Its obsm has {named(sorted(table.obsm)) or 'nothing'}; or say `pca`.",
        )
    table.uns[keys.UNS] = {"versions": versions(), **groupings_of(table)}
    return table, place.removeprefix("X_"), place


def _marked(table: AnnData, made: Grouping, file: Path | None) -> pd.DataFrame | None:
    """Find and write marker genes, if a file is named for them."""
    if file is None:
        return None
    from napari_scfm.analysis.groups.markers import marker_genes
    from napari_scfm.cli.bar import progress_bar

    with progress_bar("Markers") as progress:
        found = marker_genes(table, made, store=True, progress=progress)
    what = (
        "marker genes. The clusters come from the same counts, so p values rank genes; "
        "they do not show that a cluster exists."
    )
    write_csv(found, file, what, index=False, float_format="%.6g")
    return found


def _say(made: Grouping, marked: pd.DataFrame | None, word: str) -> None:
    for name, size in zip(made.names, made.sizes.tolist(), strict=True):
        line = f"{word} {name}: {counted(size, 'cell')}"
        if marked is not None:
            genes = marked.loc[marked["group"] == name, "names"].head(SHOWN)
            line += f"; {', '.join(genes)}" if len(genes) else "; too few for markers"
        typer.echo(line)


def _write_composition(table: AnnData, made: Grouping, file: Path) -> None:
    from napari_scfm.analysis.groups.composition import composition

    fovs = table.obs[keys.FOV] if keys.FOV in table.obs else ["all"] * table.n_obs
    write_csv(composition(made, fovs), file, "cells of each class in each FOV")
