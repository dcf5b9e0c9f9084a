"""The usual panels: a gene, a column, channels, clusters, a comparison, streams.

Decides the scales that make panels comparable: truth and prediction share one scale
that the truth sets, errors have a symmetric one around zero, and counts are drawn as
log1p, with 0 always at the bottom of the scale.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm import keys
from napari_scfm.analysis.streams.streamlines import Lines, StreamLook, strengths
from napari_scfm.errors import ScfmError, named
from napari_scfm.figures.palette import categorical, error_limits
from napari_scfm.figures.panel import Channel, Panel, Streams, auto_limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_scfm.analysis.attention.attention_field import AttentionField
    from napari_scfm.slides.slide import FieldOfView

CHANNEL_COLOURS = {
    "dapi": "#4C78FF",
    "membrane": "#35D07F",
    "panck": "#3FD36B",
    "cd45": "#FF5A5A",
    "cd3": "#FFB000",
    "polyt": "#E05CD6",
    "red": "#FF0000",
    "green": "#00FF00",
    "blue": "#0000FF",
}
"""Colours of stains that are known by name."""

RAW_NAME = "raw: mostly geometry"
RAW_NOTE = (
    "Raw arrows: mostly the shape of the tissue, which makes arrows point from or to "
    "its middle whatever the model does. Not tested."
)

_OTHER_CHANNELS = ("#35D07F", "#FFB000", "#FF5A5A", "#4CC9F0", "#FFFFFF")
_MOST_CATEGORIES = 60


def named_panel(fov: FieldOfView, name: str) -> Panel:
    """Return the panel that a name stands for.

    Parameters
    ----------
    fov
        The field of view.
    name
        In this order: a gene, a column of ``fov.table.obs``, "clusters" (the only
        column that ends in "_cluster"), "labels", "image" (all channels), a channel.

    Raises
    ------
    ScfmError
        If it is none of these.
    """
    table = fov.table
    if name in table.var_names:
        return gene_panel(fov, name)
    if name in table.obs:
        return column_panel(fov, name)
    found = [column for column in table.obs if str(column).endswith("_cluster")]
    if name == "clusters" and len(found) == 1:
        return column_panel(fov, str(found[0]))
    if name == "labels":
        return labels_panel(fov)
    if name == "image":
        return channel_panel(fov, list(fov.images))
    if name in fov.images:
        return channel_panel(fov, [name])
    columns = [str(c) for c in table.obs if c not in (keys.FOV, keys.CELL_ID)]
    raise ScfmError(
        f"Field of view {fov.name} has nothing called {name!r} to draw.",
        f"It has {table.n_vars} genes ({named(table.var_names, 4)}), the columns "
        f"{named(columns, 8)}, and the channels {named(fov.images) or 'none'}.",
    )


def counts(fov: FieldOfView, gene: str) -> np.ndarray:
    """Return (n,) float64 counts of a gene.

    Raises
    ------
    ScfmError
        If the table has no such gene.
    """
    table = fov.table
    if gene not in table.var_names:
        raise ScfmError(
            f"Field of view {fov.name} has no gene {gene!r}.",
            f"It has {table.n_vars}, such as {named(table.var_names, 4)}.",
        )
    column = table.X[:, table.var_names.get_loc(gene)]
    dense = column.toarray() if hasattr(column, "toarray") else column
    return np.asarray(dense, dtype=np.float64).ravel()


def gene_panel(
    fov: FieldOfView,
    gene: str,
    *,
    log: bool = True,
    limits: tuple[float, float] | None = None,
    colormap: str = "viridis",
    channels: tuple[Channel, ...] = (),
) -> Panel:
    """Return a panel of a measured gene."""
    values = counts(fov, gene)
    shown = np.log1p(values) if log else values
    return Panel(
        title=gene,
        values=shown,
        limits=limits or auto_limits(shown),
        colormap=colormap,
        channels=channels,
        colourbar_label="log1p counts" if log else "counts",
    )


def column_panel(fov: FieldOfView, column: str, *, title: str = "") -> Panel:
    """Return a panel of a column of ``fov.table.obs``, by value or by category."""
    import pandas as pd

    series = fov.table.obs[column]
    whole = title or str(column).replace("_", " ")
    numeric = pd.api.types.is_numeric_dtype(series)
    if numeric and not pd.api.types.is_bool_dtype(series):
        values = np.asarray(series, dtype=np.float64)
        return Panel(title=whole, values=values, colourbar_label=whole)
    kinds = pd.Categorical(series)
    if all(str(name).isdigit() for name in kinds.categories):
        kinds = kinds.reorder_categories(sorted(kinds.categories, key=int))
    if len(kinds.categories) > _MOST_CATEGORIES:
        raise ScfmError(
            f"Column {column!r} has {len(kinds.categories)} different values.",
            f"Draw a column with at most {_MOST_CATEGORIES}.",
        )
    return Panel(
        title=whole,
        categories=np.asarray(kinds.codes),
        names=tuple(str(name) for name in kinds.categories),
    )


def channel_panel(fov: FieldOfView, channels: Sequence[str]) -> Panel:
    """Return a panel of image channels with the cells' outlines."""
    chosen = channel_styles(channels)
    if not chosen:
        raise ScfmError(
            f"Field of view {fov.name} has no images.", "Draw cells instead."
        )
    if len(chosen) == 1:
        chosen = (Channel(chosen[0].name, "#FFFFFF"),)
    few = len(chosen) <= 2
    return Panel(
        title=" + ".join(channel.name for channel in chosen) if few else "image",
        channels=chosen,
        names=tuple(c.name for c in chosen) if len(chosen) > 1 else (),
        palette=np.array([_rgba(c.colour) for c in chosen]),
    )


