"""How far two ways of sorting cells agree, whatever their classes are called.

ARI = (RI - E RI) / (max RI - E RI); NMI = 2 I(U; V) / (H(U) + H(V)), scikit-learn's
defaults. Cells without a known label are left out; cells that are told nothing are a
class of their own, so that saying nothing of hard cells raises no score. NMI grows with
the number of classes: their number stands beside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.analysis.celltypes.agreement import known_labels
from napari_scfm.errors import SpecError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Overlap:
    """Agreement without names.

    Attributes
    ----------
    ari, nmi
        Adjusted Rand index and normalised mutual information.
    n_known, n_told
        Classes on either side.
    n_cells
        Cells with a known label.
    """

    ari: float
    nmi: float
    n_known: int
    n_told: int
    n_cells: int


def overlap(truth: ArrayLike, said: ArrayLike) -> Overlap:
    """Compare two ways of sorting cells.

    Parameters
    ----------
    truth
        (cells,) known labels; cells without one are left out.
    said
        (cells,) told labels or clusters.

    Raises
    ------
    SpecError
        If no cell has a known label, or the lengths differ.
    """
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    known, there = known_labels(truth)
    told, spoken = known_labels(said)
    if len(known) != len(told):
        raise SpecError(
            f"{len(known)} known labels cannot be compared with {len(told)} told ones.",
            "Give one of each per cell.",
        )
    if not there.any():
        raise SpecError(
            "No cell has a known type, so there is nothing to score against.",
            "Name a column in which cells are labelled.",
        )
    first = np.unique(known[there], return_inverse=True)[1]
    classes, second = np.unique(np.where(spoken, told, "")[there], return_inverse=True)
    return Overlap(
        float(adjusted_rand_score(first, second)),
        float(normalized_mutual_info_score(first, second)),
        int(first.max()) + 1,
        int((classes != "").sum()),
        int(there.sum()),
    )
