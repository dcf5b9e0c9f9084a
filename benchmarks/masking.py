"""Every act on a mask: packed bits against the sparse matrices they replaced.

"sparse" is how masks were held before: boolean CSR matrices, added, multiplied and
compared by scipy, drawn by shuffling positions and by sorting. Both ways take turns
in one run on one thread, on synthetic counts of which a seventh are not zero. Figures
are CPU milliseconds, so that other work on the machine does not count; median of 5.

Usage: OMP_NUM_THREADS=1 python benchmarks/masking.py [cells ...]
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import anndata as ad
import numpy as np
from scipy import sparse

from napari_scfm.masks.describe import describe
from napari_scfm.masks.dropout import DECAY, FEWEST, mask_dropout
from napari_scfm.masks.history import MaskHistory
from napari_scfm.masks.make import (
    mask_cells,
    mask_entries,
    mask_genes,
    mask_random_cells,
    mask_random_genes,
)
from napari_scfm.masks.mask import Mask
from napari_scfm.masks.parts import Block, Disc, Stripe
from napari_scfm.masks.spec import MaskSpec
from napari_scfm.masks.strata import mask_strata

if TYPE_CHECKING:
    from collections.abc import Callable

GENES, RUNS = 1_000, 5
ENOUGH = 1_000
"""Milliseconds after which an act is not repeated."""
AIM = 50
"""Milliseconds at 20,000 x 1,000."""


class Act(NamedTuple):
    """One act: its name, ours, and the sparse way where there was one."""

    name: str
    ours: Callable[[], Any]
    sparse: Callable[[], Any] | None = None


class Sparse:
    """The sparse way, as it was."""

    def __init__(self, table: ad.AnnData) -> None:
        self.table, self.shape = table, table.shape

    def entries(self, rows: np.ndarray, columns: np.ndarray) -> sparse.csr_array:
        """Return the mask of single entries."""
        ones = np.ones(len(rows), dtype=bool)
        return self.clean(sparse.coo_array((ones, (rows, columns)), shape=self.shape))

    @staticmethod
    def clean(matrix: Any) -> sparse.csr_array:
        """Return what every new mask went through."""
        made = sparse.csr_array(matrix, dtype=bool)
        made.eliminate_zeros()
        made.sum_duplicates()
        return made

    def block(self, rows: np.ndarray, columns: np.ndarray) -> sparse.csr_array:
        """Return the mask of genes in cells."""
        return self.entries(np.repeat(rows, len(columns)), np.tile(columns, len(rows)))

    def drawn(self, share: float, eligible: str) -> sparse.csr_array:
        """Return the mask of random entries."""
        size, pool = self.shape[0] * self.shape[1], None
        if eligible == "expressed":
            found = sparse.coo_array(sparse.csr_array(self.table.X) > 0)
            pool = np.sort(found.row.astype(np.int64) * self.shape[1] + found.col)
            size = len(pool)
        number = round(share * size)
        at = np.random.default_rng(0).choice(size, number, replace=False, shuffle=False)
        at = at if pool is None else pool[at]
        return self.entries(at // self.shape[1], at % self.shape[1])

    def dropout(self) -> sparse.csr_array:
        """Return the mask of a tenth of each cell's counts."""
        counts = sparse.csr_array(self.table.X, dtype=np.float64, copy=True)
        counts.eliminate_zeros()
        size = np.diff(counts.indptr)
        number = np.where(size > FEWEST, np.floor(0.1 * size + 1e-9), 0)
        cell = np.repeat(np.arange(self.shape[0]), size)
        chance = np.random.default_rng(0).gumbel(size=counts.nnz) - counts.data / DECAY
        order = np.lexsort((-chance, cell))
        rank = np.arange(counts.nnz) - counts.indptr[cell]
        chosen = order[rank < number[cell]]
        return self.entries(cell[chosen], counts.indices[chosen])

    def visible(self, hidden: sparse.csr_array) -> sparse.csr_array:
        """Return the counts that are not hidden."""
        counts = sparse.csr_array(self.table.X, dtype=np.float32)
        shown = sparse.csr_array(counts - counts.multiply(hidden))
        shown.eliminate_zeros()
        return shown


