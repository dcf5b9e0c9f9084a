"""Bags of neighbouring cells: what the whole-cell protocol of sCT reads at a time.

A bag is a random seed cell with the cells nearest to it inside its field of view, 50 in
all; 1, 10, 20 or 40 of them lose all genes (Tables 2 and 9 of the sCT paper). Cells
without coordinates, as in scRNA-seq, make bags of random cells of one field of view
(study).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from napari_scfm import keys
from napari_scfm.errors import MaskError, counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData

    Find = Callable[[int, np.ndarray], np.ndarray]

SIZE = 50
"""Cells of a bag in the protocol."""


def neighbourhood_bags(
    table: AnnData, count: int, size: int = SIZE, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return cells that lie together, in bags of one size.

    Bags are disjoint as long as seed cells are found whose neighbourhoods hold no cell
    of an earlier bag; only then do they overlap, and a cell comes more than once.

    Parameters
    ----------
    table
        Cells x genes, with ``obs["fov"]`` where it holds several fields of view.
    count
        How many bags.
    size
        Cells of each.
    seed
        Of the seed cells.

    Returns
    -------
    rows, bags
        (count * size,) positions in the table, bag after bag, the seed cell first; and
        (count * size,) names of the bags, such as ``F001_bag3``.

    Raises
    ------
    MaskError
        If no field of view has so many cells, or there are fewer cells than bags.
    """
    if count < 1 or size < 2:
        raise MaskError(
            f"{counted(count, 'bag')} of {counted(size, 'cell')} cannot be drawn.",
            "Ask for 1 or more bags of 2 or more cells.",
        )
    groups = _groups(table, size)
    able = np.concatenate([np.zeros(0, np.int64), *groups.values()])
    if len(able) < count:
        largest = max((len(rows) for rows in _fovs(table).values()), default=0)
        raise MaskError(
            f"{counted(count, 'bag')} of {counted(size, 'cell')} cannot be drawn: "
            f"{counted(len(able), 'cell has', 'cells have')} so many in the same field "
            f"of view (the largest holds {largest}).",
            "Ask for fewer or smaller bags.",
        )
    rng = np.random.default_rng(seed)
    order = rng.permutation(np.sort(able))
    home = {int(row): fov for fov, rows in groups.items() for row in rows}
    finders = _finders(table, groups, size, rng)
    found = _drawn(
        order, count, table.n_obs, lambda row, free: finders[home[row]](row, free)
    )
    rows = np.concatenate([cells for _, cells in found])
    names = [f"{home[row]}_bag{place}" for place, (row, _) in enumerate(found, 1)]
    return rows, np.repeat(np.array(names, dtype=object), size)


def _drawn(
    order: np.ndarray, count: int, n: int, find: Find
) -> list[tuple[int, np.ndarray]]:
    """Return (seed cell, cells) of each bag: disjoint ones first, then any."""
    free = np.ones(n, dtype=bool)
    found: list[tuple[int, np.ndarray]] = []
    passed: list[int] = []
    for row in order.tolist():
        if len(found) == count:
            return found
        cells = find(row, free) if free[row] else None
        if cells is None or not free[cells].all():
            passed.append(row)
            continue
        free[cells] = False
        found.append((row, cells))
    more = passed[: count - len(found)]
    return found + [(row, find(row, free)) for row in more]


def _fovs(table: AnnData) -> dict[str, np.ndarray]:
    if keys.FOV not in table.obs:
        return {"all": np.arange(table.n_obs)}
    indices = table.obs.groupby(keys.FOV, observed=True, sort=True).indices
    return {str(name): np.sort(rows) for name, rows in indices.items()}


def _groups(table: AnnData, size: int) -> dict[str, np.ndarray]:
    """Return the rows of each field of view that has enough cells with a place."""
    placed = np.ones(table.n_obs, dtype=bool)
    if keys.SPATIAL in table.obsm:
        placed = np.isfinite(np.asarray(table.obsm[keys.SPATIAL])[:, :2]).all(axis=1)
    usable = {name: rows[placed[rows]] for name, rows in _fovs(table).items()}
    return {name: rows for name, rows in usable.items() if len(rows) >= size}


def _finders(
    table: AnnData, groups: dict[str, np.ndarray], size: int, rng: np.random.Generator
) -> dict[str, Find]:
    """Return for each field of view what finds the bag of a seed cell."""
    if keys.SPATIAL in table.obsm:
        xy = np.asarray(table.obsm[keys.SPATIAL], dtype=np.float64)[:, :2]
        return {fov: _Near(xy, rows, size) for fov, rows in groups.items()}
    return {fov: _Anywhere(rows, size, rng) for fov, rows in groups.items()}


class _Near:
    """Finds the cells nearest to a seed cell."""

    def __init__(self, xy: np.ndarray, rows: np.ndarray, size: int) -> None:
        self._xy, self._rows, self._size = xy, rows, size
        self._tree = cKDTree(xy[rows])

    def __call__(self, row: int, free: np.ndarray) -> np.ndarray:
        _, near = self._tree.query(self._xy[row], self._size)
        cells = self._rows[near]
        # where many cells lie on one spot, the seed cell itself may come late
        return np.concatenate([[row], cells[cells != row]])[: self._size]


class _Anywhere:
    """Draws cells of a study, those that are in no bag if there are enough."""

    def __init__(self, rows: np.ndarray, size: int, rng: np.random.Generator) -> None:
        self._rows, self._size, self._rng = rows, size, rng

    def __call__(self, row: int, free: np.ndarray) -> np.ndarray:
        others = self._rows[self._rows != row]
        left = others[free[others]]
        pool = left if len(left) >= self._size - 1 else others
        drawn = self._rng.choice(pool, self._size - 1, replace=False)
        return np.concatenate([[row], drawn])
