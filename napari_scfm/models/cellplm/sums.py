"""Sums of gene embeddings, ``F = log1p(X) E``, kept between calls.

Hiding or showing a few genes changes few entries of X. What was summed for a bag is
kept together with the log counts that went in; the next call subtracts the two log
matrices and adds only the difference times E. Nothing stale can be served: whatever
changed, in the mask or in the table, is in the difference. Cells of which more than
half is new are summed anew, so a cell without visible counts is exactly 0. Other
cells differ from a sum from scratch by rounding (1e-6).
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from napari_scfm.models.cellplm.blocks import cell_blocks

if TYPE_CHECKING:
    from anndata import AnnData

    from napari_scfm.models.cellplm.reading import Bag

BUDGET = 384 * 2**20
"""Bytes that are kept at most, for all tables together."""


def weighted_sums(
    logs: sparse.csr_array,
    rows: np.ndarray,
    weight: Tensor,
    block: int,
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """Return ``logs @ weight[rows]``, (cells, width), summed in float64.

    Parameters
    ----------
    logs
        (cells, n) float64.
    rows
        (n,) rows of ``weight``.
    weight
        (genes, width) gene embeddings.
    block
        Cells that are summed at once.
    dtype
        Of the result.
    """
    used = np.unique(logs.indices)
    if len(used) < logs.shape[1] // 2:
        logs, rows = sparse.csr_array(logs[:, used]), rows[used]
    on_gpu = weight.device.type == "cuda"  # MPS knows no float64
    table = weight[torch.as_tensor(rows, device=weight.device)]
    table = (table if on_gpu else table.cpu()).double()
    out = table.new_empty((logs.shape[0], weight.shape[1]), dtype=dtype)
    for part in cell_blocks(logs.shape[0], block):
        if on_gpu:
            dense = torch.as_tensor(logs[part].toarray(), device=out.device)
            out[part] = dense @ table
        else:
            out[part] = torch.as_tensor(logs[part] @ table.numpy()).to(dtype)
    return out


@dataclass(frozen=True)
class _Kept:
    table: weakref.ref[AnnData]
    cells: np.ndarray
    rows: np.ndarray
    weights: tuple[int, int]
    logs: sparse.csr_array
    sums: Tensor

    @property
    def size(self) -> int:
        return int(self.sums.nbytes) + _bytes(self.logs)

    def fits(self, table: AnnData, bag: Bag, rows: np.ndarray, weight: Tensor) -> bool:
        return (
            self.table() is table
            and np.array_equal(self.cells, bag.cells)
            and np.array_equal(self.rows, rows)
            and self.weights == _stamp(weight)
        )


def _bytes(matrix: sparse.csr_array) -> int:
    parts = (matrix.data, matrix.indices, matrix.indptr)
    return sum(int(part.nbytes) for part in parts)


def _stamp(weight: Tensor) -> tuple[int, int]:
    """Return what changes when weights are replaced or written to."""
    return weight.data_ptr(), weight._version


class GeneSums:
    """Sums of gene embeddings of bags, from scratch or from what is kept.

    Parameters
    ----------
    budget
        Bytes that are kept at most; the least recently used go first. 0 keeps none.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self.budget = budget
        self._kept: OrderedDict[tuple[int, int, int], _Kept] = OrderedDict()

    @property
    def size(self) -> int:
        """Bytes that are kept now."""
        return sum(kept.size for kept in list(self._kept.values()))

    def of(
        self, table: AnnData, bag: Bag, rows: np.ndarray, weight: Tensor, block: int
    ) -> Tensor:
        """Return (cells, width) sums of a bag, which the caller may overwrite.

        Parameters
        ----------
        table
            The table of the bag; what is kept is dropped with it.
        bag, rows
            The visible counts, and the rows of ``weight`` that their columns are.
        weight, block
            See :func:`weighted_sums`.
        """
        logs = sparse.csr_array(bag.counts, dtype=np.float64, copy=True)
        np.log1p(logs.data, out=logs.data)
        key = (id(table), int(bag.cells[0]) if len(bag.cells) else 0, len(bag.cells))
        kept = self._kept.pop(key, None)
        if kept is not None and kept.fits(table, bag, rows, weight):
            change = sparse.csr_array(logs - kept.logs)
            change.eliminate_zeros()
            if change.nnz <= logs.nnz // 2:
                self._kept[key] = kept
                sums = _updated(kept, logs, change, weight, block)
                return sums.float().to(weight.device)
        if _bytes(logs) + 8 * len(bag.cells) * weight.shape[1] > self.budget:
            sums = weighted_sums(logs, rows, weight, block, torch.float32)
            return sums.to(weight.device)
        sums = weighted_sums(logs, rows, weight, block)
        forget = weakref.ref(table, lambda _: self._kept.pop(key, None))
        self._kept[key] = _Kept(forget, bag.cells, rows, _stamp(weight), logs, sums)
        while self.size > self.budget:
            self._kept.popitem(last=False)
        return sums.float().to(weight.device)


def _updated(
    kept: _Kept,
    logs: sparse.csr_array,
    change: sparse.csr_array,
    weight: Tensor,
    block: int,
) -> Tensor:
    """Return what is kept plus what changed, float64; itself if nothing did."""
    changed, shown = np.diff(change.indptr), np.diff(logs.indptr)
    anew = np.flatnonzero((changed > 0) & (changed >= shown))
    some = np.flatnonzero((changed > 0) & (changed < shown))
    sums = kept.sums if change.nnz == 0 else kept.sums.clone()
    for cells, counts, add in ((anew, logs, False), (some, change, True)):
        if len(cells):
            chosen = sparse.csr_array(counts[cells])
            where = torch.as_tensor(cells, device=sums.device)
            part = weighted_sums(chosen, kept.rows, weight, block)
            sums[where] = sums[where] + part if add else part
    return sums