def make_table(cells: int) -> ad.AnnData:
    """Return counts as sparse as a real panel's, with types and places."""
    rng = np.random.default_rng(0)
    rate = rng.gamma(0.3, 0.8, GENES)
    parts = [
        sparse.csr_matrix(rng.poisson(np.broadcast_to(rate, (n, GENES))).astype("f4"))
        for n in [10_000] * (cells // 10_000) + [cells % 10_000]
    ]
    table = ad.AnnData(sparse.vstack(parts, format="csr"))
    table.obs_names = [f"F001_{i}" for i in range(cells)]
    table.var_names = [f"{'KRT' if i % 20 else 'CD'}{i}" for i in range(GENES)]
    table.obs["cell_type"] = rng.choice(["T cell", "B cell", "tumour"], cells)
    table.obs["cell_type"] = table.obs["cell_type"].astype("category")
    table.obsm["spatial"] = rng.uniform(0, 1_000, (cells, 2))
    return table


def acts_of(table: ad.AnnData) -> list[Act]:
    """Return the acts, those that make a mask first."""
    old = Sparse(table)
    rows, columns = np.arange(table.n_obs), np.arange(100)
    tenth = rows[::10]
    genes, cells = list(table.var_names[:100]), list(table.obs_names[::10])
    column = np.arange(GENES)

    def spec(**fields: Any) -> Callable[[], Mask]:
        return lambda: MaskSpec(**fields).resolve(table)

    disc, stripe = (
        Disc(x=500, y=500, radius=300),
        Stripe(x0=0, y0=0, x1=900, y1=500, width=100),
    )
    block = Block(gene_count=50, cell_count=table.n_obs // 10)
    return [
        Act("nothing", lambda: Mask.empty(table)),
        Act(
            "100 genes",
            lambda: mask_genes(table, genes),
            lambda: old.block(rows, columns),
        ),
        Act("genes like KRT*", spec(patterns=("KRT*",))),
        Act("20 random genes", lambda: mask_random_genes(table, 20)),
        Act("25 genes of each stratum", lambda: mask_strata(table)),
        Act(
            "a tenth of the cells, by name",
            lambda: mask_cells(table, cells),
            lambda: old.block(tenth, column),
        ),
        Act("10 % random cells", lambda: mask_random_cells(table, 0.1)),
        Act("every 5th cell", spec(every_nth=5)),
        Act("cells of two types", spec(obs={"cell_type": ("T cell", "tumour")})),
        Act("a disc", spec(discs=(disc,))),
        Act("a stripe", spec(stripes=(stripe,))),
        Act("a block, drawn", spec(blocks=(block,))),
        *(
            Act(
                f"{share:.0%} of {eligible} entries",
                lambda s=share, e=eligible: mask_entries(table, s, 0, e),
                lambda s=share, e=eligible: old.drawn(s, e),
            )
            for share in (0.15, 0.8)
            for eligible in ("all", "expressed")
        ),
        Act("dropout, exp", lambda: mask_dropout(table), old.dropout),
        Act("dropout, uniform", lambda: mask_dropout(table, "uniform")),
        Act("dropout, validation", lambda: mask_dropout(table, part="validation")),
        *_algebra(table, old),
    ]


def _algebra(table: ad.AnnData, old: Sparse) -> list[Act]:
    """Return the acts on masks that are there."""
    some, more = mask_entries(table, 0.3), mask_genes(table, list(table.var_names[:50]))
    whole = some | more
    a, b, ab = (one.matrix for one in (some, more, whole))
    history = MaskHistory(MaskSpec(), Mask.empty(table))
    recipe = MaskSpec(entries={"fraction": 0.3}) | MaskSpec(gene_count=50, seed=1)
    turned = table[::-1].copy()

    def fresh() -> Mask:
        """Return the mask without what it remembers."""
        return some | more

    def walk() -> None:
        history.push(recipe, whole)
        history.undo()
        history.redo()
        history.undo()

    return [
        Act("union", lambda: some | more, lambda: old.clean(a + b)),
        Act("intersection", lambda: some & more, lambda: old.clean(a.multiply(b))),
        Act(
            "difference",
            lambda: whole - more,
            lambda: old.clean(ab > ab.multiply(b)),
        ),
        Act("equal?", lambda: whole == some, lambda: (ab != a).nnz == 0),
        Act("hide, undo, redo, undo", walk),
        Act("count", lambda: fresh().n_hidden),
        Act(
            "whole genes and cells",
            lambda: (fresh().hidden_genes, fresh().hidden_cells),
            lambda: (np.bincount(ab.indices, minlength=GENES), np.diff(ab.indptr)),
        ),
        Act("hidden entries per gene", lambda: fresh().hidden_per_gene),
        Act("in which cells is a gene hidden?", lambda: whole.hidden_in(7)),
        Act("the recipe in words", lambda: describe(recipe)),
        Act("recipe to JSON and back", lambda: MaskSpec.from_json(recipe.to_json())),
        Act(
            "the visible counts", lambda: whole.visible(table), lambda: old.visible(ab)
        ),
        Act("in another order of cells", lambda: whole.for_table(turned)),
        Act("every hidden entry written out (CSR)", lambda: fresh().matrix),
    ]


def times_of(act: Act) -> tuple[float, float | None]:
    """Return the median ms of ours and of the sparse way, taken in turns.

    The first run warms up and does not count, unless it took a second.
    """
    ways = [act.ours] if act.sparse is None else [act.ours, act.sparse]
    taken: list[list[float]] = [[] for _ in ways]
    for run in range(RUNS + 1):
        for way, times in zip(ways, taken, strict=True):
            if sum(times) > ENOUGH:
                continue
            started = time.process_time()
            way()
            spent = (time.process_time() - started) * 1e3
            if run or spent > ENOUGH:
                times.append(spent)
    medians = [statistics.median(times) for times in taken]
    return medians[0], medians[1] if len(medians) > 1 else None


def main() -> None:
    """Print a table for each number of cells."""
    for cells in [int(word) for word in sys.argv[1:]] or [20_000, 100_000]:
        table = make_table(cells)
        share = table.X.nnz / cells / GENES
        print(f"\n{cells} x {GENES}, {share:.1%} not zero\n")
        print("| act | bits, ms | sparse, ms | ratio |\n| --- | --- | --- | --- |")
        slowest = 0.0
        for act in acts_of(table):
            ours, other = times_of(act)
            slowest = max(slowest, ours)
            beside = f"{other:.1f} | {other / ours:.0f}x" if other else "|"
            print(f"| {act.name} | {ours:.2f} | {beside} |", flush=True)
        print(f"\nslowest {slowest:.0f} ms (aim at 20000 cells: {AIM} ms)")


if __name__ == "__main__":
    main()
