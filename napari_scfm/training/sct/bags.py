"""A FOV as tokens, and the windows of neighbouring cells that a step reads of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm import keys
from napari_scfm.models.sct.bags import relative_places, tiles
from napari_scfm.models.sct.tokens import PAD
from napari_scfm.training.batches import TrainingBag, dense

if TYPE_CHECKING:
    from napari_scfm.models.sct.table import Reading


@dataclass(frozen=True)
class Window:
    """Cells that are read together, in the order of the sequence.

    Attributes
    ----------
    tokens
        (cells, positions) uint8 with pads; nothing is hidden.
    places
        (cells, 2) float32 as the network reads them, or None.
    """

    tokens: np.ndarray
    places: np.ndarray | None


def token_bags(reading: Reading) -> list[TrainingBag]:
    """Return the bags of a table; their ``counts`` are tokens, (cells, genes) CSR."""
    table, out = reading.table, []
    xy = None
    if keys.SPATIAL in table.obsm:
        xy = np.asarray(table.obsm[keys.SPATIAL], dtype=np.float64)[:, :2]
    for rows in reading.fields():
        name = "all cells"
        if keys.FOV in table.obs:
            name = str(table.obs[keys.FOV].iloc[rows[0]])
        own = None if xy is None else xy[rows]
        out.append(TrainingBag(name, reading.tokens.matrix[rows], own))
    return out


def drawn_window(
    bag: TrainingBag,
    size: int,
    positions: int,
    rng: np.random.Generator,
    *,
    placed: bool,
) -> Window:
    """Return one tile of a turned FOV, its cells in random order.

    Parameters
    ----------
    bag
        From :func:`token_bags`.
    size
        Cells per tile.
    positions
        Gene positions, pads included.
    rng
        Source of the turn, the tile and the order; every call tiles the FOV anew.
    placed
        Whether the network reads places.
    """
    xy = None if bag.xy is None else _turned(bag.xy, rng)
    cells = np.arange(len(bag))
    found = rng.permutation(cells)[:size] if xy is None else _tile_at(xy, size, rng)
    return _window(bag, rng.permutation(found), xy, positions, placed)


def held_out_windows(
    bag: TrainingBag, size: int, positions: int, most: int, *, placed: bool
) -> list[Window]:
    """Return always the same tiles of a FOV, at most so many."""
    rng = np.random.default_rng(0)
    found = tiles(np.arange(len(bag)), bag.xy, size)
    chosen = rng.permutation(len(found))[:most]
    return [
        _window(bag, rng.permutation(found[at].cells), bag.xy, positions, placed)
        for at in chosen
    ]


def _turned(xy: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return places turned by a random angle, half of the time mirrored."""
    angle = rng.uniform(0, 2 * np.pi)
    cos, sin = np.cos(angle), np.sin(angle)
    turned = xy @ np.array([[cos, -sin], [sin, cos]])
    return np.asarray(turned * [1.0 if rng.random() < 0.5 else -1.0, 1.0])


def _tile_at(xy: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return the cells of one of the tiles of :func:`.bags.tiles`, drawn at random.

    Only the halves that hold it are looked at.
    """
    rows = np.arange(len(xy))
    while len(rows) > size:
        side = int(np.ptp(xy[rows], axis=0).argmax())
        order = rows[np.argsort(xy[rows, side], kind="stable")]
        groups = -(-len(rows) // size)
        cut = size * (groups // 2)
        first = rng.integers(groups) < groups // 2
        rows = order[:cut] if first else order[cut:]
    if len(rows) == min(size, len(xy)):
        return rows
    far = np.square(xy - xy[rows].mean(axis=0)).sum(axis=1)
    far[rows] = -1.0
    return np.argsort(far, kind="stable")[:size]


def _window(
    bag: TrainingBag,
    cells: np.ndarray,
    xy: np.ndarray | None,
    positions: int,
    placed: bool,
) -> Window:
    found = dense(bag.counts[cells])
    tokens = np.full((len(cells), positions), PAD, dtype=np.uint8)
    tokens[:, : found.shape[1]] = found
    if not placed or xy is None:
        return Window(tokens, None)
    return Window(tokens, relative_places(xy[cells]))
