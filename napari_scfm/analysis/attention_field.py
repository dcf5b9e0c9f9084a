"""Model attention as a vector field, with what chance would show taken away.

An arrow at a query points along the flow from its keys; attention drawn as it is
points inwards whatever the model does. Decides: a displacement is split into geometry
(the shape of the tissue), layout (where the cell types lie) and the rest, and the
rest is what is put on the grid and tested, jointly for the whole field. What is shown
is "model attention", never evidence that cells communicate. Refuses positions that
are missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from napari_scfm.analysis.commot import partner_vectors
from napari_scfm.analysis.grid import SMOOTHING, Grid, tissue_grid
from napari_scfm.analysis.null import (
    Strata,
    energy,
    evened,
    p_value,
    pull,
    shuffled_energies,
    stratify,
)
from napari_scfm.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_scfm.models.attention import Attention

Direction = Literal["received", "sent"]
Method = Literal["mean", "commot"]


class Shares(NamedTuple):
    """Energy of the three parts of the displacement, as shares of their sum.

    Attributes
    ----------
    geometry
        Towards the mean of all cells: the shape of the tissue.
    layout
        From there to what the cells' strata make one expect.
    rest
        What neither explains.
    """

    geometry: float
    layout: float
    rest: float


@dataclass(frozen=True)
class AttentionField:
    """Attention as vectors along the flow from key to query.

    Attributes
    ----------
    vectors
        (n, 2) arrow (x, y) of each cell: um with ``method="mean"``, units of
        attention with ``method="commot"``.
    expectation, residual
        (n, 2) what the null makes one expect, and the rest;
        ``vectors = expectation + residual``.
    shares
        Energies of geometry, layout and rest; NaN where there are no vectors.
    grid_x, grid_y
        (nx,), (ny,) positions of the grid's nodes.
    grid_u, grid_v
        (ny, nx) smooth residual, NaN where there is no tissue.
    p_value
        Joint test of the smooth residual against permuted keys, NaN where nothing
        can be permuted.
    spacing
        Typical distance between cells, in the unit of the coordinates.
    direction, method, permutations
        As asked for.
    """

    vectors: np.ndarray
    expectation: np.ndarray
    residual: np.ndarray
    shares: Shares
    grid_x: np.ndarray
    grid_y: np.ndarray
    grid_u: np.ndarray
    grid_v: np.ndarray
    p_value: float
    spacing: float = 0.0
    direction: Direction = "received"
    method: Method = "mean"
    permutations: int = 0

    @property
    def significant(self) -> bool:
        """Whether the rest beats chance at 5 %."""
        return bool(self.p_value < 0.05)


class _Parts(NamedTuple):
    vectors: np.ndarray
    geometry: np.ndarray
    layout: np.ndarray
    rest: np.ndarray
    p_value: float


def attention_field(
    attention: Attention,
    xy: np.ndarray,
    direction: Direction = "received",
    method: Method = "mean",
    k: int = 5,
    *,
    strata: Sequence[object] | np.ndarray | None = None,
    permutations: int = 99,
    seed: int = 0,
    smoothing: float = SMOOTHING,
    even_keys: bool = False,
) -> AttentionField:
    """Return the attention field of cells, and how it compares with chance.

    Parameters
    ----------
    attention
        (n, n); cells of different bags are never exchanged.
    xy
        (n, 2) positions (x, y) in um; any other unit gives the same picture.
    direction
        "received": the arrow at a query, from the weighted centre of its keys to
        the cell. "sent": the arrow at a key, from the cell to the weighted centre
        of its queries. Both point along the flow.
    method
        "mean": displacement of the attention-weighted centre, linear in the cells.
        "commot": COMMOT's vectors from the k strongest partners, exact, n^2 time;
        their expectation is a mean over the permutations.
    k
        Partners of ``method="commot"``.
    strata
        (n,) cell types, or clusters of the model's own embedding; permuted inside.
        None takes away geometry only.
    permutations
        B of ``p = (1 + b) / (1 + B)``.
    seed
        Of the permutations.
    smoothing
        Width of the smoothing in typical distances between cells; what is tested
        is what is drawn.
    even_keys
        Count what all cells look at alike as layout, not as rest: the residual is
        that of attention in which all keys are equally popular (see
        :func:`napari_scfm.analysis.null.evened`). In nearly flat attention, popular
        keys on one side otherwise turn the whole field into parallel lines. Only
        with ``method="mean"``.

    Raises
    ------
    ScfmError
        If positions are missing, or lengths or options do not fit.
    """
    xy, labels = _checked(attention, xy, strata, direction, method)
    if even_keys and method != "mean":
        raise ScfmError(
            "COMMOT's vectors are defined for the attention as it is.",
            "Leave even_keys out, or ask for method='mean'.",
        )
    grid = tissue_grid(xy, smoothing=smoothing)
    turned = attention if direction == "received" else attention.transposed()
    sign = -1.0 if direction == "received" else 1.0
    groups = stratify(attention.homes(), xy, labels)
    if len(grid.x) == 0:
        parts = _nothing(len(xy))
    elif method == "mean":
        parts = _mean_parts(
            turned, xy, groups, grid, sign, permutations, seed, even_keys
        )
    else:
        parts = _commot_parts(turned, xy, groups, grid, sign, k, permutations, seed)
    u, v = grid.spread(parts.rest)
    return AttentionField(
        vectors=parts.vectors,
        expectation=parts.vectors - parts.rest,
        residual=parts.rest,
        shares=_shares(parts),
        grid_x=grid.x,
        grid_y=grid.y,
        grid_u=u,
        grid_v=v,
        p_value=parts.p_value,
        spacing=grid.spacing,
        direction=direction,
        method=method,
        permutations=permutations,
    )


def _checked(
    attention: Attention,
    xy: np.ndarray,
    strata: Sequence[object] | np.ndarray | None,
    direction: str,
    method: str,
) -> tuple[np.ndarray, np.ndarray | None]:
    xy = np.asarray(xy, dtype=np.float64).reshape(-1, 2)
    labels = None if strata is None else np.asarray(strata)
    n = attention.n_cells
    if len(xy) != n or (labels is not None and len(labels) != n):
        given = len(xy) if len(xy) != n else len(labels if labels is not None else ())
        raise ScfmError(
            f"The attention has {n} cells, but there are {given} positions or strata.",
            "Give one of each per cell.",
        )
    missing = np.flatnonzero(~np.isfinite(xy).all(axis=1))
    if len(missing):
        raise ScfmError(
            f"{len(missing)} cells have no position, the first is row {missing[0]}.",
            "Leave these cells out.",
        )
    if direction not in ("received", "sent") or method not in ("mean", "commot"):
        raise ScfmError(
            f"There is no attention field {direction!r} by {method!r}.",
            "Ask for 'received' or 'sent', by 'mean' or 'commot'.",
        )
    return xy, labels


def _nothing(n: int) -> _Parts:
    zero = np.zeros((n, 2))
    return _Parts(zero, zero, zero, zero, float("nan"))


def _testable(strata: Strata, xy: np.ndarray) -> bool:
    """Whether a permutation inside strata moves anything that is not forced."""
    apart = np.abs(xy - strata.mean).max(axis=1) > 0
    return bool(len(xy) > 2 and np.any(apart & (strata.size > 1)))


def _mean_parts(
    turned: Attention,
    xy: np.ndarray,
    strata: Strata,
    grid: Grid,
    sign: float,
    permutations: int,
    seed: int,
    even_keys: bool,
) -> _Parts:
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
    tested = permutations if _testable(strata, xy) else 0
    precision = _precision(turned)
    shuffled = shuffled_energies(
        draw, centred.astype(precision), strata, grid.smooth,
        permutations=tested, seed=seed,
    )  # fmt: skip
    smooth = grid.smooth(rest)
    noise = smooth.size * (100 * float(np.finfo(precision).eps)) ** 2
    p = p_value(float(energy(smooth).sum()), shuffled, noise)
    length = sign * unit
    return _Parts(
        vectors=length * (centre - about * drawn),
        geometry=length * (free - about * drawn),
        layout=length * (centre - rest - free),
        rest=length * rest,
        p_value=p,
    )


def _precision(attention: Attention) -> type[np.float32] | type[np.float64]:
    """Return the precision in which permuting is worth while."""
    factors = [block.query for block in attention.blocks]
    single = all(f is not None and f.dtype == np.float32 for f in factors)
    return np.float32 if factors and single else np.float64


def _commot_parts(
    turned: Attention,
    xy: np.ndarray,
    strata: Strata,
    grid: Grid,
    sign: float,
    k: int,
    permutations: int,
    seed: int,
) -> _Parts:
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
    energies = np.array(
        [float(energy(grid.smooth(each - expected)).sum()) for each in rounds]
    )
    shuffled = energies[1 : permutations + 1] if _testable(strata, xy) else energies[:0]
    p = p_value(energies[0], shuffled, 1e-20 * float(np.square(strength).sum()))
    return _Parts(vectors, free, expected - free, vectors - expected, p)


def _shares(parts: _Parts) -> Shares:
    energies = np.array(
        [np.sum(np.square(part)) for part in (parts.geometry, parts.layout, parts.rest)]
    )
    if not energies.sum() > 0:
        return Shares(float("nan"), float("nan"), float("nan"))
    return Shares(*(float(share) for share in energies / energies.sum()))
