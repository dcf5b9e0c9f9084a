"""Chance in the local regime: what the residual would be, were keys elsewhere.

Three nulls. "rings": the weights of every cell change places inside its rings, for
each cell by itself. "keys": cells of one type exchange their keys, so that cells keep
their queries where these are and share the keys that they meet. "shift": the whole
map of keys is laid over the tissue somewhere else, so that keys keep their neighbours
too. For the last two all weights between neighbours are computed and evened anew.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.analysis.attention.evening import evened_pairs, pair_kinds
from napari_scfm.analysis.attention.rank import compressed
from napari_scfm.analysis.attention.shifts import shifted_keys
from napari_scfm.analysis.null import stratify
from napari_scfm.models.attention import Attention

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_scfm.analysis.attention.neighbours import Pairs


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
    rng = np.random.default_rng(seed)
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
    narrow = compressed(_of_keys(attention))
    out = np.empty((permutations, pairs.n_cells, 2), np.float32)
    orders = _orders(attention, xy, codes, pairs, null, permutations, seed)
    for one, order in zip(out, orders, strict=True):
        kinds = None if codes is None else pair_kinds(pairs, codes, codes[order])
        weights = narrow.pairs(pairs.rows, order[pairs.columns])
        level = evened_pairs(np.maximum(weights, 0), pairs, kinds)
        one[:] = pairs.vectors(level, pairs.inside)
    return out


def _of_keys(attention: Attention) -> Attention:
    """Return what queries make of keys: what a rollout leaves with a cell stays there.

    A cell never meets itself among its neighbours, but it may meet its own key there.
    """
    blocks = [replace(block, own=None) for block in attention.blocks]
    return Attention(blocks, attention.n_cells)


def _orders(
    attention: Attention,
    xy: np.ndarray,
    codes: np.ndarray | None,
    pairs: Pairs,
    null: str,
    permutations: int,
    seed: int,
) -> Iterator[np.ndarray]:
    """Yield (n,) whose key each cell holds; keys that nobody sees stay."""
    homes = attention.homes()
    seen = pairs.popularity > 0
    if null == "shift":
        return shifted_keys(xy, homes, seen, permutations, seed)
    kinds = np.zeros(len(xy), dtype=np.intp) if codes is None else codes
    groups = stratify(np.where(seen, homes, -2), xy, kinds)
    return groups.permutations(permutations, seed)
