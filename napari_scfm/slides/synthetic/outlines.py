"""Outlines of cells and nuclei: each pixel goes to the nearest cell that reaches it.

"Nearest" is measured in each cell's own wobbly ellipse, so that neighbours share curved
borders, free borders are round, and gaps stay where no cell reaches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_scfm.slides.synthetic.cell_types import CELL_TYPES
from napari_scfm.slides.synthetic.fields import RandomField

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scfm.slides.synthetic.layout import Layout

MIN_AREA: Final = 12.0
"""A cell that is left with less than this area, in um2, is given up."""


@dataclass
class Outlines:
    """Pixels of cells and nuclei.

    Attributes
    ----------
    labels
        (H, W) int32, 1..n in the order of the kept cells, 0 outside.
    nucleus
        (H, W) float32, 0 outside nuclei, up to 1 in their middle.
    kept
        Positions in the layout of cells 1..n.
    """

    labels: NDArray[np.int32]
    nucleus: NDArray[np.float32]
    kept: NDArray[np.intp]


@dataclass(frozen=True)
class _Shape:
    """One cell's ellipse and its wobble."""

    axes: tuple[float, float]
    angle: float
    spindle: bool
    bend: float
    waves: NDArray[np.float64]
    nucleus: tuple[float, float, float, float]

    def distance(
        self, dx: NDArray[np.float32], dy: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the reach of the cell and of its nucleus: < 1 is inside."""
        cos, sin = np.float32(np.cos(self.angle)), np.float32(np.sin(self.angle))
        u, v = cos * dx + sin * dy, cos * dy - sin * dx
        v = v - np.float32(self.bend) * u * u
        shift_u, shift_v, nu, nv = self.nucleus
        core = np.hypot((u - shift_u) / nu, (v - shift_v) / nv)
        u, v = u / np.float32(self.axes[0]), v / np.float32(self.axes[1])
        if self.spindle:
            v = v / np.maximum(1.0 - 0.55 * u * u, 0.3)
        around = np.arctan2(v, u)
        wobble = np.ones_like(u)
        inner = np.ones_like(u)
        for order, (size, phase) in enumerate(self.waves, start=2):
            wave = np.cos(np.float32(order) * around + np.float32(phase))
            wobble += np.float32(size) * wave
            inner += np.float32(0.5 * size) * wave
        reach = np.hypot(u, v) / wobble
        return reach.astype(np.float32), (core / inner).astype(np.float32)


def draw_outlines(
    rng: np.random.Generator,
    layout: Layout,
    shape: tuple[int, int],
    pixel_size: float,
) -> Outlines:
    """Draw every cell of a layout into a label image of (rows, columns)."""
    warp = [RandomField(rng, 3.0, 96).image(shape, pixel_size, 6) for _ in range(2)]
    best = np.full(shape, np.inf, dtype=np.float32)
    labels = np.zeros(shape, dtype=np.int32)
    nucleus = np.zeros(shape, dtype=np.float32)
    for cell in range(len(layout.xy)):
        form = _shape(rng, layout, cell)
        x, y = layout.xy[cell]
        window = _window(x, y, max(form.axes) * 1.3 + 1.0, shape, pixel_size)
        rows, columns = window
        xs = (np.arange(columns.start, columns.stop) + 0.5) * pixel_size - x
        ys = (np.arange(rows.start, rows.stop) + 0.5) * pixel_size - y
        dx = xs[None, :].astype(np.float32) + 0.45 * warp[0][window]
        dy = ys[:, None].astype(np.float32) + 0.45 * warp[1][window]
        reach, core = form.distance(dx, dy)
        won = (reach < 1.0) & (reach < best[window])
        best[window][won] = reach[won]
        labels[window][won] = cell + 1
        nucleus[window][won] = np.maximum(1.0 - core[won], 0.0)
    return _tidy(labels, nucleus, pixel_size)


def _shape(rng: np.random.Generator, layout: Layout, cell: int) -> _Shape:
    kind = CELL_TYPES[layout.kind[cell]]
    stretch = max(kind.elongation * rng.lognormal(0.0, 0.15), 1.0)
    radius = kind.radius * rng.lognormal(0.0, 0.08) * 1.12
    axes = (radius * np.sqrt(stretch), radius / np.sqrt(stretch))
    size = kind.nucleus * rng.uniform(0.88, 1.08)
    off = rng.normal(0.0, 0.1, 2) * np.array(axes) * (1.0 - size) * 2.0
    waves = np.stack(
        [rng.normal(0.0, [0.07, 0.06, 0.035, 0.025]), rng.uniform(0, 2 * np.pi, 4)],
        axis=1,
    )
    return _Shape(
        axes,
        float(layout.angle[cell]),
        kind.spindle,
        float(rng.normal(0.0, 0.012)) if kind.spindle else 0.0,
        waves,
        (off[0], off[1], axes[0] * size * 0.95, axes[1] * min(size * 1.1, 0.85)),
    )


def _window(
    x: float, y: float, reach: float, shape: tuple[int, int], pixel_size: float
) -> tuple[slice, slice]:
    def span(centre: float, size: int) -> slice:
        low = int((centre - reach) / pixel_size)
        high = int((centre + reach) / pixel_size) + 2
        return slice(max(low, 0), min(high, size))

    return span(y, shape[0]), span(x, shape[1])


def _tidy(
    labels: NDArray[np.int32], nucleus: NDArray[np.float32], pixel_size: float
) -> Outlines:
    """Keep the largest piece of each cell, give up slivers, number 1..n."""
    from skimage.measure import label as connected

    pieces = connected(labels, background=0, connectivity=1)
    sizes = np.bincount(pieces.ravel())
    owner = np.zeros(len(sizes), dtype=np.int64)
    owner[pieces.ravel()] = labels.ravel()
    sizes[0] = 0
    order = np.lexsort((sizes, owner))
    last = np.append(np.diff(owner[order]) != 0, True)
    largest = order[last]
    largest = largest[owner[largest] > 0]
    largest = largest[sizes[largest] * pixel_size**2 >= MIN_AREA]
    number = np.zeros(len(sizes), dtype=np.int32)
    number[largest] = np.arange(1, len(largest) + 1)
    clean = number[pieces]
    nucleus[clean == 0] = 0.0
    return Outlines(clean, nucleus, (owner[largest] - 1).astype(np.intp))
