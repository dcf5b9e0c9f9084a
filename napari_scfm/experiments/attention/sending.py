"""Which kind of cells sends most around every cell: what colours streams by sender.

Decides: popular keys are evened out first, as they are in the residual that is drawn,
or the one kind that all cells look at would colour the whole tissue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.analysis.attention.null import evened
from napari_scfm.analysis.attention.senders import sender_excess
from napari_scfm.experiments.attention.near import near_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_scfm.experiments.attention.asked import FieldOptions, Kinds
    from napari_scfm.models.attention import Attention


def senders_of(
    attention: Attention, kinds: Kinds, asked: FieldOptions, xy: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the excess of each kind of sender at every cell, by direction.

    Returns
    -------
    dict
        "received": (n, kinds) attention of each cell on a kind over that kind's share
        of its partners; 1 where none of them is of the kind. "sent": the arrows
        start at the senders themselves, so it is the kind of the cell, over the
        kind's share of all cells. float32.
    """
    count = len(kinds.names)
    own = np.eye(count)[kinds.codes]
    share = np.maximum(own.mean(axis=0), 1e-12)
    even = evened(attention)
    if asked.local:
        received = _near(even, kinds.codes, count, asked, xy)
    else:
        received = sender_excess(even, kinds.codes, count)
    return {
        "received": np.nan_to_num(received, nan=1.0).astype(np.float32),
        "sent": (own / share).astype(np.float32),
    }


def of_pair_only(
    excess: np.ndarray, kinds: Sequence[str], pair: tuple[str, str] | None
) -> np.ndarray:
    """Return (n, kinds) excess in which the sender of a pair is all there is."""
    if pair is None:
        return excess
    only = np.zeros_like(excess)
    only[:, list(kinds).index(pair[1])] = 2
    return only


def _near(
    attention: Attention,
    codes: np.ndarray,
    count: int,
    asked: FieldOptions,
    xy: np.ndarray,
) -> np.ndarray:
    """Return (n, count) the same among near cells only; NaN where there are none."""
    near = near_pairs(
        xy, attention.homes(), asked.neighbours, asked.radius, attention.seen()
    )
    weights = attention.pairs(near.receivers, near.senders)
    usual = near.sent(weights)[near.senders]
    weights = np.divide(weights, usual, out=np.zeros_like(weights), where=usual > 0)
    place = near.receivers * count + codes[near.senders]
    shape = (near.n_cells, count)
    size = near.n_cells * count
    weight = np.bincount(place, weights=weights, minlength=size).reshape(shape)
    cells = np.bincount(place, minlength=size).reshape(shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = weight.sum(axis=1) / cells.sum(axis=1)
        return np.asarray(weight / cells / mean[:, None])
