"""The field of attention to all cells of a bag, the global regime.

Decides: a displacement is split into geometry (towards the mean of all other cells),
layout (from there to what the strata make one expect) and the rest, all exact and
linear in the cells; only the chance of the rest is drawn by lot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.analysis.attention.commot import partner_vectors
from napari_scfm.analysis.attention.null import (
    Pull,
    Strata,
    covariance,
    evened,
    pull,
    shuffled_residuals,
    stratify,
)
from napari_scfm.analysis.attention.parts import Parts
from napari_scfm.analysis.attention.rank import compressed

if TYPE_CHECKING:
    from napari_scfm.models.attention import Attention


def mean_parts(
    turned: Attention,
    xy: np.ndarray,
    strata: Strata,
    sign: float,
    permutations: int,
    seed: int,
    even_keys: bool,
) -> Parts:
    """Split the displacement of the attention-weighted centre.

    Works in units of the cells' spread around the centre of their bag, so that
    single-precision factors lose nothing against large coordinates.
    """
    about = xy - strata.bag_mean
    unit = float(np.sqrt(np.mean(np.square(about)))) or 1.0
    about = about / unit
    kinds = (strata.mean - strata.bag_mean) / unit
    centred = about - kinds
    draw = pull(turned, strata)
    layout = draw.centre(kinds, centred, strata)
    centre = layout + draw(centred)
    if even_keys:
        draw = pull(evened(turned), strata)
    rest = draw(centred)
    drawn = (draw.scale > 0)[:, None]
    free = -about / np.maximum(strata.bag_size - 1, 1)[:, None] * drawn
    precision = _precision(turned)
    shuffled = shuffled_residuals(
        draw, centred.astype(precision), strata,
        permutations=permutations if testable(strata, xy) else 0, seed=seed,
    )  # fmt: skip
    length = sign * unit
    shuffled *= length
    return Parts(
        vectors=length * (centre - about * drawn),
        geometry=length * (free - about * drawn),
        layout=length * (centre - rest - free),
        rest=length * rest,
        shuffled=shuffled,
        rounding=100 * float(np.finfo(precision).eps) * unit,
        covariance=_covariance(draw, xy, strata),
    )


def testable(strata: Strata, xy: np.ndarray) -> bool:
    """Whether a permutation inside strata moves anything that is not forced."""
    apart = np.abs(xy - strata.mean).max(axis=1) > 0
    return bool(len(xy) > 2 and np.any(apart & (strata.size > 1)))


def _covariance(draw: Pull, xy: np.ndarray, strata: Strata) -> np.ndarray:
    return covariance(compressed(draw.attention), draw, xy, strata)


def _precision(attention: Attention) -> type[np.float32] | type[np.float64]:
    """Return the precision in which permuting is worth while."""
    factors = [block.query for block in attention.blocks]
    single = all(f is not None and f.dtype == np.float32 for f in factors)
    return np.float32 if factors and single else np.float64


def commot_parts(
    turned: Attention,
    xy: np.ndarray,
    strata: Strata,
    sign: float,
    k: int,
    permutations: int,
    seed: int,
) -> Parts:
    """Split COMMOT's vectors; expectations are means over permutations.

    The data count as one of the permutations in the mean, so that they can be
    exchanged with them and the p-value is exact.
    """
    partners, strength = turned.top_k(k), turned.row_sums()
    count = max(permutations, 19)

    def drawn(keys: np.ndarray) -> np.ndarray:
        return partner_vectors(partners, strength, xy, sign, keys)

    vectors = drawn(xy)
    rounds = [vectors, *(drawn(xy[o]) for o in strata.permutations(count, seed))]
    expected = np.mean(rounds, axis=0)
    whole = stratify(turned.homes(), xy, None)
    free = np.mean(
        [vectors, *(drawn(xy[o]) for o in whole.permutations(count, seed))], axis=0
    )
    tested = permutations if testable(strata, xy) else 0
    shuffled = np.array([one - expected for one in rounds[1 : tested + 1]])
    return Parts(
        vectors, free, expected - free, vectors - expected,
        shuffled.reshape(tested, len(xy), 2).astype(np.float32),
        rounding=1e-6 * float(np.sqrt(np.mean(np.square(strength)))),
    )  # fmt: skip
