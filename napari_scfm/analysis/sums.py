"""Sums over groups of entries, and the correlation that follows from them.

Entries are grouped by gene, by cell or by field of view; one pass over the entries
serves any of them. Decides what happens where values of a group hardly differ: there
the difference of two large sums would be noise, so that these groups are summed again,
about their mean.
"""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True)
class Moments:
    """Means of values and of their squares, per group.

    Attributes
    ----------
    mean, square
        (groups,) NaN for an empty group.
    """

    mean: Floats
    square: Floats

    @classmethod
    def of(cls, values: Floats, squares: Floats, groups: Groups) -> Moments:
        """Return the moments of (entries,) values."""
        return cls(groups.mean(values), groups.mean(squares))

    @property
    def variance(self) -> Floats:
        """(groups,) as good as noise where it is a tiny share of ``square``."""
        return self.square - self.mean**2

    @property
    def narrow(self) -> NDArray[np.bool_]:
        """(groups,) whether the variance is too small a share of the square."""
        return self.variance <= _NARROW * self.mean**2


@dataclass(frozen=True)
class Pairs:
    """Truth and prediction of entries, with their products.

    Attributes
    ----------
    y, x
        (entries,) truth and prediction, on the scale of the metrics.
    yy
        (entries,) squares of y.
    """

    y: Floats
    x: Floats
    yy: Floats

    @cached_property
    def xx(self) -> Floats:
        """(entries,) squares of x."""
        return self.x * self.x

    @cached_property
    def xy(self) -> Floats:
        """(entries,) products."""
        return self.x * self.y

    @cached_property
    def squared(self) -> Floats:
        """(entries,) squared errors."""
        error = self.x - self.y
        return np.multiply(error, error, out=error)

    @cached_property
    def absolute(self) -> Floats:
        """(entries,) absolute errors."""
        error = self.x - self.y
        return np.abs(error, out=error)


def correlation(
    pairs: Pairs, groups: Groups, truth: Moments, guess: Moments, product: Floats
) -> tuple[Floats, NDArray[np.bool_], NDArray[np.bool_]]:
    """Return Pearson's correlation per group, and where a side is constant.

    Parameters
    ----------
    pairs
        Truth and prediction.
    groups
        Which group each entry belongs to.
    truth, guess, product
        Moments of both sides in these groups, and (groups,) means of their products.

    Returns
    -------
    correlation
        (groups,) -1..1; NaN where the truth is constant or the group empty; 0 where
        only the prediction is constant.
    truth_constant, prediction_constant
        (groups,) bool; an empty group is constant.
    """
    yy, xx = truth.variance, guess.variance
    xy = product - truth.mean * guess.mean
    empty: NDArray[np.bool_] = groups.size == 0
    flat_y, flat_x = empty.copy(), empty.copy()
    narrow = truth.narrow | guess.narrow
    if narrow.any():
        at, few = groups.within(narrow)
        y, x = pairs.y[at], pairs.x[at]
        yy[narrow], xx[narrow], xy[narrow] = _about_mean(y, x, few)
        flat_y[narrow], flat_x[narrow] = constant(y, few), constant(x, few)
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
