"""Does the 80 % interval hold 80 %? Nominal against observed share of the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_scfm.errors import ScfmError
from napari_scfm.figures.report.chart import sentences
from napari_scfm.figures.report.style import (
    dress,
    few_ticks,
    legend,
    many,
    markers,
    name_axes,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from napari_scfm.figures.report.data import ReportData
    from napari_scfm.figures.report.style import Style


@dataclass(frozen=True, eq=False)
class Intervals:
    """Coverage of a model's intervals.

    Attributes
    ----------
    model
        Who predicted.
    table
        Columns interval, nominal and observed (shares of 1), n_entries, n_left_out.
    """

    model: str
    table: pd.DataFrame


def measure(data: ReportData, model: str) -> Intervals:
    """Return the coverage of a model's intervals.

    Raises
    ------
    ScfmError
        If the model predicted once only, so that there is no spread.
    """
    table = data.of_model("calibration", model)
    if table.empty or table["observed"].isna().all():
        raise ScfmError(
            f"{model} predicted every entry once, so its numbers have no spread.",
            "Predict again with repeats (draws) to see how sure it may be.",
        )
    return Intervals(model, table)


def draw(axes: Axes, found: Intervals, style: Style) -> str:
    """Draw nominal against observed share on axes; return the caption."""
    dress(axes, style, grid="both")
    names = list(dict.fromkeys(found.table["interval"].astype(str)))
    colours, marks = style.colours(names), markers(names)
    axes.plot([0, 100], [0, 100], color=style.theme.faint, linewidth=0.8)
    for name in names:
        part = found.table[found.table["interval"].astype(str) == name]
        part = part.sort_values("nominal")
        axes.plot(
            part["nominal"] * 100, part["observed"] * 100, color=colours[name],
            marker=marks[name], markersize=0.5 * style.points, linewidth=1.2,
            label=name,
        )  # fmt: skip
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 102)
    few_ticks(axes)
    name_axes(axes, "interval, % promised", "% of truths inside it", style)
    legend(axes, style)
    lost = int(found.table["n_left_out"].max())
    entries = int(found.table["n_entries"].max())
    more = int(found.table["n_not_drawn"].max()) if "n_not_drawn" in found.table else 0
    return sentences(
        f"{many(entries, 'hidden entry', 'hidden entries')} predicted by "
        f"{found.model}. On the grey line the promise is kept; below it the "
        "model is surer than it may be.",
        f"Left out: {many(lost, 'entry', 'entries')} without every repeat."
        if lost
        else "",
        f"A random part; {more:,} more were not drawn." if more else "",
    )
