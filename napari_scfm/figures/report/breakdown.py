"""Error against what may explain it: distance, sparsity, expression.

All models on the same bins. The bars behind the lines say how many entries each bin
averages, so that a wild bin of a few entries is seen as one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.analysis.breakdown import BINS, binned_error
from napari_scfm.errors import ScfmError
from napari_scfm.figures.report.chart import sentences
from napari_scfm.figures.report.style import (
    compact,
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

_ROOM = 3.2
"""The tallest bar of entries takes one part in this many of the height."""


@dataclass(frozen=True)
class Against:
    """One thing that an error may depend on.

    Attributes
    ----------
    table, column
        Where its value is: per cell or per gene.
    label
        Of the axis.
    without
        Said where the result does not have it.
    lost
        Why an entry may have no value.
    log
        Whether the axis is logarithmic; values of 0 stand at its left end.
    """

    table: str
    column: str
    label: str
    without: str
    lost: str
    log: bool = False


DISTANCE = Against(
    "per_cell",
    "distance",
    "distance to the nearest visible cell, um",
    "No coordinates, so no distances.",
    "of cells without coordinates",
)
SPARSITY = Against(
    "per_gene",
    "sparsity",
    "sparsity of the gene (share of cells without a count)",
    "The result does not say how sparse the genes are.",
    "of genes without a known sparsity",
)
EXPRESSION = Against(
    "per_gene",
    "expression",
    "mean expression of the gene, log1p counts",
    "The result does not say how strongly the genes are expressed.",
    "of genes without a known expression",
    log=True,
)


@dataclass(frozen=True, eq=False)
class Binned:
    """Error of every model in bins of one value.

    Attributes
    ----------
    against
        What the bins are of.
    model
        Whose line stands in front.
    tables
        Model -> low, high, middle, rmse, mae, n_entries.
    left_out
        How many entries are left out, and why.
    """

    against: Against
    model: str
    tables: dict[str, pd.DataFrame]
    left_out: str = ""

    @property
    def table(self) -> pd.DataFrame:
        """All models' bins in one table."""
        import pandas as pd

        parts = [frame.assign(model=name) for name, frame in self.tables.items()]
        whole = pd.concat(parts, ignore_index=True)
        return whole[["model", *whole.columns.drop("model")]]


def measure(data: ReportData, model: str, against: Against) -> Binned:
    """Return the error of every model in bins.

    Raises
    ------
    ScfmError
        If the result does not have the value.
    """
    data.check(model)
    where = _of_entries(data, against)
    known = data.scored & np.isfinite(where)
    if not known.any():
        raise ScfmError(against.without, "")
    if against is DISTANCE and not where[known].any():
        raise ScfmError(
            "No cell is hidden whole, so every distance to a visible cell is 0.",
            "Hide some cells to see how far a model can look.",
        )
    x, truth = where[known], data.truth[known]
    tables: dict[str, pd.DataFrame] = {}
    bins: int | np.ndarray = BINS
    for name, values in data.predictions.items():
        made = tables[name] = binned_error(x, truth, values[known], bins)
        bins = np.append(made["low"], made["high"].iloc[-1])
    lost = int((data.scored & ~known).sum())
    why = f"Left out: {many(lost, 'entry', 'entries')} {against.lost}." if lost else ""
    return Binned(against, model, tables, sentences(why, data.left_out))


def _of_entries(data: ReportData, against: Against) -> np.ndarray:
    """Return (entries,) the value of each entry's cell or gene, NaN where unknown."""
    frame = getattr(data, against.table)
    if frame.empty or against.column not in frame:
        return np.full(len(data.truth), np.nan)
    by_cell = against.table == "per_cell"
    key, names, at = (
        ("cell", data.cells, data.rows)
        if by_cell
        else ("gene", np.asarray(data.genes, dtype=object), data.columns)
    )
    value = frame.drop_duplicates(key).set_index(key)[against.column]
    found = value.reindex(names).to_numpy(dtype=np.float64)
    return np.asarray(found[at])


def draw(axes: Axes, found: Binned, style: Style) -> str:
    """Draw error against the value on axes; return the caption."""
    dress(axes, style)
    names = list(found.tables)
    colours, marks = style.colours(names), markers(names)
    first = found.tables[found.model]
    low, high = _limits(first, found.against.log)
    _bars(axes, first, low, style)
    for name, table in found.tables.items():
        chosen = name == found.model
        axes.plot(
            table["middle"].clip(lower=low), table["rmse"], color=colours[name],
            marker=marks[name], markersize=(0.5 if chosen else 0.4) * style.points,
            label=name, linewidth=1.6 if chosen else 0.9, zorder=5 if chosen else 4,
        )  # fmt: skip
    axes.set_ylim(0, max(float(t["rmse"].max()) for t in found.tables.values()) * 1.08)
    few_ticks(axes)
    _scale(axes, low, high, found.against.log)
    name_axes(axes, found.against.label, "RMSE, log1p counts", style)
    legend(axes, style)
    entries = int(first["n_entries"].sum())
    each = first["n_entries"][first["n_entries"] > 0]
    few, most = compact(int(each.min())), compact(int(each.max()))
    range_ = few if few == most else f"{few} to {most}"
    return sentences(
        f"{many(entries, 'hidden entry', 'hidden entries')} in "
        f"{many(len(each), 'bin')}; the bars say how many each holds ({range_}).",
        found.left_out,
    )


def _limits(table: pd.DataFrame, log: bool) -> tuple[float, float]:
    low, high = float(table["low"].min()), float(table["high"].max())
    if log:
        above = table["middle"][table["middle"] > 0]
        low = max(low, float(above.min()) / 2 if len(above) else high / 10)
    return low, high


def _scale(axes: Axes, low: float, high: float, log: bool) -> None:
    """Set the limits of the x axis; a logarithmic one with ticks at 1, 2 and 5."""
    if not (log and 0 < low < high):
        room = 0.02 * (high - low) or 0.5
        axes.set_xlim(low - room, high + room)
        return
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    steps = (1, 2, 5) if high < 200 * low else (1,)
    axes.xaxis.set_major_locator(LogLocator(10, steps))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(low / 1.05, high * 1.05)


def _bars(axes: Axes, table: pd.DataFrame, low: float, style: Style) -> None:
    """Draw the entries of each bin as faint bars on a scale of their own."""
    from matplotlib.collections import PolyCollection

    sizes = table["n_entries"].to_numpy(dtype=float)
    tall = sizes / max(float(sizes.max(initial=0.0)), 1.0) / _ROOM
    left, right = table["low"].clip(lower=low).to_numpy(), table["high"].to_numpy()
    boxes = [
        [(a, 0.0), (a, top), (b, top), (b, 0.0)]
        for a, b, top in zip(left, right, tall, strict=True)
    ]
    bars = PolyCollection(
        boxes, facecolors=style.theme.frame, edgecolors=[style.theme.page],
        linewidths=0.6, alpha=0.55, zorder=0.5,
        transform=axes.get_xaxis_transform(),
    )  # fmt: skip
    axes.add_collection(bars, autolim=False)
