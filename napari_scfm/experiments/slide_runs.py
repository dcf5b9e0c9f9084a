"""A model over every FOV of a slide, on this machine or on Dask workers.

A FOV is the bag a learned model reads, so FOVs are independent and come back the same
wherever they ran. Baselines are fitted across FOVs: they are never split up.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.errors import ModelError, ScfmError
from napari_scfm.models.bags import bags
from napari_scfm.models.hub import load_model
from napari_scfm.progress import report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anndata import AnnData

    from napari_scfm.models.attention import Attention, Block
    from napari_scfm.models.attention.asked import Layer, Weighting
    from napari_scfm.models.base import CellModel
    from napari_scfm.progress import ProgressCallback

_load_once = lru_cache(maxsize=2)(load_model)


def embed_slide(
    table: AnnData,
    model: str,
    *,
    device: str = "auto",
    precision: str = "auto",
    scheduler: str = "",
    progress: ProgressCallback | None = None,
) -> np.ndarray:
    """Return (cells, d) embeddings of all FOVs of a table.

    Parameters
    ----------
    table
        Raw counts; cells of the same ``obs["fov"]`` are read together.
    model
        Name or path for :func:`napari_scfm.load_model`.
    device, precision
        Where the model runs, and in what; see :func:`napari_scfm.load_model`.
    scheduler
        Address of a Dask scheduler; "" runs here.
    progress
        Told after each FOV.

    Raises
    ------
    ModelError
        If the model cannot embed, or cannot be split up over workers.
    """
    if not scheduler:
        loaded = load_model(model, device, precision=precision)
        return loaded.fit(table).embed(table, progress=progress)
    task = partial(_embed, model, device, precision)
    return _gather(table, task, model, scheduler, progress)


def impute_slide(
    table: AnnData,
    genes: Sequence[str],
    model: str,
    *,
    device: str = "auto",
    precision: str = "auto",
    neighbourhood: int | None = None,
    scheduler: str = "",
    progress: ProgressCallback | None = None,
) -> np.ndarray:
    """Return (cells, genes) predicted counts of all FOVs; see :func:`embed_slide`.

    With ``neighbourhood``, cells without counts are predicted from that many of the
    cells nearest to them; see :meth:`napari_scfm.models.base.CellModel.impute`.
    """
    if not scheduler:
        fitted = load_model(model, device, precision=precision).fit(table)
        return fitted.impute(
            table, genes, neighbourhood=neighbourhood, progress=progress
        )
    task = partial(_impute, model, device, precision, list(genes), neighbourhood)
    return _gather(table, task, model, scheduler, progress)


def attend_slide(
    table: AnnData,
    model: str,
    *,
    layer: Layer = -1,
    head: int | None = None,
    weighting: Weighting = "weights",
    device: str = "auto",
    scheduler: str = "",
    progress: ProgressCallback | None = None,
) -> Attention:
    """Return the attention of all FOVs as one block matrix; see :func:`embed_slide`.

    ``layer``, ``head`` and ``weighting`` are those of
    :meth:`napari_scfm.models.base.CellModel.attend`.
    """
    how: dict[str, Any] = {"layer": layer, "head": head, "weighting": weighting}
    if not scheduler:
        return load_model(model, device).attend(table, progress=progress, **how)
    from napari_scfm.models.attention import Attention

    task = partial(_attend, model, device, how)
    blocks: list[Block] = []
    for rows, parts in zip(
        bags(table), _on_workers(table, task, model, scheduler, progress), strict=True
    ):
        blocks += [replace(block, cells=rows[block.cells]) for block in parts]
    return Attention(blocks, table.n_obs)


def _embed(model: str, device: str, precision: str, part: AnnData) -> np.ndarray:
    return _load_once(model, device, precision=precision).embed(part)


def _impute(
    model: str,
    device: str,
    precision: str,
    genes: list[str],
    neighbourhood: int | None,
    part: AnnData,
) -> np.ndarray:
    loaded = _load_once(model, device, precision=precision)
    return loaded.impute(part, genes, neighbourhood=neighbourhood)


def _attend(
    model: str, device: str, how: dict[str, Any], part: AnnData
) -> tuple[Block, ...]:
    return _load_once(model, device).attend(part, **how).blocks


def _gather(
    table: AnnData,
    task: Callable[[AnnData], np.ndarray],
    model: str,
    scheduler: str,
    progress: ProgressCallback | None,
) -> np.ndarray:
    parts = _on_workers(table, task, model, scheduler, progress)
    out = np.zeros((table.n_obs, parts[0].shape[1] if parts else 0), np.float32)
    for rows, values in zip(bags(table), parts, strict=True):
        out[rows] = values
    return out


def _on_workers(
    table: AnnData,
    task: Callable[[AnnData], Any],
    model: str,
    scheduler: str,
    progress: ProgressCallback | None,
) -> list[Any]:
    _refuse_baselines(load_model(model, "cpu"))
    from distributed import Client, as_completed

    parts = [table[rows].copy() for rows in bags(table)]
    try:
        client = Client(scheduler, timeout=10)
    except (OSError, ValueError) as error:
        raise ScfmError(
            f"No Dask scheduler answers at {scheduler!r} ({error}).",
            "Start one with `dask scheduler` and `dask worker ADDRESS`.",
        ) from error
    with client:
        futures = client.map(task, parts, pure=False)
        for done, _ in enumerate(as_completed(futures), start=1):
            report(progress, done, len(futures), "FOVs")
        return list(client.gather(futures))


def _refuse_baselines(model: CellModel) -> None:
    if model.info.parameters == 0:
        raise ModelError(
            f"Model {model.info.name} is fitted to the whole slide and cannot be "
            "split over workers.",
            "Leave --scheduler out.",
        )
