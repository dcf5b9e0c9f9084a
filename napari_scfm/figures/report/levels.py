"""Confusion of the five levels of expression: true level against predicted level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.errors import ScfmError
from napari_scfm.figures.report.chart import sentences
from napari_scfm.figures.report.style import compact, dress, many, name_axes, number

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from napari_scfm.figures.report.data import ReportData
    from napari_scfm.figures.report.style import Style

LEVELS = 5
NAMES = ("0", "1", "2", "3", "4")


@dataclass(frozen=True, eq=False)
class Confusion:
    """(5, 5) entries, rows true levels, columns predicted ones; and what goes with it.

    Attributes
    ----------
    model
        Who predicted.
    counts
        The table.
    mcc_all, mcc_expressed
        Of the same entries; NaN where not defined.
    cells_without
        Cells without counts: they have no levels and are left out.
    left_out
        Which entries are left out for want of a prediction.
    """

    model: str
    counts: np.ndarray
    mcc_all: float
    mcc_expressed: float
    cells_without: int
    left_out: str = ""


def measure(data: ReportData, model: str) -> Confusion:
    """Return the confusion table of a model.

    Raises
    ------
    ScfmError
        If the result has none.
    """
    table = data.of_model("confusion", model)
    if table.empty or not table["n"].sum():
        raise ScfmError(
            "The result has no levels of expression.",
            "Run the experiment again with this version.",
        )
    counts = np.zeros((LEVELS, LEVELS), dtype=np.int64)
    at = (table["true"].to_numpy(int), table["predicted"].to_numpy(int))
    np.add.at(counts, at, table["n"].to_numpy(np.int64))
    row = data.of_model("summary", model)
    return Confusion(
        model,
        counts,
        _value(row, "mcc_all"),
        _value(row, "mcc_expressed"),
        int(np.nan_to_num(_value(row, "n_cells_without_levels"))),
        data.left_out,
    )


def _value(row: pd.DataFrame, column: str) -> float:
    return float(row[column].iloc[0]) if len(row) and column in row else float("nan")


def draw(axes: Axes, found: Confusion, style: Style) -> str:
    """Draw the table on axes, each row to 100 %; return the caption."""
    dress(axes, style, grid="")
    size = found.counts.sum(axis=1, keepdims=True)
    share = found.counts / np.maximum(size, 1)
    full = style.colours([found.model])[found.model][:3]
    strength = 0.95 * share[..., None] ** 0.7
    colours = (1 - strength) * np.array(style.theme.page) + strength * full
    axes.imshow(colours, aspect="auto", interpolation="nearest")
    for (true, guess), part in np.ndenumerate(share):
        if size[true, 0]:
            light = colours[true, guess] @ (0.3, 0.6, 0.1) > 0.45
            ink = "#101010" if light else "#F4F4F4"
            _cell(axes, guess, true, part, int(found.counts[true, guess]), ink, style)
    axes.set_xticks(range(LEVELS), NAMES)
    rows = [
        f"{n}\nn = {compact(int(s))}" for n, s in zip(NAMES, size[:, 0], strict=True)
    ]
    axes.set_yticks(range(LEVELS), rows)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    name_axes(axes, f"level predicted by {found.model}", "true level", style)
    lost = many(found.cells_without, "cell")
    return sentences(
        f"{many(int(size.sum()), 'hidden entry', 'hidden entries')}; each row is 100 % "
        "of the entries of one true level (0 = no count, 1 to 4 = quarters of the "
        "cell's own range of log1p counts). Matthews correlation "
        f"{number(found.mcc_all)} over all, {number(found.mcc_expressed)} over "
        "expressed entries.",
        f"Left out: {lost} without any count." if found.cells_without else "",
        found.left_out,
    )


def _cell(
    axes: Axes, x: int, y: int, share: float, count: int, ink: str, style: Style
) -> None:
    """Write share and count into one cell."""
    axes.text(
        x, y - 0.06, f"{share * 100:.0f} %", ha="center", va="bottom", color=ink,
        fontsize=style.points, parse_math=False,
    )  # fmt: skip
    axes.text(
        x, y + 0.06, compact(count), ha="center", va="top", color=ink,
        fontsize=0.85 * style.small, parse_math=False,
    )  # fmt: skip
