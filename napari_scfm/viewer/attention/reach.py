"""How many partners cells have, and how far away: said before anything is drawn."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from napari_scfm.errors import counted


def reach_sentence(
    xy: np.ndarray, neighbours: int | None = None, radius: float | None = None
) -> str:
    """Return how many partners a choice gives to each cell.

    Parameters
    ----------
    xy
        (n, 2) positions in um.
    neighbours, radius
        So many nearest cells, or all within so many um; None and None for all cells.
    """
    n = len(xy)
    if n < 2:
        return "There is nobody to attend to."
    if neighbours is not None:
        count = min(neighbours, n - 1)
        far, _ = cKDTree(xy).query(xy, k=[count + 1])
        return (
            f"{counted(count, 'partner')} per cell; the last of them "
            f"{np.median(far):.0f} µm away (median)."
        )
    if radius is not None:
        tree = cKDTree(xy)
        counts = tree.query_ball_point(xy, radius, return_length=True) - 1
        low, middle, high = np.percentile(counts, (0, 50, 100))
        alone = int(np.sum(counts == 0))
        none = f" {counted(alone, 'cell has', 'cells have')} none." if alone else ""
        return (
            f"{middle:.0f} partners per cell (median; {low:.0f} to {high:.0f}).{none}"
        )
    return f"All {n - 1:,} other cells are partners of each cell."
