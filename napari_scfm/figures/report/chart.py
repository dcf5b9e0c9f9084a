"""Chart: one picture of a report, measured in any thread and drawn on any axes.

Measuring reads every entry and may take a second; drawing takes what was measured,
a small table, and is quick. Drawing returns the caption: how many items the picture
holds, how many are left out, and why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from napari_scfm.figures.report.data import ReportData
    from napari_scfm.figures.report.style import Style

Measure = Callable[["ReportData", str], Any]
Draw = Callable[["Axes", Any, "Style"], str]


@dataclass(frozen=True)
class Chart:
    """One picture of a report.

    Attributes
    ----------
    key
        Short name, also of its files.
    title
        What it shows.
    measure
        (data, model) -> what ``draw`` takes. Raises ScfmError, with what to do,
        where the result does not hold what the chart needs.
    draw
        (axes, measured, style) -> caption.
    right
        Margin right of the axes, in em.
    shape
        Height over width of the axes, about.
    """

    key: str
    title: str
    measure: Measure
    draw: Draw
    right: float = 1.2
    shape: float = 0.75


def sentences(*parts: str) -> str:
    """Return a caption of the parts that are not empty."""
    return " ".join(part for part in parts if part)
