"""Model attention as a vector field, with what chance would show taken away.

An arrow at a query points along the flow from its keys; attention drawn as it is
points from or to the middle of the tissue whatever the model does. Decides: a
displacement is split into geometry (the shape of the tissue), layout (where the cell
types lie) and the rest, and the rest is what is put on the grid and tested, jointly
for the whole field. What is shown is "model attention", never evidence that cells
communicate. Refuses positions that are missing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from napari_scfm.analysis.attention.chance import compared
from napari_scfm.analysis.attention.field import (
    LEVEL,
    AttentionField,
    Direction,
    Method,
    Shares,
)
from napari_scfm.analysis.attention.local import local_parts
from napari_scfm.analysis.attention.neighbours import Pairs, pairs_of
from napari_scfm.analysis.attention.null import in_even_shares, stratify
from napari_scfm.analysis.attention.parts import Parts, nothing
from napari_scfm.analysis.attention.regions import region_p
from napari_scfm.analysis.attention.whole import commot_parts, mean_parts
from napari_scfm.analysis.streams.grid import SMOOTHING, Grid, cell_spacing, tissue_grid
from napari_scfm.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_scfm.models.attention import Attention

Null = Literal["rings", "keys", "shift"]
LOCAL_SMOOTHING = 3.0
NULLS: tuple[Null, ...] = ("rings", "keys", "shift")

__all__ = [
    "LEVEL",
    "NULLS",
    "AttentionField",
    "Direction",
    "Method",
    "Null",
    "Shares",
    "attention_field",
    "default_null",
    "region_p",
]


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
    smoothing: float | None = None,
    smoothing_um: float | None = None,
    even_keys: bool = False,
    neighbours: int | None = None,
    radius: float | None = None,
    null: str | None = None,
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
        (n,) cell types, or clusters of the model's own embedding; permuted inside,
        and in the local regime what types take from one another is layout. None
        takes away geometry only.
    permutations
        B of ``p = (1 + b) / (1 + B)``.
    seed
        Of the permutations.
    smoothing
        Width of the smoothing in typical distances between cells; what is tested
        is what is drawn. By default 1.5, and 3 among neighbours: about as far as the
        30 nearest cells reach.
    smoothing_um
        The same in the unit of the coordinates, and instead of it.
    even_keys
        Count what all cells look at alike as layout, not as rest: the residual is
        that of attention in which all keys are equally popular (see
        :func:`napari_scfm.analysis.attention.null.evened`). In nearly flat attention,
        popular keys on one side otherwise turn the whole field into parallel lines.
        Only with ``method="mean"``; always so among neighbours.
    neighbours, radius
        Either makes the field local: partners are the nearest so many cells, or all
        cells within so many um, and only the weights on these count. The regime in
        which an arrow can mean a direction. Only with ``method="mean"``.
    null
        What chance means in the local regime. "rings": the weights of every cell
        change places inside rings of about ten partners; forgets that neighbours
        share keys and have similar queries. "keys": cells of one type exchange their
        keys. "shift": the map of keys is laid over the tissue somewhere else, the
        strict setting. By default :func:`default_null`. Among all cells, keys are
        exchanged inside the strata.

    Where cells were read in windows and not all pairs were seen, only pairs that were
    are partners, without neighbours or radius all of these, and "rings" is the only
    null: what a key that moves would weigh is not known.

    Raises
    ------
    ScfmError
        If positions are missing, or lengths or options do not fit.
    """
    xy, labels = _checked(attention, xy, strata, direction, method)
    local = neighbours is not None or radius is not None
    null = _null_of(attention, null, local, labels is not None)
    if not attention.all_seen:
        local, attention = True, in_even_shares(attention)
    _fit_together(method, even_keys, local)
    if smoothing_um is not None:
        smoothing = smoothing_um / (cell_spacing(xy) or 1.0)
    elif smoothing is None:
        smoothing = LOCAL_SMOOTHING if local else SMOOTHING
    grid = tissue_grid(xy, smoothing=smoothing)
    pairs = None
    if local:
        pairs = _pairs(attention, xy, direction, neighbours, radius)
    ask = _Ask(direction, method, k, permutations, seed, even_keys, null)
    parts = _parts(attention, xy, labels, pairs, ask) if len(grid.x) else None
    made = _on_grid(xy, grid, parts or nothing(len(xy)))
    return replace(
        made,
        direction=direction,
        method=method,
        permutations=permutations,
        regime="local" if local else "global",
        partners=None if pairs is None else pairs.count,
        null=null,
    )


