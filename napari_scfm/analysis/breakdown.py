"""Error against what may explain it: distance, sparsity or expression, in bins.

Bins hold about as many entries each unless edges are given: a bin of three entries
says nothing, and most values of distance, sparsity and expression lie together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.analysis.entries import clipped
from napari_scfm.analysis.sums import Groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

BINS = 10
# relative span below which numbers differ by rounding only
SAME = 1e-12


def binned_error(
    x: ArrayLike,
    truth: ArrayLike,
    prediction: ArrayLike,
    bins: int | Sequence[float] | NDArray[np.floating] = BINS,
) -> pd.DataFrame:
    """Return the error of entries in bins of what may explain it.

    Parameters
    ----------
    x
        (entries,) distance in um, sparsity or expression; NaN = unknown.
    truth, prediction
        (entries,) counts; NaN = not predicted.
    bins
        Edges, ascending; or a number of bins with about as many entries each (fewer,
        where many entries have the same value). Bins are closed on the left, the last
        one on both sides.

    Returns
    -------
    One row per bin: ``low``, ``high``, ``middle`` (mean of its values, or half-way
    where it is empty), ``mse``, ``rmse``, ``mae`` and ``error_mean`` (prediction -
    truth) over all its entries, on log1p counts, ``n_entries``, and ``n_left_out``,
    entries of the bin without prediction. ``attrs`` holds ``n_left_out``, entries in
    no row or without prediction, and ``left_out``, how many for each reason.
    """
    import pandas as pd

    values = np.asarray(x, dtype=np.float64)
    guess = np.asarray(prediction, dtype=np.float64)
    edges = _edges(values[np.isfinite(values)], bins)
    number = np.clip(np.searchsorted(edges, values, "right") - 1, 0, len(edges) - 2)
    inside = (values >= edges[0]) & (values <= edges[-1])
    scored = inside & ~np.isnan(guess)
    groups = Groups(number[scored], len(edges) - 1)
    error = np.log1p(clipped(guess[scored]))
    error -= np.log1p(clipped(np.asarray(truth)[scored]))
    mse = groups.mean(error**2)
    middle = groups.mean(values[scored])
    halfway = (edges[:-1] + edges[1:]) / 2
    unpredicted = np.bincount(number[inside & ~scored], minlength=groups.n)
    found = pd.DataFrame(
        {
            "low": edges[:-1],
            "high": edges[1:],
            "middle": np.where(groups.size > 0, middle, halfway),
            "mse": mse,
            "rmse": np.sqrt(mse),
            "mae": groups.mean(np.abs(error)),
            "error_mean": groups.mean(error),
            "n_entries": groups.size,
            "n_left_out": unpredicted,
        }
    )
    why = {
        "value unknown": int(np.isnan(values).sum()),
        "outside the bins": int((~inside & ~np.isnan(values)).sum()),
        "no prediction": int(unpredicted.sum()),
    }
    found.attrs = {"n_left_out": sum(why.values()), "left_out": why}
    return found


def _edges(
    values: Floats, bins: int | Sequence[float] | NDArray[np.floating]
) -> Floats:
    """Return ascending edges, at least two."""
    if not isinstance(bins, int | np.integer):
        return np.asarray(bins, dtype=np.float64)
    if not len(values):
        return np.array([0.0, 0.0])
    edges = np.unique(np.quantile(values, np.linspace(0, 1, max(1, int(bins)) + 1)))
    return edges if len(edges) > 1 else np.repeat(edges, 2)


def round_edges(values: ArrayLike, about: int = BINS) -> Floats:
    """Return edges at round numbers that hold all values: 0, 20, 40, ...

    Parameters
    ----------
    values
        Any shape; NaN is passed over.
    about
        How many bins, roughly; steps are 1, 2 or 5 times a power of ten.
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    if not len(known):
        return _edges(known, 1)
    low, high = float(known.min()), float(known.max())
    # numbers as close as rounding errors count as one, as do those next to zero
    if high - low <= max(SAME * max(abs(low), abs(high)), np.finfo(np.float64).tiny):
        return np.array([low, high], dtype=np.float64)
    raw = (high - low) / max(1, about)
    power = 10.0 ** np.floor(np.log10(raw))
    step = power * min((1, 2, 5, 10), key=lambda times: abs(times - raw / power))
    # a quotient may round to a whole number whose edge then misses the value
    first = np.floor(low / step)
    first -= first * step > low
    last = max(np.ceil(high / step), first + 1)
    last += last * step < high
    return np.asarray(np.arange(first, last + 1) * step)
