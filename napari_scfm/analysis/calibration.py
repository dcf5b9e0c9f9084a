"""Does the 80 % interval hold 80 %? Repeated predictions against the truth.

Two intervals are judged. "Draws only" takes the quantiles of the repeated predictions
themselves: how far the model's mind moves. "Draws and counting noise" says what count
would be read if each draw were the true rate: a mixture of Poisson (or negative
binomial) counts. Counts are whole numbers, so that a central interval of such a mixture
cannot hold exactly 80 %; the randomised probability integral transform does (Czado,
Gneiting & Held 2009, Biometrics 65: 1254, equation 1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.analysis.entries import clipped

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

NOMINAL = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""Shares that the judged intervals promise to hold."""

DRAWS_ONLY = "draws only"
WITH_NOISE = "draws and counting noise"

LARGEST = 50_000
"""Entries that are judged at most; their observed share is known to 0.2 %."""


def calibration(
    truth: ArrayLike,
    draws: ArrayLike,
    overdispersion: ArrayLike = 0.0,
    seed: int = 0,
    largest: int = LARGEST,
) -> pd.DataFrame:
    """Return how often the intervals of repeated predictions hold the truth.

    Parameters
    ----------
    truth
        (entries,) measured counts.
    draws
        (draws, entries) predicted counts, 2 draws or more; an entry with a NaN draw is
        left out and counted.
    overdispersion
        ``a`` of a count's variance ``m + a m^2`` around its rate ``m``, one number or
        (entries,); 0 is Poisson. See :func:`overdispersion_of`.
    seed
        Of the randomised transform, and of the entries that are judged.
    largest
        Entries that are judged at most, drawn at random.

    Returns
    -------
    One row per interval and nominal share: ``interval``, ``nominal``, ``observed``,
    ``n_entries`` (judged), ``n_left_out`` (without all draws) and ``n_not_drawn``
    (beyond ``largest``). Shares of "draws only" that so few draws cannot promise, above
    (draws - 1) / (draws + 1), have no row.
    """
    import pandas as pd

    rng = np.random.default_rng(seed)
    rates = clipped(draws)
    known = np.flatnonzero(np.isfinite(rates).all(axis=0))
    judged = known
    if len(known) > largest:
        judged = np.sort(rng.choice(known, largest, replace=False))
    y, values = np.asarray(truth, dtype=np.float64)[judged], rates[:, judged]
    spread = np.broadcast_to(np.asarray(overdispersion, float), rates.shape[1:])
    transform = randomised_pit(y, values, spread[judged], rng)
    found = [
        (DRAWS_ONLY, share, _share(_inside(y, values, share)))
        for share in NOMINAL
        if share <= (len(values) - 1) / (len(values) + 1)
    ]
    found += [
        (WITH_NOISE, share, _share(np.abs(transform - 0.5) <= share / 2))
        for share in NOMINAL
    ]
    table = pd.DataFrame(found, columns=["interval", "nominal", "observed"])
    return table.assign(
        n_entries=len(judged),
        n_left_out=rates.shape[1] - len(known),
        n_not_drawn=len(known) - len(judged),
    )


def randomised_pit(
    truth: Floats, draws: Floats, overdispersion: Floats, rng: np.random.Generator
) -> Floats:
    """Return ``F(y - 1) + v (F(y) - F(y - 1))``, uniform where predictions are right.

    Parameters
    ----------
    truth
        (entries,) counts y.
    draws
        (draws, entries) rates; F is the mean of their counts' distributions.
    overdispersion
        (entries,) see :func:`calibration`.
    rng
        Draws v, uniform in 0..1.
    """
    upper = np.zeros(len(truth))
    lower = np.zeros(len(truth))
    for rate in draws:
        upper += _cdf(np.floor(truth), rate, overdispersion)
        lower += _cdf(np.ceil(truth) - 1, rate, overdispersion)
    lower /= len(draws)
    return np.asarray(lower + rng.random(len(truth)) * (upper / len(draws) - lower))


def overdispersion_of(counts: ArrayLike, rates: ArrayLike) -> float:
    """Return ``a`` of the variance ``m + a m^2`` of visible counts, by moments.

    ``sum((y - m)^2 - m) / sum(m^2)``, at least 0.

    Parameters
    ----------
    counts, rates
        Visible counts y and what they are expected to be, m; same shape.
    """
    rate = np.asarray(rates, dtype=np.float64)
    extra = (np.asarray(counts, dtype=np.float64) - rate) ** 2 - rate
    below = float((rate**2).sum())
    return max(0.0, float(extra.sum()) / below) if below > 0 else 0.0


def _cdf(counts: Floats, rate: Floats, overdispersion: Floats) -> Floats:
    """Return the probability of at most that many counts."""
    from scipy.special import betainc, gammaincc

    found = np.zeros(len(counts))
    there = counts >= 0
    poisson, other = there & (overdispersion == 0), there & (overdispersion > 0)
    found[poisson] = gammaincc(counts[poisson] + 1, rate[poisson])
    size = 1 / overdispersion[other]
    share = size / (size + rate[other])
    found[other] = betainc(size, counts[other] + 1, share)
    return found


def _inside(truth: Floats, draws: Floats, share: float) -> NDArray[np.bool_]:
    """Return which truths lie in the central interval of their draws.

    Quantile k / (draws + 1) is the k-th draw (Weibull), which one more draw of the
    same distribution stays below with just that probability.
    """
    ends = (0.5 - share / 2, 0.5 + share / 2)
    low, high = np.quantile(draws, ends, axis=0, method="weibull")
    return np.asarray((truth >= low) & (truth <= high))


def _share(inside: NDArray[np.bool_]) -> float:
    return float(inside.mean()) if len(inside) else float("nan")
