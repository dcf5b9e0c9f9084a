"""Attention of a whole slide: fields per FOV, stored under scverse's keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm import keys
from napari_scfm.analysis.attention_field import attention_field
from napari_scfm.analysis.clusters import cluster
from napari_scfm.experiments.provenance import provenance
from napari_scfm.experiments.slide_runs import attend_slide, embed_slide
from napari_scfm.models.attention import Attention, Block
from napari_scfm.models.bags import bags
from napari_scfm.models.hub import load_model
from napari_scfm.progress import report

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from napari_scfm.progress import ProgressCallback


def strata_of(table: AnnData, embedding: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return what the null keeps fixed: cell types, else clusters of the embedding."""
    if keys.CELL_TYPE in table.obs:
        return np.asarray(table.obs[keys.CELL_TYPE].astype(str))
    return cluster(embedding, 1.0, seed).astype(str)


def attention_of_table(
    table: AnnData,
    model: str,
    *,
    layer: int = -1,
    top_k: int = 10,
    permutations: int = 99,
    device: str = "auto",
    scheduler: str = "",
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> pd.DataFrame:
    """Store attention and residual field in a table; return one row per FOV.

    Parameters
    ----------
    table
        Raw counts of one or more FOVs; ``obsp``, ``obsm`` and ``uns`` are written.
    model, layer, device, scheduler
        See :func:`napari_scfm.experiments.slide_runs.attend_slide`.
    top_k
        Strongest weights kept per cell.
    permutations, seed
        Of the joint test of each FOV.
    progress
        Told after each FOV.

    Returns
    -------
    DataFrame with fov, cells, geometry, layout, rest (energy shares) and p_value.
    """
    import pandas as pd

    info = load_model(model, "cpu").info
    attention = attend_slide(
        table, model, layer=layer, device=device, scheduler=scheduler
    )
    embedding = embed_slide(table, model, device=device, scheduler=scheduler)
    strata = strata_of(table, embedding, seed)
    flow = np.zeros((table.n_obs, 2), np.float32)
    rows, home = [], bags(table)
    for done, cells in enumerate(home, start=1):
        field = attention_field(
            _part(attention, cells),
            np.asarray(table.obsm[keys.SPATIAL])[cells],
            strata=strata[cells],
            permutations=permutations,
            seed=seed,
            even_keys=True,
        )
        flow[cells] = field.residual
        name = str(table.obs[keys.FOV].iloc[cells[0]]) if keys.FOV in table.obs else ""
        shares = field.shares._asdict()
        rows.append(
            {"fov": name, "cells": len(cells), **shares, "p_value": field.p_value}
        )
        report(progress, done, len(home), f"field of FOV {name}")
    table.obsp[keys.attention(info.name)] = attention.top_k(top_k).tocsr()
    table.obsm[keys.flow(info.name)] = flow
    frame = pd.DataFrame(rows)
    table.uns[keys.UNS] = provenance(
        info, seed=seed, layer=layer, permutations=permutations, fields=frame
    )
    return frame


def _part(attention: Attention, cells: np.ndarray) -> Attention:
    """Return the attention inside one bag, with the bag's own numbering."""
    place = np.full(attention.n_cells, -1)
    place[cells] = np.arange(len(cells))
    blocks = [
        Block(place[b.cells], query=b.query, key=b.key, matrix=b.matrix)
        for b in attention.blocks
        if len(b.cells) and place[b.cells[0]] >= 0
    ]
    return Attention(blocks, len(cells))
