"""How wrong each cell is: a histogram of one number per cell.

The chosen model is filled, the others are outlines over the same bins. Cells that
are selected on the tissue are drawn in front.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.errors import ScfmError
from napari_scfm.figures.report.chart import sentences
from napari_scfm.figures.report.style import (
    dress,
    few_ticks,
    legend,
    many,
    name_axes,
    number,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from napari_scfm.figures.report.data import ReportData
    from napari_scfm.figures.report.style import Style

_BINS = 40
MEASURES = {
    "rmse": "RMSE of a cell, log1p counts",
    "mae": "mean absolute error of a cell, log1p counts",
    "error_mean": "mean error of a cell (predicted − truth), log1p counts",
    "pearson": "Pearson correlation within a cell",
}
"""Columns of the table of cells that can be drawn, and what they are called."""


@dataclass(frozen=True, eq=False)
class CellErrors:
    """One number per cell and model.

    Attributes
    ----------
    model, measure
        Whose numbers stand in front, and which.
    cells
        (n,) names of the cells that have the number.
    values
        (n,) the model's numbers.
    edges
        Of the bins.
    counts
        Model -> cells in each bin.
    n_entries
        Entries behind the numbers.
    left_out
        How many cells have no number, and why.
    """

    model: str
    measure: str
    cells: np.ndarray
    values: np.ndarray
    edges: np.ndarray
    counts: dict[str, np.ndarray] = field(default_factory=dict)
    n_entries: int = 0
    left_out: str = ""

    def within(self, low: float, high: float) -> np.ndarray:
        """Return the names of the cells whose number lies between two limits."""
        return self.cells[(self.values >= low) & (self.values <= high)]


def measure(data: ReportData, model: str, column: str = "rmse") -> CellErrors:
    """Return one number per cell.

    Raises
    ------
    ScfmError
        If the result has none.
    """
    table = data.of_model("per_cell", model)
    if table.empty or column not in table or table[column].isna().all():
        raise ScfmError(
            "The result has no numbers per cell.", "Predict hidden entries first."
        )
    known = table[table[column].notna()]
    values = known[column].to_numpy(dtype=np.float64)
    everybody = data.per_cell[column].to_numpy(dtype=np.float64)
    edges = _edges(everybody[np.isfinite(everybody)])
    counts = {}
    for name in data.models:
        numbers = data.of_model("per_cell", name)[column].to_numpy(dtype=np.float64)
        counts[name] = np.histogram(numbers[np.isfinite(numbers)], edges)[0]
    lost = len(table) - len(known)
    why = _why(column)
    return CellErrors(
        model,
        column,
        known["cell"].to_numpy(dtype=object),
        values,
        edges,
        counts,
        int(known["n_entries"].sum()) if "n_entries" in known else 0,
        f"Left out: {many(lost, 'cell')} {why}." if lost else "",
    )


def _why(column: str) -> str:
    if column == "pearson":
        return "whose hidden counts are all alike"
    return "without a prediction"


def _edges(values: np.ndarray) -> np.ndarray:
    """Return edges of bins from the smallest to the largest value."""
    low, high = float(values.min()), float(values.max())
    if low >= 0 and low < 0.3 * high:
        low = 0.0
    if not high > low:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, _BINS + 1)


def draw(
    axes: Axes, found: CellErrors, style: Style, selected: np.ndarray | None = None
) -> str:
    """Draw the histogram on axes; return the caption.

    Parameters
    ----------
    selected
        Names of cells to draw in front.
    """
    dress(axes, style)
    colours = style.colours(list(found.counts))
    handles = []
    for name, counts in found.counts.items():
        first = name == found.model
        bars = axes.stairs(
            counts,
            found.edges,
            fill=first,
            color=colours[name],
            label=name,
            linewidth=1.0,
            alpha=0.55 if first else 1.0,
            zorder=2 if first else 3,
        )
        handles.append(bars)
    if selected is not None and len(selected):
        there = np.isin(found.cells, selected)
        front, _ = np.histogram(found.values[there], found.edges)
        bars = axes.stairs(
            front,
            found.edges,
            fill=True,
            color=style.theme.ink,
            alpha=0.85,
            label=f"selected ({int(there.sum()):,})",
            zorder=4,
        )
        handles.append(bars)
    axes.set_xlim(found.edges[0], found.edges[-1])
    axes.set_ylim(0, None)
    few_ticks(axes, whole="y")
    name_axes(axes, MEASURES[found.measure], "cells", style)
    legend(axes, style, handles)
    middle = float(np.median(found.values))
    return sentences(
        f"{many(len(found.cells), 'cell')} with {found.n_entries:,} hidden entries; "
        f"half of the cells are below {number(middle)} ({found.model}).",
        found.left_out,
    )
