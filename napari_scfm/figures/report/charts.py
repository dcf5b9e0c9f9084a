"""The charts of a report, in the order in which they are shown."""

from __future__ import annotations

from functools import partial

from napari_scfm.figures.report import (
    breakdown,
    calibration,
    genes,
    histogram,
    levels,
    scatter,
)
from napari_scfm.figures.report.chart import Chart

SCATTER = Chart(
    "truth_prediction",
    "Truth and prediction",
    scatter.measure,
    scatter.draw,
    right=4.6,
    shape=0.9,
)
CELLS = Chart("cells", "Error of each cell", histogram.measure, histogram.draw)
GENES = Chart("genes", "Genes, best and worst", genes.measure, genes.draw, shape=1.9)
DISTANCE = Chart(
    "distance",
    "Error and distance to visible cells",
    partial(breakdown.measure, against=breakdown.DISTANCE),
    breakdown.draw,
)
SPARSITY = Chart(
    "sparsity",
    "Error and sparsity of the gene",
    partial(breakdown.measure, against=breakdown.SPARSITY),
    breakdown.draw,
)
EXPRESSION = Chart(
    "expression",
    "Error and expression of the gene",
    partial(breakdown.measure, against=breakdown.EXPRESSION),
    breakdown.draw,
)
LEVELS = Chart(
    "levels", "Levels of expression", levels.measure, levels.draw, right=0.8, shape=0.8
)
CALIBRATION = Chart(
    "calibration",
    "Calibration of the intervals",
    calibration.measure,
    calibration.draw,
    shape=0.85,
)
CHARTS = {
    chart.key: chart
    for chart in (
        SCATTER,
        CELLS,
        DISTANCE,
        SPARSITY,
        EXPRESSION,
        LEVELS,
        CALIBRATION,
        GENES,
    )
}
"""Key -> chart."""