def channel_styles(channels: Sequence[str]) -> tuple[Channel, ...]:
    """Return channels with colours: known stains in theirs, others by turns."""
    styles = []
    for number, name in enumerate(channels):
        plain = "".join(c for c in name.lower() if c.isalnum())
        other = _OTHER_CHANNELS[number % len(_OTHER_CHANNELS)]
        match = [
            colour
            for stain, colour in CHANNEL_COLOURS.items()
            if plain.startswith(stain) or plain == f"composite{stain}"
        ]
        styles.append(Channel(name, match[0] if match else other))
    return tuple(styles)


def _rgba(colour: str) -> tuple[float, ...]:
    return (*(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)), 1.0)


def labels_panel(fov: FieldOfView) -> Panel:
    """Return a panel in which neighbouring cells have different colours."""
    n = fov.table.n_obs
    colours = categorical(24)[np.arange(n) * 7 % 24]
    return Panel(title="cells", colours=colours, faded=0.3)


def cluster_panel(
    fov: FieldOfView,
    clusters: np.ndarray,
    *,
    names: Sequence[str] | None = None,
    title: str = "clusters",
    note: str = "",
) -> Panel:
    """Return a panel of clusters.

    Parameters
    ----------
    clusters
        (n,) numbers from 0, negative for cells without one.
    names
        Names of the clusters; by default their numbers, with the number of cells.
    """
    codes = np.asarray(clusters, dtype=np.int64)
    sizes = np.bincount(codes[codes >= 0])
    given = names or [f"{i}  ({size})" for i, size in enumerate(sizes)]
    return Panel(title=title, categories=codes, names=tuple(map(str, given)), note=note)


