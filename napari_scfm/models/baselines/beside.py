"""Cells to predict, and reference cells that show more genes, side by side.

For models that carry genes over from a reference (Tangram, gimVI). They read a table
without holes, so it is decided here what stands in one: an entry that is hidden in a
cell, of a gene which most cells show, holds what the gene's mean and the cell's depth
make likely. Genes that most cells hide are left out on the tissue's side.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.errors import ModelError
from napari_scfm.progress import report

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_scfm.models.baselines.baseline import Pool
    from napari_scfm.progress import ProgressCallback

LARGEST = 2_000
"""Reference cells that are read at most; drawn at random from more."""

LEAST_GENES = 3
"""Genes that tissue and reference must share."""


@dataclass(frozen=True)
class Beside:
    """A bag of the tissue beside the reference.

    Attributes
    ----------
    rows
        Cells of the tissue, as positions in the pool; each shows some counts.
    shared
        Genes that both sides show, as positions in the pool.
    tissue
        (rows, shared) counts, with expected ones where hidden.
    reference
        (reference cells, genes) counts; 0 where not measured.
    measured
        (genes,) bool: genes that every reference cell shows.
    """

    rows: NDArray[np.intp]
    shared: NDArray[np.intp]
    tissue: NDArray[np.float64]
    reference: NDArray[np.float64]
    measured: NDArray[np.bool_]

    def fill(
        self,
        counts: NDArray[np.float64],
        profiles: NDArray[np.float64],
        columns: NDArray[np.intp],
    ) -> None:
        """Write counts of the genes that the reference measures, from profiles.

        Parameters
        ----------
        counts
            (queried cells, columns), changed in place.
        profiles
            (rows, genes), on any scale of its own in each row; scaled so that the
            shared genes sum to what the cell shows of them.
        columns
            Genes wanted.
        """
        held = profiles[:, self.shared].sum(axis=1)
        shown = self.tissue.sum(axis=1)
        scale = np.divide(shown, held, out=np.zeros_like(held), where=held > 0)
        known = np.flatnonzero(self.measured[columns])
        values = profiles[:, columns[known]] * scale[:, None]
        counts[np.ix_(self.rows, known)] = values


def carried_over(
    pool: Pool,
    columns: NDArray[np.intp],
    name: str,
    profiles: Callable[[Beside, Callable[[], None]], NDArray[np.float64]],
    steps: int,
    said: str,
    progress: ProgressCallback | None,
) -> NDArray[np.float64]:
    """Return counts of the queried cells, carried over from the reference.

    Parameters
    ----------
    pool, columns
        See :meth:`Baseline._predict`.
    name
        Of the model, for errors.
    profiles
        Returns (rows, genes) of a bag; calls its second argument after each step.
    steps, said
        Steps that it takes for a bag, and what it does, for ``progress``.

    Returns
    -------
    (queried cells, columns); the gene mean where nothing can be carried over.
    """
    found = pool.gene_mean(columns)
    parts = beside(pool, name)
    done = itertools.count(1)

    def tell() -> None:
        report(progress, next(done), steps * len(parts), said)

    for part in parts:
        part.fill(found, profiles(part, tell), columns)
    return found


def beside(pool: Pool, name: str) -> list[Beside]:
    """Return the pool's bags, each beside the reference; bags without counts are not.

    Raises
    ------
    ModelError
        If there is no reference, or it shares too few genes with a bag.
    """
    visible = pool.visible
    others = np.arange(pool.n_query, visible.n_cells)
    others = others[(pool.depth > 0)[others] & ~visible.blank[others]]
    if not len(others):
        raise ModelError(
            f"Model {name} carries genes over from cells in which they are measured, "
            "and there is no such reference.",
            "Give a reference: scRNA-seq of the same tissue, or other fields of view.",
        )
    if len(others) > LARGEST:
        chosen = np.random.default_rng(0).choice(len(others), LARGEST, replace=False)
        others = others[np.sort(chosen)]
    reference = visible.counts[others].toarray().astype(np.float64)
    everything = np.arange(len(visible.genes))
    measured = np.asarray(visible.seen(everything)[others].all(axis=0))
    found = [
        _bag(pool, rows[rows < pool.n_query], measured, reference, name)
        for rows in visible.bags
        if (rows < pool.n_query).any()
    ]
    return [one for one in found if len(one.rows)]


def _bag(
    pool: Pool,
    rows: NDArray[np.intp],
    measured: NDArray[np.bool_],
    reference: NDArray[np.float64],
    name: str,
) -> Beside:
    visible = pool.visible
    rows = rows[~visible.blank[rows] & (pool.depth[rows] > 0)]
    everything = np.arange(len(visible.genes))
    seen = visible.seen(everything)[rows]
    often = seen.mean(axis=0) > 0.5 if len(rows) else np.zeros(len(everything), bool)
    counts = visible.counts[rows].toarray().astype(np.float64)
    there = (counts.sum(axis=0) > 0) & (reference.sum(axis=0) > 0)
    shared = np.flatnonzero(measured & often & there)
    if len(rows) and len(shared) < LEAST_GENES:
        raise ModelError(
            f"Model {name} needs genes that tissue and reference both show, and "
            f"there are {len(shared)}.",
            "Hide fewer genes, or give a reference that measures more of the panel.",
        )
    expected = np.outer(pool.depth[rows], pool.rates.values[shared])
    tissue = np.where(seen[:, shared], counts[:, shared], expected)
    some = tissue.sum(axis=1) > 0
    return Beside(rows[some], shared, tissue[some], reference, measured)
