"""The map of keys, laid over the tissue somewhere else.

Decides: the map is shifted by a random step and may be mirrored, what leaves the
tissue's box on one side comes back mirrored, and each cell takes the key of the
nearest cell there. Keys so keep their neighbours, but not their place relative to
the queries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from napari_scfm.analysis.attention.null import lots

if TYPE_CHECKING:
    from collections.abc import Iterator


def shifted_keys(
    xy: np.ndarray, homes: np.ndarray, seen: np.ndarray, count: int, seed: int
) -> Iterator[np.ndarray]:
    """Yield (n,) whose key each cell holds.

    Parameters
    ----------
    xy
        (n, 2) positions.
    homes
        (n,) bag of each cell; keys stay in their bag.
    seen
        (n,) cells whose keys move; the others keep theirs.
    count, seed
        How many, and where the lots start.
    """
    rng = lots(seed)
    bags = [
        np.flatnonzero((homes == bag) & seen) for bag in np.unique(homes[homes >= 0])
    ]
    bags = [cells for cells in bags if len(cells)]
    trees = [cKDTree(xy[cells]) for cells in bags]
    for _ in range(count):
        order = np.arange(len(xy))
        for cells, tree in zip(bags, trees, strict=True):
            order[cells] = cells[tree.query(_shifted(xy[cells], rng))[1]]
        yield order


def _shifted(xy: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the places that are laid on the cells' own."""
    low, size = xy.min(axis=0), np.ptp(xy, axis=0)
    size = np.where(size > 0, size, 1.0)
    at = (xy - low) / size + 2 * rng.random(2)
    at = 1 - np.abs(at % 2 - 1)
    return np.asarray(low + at * size)
