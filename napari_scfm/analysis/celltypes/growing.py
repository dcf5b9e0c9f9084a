"""Kinds of cells grow from a few examples of each over all cells of a slide.

A mixture of normal distributions, one for each kind, with one covariance for all
(Dempster, Laird and Rubin, J. R. Stat. Soc. B 1977): it starts at the examples, whose
kind stays, and the other cells shape it in two steps. Decides that the covariance is
drawn half way to a round one (Ledoit and Wolf, J. Multivar. Anal. 2004, with a fixed
weight: so few cells do not tell a better one), that an example counts five cells, and
that log-likelihoods are divided by 4: dimensions are not independent, and so
confidence is neither too high nor too low on labelled slides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_scfm.progress import report

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scfm.progress import ProgressCallback

STEPS: Final = 2
ROUND: Final = 0.5
EXAMPLE: Final = 5.0
"""How many other cells an example counts."""
TEMPER: Final = 4.0
"""Divides log-likelihoods."""
RARE: Final = 5.0
"""Cells that are added to each kind before its share is taken."""
TAIL: Final = 0.05
"""Share of the examples that lie so far from the others of their kind that a cell
which lies as far is less sure."""


@dataclass(frozen=True, eq=False)
class Grown:
    """How far each kind has grown.

    Attributes
    ----------
    shares
        (cells, kinds) float32, how likely each kind is; rows sum to 1, to less in
        cells that are unlike every example.
    far
        (cells,) bool: less like any kind's examples than 95 % of the examples are like
        the others of theirs.
    """

    shares: NDArray[np.float32]
    far: NDArray[np.bool_]


@dataclass(eq=False)
class _Kinds:
    """The mixture: centres, shares and the covariance that all kinds have."""

    means: NDArray[np.float64]
    sizes: NDArray[np.float64]
    spread: NDArray[np.float64]

    def likely(
        self, points: NDArray[np.floating], temper: float = 1.0
    ) -> NDArray[np.float64]:
        """Return (cells, kinds) probabilities of the kinds, eq. of Bayes."""
        d = len(self.spread)
        even = np.eye(d) * np.trace(self.spread) / d
        precise = np.linalg.inv((1 - ROUND) * self.spread + ROUND * even)
        own = np.einsum("kd,de,ke->k", self.means, precise, self.means)
        # what all kinds share of the quadratic form falls out of the ratio
        said = points @ (precise @ self.means.T) - 0.5 * own
        said = (said + np.log(self.sizes / self.sizes.sum())) / temper
        said = np.exp(said - said.max(axis=1, keepdims=True))
        return np.asarray(said / said.sum(axis=1, keepdims=True))


def grow(
    points: NDArray[np.floating],
    rows: NDArray[np.intp],
    codes: NDArray[np.intp],
    progress: ProgressCallback | None = None,
) -> Grown:
    """Return how likely each cell is of each kind.

    Parameters
    ----------
    points
        (cells, d).
    rows
        (examples,) their rows, each once.
    codes
        (examples,) their kind, from 0; at least two examples of each.
    progress
        Told after each step.
    """
    x = np.asarray(points, dtype=np.float64)
    x = x - x.mean(axis=0)
    known = np.zeros((len(rows), int(codes.max()) + 1))
    known[np.arange(len(rows)), codes] = 1.0
    kinds = _shaped(x[rows], known)
    kinds.sizes = np.ones(known.shape[1])
    chance = _chance(x, rows, codes, kinds.means)
    for step in range(STEPS):
        report(progress, step, STEPS, "The kinds grow from the examples")
        weight = kinds.likely(x)
        weight[rows] = known * EXAMPLE
        kinds = _shaped(x, weight)
        kinds.sizes = kinds.sizes + RARE
    shares = kinds.likely(x, TEMPER)
    shares *= np.minimum(chance / TAIL, 1.0)[:, None]
    shares[rows] = known
    far = chance < TAIL
    far[rows] = False
    return Grown(shares.astype(np.float32), far)


def _shaped(x: NDArray[np.float64], weight: NDArray[np.float64]) -> _Kinds:
    """Return the mixture that weighted cells make."""
    sizes = weight.sum(axis=0)
    means = (weight.T @ x) / sizes[:, None]
    total = x.T @ (x * weight.sum(axis=1)[:, None])
    spread = (total - (means.T * sizes) @ means) / sizes.sum()
    floor = 1e-6 * max(float(np.trace(total)) / float(sizes.sum()), 1e-12)
    return _Kinds(means, sizes, spread + floor * np.eye(len(spread)) / len(spread))


def _chance(
    x: NDArray[np.float64],
    rows: NDArray[np.intp],
    codes: NDArray[np.intp],
    means: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return (cells,) the share of the examples that are as unlike their kind.

    The largest cosine with the centre of a kind's examples, against that of each
    example with the centre of the others of its kind (a conformal p value, Vovk et
    al. 2005); so with few examples no cell can be called far.
    """
    number = np.bincount(codes)[codes][:, None]
    others = (means[codes] * number - x[rows]) / np.maximum(number - 1, 1)
    like = np.sort((_unit(others) * _unit(x[rows])).sum(axis=1))
    best = (_unit(x) @ _unit(means).T).max(axis=1)
    below = np.searchsorted(like, best, side="right")
    return np.asarray((below + 1) / (len(rows) + 1))


def _unit(points: NDArray[np.float64]) -> NDArray[np.float64]:
    length = np.linalg.norm(points, axis=1, keepdims=True)
    return np.asarray(points / np.maximum(length, 1e-12))
