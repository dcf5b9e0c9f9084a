"""From the chances of the bins back to a value: sCT's probability-weighted sum.

``value = sum over bins of p_b m_b`` with m_0 = 0 and m_b the middle of the cell's bin
b (edges without the 0.01 that the tokens add), or the median of what is seen in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from napari_scfm.models.sct.tokens import BINS, LEVELS

if TYPE_CHECKING:
    from napari_scfm.models.sct.tokens import CellTokens

Readout: TypeAlias = Literal["expected", "likeliest"]
Medians: TypeAlias = Literal["middle", "observed"]
READOUTS: Final = ("expected", "likeliest")
MEDIANS: Final = ("middle", "observed")


@dataclass(frozen=True)
class Ranges:
    """What each cell's bins stand for.

    Attributes
    ----------
    levels
        (cells, 5) value of each bin, the first 0; NaN where nothing is known.
    factor
        (cells,) of :class:`.values.Values`, borrowed where a cell has none.
    """

    levels: np.ndarray
    factor: np.ndarray


def bin_chances(logits: np.ndarray) -> np.ndarray:
    """Return (..., 5) chances of the bins: softmax of the first five logits."""
    first = np.asarray(logits[..., :LEVELS], dtype=np.float64)
    first = np.exp(first - first.max(axis=-1, keepdims=True))
    return np.asarray(first / first.sum(axis=-1, keepdims=True))


def value_of(
    chances: np.ndarray, levels: np.ndarray, readout: Readout = "expected"
) -> np.ndarray:
    """Return (cells, genes) values, on the scale of the levels.

    Parameters
    ----------
    chances
        (cells, genes, 5).
    levels
        (cells, 5) of :class:`Ranges`.
    readout
        "expected", or "likeliest": the value of the most probable bin.
    """
    if readout == "likeliest":
        return np.asarray(np.take_along_axis(levels, chances.argmax(axis=-1), axis=1))
    return np.asarray(np.einsum("cgb,cb->cg", chances, levels))


def middles(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return (cells, 4) middle of each bin between the smallest and largest value."""
    place = (np.arange(BINS) + 0.5) / BINS
    return np.asarray(low[:, None] + place * (high - low)[:, None])


def ranges_of(
    cells: np.ndarray,
    tokens: CellTokens,
    factor: np.ndarray,
    medians: Medians = "middle",
) -> Ranges:
    """Return what the bins of the cells of one sequence stand for.

    A cell of which nothing is visible gets the median of the others' smallest and
    largest values, and of their factors, of all cells' where none of its sequence
    shows anything: never its own.

    Parameters
    ----------
    cells
        (k,) rows of ``tokens``, one sequence.
    tokens, factor
        Of all cells.
    medians
        "middle" of a bin, or "observed": the median of the cell's visible values in
        it where there are any.
    """
    low, high, scale = tokens.low[cells], tokens.high[cells], factor[cells]
    blank = np.isnan(low)
    near = cells[~blank] if not blank.all() else np.flatnonzero(~tokens.blank)
    if blank.any() and len(near):
        low = np.where(blank, np.median(tokens.low[near]), low)
        high = np.where(blank, np.median(tokens.high[near]), high)
        scale = np.where(blank, np.median(factor[near]), scale)
    level = middles(low, high)
    if medians == "observed":
        seen_in = tokens.medians(cells)
        level = np.where(np.isnan(seen_in), level, seen_in)
    return Ranges(np.concatenate([np.zeros((len(cells), 1)), level], axis=1), scale)
