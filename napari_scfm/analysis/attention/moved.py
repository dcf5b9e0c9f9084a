"""Chance in the local regime: what the residual would be, were keys elsewhere.

Three nulls. "rings": the weights of every cell change places inside its rings, for
each cell by itself. "keys": cells of one type exchange their keys, so that cells keep
their queries where these are and share the keys that they meet. "shift": the whole
map of keys is laid over the tissue somewhere else, so that keys keep their neighbours
too. For the last two all weights between neighbours are computed and evened anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.analysis.attention.evening import evened_pairs, pair_kinds
from napari_scfm.analysis.attention.null import lots, stratify
from napari_scfm.analysis.attention.shifts import shifted_keys
from napari_scfm.analysis.attention.weighing import along_the_tissue, weigher

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_scfm.analysis.attention.neighbours import Pairs
    from napari_scfm.models.attention import Attention


def ring_residuals(
    level: np.ndarray, pairs: Pairs, permutations: int, seed: int
) -> np.ndarray:
    """Return (B, n, 2) residuals with the weights exchanged inside the rings.

    Parameters
    ----------
    level
        (m,) evened weights of the pairs.
    pairs
        The pairs.
    permutations, seed
        B, and where the lots start.
    """
    rng = lots(seed)
    out = np.empty((permutations, pairs.n_cells, 2), np.float32)
    for one in out:
        order = np.argsort(pairs.rings + rng.random(len(pairs.rings)))
        one[:] = pairs.vectors(level[order], pairs.inside)
    return out


def moved_residuals(
    attention: Attention,
    xy: np.ndarray,
    codes: np.ndarray | None,
    pairs: Pairs,
    null: str,
    permutations: int,
    seed: int,
) -> np.ndarray:
    """Return (B, n, 2) residuals with the keys of cells held by other cells.

    Parameters
    ----------
    attention
        Rows are the cells at which arrows are drawn.
    xy
        (n, 2) positions.
    codes
        (n,) type of each cell, or None; a key takes its type along.
    pairs
        The pairs.
    null
        "keys" or "shift".
    permutations, seed
        B, and where the lots start.
    """
    out = np.empty((permutations, pairs.n_cells, 2), np.float32)
    place = along_the_tissue(xy)
    pairs, homes = pairs.renumbered(place), attention.homes()[place]
    codes = None if codes is None else codes[place]
    weighed = weigher(attention.of(place), pairs)
    inside = pairs.inside.astype(np.float32)
    orders = _orders(homes, xy[place], codes, pairs, null, permutations, seed)
    for one, order in zip(out, orders, strict=True):
        kinds = None if codes is None else pair_kinds(pairs, codes, codes[order])
        level = evened_pairs(np.maximum(weighed(order), 0), pairs, kinds)
        one[place] = pairs.vectors(level, inside)
    return out


def _orders(
    homes: np.ndarray,
    xy: np.ndarray,
    codes: np.ndarray | None,
    pairs: Pairs,
    null: str,
    permutations: int,
    seed: int,
) -> Iterator[np.ndarray]:
    """Yield (n,) whose key each cell holds; keys that nobody sees stay."""
    seen = pairs.popularity > 0
    if null == "shift":
        return shifted_keys(xy, homes, seen, permutations, seed)
    kinds = np.zeros(len(xy), dtype=np.intp) if codes is None else codes
    groups = stratify(np.where(seen, homes, -2), xy, kinds)
    return groups.permutations(permutations, seed)
