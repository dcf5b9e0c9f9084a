"""Figures of a cell's partners, and of a ligand and its receptor: as on the canvas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.viewer.attention import ligand_layer, partner_map
from napari_scfm.viewer.attention.partner_layers import ends_of
from napari_scfm.viewer.cells import centroids
from napari_scfm.viewer.colouring import auto_limits

if TYPE_CHECKING:
    from napari_scfm.figures.panel import Panel
    from napari_scfm.viewer.session import Session


MOST = 30
"""Pairs that a figure links; its links are wider than those of the window."""


def partner_panel(session: Session) -> Panel:
    """Return all cells by their attention from or to one cell, linked to the first."""
    from napari_scfm.figures.panel import Panel, Streams

    made = session.partners
    rows = np.array([cell.row for cell in made.top], dtype=np.intp)
    lines = tuple(np.stack(ends_of(session, made), axis=1)) if len(rows) else ()
    share = made.times[rows] / max(float(made.times[rows].max(initial=0)), 1e-9)
    unknown = "the cell itself" if not made.among else "itself, or no partner"
    ends = f"Key to query, {made.among}." if made.among else "Key to query."
    return Panel(
        title=f"{made.title} (model attention, {made.model})",
        values=made.times,
        limits=made.limits,
        colormap=partner_map.COLORMAP,
        colourbar_label=partner_map.UNIT[made.look.scale],
        unknown=unknown,
        streams=Streams(lines, tuple(np.full(2, one) for one in share)),
        note=f"{ends} {made.said} {partner_map.CAVEAT}",
    )


def ligand_panel(session: Session) -> Panel:
    """Return cells by the product that they receive or send, with its first pairs."""
    from napari_scfm.figures.panel import Panel, Streams

    made = session.ligand
    first = ligand_layer.strongest(made.result)
    receivers, senders, strength = (part[:MOST] for part in first)
    xy = centroids(session.fov.table)
    lines = tuple(np.stack([xy[senders], xy[receivers]], axis=1))
    return Panel(
        title=made.title,
        values=np.where(made.values > 0, made.values, np.nan),
        limits=auto_limits(made.values),
        colormap=ligand_layer.COLORMAP,
        colourbar_label="ligand × receptor, log1p levels, mean",
        unknown="none",
        streams=Streams(lines, tuple(np.full(2, one) for one in strength)),
        note=f"{made.result.sentence} {ligand_layer.CAVEAT}",
    )
