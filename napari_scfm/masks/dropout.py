"""Masks of single counts, as a dropout would take them: the denoising protocols.

``exp`` follows DeepImpute (Arisdakessian et al., Genome Biology 2019), ``uniform``
scGNN (Wang et al., Nature Communications 2021); both as CellPLM uses them (Wen et
al., ICLR 2024, appendix F.1): of every cell with more than five non-zero counts a
tenth of these is hidden, in ``exp`` low counts rather than high ones. The text says
"at least five", the released code "more than five"; the code is followed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import sparse

from napari_scfm.errors import MaskError
from napari_scfm.masks.make import check_share, from_entries

if TYPE_CHECKING:
    from anndata import AnnData

    from napari_scfm.masks.mask import Mask

Rule = Literal["exp", "uniform"]
Part = Literal["test", "validation"]

FEWEST = 5
"""Cells with no more non-zero counts than this lose none."""
DECAY = 20.0
"""Counts over which the chance to be hidden falls by e."""


def mask_dropout(
    table: AnnData,
    rule: Rule = "exp",
    fraction: float = 0.1,
    seed: int = 0,
    part: Part = "test",
) -> Mask:
    """Hide a share of each cell's non-zero counts, drawn without replacement.

    Parameters
    ----------
    table
        Cells x genes.
    rule
        "exp": with probability proportional to ``exp(-count / 20)``; "uniform".
    fraction
        Share of a cell's non-zero counts, 0..1; the number is rounded down.
    seed
        Of the draw.
    part
        "test"; or "validation": the same share of the non-zero counts that the test
        of this seed leaves, so that both together are two draws that never meet.

    Raises
    ------
    MaskError
        If the fraction is outside 0..1, or the rule or part is neither word.
    """
    check_share(fraction)
    if rule not in ("exp", "uniform"):
        raise MaskError(
            f"There is no dropout rule {rule!r}.", 'Use "exp" or "uniform".'
        )
    if part not in ("test", "validation"):
        raise MaskError(
            f"A dropout has no part {part!r}.", 'Use "test" or "validation".'
        )
    counts = sparse.csr_array(table.X, dtype=np.float64, copy=True)
    counts.eliminate_zeros()
    size = np.diff(counts.indptr)
    number = np.where(size > FEWEST, np.floor(fraction * size + 1e-9), 0)
    cell = np.repeat(np.arange(table.n_obs), size)
    # the largest of log weight + Gumbel noise are a weighted draw without replacement
    chance = np.random.default_rng(seed).gumbel(size=counts.nnz)
    if rule == "exp":
        chance -= counts.data / DECAY
    order = np.lexsort((-chance, cell))
    rank = np.arange(counts.nnz) - counts.indptr[cell]
    first = number * (part == "validation")
    if part == "validation":
        number = number + np.floor(fraction * (size - number) + 1e-9) * (size > FEWEST)
    drawn = order[(rank >= first[cell]) & (rank < number[cell])]
    return from_entries(table, cell[drawn], counts.indices[drawn])
