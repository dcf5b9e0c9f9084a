"""Whether the streams of one region beat chance.

Decides: a region is tested by its own cells only, as a small field of its own, so that
what flows past its border counts for nothing inside it; and jointly, so that a region
that somebody drew has one p, not one for every cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.analysis.attention.chance import compared
from napari_scfm.analysis.streams.grid import cell_spacing, tissue_grid
from napari_scfm.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_scfm.analysis.attention.field import AttentionField


def region_p(field: AttentionField, cells: Sequence[int] | np.ndarray) -> float:
    """Return ``(1 + b) / (1 + B)`` for the energy of the smooth field of some cells.

    Permutations are those of the whole field; the smoothing is its own. A region that
    was chosen for the streams in it does not keep the level: for these see ``grid_p``.

    Parameters
    ----------
    field
        With its shuffled residuals.
    cells
        Positions of the region's cells, or (n,) bool.

    Returns
    -------
    NaN where there are no permutations, or fewer than two cells at different places.

    Raises
    ------
    ScfmError
        If cells are named that the field does not have.
    """
    chosen = np.asarray(cells)
    chosen = np.flatnonzero(chosen) if chosen.dtype == bool else np.unique(chosen)
    n = len(field.residual)
    if len(chosen) and not (chosen.min() >= 0 and chosen.max() < n):
        raise ScfmError(
            f"The region names cell {chosen.max()}, but the field has {n} cells.",
            "Give positions of the field's own cells.",
        )
    inside = chosen.astype(np.intp)
    if len(inside) < 2 or field.spacing == 0:
        return float("nan")
    xy = field.xy[inside]
    smoothing = field.smoothing_um / (cell_spacing(xy) or 1.0)
    grid = tissue_grid(xy, smoothing=smoothing)
    shuffled = field.shuffled[:, inside]
    return compared(grid, field.residual[inside], shuffled, field.rounding).p_value
