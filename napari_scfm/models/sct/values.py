"""From counts to the values that are cut into bins, and back.

The paper takes the logarithm of raw counts; its appendix normalises the depth first;
the released example takes a matrix as it is. Which was used is a setting, and what
undoes it is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

import numpy as np
from scipy import sparse

from napari_scfm.errors import ModelError
from napari_scfm.models.scale import COUNTS, NORMALISED, scale_of

if TYPE_CHECKING:
    from collections.abc import Iterable

Setting: TypeAlias = Literal["auto", "log1p_counts", "log_normalized", "as_is"]
SETTINGS: Final[tuple[str, ...]] = get_args(Setting)

DEPTH: Final = 1e4
RARE: Final = 0.003
"""Genes with fewer counts per cell than this are noise in a whole transcriptome."""
WHOLE_TRANSCRIPTOME: Final = 5000
"""Genes from which a table is one; panels are chosen, and so filtered, already."""
_LARGEST_LOG: Final = 14.0
"""Logarithm of a million counts: no normalised cell holds more in one gene."""


@dataclass(frozen=True)
class Values:
    """Values of cells, and how they were made of counts.

    Attributes
    ----------
    matrix
        (cells, genes) float64 CSR after the logarithm.
    setting
        "log1p_counts", "log_normalized" or "as_is".
    factor
        (cells,) what counts were multiplied by before the logarithm; NaN for a cell
        without visible counts.
    rare
        Number of genes that were left out for too few counts.
    """

    matrix: sparse.csr_array
    setting: str
    factor: np.ndarray
    rare: int = 0

    def sentence(self) -> str:
        """Return how the values were made, for a person."""
        if self.setting == "log1p_counts":
            return "Tokens are bins of log(1 + value), without depth normalisation."
        if self.setting == "log_normalized":
            return "Tokens are bins of log(1 + value scaled to 10,000 per cell)."
        return (
            "The table's values were taken as logarithms already; predictions are "
            "exp(value) - 1 on that scale."
        )


def make_values(
    counts: sparse.csr_array,
    setting: Setting = "auto",
    min_total_fraction: float | None = None,
    *,
    total: np.ndarray | None = None,
    measured: int | None = None,
) -> Values:
    """Return the values of visible counts.

    Parameters
    ----------
    counts
        (cells, genes) of the genes that the model knows, hidden entries 0.
    setting
        ``log1p_counts``: ln(1 + x). ``log_normalized``: 10^4 per cell over all
        measured genes, then ln(1 + x). ``as_is``: nothing. ``auto``: the last for
        values that are no whole numbers and can be logarithms, else the first.
    min_total_fraction
        Genes with a smaller total than this times the cells are emptied (paper:
        0.003). None: 0.003 for counts of a whole transcriptome, else 0.
    total
        (cells,) visible counts of all measured genes, where there are others.
    measured
        Number of measured genes, where there are others.

    Raises
    ------
    ModelError
        If there is no such setting.
    """
    if setting not in SETTINGS:
        raise ModelError(
            f"There is no setting {setting!r} of the expression values.",
            f"Choose one of {_listed(SETTINGS)}.",
        )
    scale = scale_of(counts)
    whole = scale == COUNTS
    chosen = setting
    if setting == "auto":
        logs = not whole and scale != NORMALISED and _highest(counts) <= _LARGEST_LOG
        chosen = "as_is" if logs else "log1p_counts"
    if min_total_fraction is None:
        wide = (measured or counts.shape[1]) >= WHOLE_TRANSCRIPTOME
        min_total_fraction = RARE if wide and whole else 0.0
    matrix, rare = _without_rare(counts, min_total_fraction)
    factor = np.where(np.diff(matrix.indptr) > 0, 1.0, np.nan)
    if chosen == "log_normalized":
        if total is None:
            total = np.asarray(counts.sum(axis=1)).ravel()
        factor *= np.divide(DEPTH, total, out=np.ones(len(total)), where=total > 0)
        matrix.data *= np.repeat(factor, np.diff(matrix.indptr))
    if chosen != "as_is":
        np.log1p(matrix.data, out=matrix.data)
    return Values(matrix, chosen, factor, rare)


def to_counts(values: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Return counts of values, (cells, genes) each; ``factor`` is (cells,)."""
    return np.asarray(np.expm1(values) / factor[:, None])


def _without_rare(
    counts: sparse.csr_array, fraction: float
) -> tuple[sparse.csr_array, int]:
    matrix = sparse.csr_array(counts, dtype=np.float64, copy=True)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    if fraction <= 0:
        return matrix, 0
    total = np.asarray(matrix.sum(axis=0)).ravel()
    few = total < fraction * matrix.shape[0]
    matrix.data[few[matrix.indices]] = 0
    matrix.eliminate_zeros()
    return matrix, int(np.count_nonzero(few & (total > 0)))


def _highest(counts: sparse.csr_array) -> float:
    return float(counts.data.max(initial=0.0))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
