"""Which 50 cells are read together, and in which order.

Tiles cover a field with compact groups, each cell once; centred windows hold a cell
and its nearest, and only the cell's own result is kept (50 times the cost). Cells are
never invented: a field of fewer cells is read as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
from scipy.spatial import KDTree

Mode: TypeAlias = Literal["tiles", "centred"]
MODES: Final = ("tiles", "centred")


@dataclass(frozen=True)
class Window:
    """Cells that are read together.

    Attributes
    ----------
    cells
        (k,) row positions in the table, in the order of the sequence.
    kept
        (k,) bool: cells whose result is taken from this window.
    """

    cells: np.ndarray
    kept: np.ndarray

    def ordered(self, order: np.ndarray) -> Window:
        """Return the window with its cells in another order."""
        return Window(self.cells[order], self.kept[order])


def tiles(
    cells: np.ndarray,
    xy: np.ndarray | None,
    size: int,
    rng: np.random.Generator | None = None,
) -> list[Window]:
    """Return compact groups that hold each cell once.

    The field is halved across its longer side at a multiple of ``size`` until a piece
    is one group; the last group is topped up with the nearest cells of others, whose
    second result is dropped.

    Parameters
    ----------
    cells
        (n,) row positions of one field.
    xy
        (n, 2) their places; None takes them as they follow one another.
    size
        Cells per group.
    rng
        Cut along other directions, at other places: over many such tilings no border
        between cells stays. None: along x and y, in the middle.
    """
    cells = np.asarray(cells)
    if len(cells) <= size:
        return [Window(cells, np.ones(len(cells), dtype=bool))] if len(cells) else []
    where = np.arange(len(cells), dtype=float)[:, None] if xy is None else xy
    turned = np.asarray(where, dtype=float)
    if rng is not None and turned.shape[1] == 2:
        angle = rng.uniform(0, 2 * np.pi)
        turned = turned @ np.array(
            [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        )
    groups = _halved(np.arange(len(cells)), turned, size, rng)
    return [_topped_up(group, cells, where, size) for group in groups]


def _halved(
    rows: np.ndarray, xy: np.ndarray, size: int, rng: np.random.Generator | None
) -> list[np.ndarray]:
    if len(rows) <= size:
        return [rows]
    extent = xy[rows].max(axis=0) - xy[rows].min(axis=0)
    order = rows[np.lexsort((rows, xy[rows, int(extent.argmax())]))]
    groups = -(-len(rows) // size)
    middle = groups // 2
    if rng is not None:
        middle = int(rng.integers(max(groups // 3, 1), -(-2 * groups // 3) + 1))
    cut = size * min(middle, groups - 1)
    parts = order[:cut], order[cut:]
    return [group for part in parts for group in _halved(part, xy, size, rng)]


def _topped_up(
    group: np.ndarray, cells: np.ndarray, xy: np.ndarray, size: int
) -> Window:
    kept = np.ones(size, dtype=bool)
    kept[len(group) :] = False
    if len(group) < size:
        far = np.square(xy - xy[group].mean(axis=0)).sum(axis=1)
        far[group] = np.inf
        more = np.argsort(far, kind="stable")[: size - len(group)]
        group = np.concatenate([group, more])
    return Window(cells[group], kept)


def among_visible(
    cells: np.ndarray, xy: np.ndarray, lost: np.ndarray, shown: np.ndarray, size: int
) -> list[Window]:
    """Return compact groups of cells that show nothing, each with the nearest that do.

    Parameters
    ----------
    cells, xy
        (n,) row positions of one field, and (n, 2) their places.
    lost
        Positions among ``cells`` of those that get a group, and are kept in it.
    shown
        Positions among ``cells`` of those that show something.
    size
        Cells per window; at most a fifth are ``lost``.
    """
    found = []
    for group in tiles(lost, xy[lost], max(1, size // 5)):
        own = group.cells[group.kept]
        far, _ = KDTree(xy[own]).query(xy[shown])
        near = shown[np.argsort(far, kind="stable")[: size - len(own)]]
        row = np.concatenate([own, near])
        found.append(Window(cells[row], np.arange(len(row)) < len(own)))
    return found


def centred(
    cells: np.ndarray,
    xy: np.ndarray,
    size: int,
    centres: np.ndarray | None = None,
    among: np.ndarray | None = None,
) -> list[Window]:
    """Return for each cell the cell and its nearest, nearest first, ties by index.

    Parameters
    ----------
    cells, xy
        (n,) row positions of one field, and (n, 2) their places.
    size
        Cells per window.
    centres
        Positions among ``cells`` of those that get a window; None for all.
    among
        (n,) bool: which cells may be neighbours; None for all.
    """
    centres = np.arange(len(cells)) if centres is None else centres
    others = np.arange(len(cells)) if among is None else np.flatnonzero(among)
    xy = np.asarray(xy, dtype=float)
    tree = KDTree(xy[others]) if len(others) else None
    found = []
    for centre in centres:
        near = np.zeros(0, dtype=np.intp)
        if tree is not None:
            near = others[_nearest(tree, xy[others], xy[centre], size)]
        near = near[near != centre][: size - 1]
        row = np.concatenate([[centre], near]).astype(np.intp)
        found.append(Window(cells[row], np.arange(len(row)) == 0))
    return found


def _nearest(
    tree: KDTree, places: np.ndarray, at: np.ndarray, count: int
) -> np.ndarray:
    """Return the nearest places, nearest first, ties by index."""
    count = min(count, len(places))
    reach = np.max(tree.query(at, k=count)[0])
    near = np.sort(tree.query_ball_point(at, reach * (1 + 1e-9) + 1e-12))
    near = np.asarray(near, dtype=np.intp)
    far = np.square(places[near] - at).sum(axis=1)
    return np.asarray(near[np.argsort(far, kind="stable")][:count])


def orders(number: int, size: int, seed: int, window: int) -> list[np.ndarray]:
    """Return seeded random orders of the cells of a window.

    Parameters
    ----------
    number, size
        How many orders, of how many cells.
    seed, window
        What they hang on: the seed and the number of the window.
    """
    rng = np.random.default_rng((seed, window))
    return [rng.permutation(size) for _ in range(number)]


def relative_places(xy: np.ndarray) -> np.ndarray:
    """Return the places of a window's cells as a network with coordinates reads them.

    Around their mean, in units of the spacing that as many cells have on an even disc
    of the same spread: about one cell, whatever the unit of the slide.

    Parameters
    ----------
    xy
        (k, 2).
    """
    xy = np.asarray(xy, dtype=np.float64)
    around = xy - xy.mean(axis=0)
    spread = np.sqrt(np.square(around).sum(axis=1).mean())
    spacing = spread * np.sqrt(2 * np.pi / len(xy))
    return np.asarray(around / spacing if spacing > 0 else around, dtype=np.float32)
