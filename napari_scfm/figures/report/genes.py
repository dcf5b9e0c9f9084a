"""One measure per gene, models side by side: which genes a model is good at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

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
from napari_scfm.figures.report.tables import MEASURES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from napari_scfm.figures.report.data import ReportData
    from napari_scfm.figures.report.style import Style

MOST = 40
"""Genes that are drawn; of more, the best and the worst."""


@dataclass(frozen=True, eq=False)
class GeneScores:
    """One measure of some genes, best first.

    Attributes
    ----------
    model
        Who orders the genes and stands in front.
    measure
        Key of :data:`~napari_scfm.figures.report.tables.MEASURES`.
    genes
        Names, best first.
    scores
        Model -> (genes,) values.
    left_out
        What is not drawn, and why.
    """

    model: str
    measure: str
    genes: Sequence[str]
    scores: Mapping[str, np.ndarray]
    left_out: str = ""


def measure(data: ReportData, model: str, column: str = "pearson") -> GeneScores:
    """Return a measure of every gene for every model.

    Raises
    ------
    ScfmError
        If the result has no numbers per gene.
    """
    data.check(model)
    if data.per_gene.empty or column not in data.per_gene:
        raise ScfmError(
            "The result has no numbers per gene.", "Predict hidden entries first."
        )
    wide = data.per_gene.pivot(index="gene", columns="model", values=column)
    scores = {name: wide[name].to_numpy(dtype=np.float64) for name in data.models}
    return in_order(scores, [str(gene) for gene in wide.index], model, column)


def in_order(
    scores: Mapping[str, Sequence[float] | np.ndarray],
    genes: Sequence[str],
    model: str,
    measure: str = "pearson",
) -> GeneScores:
    """Return the genes in the order of a model, best and worst if many.

    Raises
    ------
    ScfmError
        If no gene has a number.
    """
    values = {name: np.asarray(v, dtype=np.float64) for name, v in scores.items()}
    first = values.get(model, np.zeros(0))
    known = np.flatnonzero(np.isfinite(first))
    if not len(known):
        raise ScfmError(
            "There are no scores of genes to draw.", "Predict hidden entries first."
        )
    sign = 1.0 if measure in MEASURES and not MEASURES[measure].higher else -1.0
    order = known[np.argsort(sign * first[known], kind="stable")]
    lost = len(first) - len(order)
    said = (
        f"Left out: {many(lost, 'gene')} for which it is not defined." if lost else ""
    )
    if len(order) > MOST:
        half = MOST // 2
        between = f"{len(order) - MOST:,} genes between the best {half} and the worst "
        said = sentences(f"Not drawn: {between}{half}.", said)
        order = np.concatenate([order[:half], order[-half:]])
    shown = {name: v[order] for name, v in values.items()}
    return GeneScores(model, measure, [str(genes[i]) for i in order], shown, said)


def draw(axes: Axes, found: GeneScores, style: Style) -> str:
    """Draw a row of dots per gene on axes; return the caption."""
    dress(axes, style, grid="x")
    names = list(found.scores)
    colours, marks = style.colours(names), markers(names)
    rows = np.arange(len(found.genes))
    axes.hlines(
        rows, 0, 1, transform=axes.get_yaxis_transform(), color=style.theme.frame,
        linewidth=0.3, zorder=1,
    )  # fmt: skip
    for name in names:
        first = name == found.model
        axes.scatter(
            found.scores[name], rows, s=(0.7 if first else 0.5) ** 2 * style.points**2,
            label=name, color=[colours[name]], marker=marks[name], linewidths=0,
            zorder=4 if first else 3, alpha=1.0 if first else 0.8,
        )  # fmt: skip
    if any((values < 0).any() for values in found.scores.values()):
        axes.axvline(0, color=style.theme.faint, linewidth=0.6)
    if len(rows) == MOST and "Not drawn" in found.left_out:
        axes.axhline(MOST // 2 - 0.5, color=style.theme.faint, linewidth=0.8, ls=":")
    axes.set_ylim(len(rows) - 0.4, -0.6)
    few_ticks(axes)
    axes.set_yticks(rows, list(found.genes), style="italic", parse_math=False)
    axes.tick_params(axis="y", length=0)
    label = (
        MEASURES[found.measure].label if found.measure in MEASURES else found.measure
    )
    name_axes(axes, label, "", style)
    legend(axes, style)
    return sentences(
        f"{many(len(rows), 'gene')}, ordered by {found.model}, best at the top.",
        found.left_out,
    )
