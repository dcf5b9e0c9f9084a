"""Partners of one cell as a map: a number per cell, its colours and its legend.

Decides the colours: the more attention the lighter, the cell itself in orange, which
the scale has not; cells without a number are drawn as unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.figures.palette import colour_values
from napari_scfm.viewer.colouring import UNKNOWN
from napari_scfm.viewer.session import Legend

if TYPE_CHECKING:
    from napari_scfm.viewer.attention.partner_look import PartnerLook
    from napari_scfm.viewer.card import Neighbour

COLORMAP = "mako"
ITSELF = np.array([0.90, 0.62, 0.0, 1.0], dtype=np.float32)
"""Colour of the cell that was clicked."""

UNIT = {
    "even": "multiples of an even share",
    "usual": "multiples of the key's usual share",
}
MEANING = {
    "even": "1 = what every cell would get if attention were spread evenly",
    "usual": "1 = what the key cell gets from an average cell",
}
CAVEAT = "It says where the model looks, not that cells communicate."


@dataclass(eq=False)
class Partners:
    """One cell's attention, or the attention on it.

    Attributes
    ----------
    fov, model
        Names.
    row, cell
        Which cell: its row in the FOV's table, and its name.
    look
        Which way, and in multiples of what.
    times
        (n,) the number of each cell; NaN for the cell itself and where there is none.
    top
        The cells with the largest numbers, largest first.
    among
        Who shares the attention, where that is not all cells.
    said
        What the numbers are worth, in a sentence or two.
    about
        How the attention was made.
    shares
        The :class:`~napari_scfm.viewer.attention.partners.Shares` they are read from.
    """

    fov: str
    model: str
    row: int
    cell: str
    look: PartnerLook
    times: np.ndarray
    top: tuple[Neighbour, ...]
    among: str = ""
    said: str = ""
    about: dict[str, Any] = field(default_factory=dict)
    shares: Any = None

    @property
    def limits(self) -> tuple[float, float]:
        """Numbers of the first and the last colour."""
        known = self.times[np.isfinite(self.times)]
        if not known.size:
            return 0.0, 1.0
        low, high = np.percentile(known, (1, 99.5))
        high = max(float(high), float(known.max()) / 4)
        return float(low), max(high, float(low) + 1e-6)

    @property
    def title(self) -> str:
        """What is on show."""
        if self.look.way == "from":
            return f"Whom {self.cell} attends to"
        return f"Who attends to {self.cell}"

    @property
    def legend(self) -> Legend:
        """What the colours mean."""
        unit = f"{UNIT[self.look.scale]} {self.among}".strip()
        note = f"{unit}; model attention ({self.model})"
        return Legend(self.title, self.limits, COLORMAP, note=note)


def colours_of(made: Partners) -> tuple[np.ndarray, Legend]:
    """Return (n, 4) colours of the cells, and their legend."""
    rgba = np.array(colour_values(made.times, *made.limits, COLORMAP), np.float32)
    rgba[np.isnan(made.times)] = UNKNOWN
    rgba[made.row] = ITSELF
    return rgba, made.legend
