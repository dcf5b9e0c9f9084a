"""Colours of the crowd: those of the tissue, and what the canvas cannot tell.

Cells of the field of view on show have exactly the canvas's colours. What is known of
the whole slide (genes, counts, types, columns) is painted on all of its cells, on the
same scale; what is known of one field of view only leaves the others grey.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_scfm import keys
from napari_scfm.figures.palette import DIVERGING, categorical
from napari_scfm.viewer.cells import totals
from napari_scfm.viewer.colouring import GHOST, UNKNOWN, auto_limits, value_rgba
from napari_scfm.viewer.compare import error_reach
from napari_scfm.viewer.compared import guessed_cells
from napari_scfm.viewer.hidden import (
    COLUMN,
    FOV,
    TYPE,
    hidden_among,
    named_in,
    note,
)
from napari_scfm.viewer.kinds import entries_of, kinds_of, sizes_of
from napari_scfm.viewer.look import (
    compared_gene,
    curtained,
    gene_limits,
    look,
    predicted_rgba,
    scaled,
)
from napari_scfm.viewer.session import Legend

if TYPE_CHECKING:
    from napari_scfm.viewer.embedding.crowd import Crowd
    from napari_scfm.viewer.session import Session

TISSUE, PREDICTION, ERROR = "tissue", "prediction", "error"

CHOICES = {
    TISSUE: "As on the tissue",
    FOV: "By field of view",
    PREDICTION: "Prediction of the gene",
    ERROR: "Error of the prediction",
}
MOST = 60
"""Different values from which on a column is no category."""

_PLAIN = (0.7, 0.7, 0.7)
_APART = (keys.FOV, keys.CELL_ID, keys.LABEL, keys.CELL_TYPE)
_ELSEWHERE = "grey: other fields of view"
_UNGUESSED = "grey: not predicted"


@dataclass(eq=False)
class Paint:
    """Colours of a crowd.

    Attributes
    ----------
    rgba
        (cells, 4) colours; None where nothing is to be told.
    legend
        What they mean.
    codes
        (cells,) category, -1 for none; None for values.
    values
        (cells,) number, NaN for none; None for categories.
    hidden
        (cells,) whether a cell is in a hidden class; None where none is hidden.
    """

    rgba: np.ndarray | None
    legend: Legend
    codes: np.ndarray | None = None
    values: np.ndarray | None = None
    hidden: np.ndarray | None = None

    def says(self, row: int) -> str:
        """Return what a cell's colour means, for a line of text."""
        if self.codes is not None:
            code = int(self.codes[row])
            return self.legend.categories[code][0] if code >= 0 else ""
        if self.values is None or not np.isfinite(self.values[row]):
            return ""
        return f"{self.legend.title.partition(',')[0]} {self.values[row]:.3g}"


def choices(session: Session, crowd: Crowd | None) -> dict[str, str]:
    """Return what a crowd can be coloured by now: key -> text."""
    found = {TISSUE: CHOICES[TISSUE]}
    if crowd is None:
        return found
    if len(crowd.fovs) > 1:
        found[FOV] = CHOICES[FOV]
    if compared_gene(session) is not None:
        found |= {name: CHOICES[name] for name in (PREDICTION, ERROR)}
    for name, column in crowd.table.obs.items():
        if name not in _APART and _tells(column):
            found[f"{COLUMN}{name}"] = f"By {str(name).replace('_', ' ')}"
    return found


def _tells(column: pd.Series) -> bool:
    """Return whether a column tells cells apart without naming each."""
    if pd.api.types.is_numeric_dtype(column):
        return column.nunique() > 1
    return 1 < column.nunique() <= MOST


def paint_of(session: Session, crowd: Crowd, by: str = TISSUE) -> Paint:
    """Return the colours of a crowd; of a choice that is gone, those of the tissue.

    Cells of hidden classes are faint, whatever the others are coloured by.
    """
    paint = _painted(session, crowd, by)
    if not session.hidden_classes:
        return paint
    paint.hidden = hidden_among(session, crowd)
    if paint.rgba is None:
        paint.rgba = np.tile(np.array([*_PLAIN, 1.0], "f4"), (len(crowd), 1))
    paint.rgba = np.where(paint.hidden[:, None], GHOST, paint.rgba)
    legend = paint.legend
    hidden, veil = named_in(session, legend.of), note(session)
    paint.legend = replace(legend, hidden=hidden, veil=veil)
    return paint


def _painted(session: Session, crowd: Crowd, by: str) -> Paint:
    if by == FOV:
        entries = entries_of(crowd.fovs, categorical(len(crowd.fovs)))
        legend = Legend("Field of view", categories=entries, of=FOV)
        return _sorted_into(np.asarray(crowd.codes), legend)
    if by in (PREDICTION, ERROR) and compared_gene(session) is not None:
        return _guess(session, crowd, by)
    name = by.removeprefix(COLUMN)
    if by.startswith(COLUMN) and name in crowd.table.obs:
        return _column(session, crowd, name)
    return _tissue(session, crowd)


