"""Charts of an experiment: truth against prediction, and models gene by gene.

Takes plain arrays and tables, draws no conclusions: the numbers were computed by the
experiment. Points are a random part of the entries where there are very many.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.errors import ScfmError
from napari_scfm.figures.files import STYLE, format_of, save
from napari_scfm.figures.furniture import DARK, LIGHT, Theme
from napari_scfm.figures.layout import HEAD_PT, LABEL_PT, MM, TICK_PT
from napari_scfm.figures.palette import categorical, lut

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_POINTS = 20_000
_MOST_GENES = 40


def scatter_chart(
    truth: np.ndarray,
    prediction: np.ndarray,
    path: str | Path,
    *,
    title: str = "",
    note: str = "",
    log: bool = True,
    dpi: int = 300,
    dark: bool = False,
    seed: int = 0,
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """Write a chart of predicted against true counts of hidden entries.

    Parameters
    ----------
    truth, prediction
        (m,) counts; pairs with a missing value are left out.
    path
        Ends in .png, .tif, .pdf or .svg.
    title, note
        Above the chart and inside it, such as a correlation.
    log
        Draw log1p counts.
    dpi, dark, provenance
        See :func:`napari_scfm.figures.export.export_figure`.
    seed
        Of the choice of points.

    Raises
    ------
    ScfmError
        If there is no pair, or the file cannot be written.
    """
    pair = np.stack([np.ravel(truth), np.ravel(prediction)]).astype(np.float64)
    pair = pair[:, np.isfinite(pair).all(axis=0)]
    if pair.shape[1] == 0:
        raise ScfmError(
            "There is no hidden entry with a prediction to draw.",
            "Hide some entries and predict them first.",
        )
    if pair.shape[1] > _MOST_POINTS:
        chosen = np.random.default_rng(seed).choice(
            pair.shape[1], _MOST_POINTS, replace=False
        )
        pair = pair[:, chosen]
    shown = np.log1p(np.clip(pair, 0, None)) if log else pair
    theme = DARK if dark else LIGHT
    figure, axes = _sheet(path, 70, 70, theme, (11, 10, 4, 8))
    unit = "log1p counts" if log else "counts"
    top = float(shown.max()) * 1.05 or 1.0
    axes.plot([0, top], [0, top], color=theme.frame, linewidth=0.7, zorder=1)
    axes.scatter(
        shown[0], shown[1], s=4, color=lut("viridis")[110], alpha=0.5, linewidths=0,
        zorder=2, rasterized=shown.shape[1] > 5000,
    )  # fmt: skip
    axes.set_xlim(min(0, float(shown[0].min())), top)
    axes.set_ylim(min(0, float(shown[1].min())), top)
    axes.set_xlabel(f"truth, {unit}", fontsize=LABEL_PT, color=theme.ink)
    axes.set_ylabel(f"predicted, {unit}", fontsize=LABEL_PT, color=theme.ink)
    axes.text(
        0.04, 0.96, note, transform=axes.transAxes, fontsize=LABEL_PT, va="top",
        color=theme.ink, parse_math=False,
    )  # fmt: skip
    return _finish(figure, axes, path, title, dpi, theme, provenance)


def gene_chart(
    scores: Mapping[str, Sequence[float]],
    genes: Sequence[str],
    path: str | Path,
    *,
    measure: str = "Pearson",
    title: str = "",
    dpi: int = 300,
    dark: bool = False,
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """Write a chart of one measure per gene, models side by side.

    Parameters
    ----------
    scores
        Model -> (genes,) values; the first model orders the genes.
    genes
        Names; of more than 40, the 40 with the best and worst scores are drawn.
    path
        Ends in .png, .tif, .pdf or .svg.
    measure
        Name of the values.
    title, dpi, dark, provenance
        See :func:`napari_scfm.figures.export.export_figure`.
    """
    if not scores or not len(genes):
        raise ScfmError("There are no scores of genes to draw.", "Run it first.")
    values = {name: np.asarray(v, dtype=np.float64) for name, v in scores.items()}
    first = np.nan_to_num(next(iter(values.values())), nan=-np.inf)
    order = np.argsort(-first, kind="stable")
    if len(order) > _MOST_GENES:
        half = _MOST_GENES // 2
        order = np.concatenate([order[:half], order[-half:]])
    theme = DARK if dark else LIGHT
    figure, axes = _sheet(path, 100, 16 + 3.4 * len(order), theme, (24, 10, 4, 8))
    colours = categorical(max(len(values), 1))
    rows = np.arange(len(order))
    for number, (name, row_values) in enumerate(values.items()):
        axes.scatter(
            row_values[order], rows, s=16 if number == 0 else 9, label=name,
            color=colours[number], linewidths=0, zorder=3 if number == 0 else 2,
        )  # fmt: skip
    axes.hlines(rows, *axes.get_xlim(), color=theme.frame, linewidth=0.3, zorder=1)
    axes.axvline(0, color=theme.faint, linewidth=0.5)
    axes.set_yticks(rows, [str(genes[i]) for i in order])
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.set_xlabel(measure, fontsize=LABEL_PT, color=theme.ink)
    legend = axes.legend(
        loc="lower right", fontsize=TICK_PT, labelcolor=theme.ink, framealpha=1,
        facecolor=theme.page, edgecolor="none", borderpad=0.2, handletextpad=0.2,
    )  # fmt: skip
    legend.set_zorder(4)
    return _finish(figure, axes, path, title, dpi, theme, provenance)


def _sheet(
    path: str | Path,
    width: float,
    height: float,
    theme: Theme,
    margins: tuple[float, float, float, float],
) -> tuple[Figure, Axes]:
    """Return a figure of a size in mm with one axes; margins left, low, right, top."""
    from matplotlib.figure import Figure

    format_of(Path(path))
    left, low, right, top = margins
    figure = Figure(figsize=(width / MM, height / MM), facecolor=theme.page)
    bounds = (
        left / width,
        low / height,
        1 - (left + right) / width,
        1 - (low + top) / height,
    )
    axes = figure.add_axes(bounds, facecolor=theme.page)
    axes.tick_params(labelsize=TICK_PT, colors=theme.ink, width=0.4, length=2)
    for side, spine in axes.spines.items():
        spine.set(linewidth=0.5, color=theme.faint, visible=side in ("left", "bottom"))
    return figure, axes


def _finish(
    figure: Figure,
    axes: Axes,
    path: str | Path,
    title: str,
    dpi: int,
    theme: Theme,
    provenance: Mapping[str, Any] | None,
) -> Path:
    import matplotlib

    with matplotlib.rc_context(STYLE):
        axes.set_title(
            title, fontsize=HEAD_PT - 1, fontweight="bold", loc="left",
            color=theme.ink, parse_math=False,
        )  # fmt: skip
        return save(
            figure, Path(path), dpi=dpi, title=title, provenance=provenance or {}
        )
