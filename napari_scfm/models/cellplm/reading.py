"""From a table to what the network reads, bag by bag.

Counts are raw and only visible ones leave this module. Refuses negative and missing
counts; says when counts are not whole numbers, when a bag is larger than any the
network has seen, and when coordinates are missing that it would use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_scfm import keys
from napari_scfm.genes.identity import match_genes
from napari_scfm.models.bags import bags
from napari_scfm.models.cellplm.places import places
from napari_scfm.models.checks import check_counts, check_places
from napari_scfm.models.scale import scale_note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData

    from napari_scfm.genes.identity import GeneMatch
    from napari_scfm.masks.mask import Mask
    from napari_scfm.models.cellplm.config import CellPLMConfig

LARGEST_BAG = 2000
COMPAT_BAG = "batch"


@dataclass(frozen=True)
class Bag:
    """One bag as the network reads it.

    Attributes
    ----------
    cells
        (n,) row positions in the table.
    counts
        (n, genes) visible counts of the matched genes, float32 CSR.
    hidden
        (n, genes) boolean CSR, or None when nothing is hidden.
    positions
        (n, 2) in [0, 1]; all -1 without coordinates.
    nearest
        (n, k) nearest cells, nearest first and without the cell itself; None when
        the network does not ask for them.
    """

    cells: np.ndarray
    counts: sparse.csr_array
    hidden: sparse.csr_array | None
    positions: np.ndarray
    nearest: np.ndarray | None


class TableReading:
    """A table, matched to a network's genes.

    Parameters
    ----------
    table
        Cells x genes, raw counts.
    mask
        What to hide, or None.
    config
        The network's configuration.
    name
        The model's name, for messages.
    compat
        Bags as in the original program: ``obs["batch"]`` in sorted order where
        there is no ``obs["fov"]``.

    Raises
    ------
    ModelError
        If no gene meets the model's, or counts are negative or missing.
    """

    def __init__(
        self,
        table: AnnData,
        mask: Mask | None,
        config: CellPLMConfig,
        name: str,
        *,
        compat: bool = False,
    ) -> None:
        self.table, self.config = table, config
        self.match: GeneMatch = match_genes(table.var, config.gene_list)
        self.match.require(name)
        self.notes: list[str] = self.match.report()
        self._counts = self._visible(mask)
        self._hidden = (
            mask.for_table(table).matrix[:, self.match.columns]
            if mask is not None and mask.n_hidden
            else None
        )
        self.bags = self._bags(compat)
        # of the last bag; one FOV may stand here many times, with other cells hidden
        self._near: tuple[np.ndarray, tuple[np.ndarray, ...]] | None = None
        self._note_sizes()

    @property
    def rows(self) -> np.ndarray:
        """(genes,) position of each matched column in the model's gene list."""
        return np.asarray(self.match.rows, dtype=np.int64)

    def _visible(self, mask: Mask | None) -> sparse.csr_array:
        if mask is None:
            counts = sparse.csr_array(self.table.X, dtype=np.float32)
        else:
            counts = mask.visible(self.table)
        counts = sparse.csr_array(counts[:, self.match.columns])
        counts.sum_duplicates()
        check_counts(counts, self.table.var_names[self.match.columns])
        if note := scale_note(self.table.X, list(self.table.var_names)):
            self.notes.append(note)
        return counts

    def _bags(self, compat: bool) -> list[np.ndarray]:
        obs = self.table.obs
        if not compat or keys.FOV in obs or COMPAT_BAG not in obs:
            return bags(self.table)
        found = bags(self.table, COMPAT_BAG)
        label = obs[COMPAT_BAG].astype(str).to_numpy()
        return sorted(found, key=lambda rows: str(label[rows[0]]))

    def _note_sizes(self) -> None:
        sizes = [len(rows) for rows in self.bags]
        ours = bool(self.config.neighbours)
        if not ours and sizes and max(sizes) > LARGEST_BAG:
            self.notes.append(
                f"A bag of {max(sizes):,} cells is larger than the {LARGEST_BAG:,} "
                "that CellPLM was trained on; set obs['fov'] to read smaller ones."
            )
        reads = self.config.pe_active or ours
        if reads and keys.SPATIAL not in self.table.obsm:
            self.notes.append(
                "The table has no obsm['spatial']; the model reads its cells as if "
                "their positions were unknown."
            )

    def __iter__(self) -> Iterator[Bag]:
        for cells in self.bags:
            hidden = None if self._hidden is None else self._hidden[cells]
            positions, nearest = self._places(cells)
            yield Bag(cells, self._counts[cells], hidden, positions, nearest)

    def __len__(self) -> int:
        return len(self.bags)

    def _places(self, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        most = max(self.config.neighbours, default=0)
        if keys.SPATIAL not in self.table.obsm:
            return places(None, len(cells), most)[0], None
        xy = np.asarray(self.table.obsm[keys.SPATIAL], dtype=np.float64)[cells, :2]
        check_places(xy, self.table.obs_names[cells])
        # cells on a pixel grid are often equally far: which comes first must not hang
        # on where the frame begins
        xy = np.round(xy - xy.min(axis=0, initial=np.inf), 6)
        if self._near is None or not np.array_equal(self._near[0], xy):
            self._near = xy, places(xy, len(cells), most)
        found = self._near[1]
        return found[0], found[1] if len(found) > 1 else None
