"""Which kinds of cells attend to which: attention summed by cell type.

Decides what a number of the table is compared with: the share of other cells of the
bag that are of the sender's kind, so that 1 is what attention spread evenly over all
other cells gives, however many cells of a kind there are. Where cells were read in
windows, other cells are those that were seen; kinds that lie together would else seem
to attend to one another. A cell's attention to
itself is left out. It is model attention, not evidence of communication.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from napari_scfm.models.attention import Attention

COLUMNS = (
    "receiver",
    "sender",
    "weight",
    "share",
    "times",
    "n_receivers",
    "n_senders",
)


def type_table(
    attention: Attention, codes: np.ndarray, names: Sequence[str]
) -> pd.DataFrame:
    """Return the attention of each kind of receiver on each kind of sender.

    Time and memory are linear in the cells: O(n d T) for factors of width d and T
    kinds. Bags are summed; cells outside every bag take no part.

    Parameters
    ----------
    attention
        (n, n), rows are receivers (queries).
    codes
        (n,) kind of each cell, 0..T-1; cells of a negative code are left out, as
        receivers and as senders.
    names
        T names, in the order of the codes.

    Returns
    -------
    DataFrame with one row for every (receiver, sender), receivers outermost:

    - ``weight``: mean weight of a pair of cells of these kinds;
    - ``share``: of all the attention that this kind of receiver pays to other cells;
    - ``times``: that share over the share of this kind of sender among the cells
      that there are to attend to; 1 is an even share;
    - ``n_receivers``, ``n_senders``: cells of each kind.

    NaN where there is no pair of cells, or no attention.

    Raises
    ------
    ScfmError
        If codes do not fit the attention or the names.
    """
    import pandas as pd

    codes = np.asarray(codes, dtype=np.intp)
    count = len(names)
    if codes.shape != (attention.n_cells,) or codes.max(initial=-1) >= count:
        raise ScfmError(
            f"The attention has {attention.n_cells} cells and there are {count} "
            f"names, but there are {len(codes)} codes up to {codes.max(initial=-1)}.",
            "Give every cell the position of its kind among the names.",
        )
    codes = np.where(attention.homes() >= 0, codes, -1)
    sums, pairs = _sums(attention, codes, count), _pairs(attention, codes, count)
    even = pairs if attention.all_seen else _sums(attention.even(), codes, count)
    share, chance = _rows_to_one(sums), _rows_to_one(even)
    cells = np.bincount(codes[codes >= 0], minlength=count)
    receiver, sender = np.repeat(np.arange(count), count), np.tile(range(count), count)
    some = np.asarray(names, dtype=object)
    values = {
        "receiver": some[receiver],
        "sender": some[sender],
        "weight": _ratio(sums, pairs).ravel(),
        "share": share.ravel(),
        "times": _ratio(share, chance).ravel(),
        "n_receivers": cells[receiver],
        "n_senders": cells[sender],
    }
    return pd.DataFrame(values, columns=list(COLUMNS))


def _sums(attention: Attention, codes: np.ndarray, count: int) -> np.ndarray:
    """Return (count, count) sums of weights [receiver kind, sender kind]."""
    typed = np.flatnonzero(codes >= 0)
    chosen = np.zeros((attention.n_cells, count))
    chosen[typed, codes[typed]] = 1
    taken = attention.apply(chosen)
    taken[typed, codes[typed]] -= attention.diagonal()[typed]
    return np.asarray(chosen.T @ taken)


def _pairs(attention: Attention, codes: np.ndarray, count: int) -> np.ndarray:
    """Return (count, count) pairs of different cells that could be seen."""
    homes, pairs = attention.homes(), np.zeros((count, count))
    seen = attention.seen()
    if seen is not None:
        rows, columns = codes[seen[0]], codes[seen[1]]
        typed = (rows >= 0) & (columns >= 0)
        np.add.at(pairs, (rows[typed], columns[typed]), 1)
        return pairs
    for home in np.unique(homes[codes >= 0]):
        here = np.bincount(codes[(homes == home) & (codes >= 0)], minlength=count)
        pairs += np.outer(here, here) - np.diag(here)
    return pairs


def _rows_to_one(values: np.ndarray) -> np.ndarray:
    return _ratio(values, np.broadcast_to(values.sum(axis=1)[:, None], values.shape))


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    out = np.full(above.shape, np.nan)
    return np.asarray(np.divide(above, below, out=out, where=below != 0))
