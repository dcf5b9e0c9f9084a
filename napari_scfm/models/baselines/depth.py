"""How deeply a cell was read, and each gene's share of the counts.

Decides that both come from visible entries alone: the depth of a cell is its visible
total divided by the share of the counts that its visible genes are expected to hold;
a cell without any visible gene gets the median depth of its bag. A gene that is
visible nowhere gets the mean share of the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scfm.models.baselines.visible import Visible

_ROUNDS = 8
"""Alternations of depths and rates; they settle to 1e-6 in fewer on real slides."""


@dataclass(frozen=True)
class Rates:
    """Share of a cell's counts that each gene holds on average.

    Attributes
    ----------
    values
        (genes,) float64; the known ones sum to 1.
    known
        (genes,) bool: visible in at least one cell.
    """

    values: NDArray[np.float64]
    known: NDArray[np.bool_]


def fit_rates(visible: Visible) -> Rates:
    """Return the gene rates that explain the visible counts best.

    ``rate_g = sum_i c_ig / sum_i depth_i`` over the cells i in which gene g is
    visible, the maximum of a Poisson likelihood, alternated with the depths.
    """
    total = np.asarray(visible.counts.sum(axis=0, dtype=np.float64)).ravel()
    hidden_in = np.bincount(visible.hidden.indices, minlength=len(total))
    known = visible.n_cells > hidden_in
    mean = total / np.maximum(visible.n_cells - hidden_in, 1)
    values = _share(mean, known)
    hidden = visible.hidden.astype(np.float64)
    for _ in range(_ROUNDS):
        depth = depths(visible, Rates(values, known))
        read = depth.sum() - hidden.T @ depth
        rate = np.divide(total, read, out=np.zeros_like(total), where=read > 1e-9)
        values = _share(rate, known)
    if known.any():
        values[~known] = values[known].mean()
    return Rates(values, known)


def depths(visible: Visible, rates: Rates) -> NDArray[np.float64]:
    """Return the depth of each cell in counts, (cells,) float64."""
    values = np.where(rates.known, rates.values, 0.0)
    total = np.asarray(visible.counts.sum(axis=1, dtype=np.float64)).ravel()
    share = values.sum() - visible.hidden.astype(np.float64) @ values
    sure = ~visible.blank & (share > 1e-6)
    depth: NDArray[np.float64] = np.zeros(visible.n_cells)
    np.divide(total, share, out=depth, where=sure)
    overall = float(np.median(depth[sure])) if sure.any() else 0.0
    for bag in visible.bags:
        here = depth[bag][sure[bag]]
        depth[bag[~sure[bag]]] = np.median(here) if len(here) else overall
    return depth


def _share(rate: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    total = rate[known].sum()
    return np.where(known, rate / total if total > 0 else 0.0, 0.0)
