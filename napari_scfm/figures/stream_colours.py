"""Colours of streams, the same on the canvas and on paper.

Decides: strong is bright and warm, weak is dim; what does not beat chance is grey and
thinner in every way of colouring, because a thin line alone looks sure of itself; the
raw field is blue-grey and dashed, so that nobody takes it for the tested one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.figures.palette import rgb

if TYPE_CHECKING:
    from collections.abc import Sequence

STRENGTH = ("#E8743B", "#F6A64A", "#FCD77F", "#FFFBEA")
"""From weak to strong, on anything darker than paper."""

STRENGTH_ON_PAPER = ("#E9A36B", "#D9662B", "#A32A1F", "#4A0D1C")
"""From weak to strong, on light pages."""

GREY, GREY_ON_PAPER = "#A6A6A6", "#7C7C7C"
"""Regions that do not beat chance."""

RAW, RAW_ON_PAPER = "#A9C4E8", "#6F8FB8"
"""The raw field: mostly geometry."""

NOBODY = "#E9E6DD"
"""No kind of cells sends more than its share."""

_INK, _PALE, _PAPER = "#0A0A12", "#F4F1E8", "#FFFFFF"
_DARK = 0.36

THIN = 0.7
"""Width of grey streams, of that of the others."""


def strength_colours(values: np.ndarray, *, paper: bool = False) -> np.ndarray:
    """Return (n, 3) colours of strengths 0..1."""
    colours = rgb(STRENGTH_ON_PAPER if paper else STRENGTH)
    at = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(values, at, colours[:, c]) for c in range(3)], axis=1)


def stream_colours(
    strength: Sequence[np.ndarray],
    beats: Sequence[np.ndarray] = (),
    sender: Sequence[np.ndarray] = (),
    palette: np.ndarray | None = None,
    *,
    raw: bool = False,
    paper: bool = False,
) -> np.ndarray:
    """Return the colour of every point of all streams.

    Parameters
    ----------
    strength
        (m,) per line, 0..1.
    beats
        (m,) bool per line; empty where all beat chance.
    sender
        (m,) sender kind per line, -1 for none; empty to colour by strength.
    palette
        (kinds, 3 or 4) colours of the sender kinds.
    raw
        The raw field, which has one colour.
    paper
        For light pages.

    Returns
    -------
    numpy.ndarray
        (points, 3) from 0 to 1.
    """
    if not len(strength):
        return np.zeros((0, 3))
    values = np.concatenate(strength)
    if raw:
        return np.repeat(rgb((RAW_ON_PAPER if paper else RAW,)), len(values), axis=0)
    if len(sender) and palette is not None and len(palette):
        who = np.concatenate(sender)
        colours = np.where(
            who[:, None] < 0, rgb((NOBODY,)), np.asarray(palette)[:, :3][who]
        )
    else:
        colours = strength_colours(values, paper=paper)
    if len(beats):
        chance = ~np.concatenate(beats)
        colours[chance] = rgb((GREY_ON_PAPER if paper else GREY,))
    return np.asarray(colours, dtype=np.float64)


def rim_colours(colours: np.ndarray, *, paper: bool = False) -> np.ndarray:
    """Return (n, 3) what to put around (n, 3) colours: dark, or light around dark."""
    if paper:
        return np.repeat(rgb((_PAPER,)), len(colours), axis=0)
    light = colours @ np.array([0.299, 0.587, 0.114])
    return np.where(light[:, None] < _DARK, rgb((_PALE,)), rgb((_INK,)))


def stream_widths(beats: Sequence[np.ndarray]) -> np.ndarray:
    """Return (points,) factor of the width of every point of all streams."""
    return np.where(np.concatenate(beats), 1.0, THIN)
