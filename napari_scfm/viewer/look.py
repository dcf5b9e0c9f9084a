"""What the cells look like now: session in, colours, legend and hover table out.

Pure functions of the session's state, so that the canvas, the comparison tiles and
an exported figure cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_scfm import keys
from napari_scfm.figures.palette import categorical
from napari_scfm.viewer.attention.partner_map import colours_of
from napari_scfm.viewer.cells import (
    cell_names,
    cell_types,
    centroids,
    counts_of,
    label_ids,
    totals,
)
from napari_scfm.viewer.colouring import (
    auto_limits,
    category_rgba,
    certainty,
    fade,
    plain_rgba,
    value_rgba,
    veiled,
)
from napari_scfm.viewer.hidden import hidden_here, named_in, note
from napari_scfm.viewer.kinds import entries_of, kinds_of, sizes_of
from napari_scfm.viewer.session import Comparison, Legend

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_scfm.viewer.session import Session


_ALWAYS = ("cell", "type")


@dataclass(eq=False)
class Look:
    """Colours of the cells in table order, before the selection dims them.

    ``marked`` if they tell the selected cell themselves, so that none is dimmed.
    ``hidden`` tells (n,) the cells of hidden classes, which are left empty.
    """

    rgba: np.ndarray
    legend: Legend
    marked: bool = False
    hidden: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))


def comparison_of(session: Session) -> Comparison | None:
    """Return the comparison if it belongs to the FOV that is shown."""
    made = session.comparison
    if made is None or session.fov is None or made.fov != session.fov.name:
        return None
    return made


def compared_gene(session: Session) -> tuple[Comparison, int] | None:
    """Return the comparison and the column of the gene that is shown."""
    made = comparison_of(session)
    column = None if made is None else made.column(session.gene)
    return None if made is None or column is None else (made, column)


def scaled(session: Session, counts: np.ndarray) -> np.ndarray:
    """Return counts on the scale that is shown: as they are, or log1p."""
    return np.log1p(np.clip(counts, 0, None)) if session.log else counts


def gene_limits(session: Session) -> tuple[float, float]:
    """Return the limits of the gene, chosen or from its truth; one scale for all."""
    if session.limits is not None:
        return session.limits
    return auto_limits(scaled(session, counts_of(session.fov.table, session.gene)))


def look(session: Session) -> Look:
    """Return the colours that the session asks for; hidden classes are left empty."""
    seen, hidden = _look(session), hidden_here(session)
    seen.rgba, seen.hidden = veiled(seen.rgba, hidden), hidden
    if session.hidden_classes:
        legend = seen.legend
        seen.legend = replace(
            legend, hidden=named_in(session, legend.of), veil=note(session)
        )
    return seen


def _look(session: Session) -> Look:
    if session.partners is not None:
        return Look(*colours_of(session.partners), marked=True)
    painters = {
        "gene": _by_gene,
        "type": _by_type,
        "counts": _by_counts,
        "clusters": _by_clusters,
    }
    if session.colour_by == "gene" and session.gene not in session.fov.table.var_names:
        return _plain(session)
    return painters.get(session.colour_by, _plain)(session)


def _plain(session: Session) -> Look:
    return Look(plain_rgba(session.n_cells), Legend())


def _by_gene(session: Session) -> Look:
    limits = gene_limits(session)
    compared = compared_gene(session)
    unit = "log1p counts" if session.log else "counts"
    if curtained(session) is not None:
        return _parted(session, limits, unit)
    if session.shown == "prediction" and compared is not None:
        made, column = compared
        rgba = predicted_rgba(session, made, column, limits)
        title = f"{session.gene}, {unit}"
        note = f"predicted by {made.model}{fading_note(session, made)}"
        return Look(rgba, Legend(title, limits, session.colormap, note=note))
    counts = counts_of(session.fov.table, session.gene)
    rgba = value_rgba(scaled(session, counts), limits, session.colormap)
    note = "measured"
    if session.side_by_side and compared is not None:
        made = compared[0]
        note = f"truth and prediction; error ±{limits[1] - limits[0]:.3g}"
        note += fading_note(session, made)
    title = f"{session.gene}, {unit}"
    return Look(rgba, Legend(title, limits, session.colormap, note=note))


def curtained(session: Session) -> tuple[Comparison, int] | None:
    """Return the comparison and the column that a curtain parts, if there is one."""
    wanted = session.curtain is not None and session.colour_by == "gene"
    if not wanted or session.side_by_side or session.fov is None:
        return None
    return compared_gene(session) if keys.SPATIAL in session.fov.table.obsm else None


def curtain_at(session: Session) -> float:
    """Return where the curtain hangs: x in um from the FOV's left edge."""
    return session.curtain * session.fov.shape[1] * session.fov.pixel_size


def shows_truth(session: Session) -> np.ndarray:
    """Return (n,) whether a cell's centre lies left of the curtain."""
    return centroids(session.fov.table)[:, 0] < curtain_at(session)


def _parted(session: Session, limits: tuple[float, float], unit: str) -> Look:
    """Return truth left of the curtain and prediction right of it."""
    made, column = curtained(session)
    truth = value_rgba(scaled(session, made.truth[:, column]), limits, session.colormap)
    truth = fade(truth, np.flatnonzero(~made.hidden[:, column]))
    guess = predicted_rgba(session, made, column, limits)
    rgba = np.where(shows_truth(session)[:, None], truth, guess)
    note = f"truth | predicted by {made.model}{fading_note(session, made)}"
    title = f"{session.gene}, {unit}"
    return Look(rgba, Legend(title, limits, session.colormap, note=note))