class _Ask(NamedTuple):
    direction: Direction
    method: Method
    k: int
    permutations: int
    seed: int
    even_keys: bool
    null: str


def _parts(
    attention: Attention,
    xy: np.ndarray,
    labels: np.ndarray | None,
    pairs: Pairs | None,
    ask: _Ask,
) -> Parts:
    received = ask.direction == "received"
    turned = attention if received else attention.transposed()
    sign = -1.0 if received else 1.0
    groups = stratify(attention.homes(), xy, labels)
    lots = (ask.permutations, ask.seed)
    if pairs is not None:
        codes = None if labels is None else groups.within
        return local_parts(turned, xy, codes, pairs, sign, ask.null, *lots)
    if ask.method == "mean":
        return mean_parts(turned, xy, groups, sign, *lots, ask.even_keys)
    return commot_parts(turned, xy, groups, sign, ask.k, *lots)


def _on_grid(xy: np.ndarray, grid: Grid, parts: Parts) -> AttentionField:
    u, v = grid.spread(parts.rest)
    chance = compared(grid, parts.rest, parts.shuffled, parts.rounding)
    return AttentionField(
        vectors=parts.vectors,
        expectation=parts.vectors - parts.rest,
        residual=parts.rest,
        shares=parts.shares,
        grid_x=grid.x,
        grid_y=grid.y,
        grid_u=u,
        grid_v=v,
        p_value=chance.p_value,
        spacing=grid.spacing,
        geometry=parts.geometry,
        layout=parts.layout,
        covariance=parts.covariance,
        grid_p=grid.placed(chance.node_p),
        smoothing_um=grid.width,
        xy=xy,
        shuffled=parts.shuffled,
        rounding=parts.rounding,
    )


def default_null(attention: Attention) -> Null:
    """Return the null of the local regime that an attention is tested against.

    "shift" where the weights are a product of queries and keys, which can be laid
    apart; "rings" for an explicit matrix, of whose cells nothing else is known.
    """
    return "shift" if attention.has_factors else "rings"


def _null_of(
    attention: Attention, null: str | None, local: bool, stratified: bool
) -> str:
    if not null:
        if local or not attention.all_seen:
            return default_null(attention)
        return "strata" if stratified else "bag"
    if not local or null not in NULLS:
        raise ScfmError(
            f"There is no null {null!r} for attention among "
            f"{'neighbours' if local else 'all cells'}.",
            "Ask for 'rings', 'keys' or 'shift' together with neighbours or radius.",
        )
    if null != "rings" and not attention.all_seen:
        raise ScfmError(
            "The cells were read in windows, so what a key would weigh elsewhere is "
            "not known.",
            "Exchange weights within rings (null='rings').",
        )
    return null


def _fit_together(method: str, even_keys: bool, local: bool) -> None:
    if method == "mean":
        return
    if even_keys:
        raise ScfmError(
            "COMMOT's vectors are defined for the attention as it is.",
            "Leave even_keys out, or ask for method='mean'.",
        )
    if local:
        raise ScfmError(
            "COMMOT's vectors are defined for the strongest partners, not neighbours, "
            "nor cells that were read in windows.",
            "Leave neighbours and radius out, or ask for method='mean'.",
        )


def _pairs(
    attention: Attention,
    xy: np.ndarray,
    direction: str,
    neighbours: int | None,
    radius: float | None,
) -> Pairs:
    turned = attention if direction == "received" else attention.transposed()
    takes = turned.row_sums() > 0
    given = turned.apply_transposed(np.ones(len(xy))) > 0
    return pairs_of(
        xy,
        turned.homes(),
        neighbours=neighbours,
        radius=radius,
        alive=(takes, given),
        seen=turned.seen(),
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
