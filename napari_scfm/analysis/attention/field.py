"""A field of model attention: what it shows, split into parts, and its chance.

Decides: the shuffled residuals of the null are kept with the field, so that another
smoothing is tested without running the model or the permutations again, and what is
tested is always what is drawn. Single cells are never called significant, nodes of
the smooth field only family-wise.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from napari_scfm.analysis.attention.chance import compared
from napari_scfm.analysis.streams.grid import Grid, tissue_grid

Direction = Literal["received", "sent"]
Method = Literal["mean", "commot"]
Regime = Literal["global", "local"]
Part = Literal["residual", "vectors", "geometry", "layout"]

LEVEL = 0.05
"""What beats chance has a p of at most this."""


class Shares(NamedTuple):
    """Energy of the three parts of the displacement, as shares of their sum.

    Attributes
    ----------
    geometry
        Towards the mean of all possible partners: the shape of the tissue.
    layout
        From there to what the cells' strata, and in the local regime the keys that
        all neighbours look at, make one expect.
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
        Joint test of the smooth residual against the null, NaN where nothing can be
        permuted.
    spacing
        Typical distance between cells, in the unit of the coordinates.
    direction, method, permutations
        As asked for.
    regime
        "global": every cell of the bag is a partner; "local": neighbours only.
    geometry, layout
        (n, 2) parts of ``expectation``.
    covariance
        (n, 2, 2) of the residual under the null, or None where it is not known.
        For drawing only: single cells are not tested.
    grid_p
        (ny, nx) p of each node, family-wise over all of them: the share of
        permutations whose largest node exceeds it. NaN off the tissue.
    partners
        (n,) number of partners of each cell in the local regime, else None.
    null
        What was exchanged, see
        :func:`napari_scfm.analysis.attention.attention_field.attention_field`.
    smoothing_um
        Standard deviation of the smoothing, in the unit of the coordinates.
    xy
        (n, 2) positions of the cells.
    shuffled
        (permutations, n, 2) float32 residuals under the null.
    rounding
        Length up to which a residual is rounding.
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
    regime: Regime = "global"
    geometry: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    layout: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    covariance: np.ndarray | None = field(default=None, repr=False)
    grid_p: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    partners: np.ndarray | None = None
    null: str = ""
    smoothing_um: float = 0.0
    xy: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)), repr=False)
    shuffled: np.ndarray = field(
        default_factory=lambda: np.zeros((0, 0, 2), np.float32), repr=False
    )
    rounding: float = 0.0

    @property
    def significant(self) -> bool:
        """Whether the rest beats chance at 5 %."""
        return bool(self.p_value <= LEVEL)

    @property
    def beats_chance(self) -> np.ndarray:
        """(ny, nx) nodes that beat chance at 5 %, family-wise."""
        return np.asarray(self.grid_p <= LEVEL)

    @cached_property
    def grid(self) -> Grid:
        """The grid that smooths; laid anew for a field that was read from a file."""
        smoothing = self.smoothing_um / self.spacing if self.spacing else 1.0
        return tissue_grid(self.xy, smoothing=smoothing)

    def on_grid(self, part: Part = "residual") -> tuple[np.ndarray, np.ndarray]:
        """Return the smooth field of a part as two (ny, nx) arrays.

        Parameters
        ----------
        part
            "vectors" is the raw field, which is mostly geometry.
        """
        if part == "residual":
            return self.grid_u, self.grid_v
        return self.grid.spread(np.asarray(getattr(self, part)))

    def resmoothed(self, smoothing_um: float) -> AttentionField:
        """Return the field smoothed with another width, and tested anew.

        Neither the model nor the permutations run again. The width is at least one
        step of the grid.

        Parameters
        ----------
        smoothing_um
            Standard deviation in the unit of the coordinates.
        """
        smoothing = smoothing_um / self.spacing if self.spacing else 1.0
        grid = tissue_grid(self.xy, smoothing=smoothing)
        u, v = grid.spread(self.residual)
        chance = compared(grid, self.residual, self.shuffled, self.rounding)
        made = replace(
            self,
            grid_x=grid.x,
            grid_y=grid.y,
            grid_u=u,
            grid_v=v,
            grid_p=grid.placed(chance.node_p),
            p_value=chance.p_value,
            smoothing_um=grid.width,
        )
        made.__dict__["grid"] = grid
        return made
