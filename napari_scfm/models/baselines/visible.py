"""What a baseline may see: visible counts, what is hidden, bags and coordinates.

Everything that a baseline computes starts here, so hidden values cannot reach it:
they are gone before the first sum. Decides that a gene which a table does not hold
is hidden in all its cells, and that a cell without finite coordinates has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_scfm import keys
from napari_scfm.models.bags import bags

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from napari_scfm.masks.mask import Mask


@dataclass(frozen=True)
class Visible:
    """The visible part of a table.

    Attributes
    ----------
    cells, genes
        Names of the rows and columns.
    counts
        (cells, genes) float32 CSR; hidden entries are 0.
    hidden
        (cells, genes) boolean CSR.
    bags
        Row positions of each bag.
    xy
        (cells, 2) um; NaN where a cell has no place.
    """

    cells: NDArray[np.object_]
    genes: NDArray[np.object_]
    counts: sparse.csr_array
    hidden: sparse.csr_array
    bags: list[NDArray[np.intp]]
    xy: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        table: AnnData,
        mask: Mask | None = None,
        genes: NDArray[np.object_] | None = None,
    ) -> Visible:
        """Return the visible part of a table, with the genes in a given order."""
        if mask is None:
            counts = sparse.csr_array(table.X, dtype=np.float32)
            hidden = sparse.csr_array(table.shape, dtype=bool)
        else:
            counts, hidden = mask.visible(table), mask.for_table(table).matrix
        own = np.asarray(table.var_names, dtype=object)
        if genes is None:
            genes = own
        elif not np.array_equal(genes, own):
            counts, hidden = _reorder(counts, hidden, own, genes)
        return cls(
            cells=np.asarray(table.obs_names, dtype=object),
            genes=genes,
            counts=counts,
            hidden=hidden,
            bags=bags(table),
            xy=_coordinates(table),
        )

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.cells)

    @property
    def blank(self) -> NDArray[np.bool_]:
        """(cells,) bool: cells in which every gene is hidden."""
        return np.asarray(np.diff(self.hidden.indptr) == len(self.genes))

    def seen(self, columns: NDArray[np.intp]) -> NDArray[np.bool_]:
        """(cells, columns) bool: entries that are visible."""
        return ~np.asarray(self.hidden[:, columns].toarray(), dtype=bool)

    def rows(self, keep: NDArray[np.bool_]) -> Visible:
        """Return some of the cells; a bag keeps the cells that stay."""
        position = np.cumsum(keep) - 1
        left = [position[bag[keep[bag]]] for bag in self.bags]
        return Visible(
            cells=self.cells[keep],
            genes=self.genes,
            counts=self.counts[keep],
            hidden=self.hidden[keep],
            bags=[bag for bag in left if len(bag)],
            xy=self.xy[keep],
        )

    def followed_by(self, other: Visible) -> Visible:
        """Return this table's cells, then those of another with the same genes."""
        shifted = [bag + self.n_cells for bag in other.bags]
        return Visible(
            cells=np.concatenate([self.cells, other.cells]),
            genes=self.genes,
            counts=sparse.vstack([self.counts, other.counts], format="csr"),
            hidden=sparse.vstack([self.hidden, other.hidden], format="csr"),
            bags=[*self.bags, *shifted],
            xy=np.concatenate([self.xy, other.xy]),
        )


def _reorder(
    counts: sparse.csr_array,
    hidden: sparse.csr_array,
    own: NDArray[np.object_],
    genes: NDArray[np.object_],
) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Bring columns into another order; genes without a column are hidden."""
    place = {gene: column for column, gene in enumerate(own)}
    source = np.array([place.get(gene, -1) for gene in genes], dtype=np.intp)
    known = np.flatnonzero(source >= 0)
    shape = (len(own), len(genes))
    chosen = sparse.csr_array(
        (np.ones(len(known), dtype=np.float32), (source[known], known)), shape=shape
    )
    absent = np.broadcast_to(source < 0, (counts.shape[0], len(genes)))
    moved = sparse.csr_array(hidden.astype(np.float32) @ chosen, dtype=bool)
    return (
        sparse.csr_array(counts @ chosen),
        sparse.csr_array(moved + sparse.csr_array(absent)),
    )


def _coordinates(table: AnnData) -> NDArray[np.float64]:
    xy = np.full((table.n_obs, 2), np.nan)
    if keys.SPATIAL in table.obsm:
        xy[:] = np.asarray(table.obsm[keys.SPATIAL], dtype=np.float64)[:, :2]
        xy[~np.isfinite(xy).all(axis=1)] = np.nan
    return xy
