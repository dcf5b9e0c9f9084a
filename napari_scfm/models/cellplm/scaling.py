"""From unnormalised means to counts: one factor per cell.

The original scales each cell so that its prediction sums to what was observed, over
all input columns, hidden ones with their zeros included; a cell without counts gets
a factor of exactly 0. The repaired rule takes only visible entries into both sums and
gives a cell without visible counts the factor of its whole bag.
"""

from __future__ import annotations

import numpy as np


def cell_factors(
    observed: np.ndarray, expected: np.ndarray, *, compat: bool = False
) -> np.ndarray:
    """Return the factor of each cell of a bag.

    Parameters
    ----------
    observed
        (cells,) sum of the visible counts.
    expected
        (cells,) sum of the means over the same entries.
    compat
        As in the original: a cell without counts gets 0.

    Returns
    -------
    (cells,) float64. Cells without counts get the sum over all other cells, observed
    by expected; NaN where no cell of the bag has counts.
    """
    observed = np.asarray(observed, dtype=np.float64)
    expected = np.asarray(expected, dtype=np.float64)
    if compat:
        return np.asarray(observed / np.maximum(expected, 1e-300))
    seen = observed > 0
    out = np.full(len(observed), np.nan)
    out[seen] = observed[seen] / expected[seen]
    if seen.any():
        out[~seen] = observed[seen].sum() / expected[seen].sum()
    return out
