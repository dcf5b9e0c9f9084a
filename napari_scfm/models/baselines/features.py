"""What a cell shows of itself: principal components of its visible genes.

Decides which genes may describe a cell: those that every bag shows. A gene that is
hidden in one bag and visible in another would make the two look different for no
reason of theirs. Single hidden entries are filled with the gene's mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scfm.models.baselines.baseline import Pool
    from napari_scfm.models.baselines.visible import Visible

_LEAST = 0.1
"""A bag must show a gene in this share of what the most generous bag shows."""

_QUIET = 0.05
"""Added to a gene's standard deviation, so that a rare gene's noise stays small."""


@dataclass(frozen=True)
class Expression:
    """Log-normalised visible expression of a pool's cells.

    Attributes
    ----------
    columns
        Genes, as positions in the pool.
    values
        (cells, columns) float32, standardised; 0 where hidden.
    covariance
        (columns, columns) float64, over cells that are not blank.
    usable
        (cells,) bool: cells with some visible gene and some count.
    """

    columns: NDArray[np.intp]
    values: NDArray[np.float32]
    covariance: NDArray[np.float64]
    usable: NDArray[np.bool_]

    def scores(
        self, components: int, without: NDArray[np.intp] | None = None
    ) -> NDArray[np.float64]:
        """Return principal components, (cells, at most components).

        Parameters
        ----------
        components
            How many.
        without
            Genes, as positions in the pool, that must not take part.
        """
        from scipy.linalg import eigh
        from threadpoolctl import threadpool_limits

        keep = np.arange(len(self.columns))
        if without is not None:
            keep = np.flatnonzero(~np.isin(self.columns, without))
        count = min(components, len(keep))
        if count == 0:
            return np.zeros((len(self.values), 0))
        # threads that wait for each other made this slower on a busy machine
        with threadpool_limits(1, "blas"):
            _, axes = eigh(
                self.covariance[np.ix_(keep, keep)],
                subset_by_index=[len(keep) - count, len(keep) - 1],
            )
        rotation = np.zeros((len(self.columns), count), dtype=np.float32)
        rotation[keep] = axes[:, ::-1]
        return (self.values @ rotation).astype(np.float64)


def expression(pool: Pool) -> Expression:
    """Return the log-normalised visible expression of the genes all bags show.

    Values are ``log1p(count / depth * s)``, s the median depth, less the gene's mean
    over visible entries, divided by its standard deviation plus 0.05.
    """
    visible = pool.visible
    columns = np.flatnonzero(shown_by_all(visible))
    usable = ~visible.blank & (pool.depth > 0)
    unit = np.where(usable, pool.relative_depth(usable), np.inf)
    values = np.log1p(visible.counts[:, columns].toarray() / unit[:, None])
    values = values.astype(np.float32)
    seen = visible.seen(columns) & usable[:, None]
    count = np.maximum(seen.sum(axis=0), 1)
    total = np.where(seen, values, 0).sum(axis=0, dtype=np.float64)
    values -= (total / count).astype(np.float32)
    values[~seen] = 0
    spread = np.sqrt((values**2).sum(axis=0, dtype=np.float64) / count)
    values /= (spread + _QUIET).astype(np.float32)
    covariance = (values.T @ values).astype(np.float64) / max(1, int(usable.sum()))
    return Expression(columns, values, covariance, usable)


def shown_by_all(visible: Visible) -> NDArray[np.bool_]:
    """Return which genes every bag shows, (genes,) bool; blank cells do not count."""
    there = ~visible.blank
    shares = []
    for rows in visible.bags:
        rows = rows[there[rows]]
        if len(rows):
            hidden = visible.hidden[rows].sum(axis=0, dtype=np.int64)
            shares.append(1 - np.asarray(hidden).ravel() / len(rows))
    if not shares:
        return np.zeros(len(visible.genes), dtype=bool)
    share = np.array(shares)
    most = share.max(axis=0)
    return np.asarray((most > 0) & (share.min(axis=0) >= _LEAST * most))
