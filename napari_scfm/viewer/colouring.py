"""Colour per cell: from values to the lookup table of a Labels layer.

Cells are 1..n in a uint16 label image, so a colour per cell is a cyclic label
colormap of n + 1 rows: one small texture, exact, whatever the image's size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.utils.colormaps import CyclicLabelColormap

from napari_scfm.figures.palette import categorical, colour_values

if TYPE_CHECKING:
    import pandas as pd

DIM = 0.22
_PLAIN = np.array([0.7, 0.7, 0.7, 0.0], dtype=np.float32)
_PICKED = np.array([1.0, 1.0, 1.0, 0.65], dtype=np.float32)
VEILED = np.zeros(4, dtype=np.float32)
"""Cells of hidden classes: their outline alone is seen."""

GHOST = np.array([0.5, 0.5, 0.5, 0.12], dtype=np.float32)
"""Cells of hidden classes where there are no outlines: points, and side by side."""

OUTLINE = np.array([1.0, 1.0, 1.0, 0.55], dtype=np.float32)
FAINT_OUTLINE = np.array([0.6, 0.6, 0.6, 0.3], dtype=np.float32)
"""Outline of cells that are shown, and of those of hidden classes."""

UNKNOWN = np.array([0.55, 0.55, 0.55, 0.25], dtype=np.float32)
"""Cells without a value."""

HIDDEN = np.array([1.0, 0.35, 0.75, 1.0], dtype=np.float32)
"""Ring around cells that are hidden from the model."""

PARTLY = np.array([1.0, 0.6, 0.85], dtype=np.float32)
"""Ring around cells of which single entries are hidden."""


def auto_limits(values: np.ndarray) -> tuple[float, float]:
    """Return limits for a map of counts: 0 to the 99th percentile, at least 1."""
    finite = values[np.isfinite(values)]
    top = float(np.percentile(finite, 99)) if finite.size else 1.0
    return 0.0, max(top, float(finite.max(initial=0)) * 0.25, 1e-3)


def value_rgba(
    values: np.ndarray, limits: tuple[float, float], colormap: str
) -> np.ndarray:
    """Return (n, 4) colours of values; NaN is drawn as unknown."""
    rgba = np.array(colour_values(values, *limits, colormap), dtype=np.float32)
    rgba[np.isnan(values)] = UNKNOWN
    return rgba


def category_rgba(
    codes: np.ndarray, n: int, palette: np.ndarray | None = None
) -> np.ndarray:
    """Return (n_cells, 4) colours of category codes; -1 is drawn as unknown."""
    given = categorical(max(n, 1)) if palette is None else palette
    colours = np.asarray(given, dtype=np.float32)
    rgba = colours[np.clip(codes, 0, None)]
    rgba[codes < 0] = UNKNOWN
    return rgba


def type_legend(
    types: pd.Categorical, palette: np.ndarray | None = None
) -> tuple[tuple[str, tuple[float, ...]], ...]:
    """Return (name, RGBA) of each cell type."""
    colours = categorical(max(len(types.categories), 1)) if palette is None else palette
    return tuple(
        (str(name), tuple(float(c) for c in colour))
        for name, colour in zip(types.categories, colours, strict=False)
    )


def plain_rgba(n: int) -> np.ndarray:
    """Return (n, 4) transparent colours."""
    return np.repeat(_PLAIN[None], n, axis=0)


def highlight(rgba: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Dim every cell but the selected ones; nothing selected changes nothing."""
    if len(rows) == 0:
        return rgba
    out = rgba.copy()
    out[:, 3] *= DIM
    out[rows] = rgba[rows]
    faint = rows[out[rows, 3] < 0.1]
    out[faint] = _PICKED
    return out


def ring_rgba(share: np.ndarray) -> np.ndarray:
    """Return (n, 4) ring colours of the share of each cell that is hidden, 0..1."""
    rgba = np.zeros((len(share), 4), dtype=np.float32)
    part = share > 0
    rgba[part, :3] = PARTLY
    rgba[part, 3] = 0.35 + 0.5 * share[part]
    rgba[share >= 1] = HIDDEN
    return rgba


def certainty(spread: np.ndarray, unsure: float) -> np.ndarray:
    """Return (n,) opacity of predictions: 1 where repeats agree, faint where not.

    Parameters
    ----------
    spread
        (n,) standard deviation of repeated predictions; NaN keeps its opacity.
    unsure
        Spread from which a prediction is faintest.
    """
    share = np.clip(spread / max(unsure, 1e-9), 0, 1)
    return np.where(np.isnan(share), 1.0, 1 - (1 - DIM) * share)


def veiled(
    rgba: np.ndarray, hidden: np.ndarray, veil: np.ndarray = VEILED
) -> np.ndarray:
    """Return colours with the cells of hidden classes left empty, or under a veil."""
    if not hidden.any():
        return rgba
    out = rgba.copy()
    out[hidden] = veil
    return out


def outline_rgba(hidden: np.ndarray) -> np.ndarray:
    """Return (n, 4) colours of the outlines: faint grey around hidden cells."""
    return np.where(hidden[:, None], FAINT_OUTLINE, OUTLINE)


def fade(rgba: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Dim the given cells."""
    out = rgba.copy()
    out[rows, 3] *= DIM
    return out


def label_colormap(rgba: np.ndarray, ids: np.ndarray) -> CyclicLabelColormap:
    """Return the colormap that gives each label id its cell's colour.

    Parameters
    ----------
    rgba
        (n, 4) colours in table order.
    ids
        (n,) label ids in table order, 0 = no label.
    """
    lut = np.zeros((max(int(ids.max(initial=0)), 1) + 1, 4), dtype=np.float32)
    lut[ids] = rgba
    lut[0] = 0
    return CyclicLabelColormap(colors=lut, background_value=0)
