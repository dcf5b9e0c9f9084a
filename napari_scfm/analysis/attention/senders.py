"""Which kind of cells a cell's attention comes from, beyond that kind's share.

Decides: an excess is a ratio, 1 where a kind gets what its number of cells makes one
expect, so that the commonest kind does not win everywhere; a cell is no partner of
itself. Computed from sums over groups, so it is linear in the cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_scfm.models.attention import Attention


def sender_excess(attention: Attention, codes: np.ndarray, count: int) -> np.ndarray:
    """Return each cell's attention on every kind over the share of that kind's cells.

    Parameters
    ----------
    attention
        (n, n); rows are receivers.
    codes
        (n,) kind of each cell, 0 to ``count - 1``; negative for unknown.
    count
        Number of kinds.

    Returns
    -------
    numpy.ndarray
        (n, count); 1 for as much as the kind's number of cells, among those that the
        cell could see. NaN where a cell has no attention on others, or no other cell
        that it sees is of the kind.
    """
    codes = np.asarray(codes)
    n = attention.n_cells
    of_kind = np.zeros((n, count))
    known = np.flatnonzero(codes >= 0)
    of_kind[known, codes[known]] = 1
    own = attention.diagonal()
    weight = attention.apply(of_kind) - own[:, None] * of_kind
    total = attention.row_sums() - own
    share = attention.even().apply(of_kind)
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = weight / total[:, None] / share
    excess[~np.isfinite(excess)] = np.nan
    return np.asarray(excess)
