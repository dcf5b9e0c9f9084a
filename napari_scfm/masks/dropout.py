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

from napari_scfm.errors import MaskError
from napari_scfm.masks.counts import expressed
from napari_scfm.masks.draw import per_row
from napari_scfm.masks.make import check_share, from_flags

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
    counts = expressed(table)
    size = np.diff(counts.indptr)
    rng = np.random.default_rng(seed)
    falling = counts.data.astype(np.float32) / DECAY if rule == "exp" else None
    drawn = np.zeros(counts.nnz, dtype=bool)
    number = _share(fraction, size, size)
    per_row(counts.indptr, number, rng, taken=drawn, falling=falling)
    if part == "validation":
        test = drawn.copy()
        more = _share(fraction, size - number, size)
        per_row(counts.indptr, more, rng, taken=drawn, falling=falling)
        drawn &= ~test
    return from_flags(table, counts, drawn)


def _share(fraction: float, of: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return how many to draw of each cell; the small term undoes .1 * 30 < 3."""
    number = np.floor(fraction * of + 1e-9).astype(np.int64)
    return np.where(size > FEWEST, number, 0)
