"""Curves of a sweep: how well models guess as more is hidden.

One line per model: the mean over seeds, with a band of one standard deviation.
Baselines are dashed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

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
    from matplotlib.axes import Axes

    from napari_scfm.figures.report.style import Style

MEASURES = {
    "mcc_all": "MCC, all entries",
    "mcc_expressed": "MCC, expressed entries",
    "mae_counts": "mean absolute error, counts",
    "pearson": "Pearson correlation, log1p counts",
}
"""Columns of a sweep's table that can be drawn."""

WHAT = {
    "entries": "hidden entries, %",
    "genes": "hidden genes",
    "cells": "hidden cells of each neighbourhood",
}


@dataclass(frozen=True, eq=False)
class Curves:
    """Mean and spread of one measure.

    Attributes
    ----------
    measure
        Key of :data:`MEASURES`.
    what
        What was hidden: "entries", "genes" or "cells".
    table
        Columns model, kind, value, mean, sd, n (runs with a number), lost (without).
    """

    measure: str
    what: str
    table: pd.DataFrame


def curves(table: pd.DataFrame, measure: str) -> Curves:
    """Return the curves of a sweep's table.

    Parameters
    ----------
    table
        One row per run: what, value, model, kind, seed and the measures.
    measure
        Key of :data:`MEASURES`.

    Raises
    ------
    ScfmError
        If the table has no such measure.
    """
    if table.empty or measure not in table or table[measure].isna().all():
        raise ScfmError(
            f"The sweep has no numbers of {MEASURES.get(measure, measure)}.",
            "Run the sweep first.",
        )
    found = []
    for _, part in table.groupby(["model", "value"], sort=False):
        numbers = part[measure].to_numpy(dtype=np.float64)
        known = numbers[np.isfinite(numbers)]
        found.append(
            {
                "model": str(part["model"].iloc[0]),
                "kind": str(part["kind"].iloc[0]),
                "value": float(part["value"].iloc[0]),
                "mean": known.mean() if len(known) else np.nan,
                "sd": known.std(ddof=1) if len(known) > 1 else 0.0,
                "n": len(known),
                "lost": len(numbers) - len(known),
            }
        )
    what = str(table["what"].iloc[0]) if "what" in table else ""
    return Curves(measure, what, pd.DataFrame(found))


def draw(axes: Axes, found: Curves, style: Style) -> str:
    """Draw one line per model on axes; return the caption."""
    dress(axes, style)
    table = found.table
    names = list(dict.fromkeys(table["model"]))
    colours, marks = style.colours(names), markers(names)
    scale = 100 if shares(found) else 1
    for name in names:
        part = table[table["model"] == name].sort_values("value")
        x, y = part["value"] * scale, part["mean"]
        model = part["kind"].iloc[0] == "model"
        axes.fill_between(
            x, y - part["sd"], y + part["sd"], color=colours[name], alpha=0.18,
            linewidth=0,
        )  # fmt: skip
        axes.plot(
            x, y, color=colours[name], marker=marks[name], label=name,
            markersize=0.55 * style.points, linewidth=1.5 if model else 1.0,
            linestyle="-" if model else (0, (4, 2)), zorder=4 if model else 3,
        )  # fmt: skip
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0) if low < 0.35 * high else low, high)
    few_ticks(axes)
    values = sorted({float(v) * scale for v in table["value"]})
    axes.set_xticks(values, [f"{v:g}" for v in values])
    label = WHAT.get(found.what, found.what)
    name_axes(axes, label, MEASURES.get(found.measure, found.measure), style)
    legend(axes, style)
    return _caption(table)


def shares(found: Curves) -> bool:
    """Return whether what was hidden is counted in shares."""
    return found.what == "entries" and bool((found.table["value"] <= 1).all())


def _caption(table: pd.DataFrame) -> str:
    few, most = int(table["n"].min()), int(table["n"].max())
    runs = many(most, "seed") if few == most else f"{few} to {most} seeds"
    band = "; bands are one standard deviation" if most > 1 else ""
    lost = int(table["lost"].sum())
    return sentences(
        f"Each point is the mean over {runs}{band}. Dashed: baselines.",
        f"Left out: {many(lost, 'run')} for which it is not defined." if lost else "",
    )
