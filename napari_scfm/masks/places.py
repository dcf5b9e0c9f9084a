"""Cells by where they lie: discs and stripes of tissue.

Places are um in the table's own ``obsm["spatial"]``: of a field of view that is its
top-left corner, y down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm import keys
from napari_scfm.errors import MaskError
from napari_scfm.masks.groups import cells_of_fovs

if TYPE_CHECKING:
    from anndata import AnnData

    from napari_scfm.masks.parts import Disc, Stripe


def positions_of(table: AnnData) -> np.ndarray:
    """Return the cells' (x, y) in um, (cells, 2).

    Raises
    ------
    MaskError
        If the table has none.
    """
    if keys.SPATIAL not in table.obsm:
        raise MaskError(
            "The cells have no coordinates, so none can be hidden by place.",
            f'Put them into table.obsm["{keys.SPATIAL}"], or hide cells by name.',
        )
    return np.asarray(table.obsm[keys.SPATIAL], dtype=np.float64)[:, :2]


def cells_in_disc(table: AnnData, disc: Disc) -> np.ndarray:
    """Return which cells lie in a disc, its edge included, (cells,) bool."""
    x, y = positions_of(table).T
    inside = np.hypot(x - disc.x, y - disc.y) <= disc.radius
    return np.asarray(inside & _in_fov(table, disc.fov))


def cells_in_stripe(table: AnnData, stripe: Stripe) -> np.ndarray:
    """Return which cells lie in a stripe, its edges included, (cells,) bool."""
    start = np.array([stripe.x0, stripe.y0])
    along = np.array([stripe.x1, stripe.y1]) - start
    length = np.hypot(*along)
    along /= length
    away = positions_of(table) - start
    forward = away @ along
    aside = np.abs(away @ np.array([-along[1], along[0]]))
    inside = (forward >= 0) & (forward <= length) & (aside <= stripe.width / 2)
    return np.asarray(inside & _in_fov(table, stripe.fov))


def _in_fov(table: AnnData, fov: str) -> np.ndarray:
    return cells_of_fovs(table, [fov]) if fov else np.ones(table.n_obs, dtype=bool)
