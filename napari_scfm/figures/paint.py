"""Pixels of a panel: channels, cells and outlines, without OpenGL.

Decides: a panel is painted at the very pixels of the paper (twice as fine, then
averaged, so that cell edges are smooth), by looking up each pixel's label; outlines
are found after that, so that they have the same width on paper whatever the size of
the FOV, and fade where cells get too small for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.errors import SlideError, named
from napari_scfm.figures.palette import DIVERGING, rgb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_scfm.figures.panel import Channel, Panel

_FINE = 2
_FINEST = 24_000_000
_OUTLINE_PT = 0.32
_HAZE = 0.35
_HOLLOW = (0.6, 0.6, 0.6, 0.45)
"""Outline of cells that are not filled, on any page."""


@dataclass(frozen=True)
class Window:
    """Part of a FOV, in label pixels, and the paper pixels that it fills.

    Attributes
    ----------
    top, left, rows, columns
        Of the part.
    height, width
        In paper pixels.
    """

    top: int
    left: int
    rows: int
    columns: int
    height: int
    width: int

    def sample(self, fine: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the label rows and columns under the fine pixels' centres."""
        height, width = fine * self.height, fine * self.width
        row = self.top + (np.arange(height) + 0.5) * (self.rows / height)
        column = self.left + (np.arange(width) + 0.5) * (self.columns / width)
        return row.astype(np.intp), column.astype(np.intp)


def paint(
    panel: Panel,
    labels: np.ndarray,
    images: Mapping[str, np.ndarray],
    window: Window,
    *,
    cells: int,
    background: tuple[float, float, float],
    dpi: int,
) -> np.ndarray:
    """Return the pixels of a panel.

    Parameters
    ----------
    panel
        What to show.
    labels
        (H, W) labels 1..n in table order.
    images
        Channel name -> (H, W).
    window
        Which part, and at what size.
    cells
        n.
    background
        RGB of the page.
    dpi
        Resolution, for the width of outlines.

    Returns
    -------
    numpy.ndarray
        (window.height, window.width, 3) uint8.

    Raises
    ------
    SlideError
        If a channel is not there, or the panel does not fit the cells.
    """
    fine = _FINE if window.height * window.width * _FINE**2 <= _FINEST else 1
    row, column = window.sample(fine)
    ids = labels[np.ix_(row, column)]
    ids = np.where(ids <= cells, ids, 0)
    canvas = np.empty((*ids.shape, 3), dtype=np.float32)
    canvas[:] = (0, 0, 0) if panel.channels else background
    if panel.channels:
        coarse = add_channels(panel.channels, images, window)
        canvas += coarse.repeat(fine, axis=0).repeat(fine, axis=1)
    table = _cell_table(panel, cells, background)
    if table is not None:
        opaque = table[:, 3] >= 1
        if opaque[1:].all():
            filled = ids > 0
            canvas[filled] = table[ids[filled], :3]
        else:
            colour = table[ids]
            canvas += colour[..., 3:] * (colour[..., :3] - canvas)
    if panel.outlines:
        alpha = outline_alpha(ids, fine * dpi * _OUTLINE_PT / 72)[..., None]
        line = _outline_table(panel, cells, background)[ids]
        canvas += alpha * line[..., 3:] * (line[..., :3] - canvas)
    shape = (window.height, fine, window.width, fine, 3)
    mean = canvas.reshape(shape).mean(axis=(1, 3))
    return np.asarray(np.clip(np.rint(mean * 255), 0, 255), dtype=np.uint8)


def _cell_table(
    panel: Panel, cells: int, page: tuple[float, float, float]
) -> np.ndarray | None:
    """Return (cells + 1, 4) colours by label, the background's transparent."""
    colours = panel.rgba(cells)
    if colours is None:
        return None
    if colours.shape != (cells, 4):
        raise SlideError(
            f"Panel {panel.title!r} has values of {len(colours)} cells, the field of "
            f"view has {cells}.",
            "Give one value per cell, in the order of the table.",
        )
    table = np.zeros((cells + 1, 4), dtype=np.float32)
    table[1:] = panel.mixed(colours, page)
    default = 0.6 if panel.channels else 1.0
    table[1:, 3] *= default if panel.opacity is None else panel.opacity
    return table


