"""The embedding as a panel of a figure: the points in the colours of the dock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.viewer.embedding.colours import TISSUE, paint_of
from napari_scfm.viewer.embedding.order import drawing_order

if TYPE_CHECKING:
    from napari_scfm.figures.panel import Panel
    from napari_scfm.viewer.session import Session


def ready(session: Session) -> bool:
    """Return whether there is a picture of the slide that is open."""
    made = session.embedding
    return made is not None and made.crowd.slide is session.slide


def embedding_panel(session: Session) -> Panel:
    """Return the points of the picture on show, coloured as in the dock."""
    from napari_scfm.figures.panel import Panel

    made = session.embedding
    paint = paint_of(session, made.crowd, made.by or TISSUE)
    order, legend = drawing_order(paint, made.xy), paint.legend
    note = "; ".join(part for part in (made.title, legend.note, legend.veil) if part)
    common = {
        "title": f"{made.method} of {made.asked.of}",
        "places": made.xy[order],
        "note": f"{note}.",
        "unlisted": legend.hidden,
        "hollow": None if paint.hidden is None else paint.hidden[order],
        "predicted": legend.predicted,
    }
    if paint.values is not None:
        return Panel(
            values=paint.values[order],
            limits=legend.limits,
            colormap=legend.colormap,
            colourbar_label=legend.title,
            **common,
        )
    if paint.rgba is None:
        return Panel(**common)
    solid = np.ones_like(paint.rgba)
    alpha = paint.rgba[:, 3:]
    solid[:, :3] = paint.rgba[:, :3] * alpha + 1 - alpha
    return Panel(
        colours=solid[order],
        names=tuple(name for name, _ in legend.categories),
        palette=np.array([colour for _, colour in legend.categories]),
        **common,
    )
