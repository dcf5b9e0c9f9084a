"""Whether a smooth field is larger than fields in which there is nothing to see.

Two answers from one set of permutations: a joint test of the energy of the whole
smooth field, and for every node of the grid a p that is corrected for looking at all
of them (the largest node of each permutation; Westfall and Young 1993). Decides: the
data count as one of the fields by which nodes are made comparable, so that data and
permutations can be exchanged and both tests keep their level exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_scfm.analysis.attention.null import p_value

if TYPE_CHECKING:
    from napari_scfm.analysis.streams.grid import Grid

_BYTES = 64 * 2**20


class Chance(NamedTuple):
    """How a smooth field compares with shuffled ones.

    Attributes
    ----------
    p_value
        Of the energy of the whole field; NaN without permutations.
    node_p
        (nodes with tissue,) family-wise p of each node.
    """

    p_value: float
    node_p: np.ndarray


def compared(
    grid: Grid, residual: np.ndarray, shuffled: np.ndarray, rounding: float = 0.0
) -> Chance:
    """Return the joint p of a field, and the family-wise p of each node.

    Parameters
    ----------
    grid
        Smooths from n cells to nodes.
    residual
        (n, 2) residuals of the data.
    shuffled
        (B, n, 2) residuals under the null.
    rounding
        Length up to which a residual is rounding: smaller differences are ties.
    """
    observed = np.square(grid.smooth(residual)).sum(axis=1)
    if len(shuffled) == 0 or len(observed) == 0:
        return Chance(float("nan"), np.full(len(observed), np.nan))
    chance = energies(grid, shuffled)
    noise = 2 * rounding**2
    joint = p_value(float(observed.sum()), chance.sum(axis=1), noise * len(observed))
    typical = (observed + chance.sum(axis=0)) / (1 + len(chance)) + noise
    largest = ((chance + noise) / typical).max(axis=1)
    excess = observed / typical * (1 - 1e-6)
    beyond = np.searchsorted(np.sort(largest), excess, side="left")
    return Chance(joint, (1 + len(chance) - beyond) / (1 + len(chance)))


def energies(grid: Grid, shuffled: np.ndarray) -> np.ndarray:
    """Return (B, nodes with tissue) squared lengths of smooth shuffled fields."""
    nodes = int(grid.tissue.sum())
    out = np.empty((len(shuffled), nodes))
    step = max(1, _BYTES // (16 * max(shuffled.shape[1], 1)))
    for start in range(0, len(shuffled), step):
        part = shuffled[start : start + step]
        columns = part.transpose(1, 0, 2).reshape(part.shape[1], -1)
        smooth = grid.smooth(columns).reshape(nodes, len(part), 2)
        out[start : start + step] = np.square(smooth).sum(axis=2).T
    return out