def _outline_table(
    panel: Panel, cells: int, background: tuple[float, float, float]
) -> np.ndarray:
    """Return (cells + 1, 4) colours of the outlines by label, grey of hollow cells."""
    table = np.tile(_outline_colour(panel, background), (cells + 1, 1))
    if panel.hollow is not None:
        table[1:][panel.hollow] = _HOLLOW
    return np.asarray(table, dtype=np.float32)


def _outline_colour(panel: Panel, background: tuple[float, float, float]) -> np.ndarray:
    filled = panel.values is not None or panel.categories is not None
    filled = filled or panel.colours is not None
    if panel.channels:
        return np.array([1.0, 1.0, 1.0, 0.55 if filled else 0.75])
    if filled and panel.colormap.removesuffix("_r") in DIVERGING:
        # cells without an error would vanish between lines of the page's colour
        return np.array([0.55, 0.55, 0.55, 0.7])
    if filled:
        return np.array([*background, 0.85])
    shade = 0.35 if sum(background) > 1.5 else 0.75
    return np.array([shade, shade, shade, 1.0])


def outline_alpha(ids: np.ndarray, width: float) -> np.ndarray:
    """Return (H, W) float32, 1 on the cells' boundaries.

    Parameters
    ----------
    ids
        (H, W) labels as painted.
    width
        Width of the line between two cells, in these pixels. Where cells are less
        than some widths across, the lines fade.
    """
    edge = np.zeros(ids.shape, dtype=bool)
    for step in range(1, max(round(width / 2), 1) + 1):
        vertical = ids[step:] != ids[:-step]
        edge[step:] |= vertical
        edge[:-step] |= vertical
        across = ids[:, step:] != ids[:, :-step]
        edge[:, step:] |= across
        edge[:, :-step] |= across
    edge &= ids > 0
    area = np.bincount(ids.ravel())[1:]
    area = area[area > 0]
    size = float(np.sqrt(np.median(area))) if area.size else 0.0
    fading = np.clip((size - 3 * width) / (5 * width), 0, 1)
    return np.asarray(edge * np.float32(fading), dtype=np.float32)


def add_channels(
    channels: tuple[Channel, ...], images: Mapping[str, np.ndarray], window: Window
) -> np.ndarray:
    """Return (window.height, window.width, 3) float32 sum of coloured channels."""
    out = np.zeros((window.height, window.width, 3), dtype=np.float32)
    missing = [channel.name for channel in channels if channel.name not in images]
    if missing:
        raise SlideError(
            f"There is no channel {named(missing)}.",
            f"Choose from {named(images, 12)}." if images else "There are no images.",
        )
    for channel in channels:
        pixels = _resized(images[channel.name], window)
        low, high = channel.limits or _contrast(pixels, several=len(channels) > 1)
        shade = np.clip((pixels - low) / max(high - low, 1e-9), 0, 1)
        out += shade[..., None] * rgb((channel.colour,))[0].astype(np.float32)
    # many channels that overlap would add up to white
    brightest = float(np.percentile(out.max(axis=2), 99.5)) if len(channels) > 1 else 1
    return np.asarray(np.minimum(out / max(brightest, 1.0), 1))


def _contrast(pixels: np.ndarray, *, several: bool) -> tuple[float, float]:
    """Return the 1st and 99.8th percentile of what is not exactly 0.

    Pixels outside the scanned area are 0, and would pull the dark end down. Of
    several channels the median is drawn at most ``_HAZE`` bright: haze in each of them
    would add up to white.
    """
    scanned = pixels[pixels > 0]
    if not scanned.size:
        return 0.0, 1.0
    low, median, high = np.percentile(scanned, (1, 50, 99.8))
    if several:
        low = max(low, (median - _HAZE * high) / (1 - _HAZE))
    return float(low), float(high)


def _resized(image: np.ndarray, window: Window) -> np.ndarray:
    """Return the window of an image at paper size: averaged or interpolated."""
    from PIL import Image

    part = np.asarray(
        image[
            window.top : window.top + window.rows,
            window.left : window.left + window.columns,
        ],
        dtype=np.float32,
    )
    smaller = window.width < window.columns
    how = Image.Resampling.BOX if smaller else Image.Resampling.BICUBIC
    picture = Image.fromarray(part).resize((window.width, window.height), how)
    return np.asarray(picture)
