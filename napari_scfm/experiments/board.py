"""What the guessers are shown: a table and a reference without what is hidden.

Tables are made anew for every mask, so that nothing a model keeps of one can reach
the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_scfm import keys
from napari_scfm.experiments.reference import Joined, joined, stacked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from napari_scfm.masks.mask import Mask


@dataclass(frozen=True)
class Shown:
    """What is shown under one mask.

    Attributes
    ----------
    table, mask
        The tested cells with hidden counts set to 0, and what is hidden of them.
    learn, learn_mask
        The same with the reference below it: what baselines are fitted to.
    """

    table: AnnData
    mask: Mask
    learn: AnnData
    learn_mask: Mask


class Board:
    """Shows a table, with a reference or without, under one mask after the other.

    Parameters
    ----------
    table
        Raw counts; read here only, and through a mask.
    references
        Cells in which hidden genes are measured, none of them in the table.

    Raises
    ------
    SpecError
        If one shares no gene with the table.
    """

    def __init__(self, table: AnnData, references: Sequence[AnnData]) -> None:
        self._table = table
        self._below: Joined | None = None
        if references:
            empty = _with_counts(table[:0], table.X[:0])
            self._below = stacked([joined(empty, one) for one in references])

    def show(self, mask: Mask) -> Shown:
        """Return what may be seen under a mask."""
        shown = _with_counts(self._table, mask.visible(self._table))
        if self._below is None:
            return Shown(shown, mask, shown, mask)
        return Shown(shown, mask, *self._below.under(shown, mask))


def _with_counts(table: AnnData, counts: sparse.csr_array) -> AnnData:
    from anndata import AnnData

    obsm = {}
    if keys.SPATIAL in table.obsm:
        obsm[keys.SPATIAL] = np.asarray(table.obsm[keys.SPATIAL], dtype=np.float64)
    obs = table.obs[[keys.FOV]] if keys.FOV in table.obs else table.obs[[]]
    return AnnData(
        sparse.csr_matrix(counts), obs=obs.copy(), var=table.var.copy(), obsm=obsm
    )
