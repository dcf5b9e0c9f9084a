"""Baseline to beat: ridge regression from a cell's visible genes and its neighbours.

Features are principal components of the visible genes, their means over the 5, 20
and 60 nearest cells in space, and the depths of both; targets are log1p of counts
over the cell's relative depth. A cell without any visible gene, whose depth is not
known, is predicted by a second regression that reads neighbours alone and whose
targets are log1p of plain counts. A gene never describes the cell in which it is
predicted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.models.baselines.baseline import Baseline, Pool, baseline_info
from napari_scfm.models.baselines.features import Expression, expression
from napari_scfm.models.baselines.linear import ridge
from napari_scfm.models.baselines.neighbours import InSpace, mean_weights, same_pattern
from napari_scfm.progress import report

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

    from napari_scfm.progress import ProgressCallback

RINGS = (5, 20, 60)
"""Nearest cells whose mean expression describes a neighbourhood."""

OWN, AROUND = 100, 30
"""Principal components of the cell itself, and of each of its neighbourhoods."""

DEPTH = 3.0
"""Weight of a cell's own depth beside its first component."""

FOLDS = 5
"""Groups of genes; those of a group are predicted without their own help."""

FEWEST = 10
"""With fewer cells that show a gene, its mean is predicted."""


class Ridge(Baseline):
    """Ridge regression on log1p counts, a penalty for each gene."""

    info = baseline_info(
        "ridge",
        "Ridge regression from the visible genes of a cell and of its neighbours.",
        "Hoerl and Kennard (1970), Technometrics 12, 55-67",
    )

    def _predict(
        self,
        pool: Pool,
        columns: NDArray[np.intp],
        progress: ProgressCallback | None,
    ) -> NDArray[np.float64]:
        shown = expression(pool)
        near = Surroundings.of(pool, shown.usable)
        found = pool.gene_mean(columns)
        query = np.arange(pool.visible.n_cells) < pool.n_query
        by_depth = pool.relative_depth(shown.usable)
        done = 0
        for members in _folds(columns, shown):
            target = columns[members]
            scores = shown.scores(OWN, without=target)
            rows = shown.usable
            own = [to_unit(scores, rows), DEPTH * to_unit(near.own_depth, rows)]
            features = np.column_stack([*own, *near.describe(scores, rows)])
            found[:, members] = _regress(
                pool, target, features, rows, rows & query, found[:, members], by_depth
            )
            done += len(members)
            report(progress, done, len(columns), "Fitting ridge regressions")
        ask = query & ~shown.usable & near.any
        if ask.any():
            rows = shown.usable & near.any
            features = np.column_stack(near.describe(shown.scores(AROUND), rows))
            ones = np.ones(len(by_depth))
            found = _regress(pool, columns, features, rows, ask, found, ones)
        return found


@dataclass(frozen=True)
class Surroundings:
    """Means over the nearest cells in space, the cell itself left out.

    Attributes
    ----------
    weights
        For each of :data:`RINGS`, (cells, cells) CSR.
    log_depth
        (cells, rings) mean log1p depth of the neighbours.
    own_depth
        (cells, 1) log1p depth.
    any
        (cells,) bool: cells with a neighbour.
    """

    weights: list[sparse.csr_array]
    log_depth: NDArray[np.float64]
    own_depth: NDArray[np.float64]
    any: NDArray[np.bool_]

    @classmethod
    def of(cls, pool: Pool, usable: NDArray[np.bool_]) -> Surroundings:
        """Return the surroundings of every cell of a pool."""
        search = InSpace(pool.visible, pool.visible.n_cells)
        weights = [mean_weights(search, usable, k) for k in RINGS]
        depth = np.log1p(pool.depth)
        return cls(
            weights=weights,
            log_depth=np.column_stack([ring @ depth for ring in weights]),
            own_depth=depth[:, None],
            any=np.asarray(np.diff(weights[0].indptr) > 0),
        )

    def describe(
        self, scores: NDArray[np.float64], rows: NDArray[np.bool_]
    ) -> list[NDArray[np.float64]]:
        """Return means of scores and depth, blocks of (cells, features).

        Cells without a neighbour get the mean of the others.
        """
        blocks = [ring @ scores[:, :AROUND] for ring in self.weights]
        blocks += [self.log_depth[:, [ring]] for ring in range(len(RINGS))]
        for block in blocks:
            if self.any.any():
                block[~self.any] = block[self.any].mean(axis=0)
        return [to_unit(block, rows) for block in blocks]


def to_unit(block: NDArray[np.float64], rows: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Scale a block of features so that its widest has unit variance in some rows.

    The others keep their proportion to it: principal components of small variance
    are mostly noise, and a common penalty holds them back.
    """
    widest = block[rows].std(axis=0).max(initial=0.0) if rows.any() else 0.0
    return block / widest if widest > 1e-9 else np.zeros_like(block)


def _folds(columns: NDArray[np.intp], shown: Expression) -> list[NDArray[np.intp]]:
    """Split targets: those that describe no cell, then groups of those that do."""
    helps = np.isin(columns, shown.columns)
    groups = [np.flatnonzero(~helps)]
    groups += [np.flatnonzero(helps)[fold::FOLDS] for fold in range(FOLDS)]
    return [group for group in groups if len(group)]


def _regress(
    pool: Pool,
    columns: NDArray[np.intp],
    features: NDArray[np.float64],
    rows: NDArray[np.bool_],
    ask: NDArray[np.bool_],
    otherwise: NDArray[np.float64],
    unit: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return counts of the queried cells, (queried cells, columns).

    Parameters
    ----------
    pool, columns
        Cells and genes.
    features
        (cells, features).
    rows, ask
        (cells,) bool: cells to learn from, and queried cells to predict.
    otherwise
        Counts of the other cells, and of genes that too few cells show.
    unit
        (cells,) what counts are divided by before log1p, and multiplied with after.
    """
    from threadpoolctl import threadpool_limits

    found = otherwise.copy()
    size = np.where(rows, unit, 1.0)[:, None]
    target = np.log1p(pool.visible.counts[:, columns].toarray() / size)
    seen = pool.visible.seen(columns) & rows[:, None]
    at = np.flatnonzero(ask)
    # many small decompositions: threads that wait for each other took 7 times as long
    with threadpool_limits(1, "blas"):
        for members, learn in same_pattern(seen):
            if learn.sum() < FEWEST or not len(at):
                continue
            known = target[np.ix_(learn, members)]
            value = ridge(features[learn], known).predict(features[at])
            # exp of a far extrapolation has no bound; what was seen has
            value = np.clip(value, 0.0, known.max(axis=0))
            found[np.ix_(at, members)] = np.expm1(value) * unit[at, None]
    return found
