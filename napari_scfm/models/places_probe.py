"""Does a model read where cells lie? Asked by exchanging their places."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm import keys
from napari_scfm.models.bags import bags

if TYPE_CHECKING:
    from anndata import AnnData

    from napari_scfm.masks.mask import Mask
    from napari_scfm.models.attention.asked import Layer, Weighting
    from napari_scfm.models.base import CellModel

IGNORES = (
    "Coordinates play no part in this model: when cells exchanged their places, no "
    "embedding changed."
)
_ALIKE = (
    "The hidden cells of a FOV therefore get one and the same prediction; a "
    "neighbourhood (--neighbourhood 50) predicts each from its surroundings."
)
_CELLS = 500
_CLOSE = 1e-4
_PROBES = 8
_ROUNDING = 1e-7


def reads_positions(model: CellModel, table: AnnData, seed: int = 0) -> bool:
    """Tell whether a model's embeddings change when cells exchange their places.

    Parameters
    ----------
    model
        A model that can embed.
    table
        Cells with ``obsm["spatial"]``; some hundred cells of the first bag with
        more than one are embedded twice.
    seed
        Of the exchange.

    Returns
    -------
    False also where there is nothing to exchange: no coordinates, or single cells.

    Raises
    ------
    ModelError
        If the model cannot embed this table.
    """
    exchanged = _exchanged(table, seed)
    if exchanged is None:
        return False
    before, after = (model.embed(one) for one in exchanged)
    return bool(np.abs(after - before).max() > _CLOSE * np.abs(before).max())


def attention_reads_positions(
    model: CellModel,
    table: AnnData,
    seed: int = 0,
    *,
    layer: Layer = -1,
    head: int | None = None,
    weighting: Weighting = "weights",
) -> bool:
    """Tell whether a model's attention changes when cells exchange their places.

    An embedding can hold places that attention does not see (added after it, or on
    a path beside it), so the attention itself is compared: what it makes of the same
    random columns before and after, without forming it. The columns sum to 0, so that
    attention which is the same on all cells, as most of it is, counts for nothing.

    Parameters
    ----------
    model
        A model that can attend.
    table, seed
        As for :func:`reads_positions`; the same cells keep their counts.
    layer, head, weighting
        Of the attention, see :meth:`napari_scfm.models.base.CellModel.attend`.

    Returns
    -------
    False also where there is nothing to exchange: no coordinates, or single cells.

    Raises
    ------
    ModelError
        If the model cannot attend in this table, or has no such layer or head.
    """
    exchanged = _exchanged(table, seed)
    if exchanged is None:
        return False
    probes = np.random.default_rng(seed).standard_normal((exchanged[0].n_obs, _PROBES))
    probes -= probes.mean(axis=0)
    before, after = (
        model.attend(one, layer=layer, head=head, weighting=weighting)
        for one in exchanged
    )
    seen = before.apply(probes)
    change = np.abs(after.apply(probes) - seen).max()
    rounding = _ROUNDING * np.abs(before.apply(np.abs(probes))).max()
    return bool(change > _CLOSE * np.abs(seen).max() + rounding)


def _exchanged(table: AnnData, seed: int) -> tuple[AnnData, AnnData] | None:
    """Return some cells of a bag, and the same with their places exchanged."""
    bag = next((cells for cells in bags(table) if len(cells) > 1), None)
    if bag is None or keys.SPATIAL not in table.obsm:
        return None
    here = table[bag[:_CELLS]].copy()
    there = here.copy()
    order = np.random.default_rng(seed).permutation(here.n_obs)
    there.obsm[keys.SPATIAL] = np.asarray(here.obsm[keys.SPATIAL])[order]
    return here, there


def place_notes(
    model: CellModel, table: AnnData, mask: Mask, neighbourhood: int | None
) -> list[str]:
    """Say where an experiment's model ignores the places of cells.

    Parameters
    ----------
    model
        A model with ``reads_positions``; others say nothing.
    table, mask
        What it read, and what was hidden.
    neighbourhood
        Cells per neighbourhood, None for whole FOVs.
    """
    probe = getattr(model, "reads_positions", None)
    if probe is None or keys.SPATIAL not in table.obsm or probe(table):
        return []
    alike = len(mask.hidden_cells) > 1 and neighbourhood is None
    return [f"{model.info.name}: {IGNORES}" + (f" {_ALIKE}" if alike else "")]
