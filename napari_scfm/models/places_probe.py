"""Does a model read where cells lie? Asked by exchanging their places."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm import keys
from napari_scfm.models.bags import bags

if TYPE_CHECKING:
    from anndata import AnnData

    from napari_scfm.masks.mask import Mask
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
    bag = next((cells for cells in bags(table) if len(cells) > 1), None)
    if bag is None or keys.SPATIAL not in table.obsm:
        return False
    here = table[bag[:_CELLS]].copy()
    there = here.copy()
    order = np.random.default_rng(seed).permutation(here.n_obs)
    there.obsm[keys.SPATIAL] = np.asarray(here.obsm[keys.SPATIAL])[order]
    before, after = model.embed(here), model.embed(there)
    return bool(np.abs(after - before).max() > _CLOSE * np.abs(before).max())


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
