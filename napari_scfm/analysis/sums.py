"""Sums over groups of entries, and the correlation that follows from them.

Entries are grouped by gene, by cell or by field of view; one pass over the entries
serves any of them. Decides what happens where values of a group hardly differ: there
the difference of two large sums would be noise, so that these groups are summed again,
about their mean.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_NARROW = 1e-3
"""Variance as a share of the squared mean, below which a group is summed again."""


class Groups:
    """Which group each entry belongs to.

    Parameters
    ----------
    index
        (entries,) positions 0..n-1.
    n
        Number of groups; some may be empty.
    """

    def __init__(self, index: NDArray[np.integer], n: int) -> None:
        self.index = np.asarray(index, dtype=np.intp)
        self.n = n

    @cached_property
    def size(self) -> NDArray[np.intp]:
        """(groups,) number of entries."""
        return np.bincount(self.index, minlength=self.n)

    @cached_property
    def _starts(self) -> NDArray[np.intp] | None:
        """Return where each group that is not empty starts, if they lie in order."""
        if len(self.index) == 0 or np.any(self.index[1:] < self.index[:-1]):
            return None
        ends = np.cumsum(self.size)
        return np.asarray((ends - self.size)[self.size > 0])

    def total(self, values: NDArray[Any]) -> Floats:
        """Return (groups,) sums in float64."""
        if self._starts is None:
            summed = np.bincount(self.index, weights=values, minlength=self.n)
            return cast("Floats", summed)
        out = np.zeros(self.n)
        out[self.size > 0] = np.add.reduceat(values, self._starts, dtype=np.float64)
        return out

    def mean(self, values: NDArray[Any]) -> Floats:
        """Return (groups,) means, NaN for an empty group."""
        empty = np.full(self.n, np.nan)
        where = self.size > 0
        mean = np.divide(self.total(values), self.size, out=empty, where=where)
        return cast("Floats", mean)

    def within(self, chosen: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], Groups]:
        """Return the entries of some groups, and these groups among themselves."""
        entries = chosen[self.index]
        place = np.cumsum(chosen) - 1
        return entries, Groups(place[self.index[entries]], int(chosen.sum()))


def correlation(
    y: Floats, x: Floats, groups: Groups
) -> tuple[Floats, NDArray[np.bool_], NDArray[np.bool_]]:
    """Return Pearson's correlation per group, and where a side is constant.

    Parameters
    ----------
    y, x
        (entries,) truth and prediction.
    groups
        Which group each belongs to.

    Returns
    -------
    correlation
        (groups,) -1..1; NaN where ``y`` is constant or the group empty; 0 where only
        ``x`` is constant.
    y_constant, x_constant
        (groups,) bool; an empty group is constant.
    """
    y_mean, x_mean = groups.mean(y), groups.mean(x)
    yy = groups.mean(y * y) - y_mean**2
    xx = groups.mean(x * x) - x_mean**2
    xy = groups.mean(x * y) - x_mean * y_mean
    narrow = (yy <= _NARROW * y_mean**2) | (xx <= _NARROW * x_mean**2)
    empty: NDArray[np.bool_] = groups.size == 0
    flat_y, flat_x = empty.copy(), empty.copy()
    if narrow.any():
        at, few = groups.within(narrow)
        yy[narrow], xx[narrow], xy[narrow] = _about_mean(y[at], x[at], few)
        flat_y[narrow], flat_x[narrow] = constant(y[at], few), constant(x[at], few)
    found = ratio(xy, yy, xx)
    found[flat_x] = 0.0
    found[flat_y] = np.nan
    return found, flat_y, flat_x


def _about_mean(y: Floats, x: Floats, groups: Groups) -> tuple[Floats, Floats, Floats]:
    dy = y - groups.mean(y)[groups.index]
    dx = x - groups.mean(x)[groups.index]
    return groups.mean(dy * dy), groups.mean(dx * dx), groups.mean(dx * dy)


def constant(values: Floats, groups: Groups) -> NDArray[np.bool_]:
    """Return which groups hold one value only; empty groups do."""
    first = np.full(groups.n, np.nan)
    first[groups.index[::-1]] = values[::-1]
    varies = np.zeros(groups.n, dtype=bool)
    varies[groups.index[values != first[groups.index]]] = True
    return ~varies


def ratio(cross: Floats, one: Floats, other: Floats) -> Floats:
    """Return cross / sqrt(one other) in -1..1, 0 where that is 0 / 0."""
    below = np.sqrt(np.maximum(one, 0)) * np.sqrt(np.maximum(other, 0))
    out = np.divide(cross, below, out=np.zeros(len(cross)), where=below > 0)
    return np.asarray(np.clip(out, -1.0, 1.0))
