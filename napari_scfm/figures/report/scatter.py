"""Truth against prediction: points, or a density where there are many.

Decides: up to 5,000 entries every entry is a point; above, all entries are counted
in cells of a grid and drawn by the logarithm of their number, so that nothing is
left to a random choice. Whole truth counts get a column each while they are few.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.errors import ScfmError
from napari_scfm.figures.palette import lut
from napari_scfm.figures.report.chart import sentences
from napari_scfm.figures.report.style import (
    compact,
    dress,
    few_ticks,
    many,
    name_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar

    from napari_scfm.figures.report.data import ReportData
    from napari_scfm.figures.report.style import Style

MOST_POINTS = 5000
"""Entries that are drawn one by one."""
_CELLS = 56
_MEANS_FROM = 20
"""Entries that a mean of predictions needs to be marked."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Truth and prediction of entries, log1p counts, as points or as a density.

    Attributes
    ----------
    model
        Whose predictions.
    truth, prediction
        (points,) log1p counts; empty where there is a density.
    x_edges, y_edges, counts
        Edges of the grid, and (x, y) entries in each of its cells.
    mean
        (x,) mean log1p prediction of each column of the grid, NaN where it holds
        few entries.
    n
        Entries in all.
    left_out
        How many are left out and why.
    """

    model: str
    truth: np.ndarray
    prediction: np.ndarray
    x_edges: np.ndarray
    y_edges: np.ndarray
    counts: np.ndarray
    mean: np.ndarray
    n: int
    left_out: str = ""

    @property
    def dense(self) -> bool:
        """Whether there are too many entries for points."""
        return self.counts.size > 0


def measure(data: ReportData, model: str) -> Pairs:
    """Return the scored entries of a model.

    Raises
    ------
    ScfmError
        If no entry is scored.
    """
    data.check(model)
    keep = data.scored
    return pairs(data.truth[keep], data.predictions[model][keep], model, data.left_out)


def pairs(
    truth: np.ndarray, prediction: np.ndarray, model: str, left_out: str = ""
) -> Pairs:
    """Return (entries,) counts as points or a density on the scale log1p.

    Raises
    ------
    ScfmError
        If there is no entry.
    """
    if not len(truth):
        raise ScfmError(
            "There is no hidden entry with a prediction to draw.",
            "Hide some entries and predict them first.",
        )
    y = np.log1p(np.clip(truth, 0, None)).astype(np.float32)
    x = np.log1p(np.clip(prediction, 0, None)).astype(np.float32)
    none = np.zeros(0, np.float32)
    if len(y) <= MOST_POINTS:
        return Pairs(model, y, x, none, none, none, none, len(y), left_out)
    edges = _truth_edges(truth, float(y.max()))
    top = max(float(x.max()), edges[-1]) * 1.0001
    guess_edges = np.linspace(0, top, _CELLS + 1)
    column = np.clip(np.searchsorted(edges, y, "right") - 1, 0, len(edges) - 2)
    row = np.minimum((x * (_CELLS / top)).astype(np.intp), _CELLS - 1)
    cells = np.bincount(column * _CELLS + row, minlength=(len(edges) - 1) * _CELLS)
    size = np.bincount(column, minlength=len(edges) - 1)
    total = np.bincount(column, weights=x, minlength=len(edges) - 1)
    few = size < _MEANS_FROM
    mean = np.where(few, np.nan, total / np.maximum(size, 1))
    counts = cells.reshape(-1, _CELLS)
    return Pairs(model, none, none, edges, guess_edges, counts, mean, len(y), left_out)


def _truth_edges(truth: np.ndarray, top: float) -> np.ndarray:
    """Return edges on log1p: one column per whole count while these are wide."""
    step = max(top, 1e-6) / _CELLS
    if not np.array_equal(truth, np.round(truth)):
        return np.linspace(0, max(top, 1e-6) * 1.0001, _CELLS + 1)
    edges = [np.log1p(-0.5)]
    while edges[-1] <= top:
        count = max(0.0, np.ceil(np.expm1(edges[-1] + step) - 0.5))
        edges.append(np.log1p(count + 0.5))
    return np.array(edges)


def draw(axes: Axes, found: Pairs, style: Style) -> str:
    """Draw truth against prediction on axes; return the caption."""
    dress(axes, style, grid="")
    top = (
        _draw_density(axes, found, style)
        if found.dense
        else _points(axes, found, style)
    )
    axes.plot([0, top], [0, top], color=style.theme.faint, linewidth=0.8, zorder=3)
    left, low = (found.x_edges[0], 0.0) if found.dense else (-0.04 * top, -0.02 * top)
    axes.set_xlim(left, top)
    axes.set_ylim(low, top)
    few_ticks(axes)
    name_axes(axes, "truth, log1p counts", f"predicted by {found.model}, log1p", style)
    how = (
        "the colour says how many, on a logarithmic scale; rings are the mean "
        "prediction at each truth"
        if found.dense
        else "each is a point"
    )
    return sentences(
        f"{many(found.n, 'hidden entry', 'hidden entries')}; {how}. On the grey line "
        "the prediction is the truth.",
        found.left_out,
    )


def _points(axes: Axes, found: Pairs, style: Style) -> float:
    axes.scatter(
        found.truth, found.prediction, s=0.9 * style.points, alpha=0.45, linewidths=0,
        color=style.colours([found.model])[found.model], zorder=2,
        rasterized=found.n > 1500,
    )  # fmt: skip
    return max(float(found.truth.max()), float(found.prediction.max()), 0.1) * 1.04


def _draw_density(axes: Axes, found: Pairs, style: Style) -> float:
    from matplotlib.colors import ListedColormap, LogNorm

    # the ends that would vanish into the page are left off
    table = lut("viridis")[:240] if style.dark else lut("viridis_r")[12:]
    most = max(int(found.counts.max()), 10)
    mesh = axes.pcolormesh(
        found.x_edges, found.y_edges, np.ma.masked_equal(found.counts.T, 0),
        norm=LogNorm(1, most), cmap=ListedColormap(table), rasterized=True,
        zorder=1,
    )  # fmt: skip
    middle = (found.x_edges[:-1] + found.x_edges[1:]) / 2
    middle[0] = max(middle[0], 0.0)
    axes.plot(
        middle, found.mean, "o", markersize=0.42 * style.points, zorder=4,
        markerfacecolor=style.theme.page, markeredgecolor=style.theme.ink,
        markeredgewidth=0.8, linestyle="none",
    )  # fmt: skip
    _bar(axes, mesh, most, style)
    return float(found.y_edges[-1])


def _bar(axes: Axes, mesh: Any, most: int, style: Style) -> None:
    """Draw the colour bar inside the right margin."""
    inside = axes.inset_axes((1.03, 0.0, 0.035, 0.93))
    figure = axes.get_figure(root=True)
    assert figure is not None
    bar: Colorbar = figure.colorbar(mesh, cax=inside)
    ticks = 10 ** np.arange(0, np.floor(np.log10(most)) + 1)
    bar.set_ticks(list(ticks), labels=[compact(tick) for tick in ticks])
    bar.minorticks_off()
    bar.outline.set_visible(False)
    inside.tick_params(
        labelsize=style.small, colors=style.theme.ink, width=0.4, length=2, pad=1.5
    )
    inside.set_title("n", fontsize=style.small, color=style.theme.ink, pad=2)
