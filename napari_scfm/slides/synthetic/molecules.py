"""Where the molecules lie: in the nucleus, the cytoplasm, or astray.

What a machine counts for a cell is what lies within its outline, so diffusion here
gives the spill-over between neighbours that real slides have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_scfm.slides.synthetic.outlines import Outlines

NUCLEAR: Final = ("MALAT1", "TOP2A", "MKI67", "CENPF")
"""Genes whose molecules stay in the nucleus."""

STRAY: Final = 0.04
"""Share of molecules that drift about 2.5 um away."""

AMBIENT: Final = 0.16
"""Density of molecules outside cells over that inside."""


@dataclass(repr=False)
class Molecules:
    """Single molecules of the whole tissue.

    Attributes
    ----------
    x, y
        Position in um from the tissue's top-left corner, y down.
    z
        Optical plane, 0 to 2.
    feature
        Position in genes followed by control probes.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    z: NDArray[np.int64]
    feature: NDArray[np.intp]

    def pixels(self, pixel_size: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return rows and columns of the pixels in which the molecules lie."""
        return (
            np.floor(self.y / pixel_size).astype(np.intp),
            np.floor(self.x / pixel_size).astype(np.intp),
        )


def scatter(
    rng: np.random.Generator,
    counts: NDArray[np.int64],
    genes: Sequence[str],
    controls: int,
    outlines: Outlines,
    pixel_size: float,
) -> Molecules:
    """Place the molecules of (n, genes) counts, ambient ones and control probes."""
    cell, gene = np.nonzero(counts)
    repeats = counts[cell, gene]
    cell, gene = np.repeat(cell, repeats), np.repeat(gene, repeats)
    nuclear = np.isin(gene, np.flatnonzero(np.isin(genes, NUCLEAR)))
    pixel = np.where(
        nuclear & (rng.uniform(size=len(cell)) < 0.8),
        _pixels(rng, outlines.labels * (outlines.nucleus > 0), cell, outlines),
        _pixels(rng, outlines.labels, cell, outlines),
    )
    ambient, ambient_gene = _ambient(rng, counts, outlines)
    probe = _probes(rng, len(counts), controls, outlines)
    width = outlines.labels.shape[1]
    where = np.concatenate([pixel, ambient, probe[0]])
    feature = np.concatenate([gene, ambient_gene, probe[1] + len(genes)])
    drift = np.where(rng.uniform(size=len(where)) < STRAY, 2.5, 0.12)
    x = (where % width + rng.uniform(size=len(where))) * pixel_size
    y = (where // width + rng.uniform(size=len(where))) * pixel_size
    x += drift * rng.normal(size=len(where))
    y += drift * rng.normal(size=len(where))
    z = np.clip(np.rint(rng.normal(1.0, 0.7, len(where))), 0, 2).astype(np.int64)
    return Molecules(x, y, z, feature.astype(np.intp))


def _pixels(
    rng: np.random.Generator,
    labels: NDArray[np.int32],
    cell: NDArray[np.intp],
    outlines: Outlines,
) -> NDArray[np.int64]:
    """Return a flat pixel of the labels for each molecule of cells 0..n-1."""
    count = int(outlines.labels.max())
    inside = np.flatnonzero(labels)
    order = inside[np.argsort(labels.ravel()[inside], kind="stable")]
    area = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    start = np.cumsum(area) - area
    if (area == 0).any():
        whole = _pixels(rng, outlines.labels, cell, outlines)
    draw = rng.uniform(size=len(cell))
    step = np.minimum((draw * area[cell]).astype(np.int64), area[cell] - 1)
    spot: NDArray[np.int64] = order[np.clip(start[cell] + step, 0, len(order) - 1)]
    if (area == 0).any():
        spot = np.where(area[cell] == 0, whole, spot)
    return spot


def _ambient(
    rng: np.random.Generator, counts: NDArray[np.int64], outlines: Outlines
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    gap = np.flatnonzero(outlines.labels.ravel() == 0)
    total = counts.sum(axis=0)
    density = AMBIENT * total.sum() / max(outlines.labels.size - len(gap), 1)
    number = rng.poisson(density * len(gap))
    share = (total + 1.0) / (total + 1.0).sum()
    where = gap[rng.integers(0, len(gap), number)]
    return where, rng.choice(len(total), number, p=share)


def _probes(
    rng: np.random.Generator, cells: int, controls: int, outlines: Outlines
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    level = 0.06 * rng.lognormal(0.0, 0.4, controls)
    number = rng.poisson(level * cells * 1.2)
    where = rng.integers(0, outlines.labels.size, int(number.sum()))
    return where, np.repeat(np.arange(controls), number)
