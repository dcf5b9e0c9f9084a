"""Panel: one picture of a FOV, as data.

A panel says what is shown and how it is called; sizes, fonts and places belong to
the figure. A panel of predicted values says so, and is drawn with the mark of a
prediction wherever it goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_scfm.figures.palette import categorical, colour_values

if TYPE_CHECKING:
    from napari_scfm.analysis.attention.attention_field import Shares

UNKNOWN = (0.86, 0.86, 0.86, 1.0)
"""Colour of cells without a value or category."""

PREDICTED = "predicted"
"""The word that stands on every panel of a model's values."""


@dataclass(frozen=True, eq=False)
class Channel:
    """An image channel under the cells.

    Attributes
    ----------
    name
        Name among the FOV's images.
    colour
        "#RRGGBB" of the brightest pixel; channels are added.
    limits
        Intensities drawn black and full; None for the 1st and 99.8th percentile.
    """

    name: str
    colour: str = "#FFFFFF"
    limits: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Streams:
    """Streamlines over the cells.

    Attributes
    ----------
    lines
        (m, 2) points (x, y) in um, in the direction of the flow.
    strength
        (m,) strength along each line, or None.
    faint
        Drawn grey all over: the field does not beat chance.
    beats
        (m,) bool per line, grey where a region does not; empty for as ``faint`` says.
    sender
        (m,) sender kind per line, -1 for none.
    kinds, palette
        Names and (k, 4) RGBA of the sender kinds; standard colours without.
    colour
        "ink" for one colour, "strength", "sender", or "raw" for the raw field, which
        is drawn in dashes.
    """

    lines: tuple[np.ndarray, ...]
    strength: tuple[np.ndarray, ...] | None = None
    faint: bool = False
    beats: tuple[np.ndarray, ...] = ()
    sender: tuple[np.ndarray, ...] = ()
    kinds: tuple[str, ...] = ()
    palette: np.ndarray | None = None
    colour: Literal["ink", "strength", "sender", "raw"] = "ink"

    def sure(self) -> tuple[np.ndarray, ...]:
        """Return (m,) bool per line: drawn in colour and not in grey."""
        if self.beats:
            return self.beats
        return tuple(np.full(len(line), not self.faint) for line in self.lines)


@dataclass(frozen=True, eq=False)
class Panel:
    """What one panel shows. At most one of values, categories and colours.

    Attributes
    ----------
    title
        Above the panel.
    values
        (n,) a number per cell; NaN is drawn as unknown.
    categories
        (n,) a code per cell from 0, negative for unknown.
    colours
        (n, 4) RGBA per cell, where both of the above are too simple.
    names, palette
        Names of the categories for the legend, and (k, 4) RGBA in place of the
        standard colours. With ``colours``, the legend as it stands.
    colormap, limits
        Of the values; limits None for 0 to the 99th percentile.
    channels
        Image channels under the cells, added up on black.
    outlines
        Draw the cells' boundaries.
    opacity
        Of the cells' colours; None for opaque, half-opaque over channels.
    faded
        Share of the page's colour, 0 to 1, that is mixed into the cells', so that
        streams over them read well.
    streams
        Drawn over the cells.
    places
        (m, 2) places of points, y up, drawn in place of the field of view; values,
        categories or colours are then of the points. None for the cells themselves.
    predicted
        The values are a model's, not measured.
    colourbar_label
        Beside the colour bar, with the unit.
    unknown
        What cells without a value are called, where there are some.
    note
        A line below the panel.
    hollow
        (n,) whether a cell is only outlined, faintly; None for none.
    unlisted
        Names that the legend leaves out.
    shares, p_value, permutations
        Of an attention field, drawn below the panel.
    """

    title: str = ""
    values: np.ndarray | None = None
    categories: np.ndarray | None = None
    colours: np.ndarray | None = None
    names: tuple[str, ...] = ()
    palette: np.ndarray | None = None
    colormap: str = "viridis"
    limits: tuple[float, float] | None = None
    channels: tuple[Channel, ...] = ()
    outlines: bool = True
    opacity: float | None = None
    faded: float = 0.0
    streams: Streams | None = None
    places: np.ndarray | None = None
    predicted: bool = False
    colourbar_label: str = ""
    unknown: str = "no value"
    note: str = ""
    hollow: np.ndarray | None = None
    unlisted: frozenset[str] = frozenset()
    shares: Shares | None = None
    p_value: float | None = None
    permutations: int = 0

    @property
    def scale(self) -> tuple[float, float]:
        """Values of the first and the last colour."""
        if self.limits is not None:
            return self.limits
        return auto_limits(self.values if self.values is not None else np.zeros(0))

    @property
    def legend(self) -> tuple[tuple[str, np.ndarray], ...]:
        """(name, RGBA) of each category that is listed."""
        pairs = zip(self.names, self._palette(len(self.names)), strict=False)
        return tuple(pair for pair in pairs if pair[0] not in self.unlisted)

    def mixed(self, rgba: np.ndarray, page: tuple[float, float, float]) -> np.ndarray:
        """Return (k, 4) colours as they look after fading into the page."""
        out = np.array(rgba, dtype=np.float32)
        out[:, :3] += self.faded * (np.asarray(page, dtype=np.float32) - out[:, :3])
        return out

    def _palette(self, count: int) -> np.ndarray:
        return categorical(count) if self.palette is None else self.palette

    def rgba(self, cells: int) -> np.ndarray | None:
        """Return (cells, 4) colours, or None where cells are not filled."""
        rgba = self._filled()
        if rgba is None or self.hollow is None or len(self.hollow) != len(rgba):
            return rgba
        return np.where(self.hollow[:, None], np.float32(0), rgba)

    def _filled(self) -> np.ndarray | None:
        if self.colours is not None:
            return np.asarray(self.colours, dtype=np.float32)
        if self.values is not None:
            colours = colour_values(self.values, *self.scale, self.colormap)
            colours[~np.isfinite(np.asarray(self.values, dtype=float))] = UNKNOWN
            return colours
        if self.categories is None:
            return None
        codes = np.asarray(self.categories)
        palette = self._palette(max(len(self.names), int(codes.max(initial=-1)) + 1, 1))
        colours = np.asarray(palette, dtype=np.float32)[np.clip(codes, 0, None)]
        colours[codes < 0] = UNKNOWN
        return np.asarray(colours)


def auto_limits(values: np.ndarray) -> tuple[float, float]:
    """Return limits of values: the 99th percentile above, 0 or the 1st below."""
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    if not finite.size:
        return 0.0, 1.0
    top = float(np.percentile(finite, 99))
    low = 0.0 if finite.min() >= 0 else float(np.percentile(finite, 1))
    if top <= low:
        top = float(finite.max())
    return low, top if top > low else low + 1.0
