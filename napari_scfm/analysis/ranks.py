"""Spearman's correlation per gene, from one sort of all entries.

Gene, prediction and truth of an entry are packed into one 64-bit number, so that a
plain sort of numbers brings every gene's predictions into order; sorting them gene by
gene, or by an index, takes several times as long.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.analysis.sums import ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_BITS = 16
"""Bits of the packed number for the gene, and for the truth."""

_LARGEST_TABLE = 1 << 24
"""Genes times distinct truths that are counted in a table."""

LARGEST = 1_000_000
"""Entries that are ranked; more would take longer than all other metrics together."""


@dataclass(frozen=True)
class TruthRanks:
    """Ranks of the truth within each gene, ties sharing their mean rank.

    Attributes
    ----------
    truth
        (entries,) counts.
    columns
        (entries,) gene of each.
    n
        Number of genes.
    """

    truth: Floats
    columns: NDArray[np.intp]
    n: int

    @cached_property
    def _codes(self) -> tuple[NDArray[np.int64], int]:
        """Return a number of each truth in ascending order, and how many there are."""
        largest = float(self.truth.max(initial=0))
        if largest < (1 << _BITS) and not np.any(self.truth % 1):
            return self.truth.astype(np.int64), int(largest) + 1
        values, codes = np.unique(self.truth, return_inverse=True)
        return codes.astype(np.int64), len(values)

    @property
    def possible(self) -> bool:
        """Whether there are few enough entries, genes and truths."""
        if len(self.truth) > LARGEST:
            return False
        _, distinct = self._codes
        fits = max(distinct, self.n) <= 1 << _BITS
        return fits and distinct * self.n <= _LARGEST_TABLE

    @cached_property
    def _table(self) -> tuple[NDArray[np.int64], Floats]:
        """Return (genes, truths) numbers of entries, and the rank of each truth."""
        codes, distinct = self._codes
        place = self.columns * distinct + codes
        number = np.bincount(place, minlength=self.n * distinct)
        number = number.reshape(self.n, distinct)
        last = number.cumsum(axis=1)
        return number, last - (number - 1) / 2

    def correlation(self, prediction: NDArray[Any]) -> Floats:
        """Return (genes,) Spearman's correlation with a prediction.

        Parameters
        ----------
        prediction
            (entries,) counts of 0 and more; compared as float32.

        Returns
        -------
        NaN where the truth of a gene is constant or it has no entries, and everywhere
        where it is not :attr:`possible`; 0 where only a gene's prediction is constant.
        """
        if not self.possible or not len(self.truth):
            return np.full(self.n, np.nan)
        codes, distinct = self._codes
        number, rank = self._table
        key = self.columns.astype(np.uint64) << np.uint64(32 + _BITS)
        # adding 0 turns -0 into 0, whose bits are in order with the others
        bits = (np.ascontiguousarray(prediction, np.float32) + 0).view(np.uint32)
        key |= bits.astype(np.uint64) << np.uint64(_BITS)
        key |= codes.astype(np.uint64)
        key.sort()
        code = (key & np.uint64((1 << _BITS) - 1)).astype(np.intp)
        key >>= np.uint64(_BITS)
        start = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
        gene = (key[start] >> np.uint64(32)).astype(np.intp)
        size = np.diff(start, append=len(key))
        entries = number.sum(axis=1)
        first = np.cumsum(entries) - entries
        middle = (entries + 1) / 2
        guess = start - first[gene] + (size + 1) / 2 - middle[gene]
        each = np.repeat(gene * distinct, size) + code
        truth = np.add.reduceat(rank.ravel()[each], start)
        off = guess * (truth - size * middle[gene])
        cross = np.asarray(np.bincount(gene, off, self.n), dtype=np.float64)
        guesses = np.asarray(np.bincount(gene, size * guess**2, self.n), np.float64)
        truths = (number * (rank - middle[:, None]) ** 2).sum(axis=1)
        found = ratio(cross, truths, guesses)
        found[truths <= 0] = np.nan
        return found
