"""Neighbourhood enrichment: which kinds lie beside one another more than by chance.

squidpy's permutation test (Palla et al. 2022): names of kinds are shuffled over the
cells of each FOV, never from one FOV to another. Decides that a number is also said in
multiples of what chance gives, which is exact, and that p-values are those of a normal
distribution, since a few hundred shuffles cannot show a small one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm import keys
from napari_scfm.analysis.neighbourhoods.adjust import adjusted
from napari_scfm.analysis.neighbourhoods.graph import (
    SpatialGraph,
    bare_table,
    spatial_graph,
)
from napari_scfm.analysis.neighbourhoods.kinds import Kinds, kinds_of
from napari_scfm.analysis.neighbourhoods.quiet import quiet_squidpy
from napari_scfm.errors import ScfmError
from napari_scfm.progress import report

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from napari_scfm.progress import ProgressCallback

LEVEL = 0.05


@dataclass(frozen=True, eq=False)
class Enrichment:
    """How often kinds lie beside one another, against chance.

    Attributes
    ----------
    kinds
        Of all cells of the table.
    zscore
        (k, k) ``(count - mean) / standard deviation`` over the shuffles; NaN where all
        shuffles are alike. Rows are cells, columns their neighbours.
    counts
        (k, k) neighbours of each kind of each kind of cell.
    expected
        (k, k) mean of the counts over all shuffles there are.
    permutations, seed
        Of the shuffles.
    graph
        Of all cells of the table.
    """

    kinds: Kinds
    zscore: np.ndarray
    counts: np.ndarray
    expected: np.ndarray
    permutations: int
    seed: int
    graph: SpatialGraph

    @property
    def key(self) -> str:
        """Name of the column."""
        return self.kinds.key

    @property
    def names(self) -> tuple[str, ...]:
        """The kinds."""
        return self.kinds.names

    @property
    def times(self) -> np.ndarray:
        """(k, k) counts in multiples of what chance gives; NaN where it gives none."""
        out = np.full(self.counts.shape, np.nan)
        return np.asarray(
            np.divide(self.counts, self.expected, out=out, where=self.expected > 0)
        )

    @property
    def p_value(self) -> np.ndarray:
        """(k, k) two-sided p of the z-score under a normal distribution."""
        from scipy.special import ndtr

        return np.asarray(2 * ndtr(-np.abs(self.zscore)))

    @property
    def q_value(self) -> np.ndarray:
        """(k, k) false discovery rate over all pairs (Benjamini and Hochberg 1995)."""
        return adjusted(self.p_value.ravel()).reshape(self.zscore.shape)

    def frame(self) -> pd.DataFrame:
        """Return one row per pair of kinds: counts, multiples, z, p and q."""
        import pandas as pd

        count = len(self.names)
        some = np.asarray(self.names, dtype=object)
        return pd.DataFrame(
            {
                "kind": np.repeat(some, count),
                "neighbour": np.tile(some, count),
                "count": self.counts.ravel(),
                "expected": self.expected.ravel(),
                "times": self.times.ravel(),
                "z": self.zscore.ravel(),
                "p_value": self.p_value.ravel(),
                "q_value": self.q_value.ravel(),
                "n_cells": np.repeat(self.kinds.counts, count),
            }
        )

    def sentence(self, kind: str, neighbour: str) -> str:
        """Return what was found of a pair of kinds."""
        at = self.names.index(kind), self.names.index(neighbour)
        z, times = float(self.zscore[at]), float(self.times[at])
        if not np.isfinite(z):
            return f"{kind} and {neighbour}: every shuffle gives the same number."
        q = float(self.q_value[at])
        found = f"{self.counts[at]:,.0f} times, {times:.3g} × chance (z = {z:+.1f}"
        sure = f"q {p_words(q)} over all pairs"
        verdict = "" if q <= LEVEL else "; chance does that too"
        return f"{neighbour} lies beside {kind} {found}, {sure}){verdict}."

    def store(self, table: AnnData) -> None:
        """Write it where ``squidpy.gr.nhood_enrichment`` does."""
        self.kinds.keep(table)
        self.graph.store(table)
        table.uns[f"{self.key}_nhood_enrichment"] = {
            "zscore": self.zscore,
            "count": self.counts,
        }


def p_words(value: float) -> str:
    """Return a p-value as it stands in a sentence; what no test can show is a limit."""
    return "< 1e-15" if value < 1e-15 else f"= {value:.2g}"


def enrichment(
    table: AnnData,
    key: Any,
    *,
    graph: SpatialGraph | None = None,
    permutations: int = 1000,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> Enrichment:
    """Test which kinds of cells lie beside one another.

    Parameters
    ----------
    table
        Positions in um; cells of no kind are left out.
    key
        See :func:`.kinds_of`.
    graph
        Of the same cells; default: the 6 nearest cells.
    permutations, seed
        Shuffles of the kinds within each FOV.
    progress
        Told before and after the shuffles.

    Raises
    ------
    ScfmError
        If there are fewer than two kinds, or no two cells are neighbours.
    """
    kinds = kinds_of(table, key)
    if permutations < 2:
        raise ScfmError(
            f"{permutations} shuffles are too few to compare with.", "Ask for 100."
        )
    graph = spatial_graph(table, progress=progress) if graph is None else graph
    known = np.flatnonzero(kinds.codes >= 0)
    part, codes = graph.of(known), kinds.codes[known]
    if not part.n_edges:
        raise ScfmError(
            f"No two cells of {kinds.key} are neighbours: {graph.about}.",
            "Ask for a larger radius.",
        )
    # one call, which says nothing until it ends
    report(progress, 0, 0, "Shuffling kinds of cells")
    zscore, counts = _squidpy(table, kinds, known, part, (permutations, seed))
    report(progress, permutations, permutations, "Shuffling kinds of cells")
    expected = _expected(part, codes, len(kinds.names))
    return Enrichment(kinds, zscore, counts, expected, permutations, seed, graph)


def _squidpy(
    table: AnnData,
    kinds: Kinds,
    known: np.ndarray,
    part: SpatialGraph,
    draws: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
    bare = bare_table(table.obsm[keys.SPATIAL][known], part.homes, part)
    bare.obs["kind"] = kinds.column()[known]
    with quiet_squidpy() as squidpy, np.errstate(divide="ignore", invalid="ignore"):
        made = squidpy.gr.nhood_enrichment(
            bare,
            "kind",
            library_key=keys.FOV,
            n_perms=draws[0],
            seed=draws[1],
            copy=True,
            show_progress_bar=False,
        )
    zscore = np.where(np.isfinite(made.zscore), made.zscore, np.nan)
    return zscore, np.asarray(made.counts, dtype=np.int64)


def _expected(graph: SpatialGraph, codes: np.ndarray, count: int) -> np.ndarray:
    """Return (k, k) mean counts over all ways to shuffle codes within their FOVs.

    Of ``e`` pairs in a FOV of ``n`` cells, ``e n_a (n_b - [a = b]) / (n (n - 1))`` are
    of the kinds a and b.
    """
    edges = np.diff(graph.connectivities.indptr)
    expected = np.zeros((count, count))
    for home in np.unique(graph.homes):
        here = graph.homes == home
        n = int(here.sum())
        if n < 2:
            continue
        cells = np.bincount(codes[here], minlength=count).astype(float)
        pairs = np.outer(cells, cells) - np.diag(cells)
        expected += edges[here].sum() * pairs / (n * (n - 1))
    return expected
