"""Arrowheads that travel along the streams, to show the way they run.

The heads go from their place to that of the next one on the line, and begin anew, so
that a lap has no end. Who keeps the time is the caller: a step draws one moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.analysis.streams.ribbons import head_vectors, heads_along
from napari_scfm.viewer.attention.layers import redraw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.viewer import Viewer

    from napari_scfm.viewer.session import Session


def heads_at(
    lines: Sequence[np.ndarray],
    phase: float,
    length_um: float,
    every: float = np.inf,
) -> np.ndarray:
    """Return the heads of lines at a moment.

    Parameters
    ----------
    lines
        (m, 2) points (x, y), m >= 2.
    phase
        0..1 of the way to the place of the next head.
    length_um, every
        Length of a head, and of the line that has one.

    Returns
    -------
    numpy.ndarray
        (k, 2, 2) start and step (x, y); k is the same for every phase.
    """
    return head_vectors(heads_along(lines, length_um, every, phase).triangles)


def step(viewer: Viewer, session: Session, phase: float) -> None:
    """Draw the heads of the session's stream at a moment, if there is one."""
    redraw(viewer, session, phase)