def _tissue(session: Session, crowd: Crowd) -> Paint:
    """Return the canvas's colours, over the whole slide where they are known."""
    by, guessed = session.colour_by, compared_gene(session) is not None
    shown = session.shown == "prediction" and guessed
    alone = session.partners is not None or curtained(session) is not None
    if by == "gene" and session.gene not in crowd.table.var_names:
        return Paint(None, Legend())
    if by == "gene" and not alone and not shown:
        values = scaled(session, crowd.counts(session.gene))
        return _of_values(values, look(session).legend)
    if by == "counts" and not alone:
        values = scaled(session, totals(crowd.table))
        return _of_values(values, look(session).legend)
    if by == "type" and not alone:
        return _types(session, crowd)
    seen = look(session)
    if not seen.legend.title:
        return Paint(None, Legend())
    grouping = getattr(session.clusters, "grouping", None)
    whole = crowd.table is session.slide.table and grouping is not None
    if by == "clusters" and not alone and whole:
        return _sorted_into(np.asarray(grouping.labels), seen.legend)
    paint = _here(session, crowd, seen.rgba, seen.legend)
    if by == "clusters" and not alone:
        paint.codes = _placed(session, crowd, session.clusters.values, -1)
    return paint


def _sorted_into(codes: np.ndarray, legend: Legend) -> Paint:
    """Return the classes of the whole slide in the colours of a legend."""
    palette = np.array([colour for _, colour in legend.categories], dtype=np.float32)
    legend = replace(legend, sizes=sizes_of(codes, legend), whole=())
    return Paint(category_colours(codes, palette), legend, codes)


def category_colours(codes: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Return (cells, 4) colours of codes; -1 is drawn as unknown."""
    rgba = np.vstack([palette.reshape(-1, 4), UNKNOWN])[codes]
    return np.asarray(rgba, dtype=np.float32)


def _types(session: Session, crowd: Crowd) -> Paint:
    """Return cell types, as on the canvas."""
    kinds = kinds_of(session)
    if kinds is None:
        return Paint(None, Legend())
    legend = Legend("Cell type", categories=kinds.entries, of=TYPE)
    return _sorted_into(kinds.codes(crowd.table), legend)


def _guess(session: Session, crowd: Crowd, by: str) -> Paint:
    """Return the prediction of the gene on show, or its error."""
    made, column = compared_gene(session)
    limits, unit = gene_limits(session), "log1p counts" if session.log else "counts"
    guess = scaled(session, made.prediction[:, column].astype(np.float64))
    note = f"predicted by {made.model}"
    if by == PREDICTION:
        rgba = predicted_rgba(session, made, column, limits)
        legend = Legend(f"{session.gene}, {unit}", limits, session.colormap, note=note)
    else:
        guess = guess - scaled(session, made.truth[:, column])
        reach = error_reach(limits)
        limits, colormap = (-reach, reach), DIVERGING[0]
        rgba = value_rgba(guess, limits, colormap)
        title = f"{session.gene} error, {unit}"
        legend = Legend(title, limits, colormap, note=note)
    paint = _here(session, crowd, rgba, replace(legend, note=""))
    paint.values = _placed(session, crowd, guess, np.nan)
    _guess_elsewhere(session, crowd, paint, by)
    left = f"{note}; {_UNGUESSED}" if np.isnan(paint.values).any() else note
    paint.legend = replace(legend, note=left)
    return paint


def _guess_elsewhere(session: Session, crowd: Crowd, paint: Paint, by: str) -> None:
    """Add what was predicted in other fields of view."""
    told = guessed_cells(session.comparison, session.gene)
    if told is None:
        return
    names, guess, truth = told
    rows = crowd.table.obs_names.get_indexer(names)
    far = (rows >= 0) & (crowd.places(session.fov)[rows] < 0)
    values = scaled(session, guess[far].astype(np.float64))
    if by == ERROR:
        values = values - scaled(session, truth[far])
    limits, colormap = paint.legend.limits, paint.legend.colormap
    paint.values[rows[far]] = values
    paint.rgba[rows[far]] = value_rgba(values, limits, colormap)


def _column(session: Session, crowd: Crowd, name: str) -> Paint:
    """Return the colours of a column, by value or by category."""
    column, title = crowd.table.obs[name], name.replace("_", " ")
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        values = np.asarray(column, dtype=np.float64)
        finite = values[np.isfinite(values)]
        low = float(finite.min()) if len(finite) and finite.min() < 0 else 0.0
        if len(finite) and finite.min() > 0.2 * finite.max():
            low = float(np.percentile(finite, 1))
        limits = (low, max(auto_limits(values)[1], low + 1e-9))
        return _of_values(values, Legend(title, limits, session.colormap))
    kinds = kinds_of(session, name, crowd.table)
    if kinds is None:
        return Paint(None, Legend())
    legend = Legend(title, categories=kinds.entries, of=f"{COLUMN}{name}")
    return _sorted_into(kinds.codes(crowd.table), legend)


def _of_values(values: np.ndarray, legend: Legend) -> Paint:
    rgba = value_rgba(values, legend.limits, legend.colormap)
    return Paint(rgba, legend, values=values)


def _here(session: Session, crowd: Crowd, rgba: np.ndarray, legend: Legend) -> Paint:
    """Return colours of the FOV on show, grey for the cells of others."""
    found = np.tile(UNKNOWN, (len(crowd), 1))
    rows = crowd.rows(session.fov)
    found[rows[rows >= 0]] = rgba[rows >= 0]
    if len(crowd.fovs) > 1:
        note = f"{legend.note}; {_ELSEWHERE}" if legend.note else _ELSEWHERE
        legend = replace(legend, note=note)
    return Paint(found, legend)


def _placed(
    session: Session, crowd: Crowd, values: np.ndarray, empty: float
) -> np.ndarray:
    """Return values of the FOV on show as values of the crowd."""
    kind = values.dtype if np.isfinite(empty) else np.float64
    found = np.full(len(crowd), empty, dtype=kind)
    rows = crowd.rows(session.fov)
    found[rows[rows >= 0]] = values[rows >= 0]
    return found
