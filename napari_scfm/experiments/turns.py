"""The turns of an experiment: what is hidden at once, and which entries that answers.

Usually there is one. In turn (leave one marker out), every gene that the mask hides as
a gene is hidden alone, beside the cells and entries that stay hidden throughout; one
more turn hides these alone, if they touch other genes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_scfm.errors import SpecError
from napari_scfm.masks.mask import Mask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData

    from napari_scfm.masks.spec import MaskSpec

BY_GENE = (
    *("genes", "patterns", "gene_count", "gene_fraction"),
    *("per_stratum", "strata"),
)
"""Fields of a mask spec that hide genes in every cell."""


@dataclass(frozen=True)
class Turn:
    """What is hidden at once.

    Attributes
    ----------
    mask
        What no model sees.
    answers
        (n,) positions, in the CSR order of the whole mask, of the entries whose
        prediction is taken from this turn.
    gene
        The gene that is hidden alone; "" where it is not one.
    """

    mask: Mask
    answers: np.ndarray
    gene: str = ""

    def asked(self, columns: np.ndarray) -> np.ndarray:
        """Return the genes that models are asked for, positions that grow.

        A gene alone; otherwise all that is hidden, as without turns: what a model
        says of one gene may hang on which others it is asked for.

        Parameters
        ----------
        columns
            (n,) genes of the answers.
        """
        if self.gene:
            return np.unique(columns)
        return np.flatnonzero(self.mask.touched)


class Turns:
    """The turns of a mask.

    Parameters
    ----------
    table
        Raw counts.
    spec, mask
        What is hidden, as written and as resolved on the table.
    in_turn
        Hide gene after gene.

    Raises
    ------
    SpecError
        If there is no gene to take in turn.
    """

    def __init__(
        self, table: AnnData, spec: MaskSpec, mask: Mask, *, in_turn: bool
    ) -> None:
        self._mask = mask
        self._always: Mask | None = None
        self._genes = np.zeros(0, dtype=np.intp)
        self._rest = np.arange(mask.n_hidden)
        if not in_turn:
            return
        self._always = without_genes(spec).resolve(table) & mask
        self._genes = np.unique((mask - self._always).matrix.indices)
        if not len(self._genes):
            raise SpecError(
                "Genes are to be hidden in turn, but the mask hides no gene.",
                "Name genes to hide, or hide everything at once.",
            )
        self._entries = sparse.csc_array(_numbered(mask))
        other = ~np.isin(mask.matrix.indices, self._genes)
        self._rest = np.flatnonzero(other)

    def __len__(self) -> int:
        return len(self._genes) + bool(len(self._rest))

    def __iter__(self) -> Iterator[Turn]:
        mask, always = self._mask, self._always
        if always is None:
            yield Turn(mask, self._rest)
            return
        if len(self._rest):
            yield Turn(always, self._rest)
        for gene in self._genes:
            part = slice(*self._entries.indptr[gene : gene + 2])
            rows, answers = self._entries.indices[part], self._entries.data[part] - 1
            one = sparse.coo_array(
                (np.ones(len(rows), bool), (rows, np.full(len(rows), gene))),
                shape=mask.shape,
            )
            hidden = always | Mask(one, mask.cells, mask.genes)
            yield Turn(hidden, np.sort(answers), str(mask.genes[gene]))


def without_genes(spec: MaskSpec) -> MaskSpec:
    """Return a spec without what it says of whole genes; exceptions stay."""
    empty = {name: type(spec).model_fields[name].default for name in BY_GENE}
    also = tuple(without_genes(part) for part in spec.also)
    return spec.model_copy(update={**empty, "also": also})


def _numbered(mask: Mask) -> sparse.csr_array:
    """Return the hidden entries numbered from 1, in CSR order."""
    matrix = mask.matrix
    numbers = np.arange(1, matrix.nnz + 1)
    return sparse.csr_array((numbers, matrix.indices, matrix.indptr), mask.shape)


def with_more_hidden(mask: Mask, share: float, seed: tuple[int, int]) -> Mask:
    """Return a mask that hides a further random share of what it leaves visible.

    Parameters
    ----------
    mask
        What is hidden already.
    share
        Of the visible entries, 0..1; each is hidden with this probability, whatever
        its value.
    seed
        Of the experiment, and number of the draw.
    """
    chance = np.random.default_rng(seed).random(mask.shape, dtype=np.float32)
    return mask | Mask(chance < share, mask.cells, mask.genes)
