"""What the colours of streams mean, below a panel.

Decides: only sender kinds that a stream on the panel has are named; grey is explained
where there is grey; the raw field is called what it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.figures.overlay import stream_palette
from napari_scfm.figures.palette import rgb
from napari_scfm.figures.stream_colours import (
    GREY,
    GREY_ON_PAPER,
    NOBODY,
    RAW,
    RAW_ON_PAPER,
    strength_colours,
)

if TYPE_CHECKING:
    from napari_scfm.figures.panel import Streams

CHANCE = "does not beat chance"
NO_KIND = "no kind beyond its share"


def stream_entries(
    streams: Streams, *, dark: bool = False
) -> list[tuple[str, np.ndarray]]:
    """Return (name, RGB) of the colours of streams that stand for a kind of stream."""
    entries: list[tuple[str, np.ndarray]] = []
    if streams.colour == "raw":
        colour = rgb((RAW if dark else RAW_ON_PAPER,))[0]
        return [("raw: mostly geometry", colour)]
    sure = np.concatenate(streams.sure()) if streams.lines else np.zeros(0, bool)
    if streams.colour == "sender" and streams.sender:
        palette = stream_palette(streams)
        seen = np.unique(np.concatenate(streams.sender)[sure])
        entries += [(streams.kinds[i], palette[i][:3]) for i in seen if i >= 0]
        if (seen < 0).any():
            entries.append((NO_KIND, rgb((NOBODY,))[0]))
    if not sure.all():
        entries.append((CHANCE, rgb((GREY if dark else GREY_ON_PAPER,))[0]))
    return entries


def strength_steps(*, dark: bool = False, count: int = 32) -> np.ndarray:
    """Return (count, 3) colours from weak to strong."""
    return strength_colours(np.linspace(0, 1, count), paper=not dark)


HEADINGS = {
    "raw": "streams",
    "sender": "streams, by the kind of key that takes part beyond its share",
    "strength": "streams, weak to strong",
}
"""What the colours of streams are about."""


def coloured(streams: Streams) -> str:
    """Return what the streams that are not grey are coloured by; "raw" if nothing."""
    if streams.colour == "raw" or not any(one.any() for one in streams.sure()):
        return "raw"
    return streams.colour