def predicted_rgba(
    session: Session, made: Comparison, column: int, limits: tuple[float, float]
) -> np.ndarray:
    """Return colours of a prediction; cells that were visible are faded truth.

    Hidden cells that the model could not guess are drawn as unknown.
    """
    visible = ~made.hidden[:, column]
    values = np.where(visible, made.truth[:, column], made.prediction[:, column])
    rgba = value_rgba(scaled(session, values), limits, session.colormap)
    if fades(session, made):
        rgba[:, 3] *= certainty(made.spread[:, column], made.unsure)
    return fade(rgba, np.flatnonzero(visible))


def fades(session: Session, made: Comparison) -> bool:
    """Return whether predictions are drawn the fainter the less sure they are."""
    return session.fade_uncertain and made.spread is not None


def fading_note(session: Session, made: Comparison) -> str:
    """Return what the legend adds while uncertain predictions fade."""
    if not fades(session, made):
        return ""
    return f"; faint = unsure (spread ≥ {made.unsure:.2g} log1p)"


def _by_type(session: Session) -> Look:
    kinds = kinds_of(session)
    if kinds is None:
        return _plain(session)
    codes = kinds.codes(session.fov.table)
    rgba = category_rgba(codes, len(kinds.names), kinds.colours)
    legend = Legend("Cell type", categories=kinds.entries, of="type")
    sizes = sizes_of(codes, legend)
    chosen = _chosen(session, codes, legend)
    return Look(rgba, replace(legend, sizes=sizes, whole=kinds.sizes, chosen=chosen))


def _chosen(session: Session, codes: np.ndarray, legend: Legend) -> tuple[int, ...]:
    """Return how many selected cells each category has; empty for no selection."""
    if not len(session.selection):
        return ()
    return sizes_of(codes[session.selection], legend)


def _by_counts(session: Session) -> Look:
    values = scaled(session, totals(session.fov.table))
    limits = session.limits or auto_limits(values)
    rgba = value_rgba(values, limits, session.colormap)
    unit = "log1p counts" if session.log else "counts"
    return Look(rgba, Legend(f"All genes, {unit}", limits, session.colormap))


def _by_clusters(session: Session) -> Look:
    made = session.clusters
    if made is None or made.fov != session.fov.name:
        return _plain(session)
    codes, names = np.asarray(made.values), made.classes
    colours = categorical(len(names)) if made.palette is None else made.palette
    rgba = category_rgba(codes, len(names), colours)
    note = made.note
    if session.fade_uncertain and made.confidence is not None:
        rgba[:, 3] *= certainty(1 - made.confidence, 1.0)
        note += "; faint = unsure"
    entries = entries_of(names, colours)
    legend = Legend(made.title, categories=entries, note=note, of="clusters")
    whole = () if made.grouping is None else tuple(made.grouping.sizes.tolist())
    sizes = sizes_of(codes, legend)
    chosen = _chosen(session, codes, legend)
    return Look(rgba, replace(legend, sizes=sizes, whole=whole, chosen=chosen))


def hover_base(session: Session) -> pd.DataFrame:
    """Return what the status bar always says of a cell: its id, and its type."""
    table = session.fov.table
    ids = label_ids(session.fov)
    columns: dict[str, object] = {"index": ids, "cell": cell_names(table)}
    types = cell_types(table)
    if types is not None:
        columns["type"] = np.asarray(types)
    return pd.DataFrame(columns)[ids > 0].reset_index(drop=True)


def hover_values(session: Session) -> dict[str, np.ndarray]:
    """Return what else it says now: the gene, its prediction, the cluster."""
    table = session.fov.table
    columns: dict[str, np.ndarray] = {}
    if session.gene in table.var_names:
        columns[session.gene] = counts_of(table, session.gene)
        compared = compared_gene(session)
        if compared is not None:
            made, column = compared
            # napari leaves out NaN of Python's float, which float32 is not
            predicted = made.prediction[:, column].astype(np.float64)
            columns[f"{session.gene} predicted"] = predicted
            columns["error"] = predicted - made.truth[:, column]
            if made.spread is not None:
                columns["spread"] = made.spread[:, column].astype(np.float64)
    if session.clusters is not None and session.clusters.fov == session.fov.name:
        made = session.clusters
        if made.names:
            column = "label predicted" if made.said else "cluster"
            columns[column] = np.array([*made.names, ""])[made.values]
            if made.confidence is not None:
                columns["confidence"] = made.confidence.astype(np.float64)
        else:
            columns["cluster"] = made.values
    if session.partners is not None:
        columns["attention ×"] = session.partners.times
    labelled = label_ids(session.fov) > 0
    return {name: values[labelled] for name, values in columns.items()}


def refresh_hover(layer: Labels, session: Session) -> None:
    """Put the values into a layer's features, in place: their rows never move."""
    features = layer.features
    values = hover_values(session)
    # all of them, so that the gene stands first and not what was there before it
    old = [n for n in features.columns[1:] if n not in _ALWAYS]
    features.drop(columns=old, inplace=True)
    for name, column in values.items():
        features[name] = column
