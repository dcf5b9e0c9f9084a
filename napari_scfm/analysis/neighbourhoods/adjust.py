"""False discovery rates of p-values of which some are not defined."""

from __future__ import annotations

import numpy as np


def adjusted(p_values: np.ndarray) -> np.ndarray:
    """Return (m,) q-values (Benjamini and Hochberg 1995); NaN stays NaN, uncounted."""
    from scipy.stats import false_discovery_control

    out = np.full(len(p_values), np.nan)
    known = np.flatnonzero(np.isfinite(p_values))
    if len(known):
        out[known] = false_discovery_control(np.clip(p_values[known], 0, 1))
    return out