def compare_panels(
    fov: FieldOfView,
    truth: np.ndarray,
    prediction: np.ndarray,
    name: str,
    *,
    model: str = "",
    log: bool = True,
    colormap: str = "viridis",
    note: str = "",
) -> list[Panel]:
    """Return truth | prediction | error of a gene, on scales that can be compared.

    Parameters
    ----------
    fov
        The field of view.
    truth, prediction
        (n,) counts; NaN in the prediction where nothing was hidden.
    name
        The gene.
    model
        Whose prediction it is.
    log
        Draw log1p counts; the error is then a difference of log1p counts.
    colormap
        Of truth and prediction.
    note
        Below the prediction, such as a correlation.
    """
    measured, guessed = (
        _one_per_cell(fov, values, name) for values in (truth, prediction)
    )
    if log:
        measured, guessed = (
            np.log1p(np.clip(values, 0, None)) for values in (measured, guessed)
        )
    error = guessed - measured
    unit = "log1p counts" if log else "counts"
    scale = auto_limits(measured)
    hidden = np.isfinite(guessed)
    if np.isfinite(measured).any() and np.nanmax(measured) == 0 and hidden.any():
        scale = auto_limits(guessed)
    by = f"Predicted by {model}." if model else ""
    shared = Panel(
        values=measured, limits=scale, colormap=colormap, colourbar_label=unit
    )
    return [
        replace(shared, title=f"{name}: truth"),
        replace(
            shared,
            title=f"{name}: prediction",
            values=guessed,
            predicted=True,
            unknown="not hidden",
            note=" ".join(part for part in (by, note) if part),
        ),
        Panel(
            title=f"{name}: error",
            values=error,
            limits=error_limits(error),
            colormap="error",
            colourbar_label=f"prediction − truth, {unit}",
            unknown="not hidden",
        ),
    ]


def _one_per_cell(fov: FieldOfView, values: np.ndarray, name: str) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64).ravel()
    if len(values) != fov.table.n_obs:
        raise ScfmError(
            f"The comparison of {name} has {len(values)} values, field of view "
            f"{fov.name} has {fov.table.n_obs} cells.",
            "Give one value per cell, in the order of the table.",
        )
    return values


def streams_of(
    drawn: Lines,
    look: StreamLook,
    *,
    kinds: Sequence[str] = (),
    palette: np.ndarray | None = None,
) -> Streams:
    """Return streams as a panel holds them, coloured as a look asks.

    Parameters
    ----------
    drawn, look
        From :func:`~napari_scfm.analysis.streams.streamlines.draw_streams`, and for it.
    kinds, palette
        Names of the sender kinds, and (k, 4) RGBA in place of the standard colours.
    """
    colour = look.colour if drawn.sender else "strength"
    return Streams(
        tuple(drawn.lines),
        tuple(drawn.strength),
        beats=tuple(drawn.beats),
        sender=tuple(drawn.sender),
        kinds=tuple(kinds),
        palette=palette,
        colour="raw" if look.raw else colour,
    )


def attention_panel(
    fov: FieldOfView,
    field: AttentionField,
    lines: Lines | Sequence[np.ndarray],
    *,
    look: StreamLook | None = None,
    categories: np.ndarray | None = None,
    names: Sequence[str] = (),
    title: str = "",
    note: str = "",
) -> Panel:
    """Return the streams of an attention field over the cells.

    Parameters
    ----------
    fov
        The field of view.
    field, lines
        From ``attention_field``, and ``draw_streams`` or ``streamlines``.
    look
        What the lines were drawn for; None for the usual one.
    categories, names
        (n,) cell types or clusters under the streams, in soft colours; the sender
        kinds, too.
    title, note
        In place of the standard title; below the panel.
    """
    n = fov.table.n_obs
    look = look or StreamLook()
    if isinstance(lines, Lines):
        streams = streams_of(lines, look, kinds=names)
    else:
        faint = bool(np.isfinite(field.p_value) and not field.significant)
        along = tuple(strengths(field, lines))
        streams = Streams(tuple(lines), along, faint=faint, colour="strength")
    way = "key to query" if field.direction == "received" else "key to query, sent"
    rest = RAW_NAME if look.raw else "residual after cell-type layout"
    return Panel(
        title=title or f"model attention ({way}), {rest}",
        categories=np.full(n, -1) if categories is None else np.asarray(categories),
        names=tuple(names),
        faded=0.55,
        streams=streams,
        shares=field.shares,
        p_value=None if look.raw else field.p_value,
        permutations=field.permutations,
        note=note or (RAW_NOTE if look.raw else ""),
    )
