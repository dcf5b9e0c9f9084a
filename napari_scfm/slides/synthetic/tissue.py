"""The simulated tissue: cells, pictures and molecules, and the truth behind them.

Decides nothing about file formats (the writers do) and keeps everything that was
planted, so that a model's answer can be held against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.errors import SlideError
from napari_scfm.slides.synthetic.cell_types import NAMES
from napari_scfm.slides.synthetic.expression import Expression, express
from napari_scfm.slides.synthetic.layout import DOMAINS, Layout, lay_out
from napari_scfm.slides.synthetic.molecules import Molecules, scatter
from napari_scfm.slides.synthetic.outlines import Outlines, draw_outlines
from napari_scfm.slides.synthetic.programs import (
    INTERACTIONS,
    MARKERS,
    PROGRAMS,
    panel,
)
from napari_scfm.slides.synthetic.stains import stain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray


@dataclass(repr=False)
class Tissue:
    """A section of simulated tissue.

    Attributes
    ----------
    seed
        Seed that made it.
    pixel_size
        Edge of a pixel in um.
    genes
        Panel.
    controls
        Number of negative control probes; features after the genes.
    labels
        (H, W) int32, 1..n in the order of `cells`.
    nucleus
        (H, W) float32, above 0 in nuclei.
    images
        Channel -> (H, W) float32 in 0..1.
    cells
        One row a cell: x, y (um from the top-left, y down), cell_type, domain, area
        (um2), angle, depth.
    expression
        Rates, molecules, programs and signals.
    molecules
        Every molecule, with control probes and those outside cells.
    """

    seed: int
    pixel_size: float
    genes: list[str]
    controls: int
    labels: NDArray[np.int32]
    nucleus: NDArray[np.float32]
    images: Mapping[str, NDArray[np.float32]]
    cells: pd.DataFrame
    expression: Expression
    molecules: Molecules

    def truth(self) -> AnnData:
        """Return rates (``layers["rate"]``), types, programs and signals."""
        from anndata import AnnData

        names = [f"cell{number}" for number in range(1, len(self.cells) + 1)]
        counts = self.expression.counts.astype(np.float32)
        table = AnnData(counts, obs=self.cells.set_index(np.array(names)))
        table.var_names = self.genes
        table.layers["rate"] = self.expression.rates.astype(np.float32)
        table.obsm["spatial"] = self.cells[["x", "y"]].to_numpy()
        table.obsm["programs"] = self.expression.programs
        table.obsm["signals"] = self.expression.signals
        table.uns.update(planted())
        table.uns["seed"] = self.seed
        return table


def planted() -> dict[str, object]:
    """Return what every tissue has planted: markers, programs and interactions."""
    return {
        "markers": {kind: text.split() for kind, text in MARKERS.items()},
        "programs": {
            one.name: {
                "types": list(one.types),
                "up": one.up.split(),
                "down": one.down.split(),
                "length_um": one.length,
                "shared": one.shared,
            }
            for one in PROGRAMS
        },
        "interactions": {
            one.name: {
                "sender": one.sender,
                "receivers": list(one.receivers),
                "targets": one.targets.split(),
                "length_um": one.length,
                "strength": one.strength,
            }
            for one in INTERACTIONS
        },
        "spatial_units": "um",
    }


def simulate_tissue(
    seed: int = 0,
    width: float = 200.0,
    height: float = 200.0,
    *,
    pixel_size: float = 0.2,
    genes: Sequence[str] | None = None,
    controls: int = 10,
    transcripts: float = 260.0,
) -> Tissue:
    """Simulate a section of tissue; the same arguments give the same tissue.

    Parameters
    ----------
    seed
        Seed of everything random.
    width, height
        Size in um; about 7 cells lie in 1000 um2.
    pixel_size
        Edge of a pixel in um.
    genes
        Part of the simulator's panel to measure; all of it by default.
    controls
        Number of negative control probes.
    transcripts
        About the mean number of molecules in a cell, over the whole panel.

    Raises
    ------
    SlideError
        If the section is too small to hold a cell, or a gene is unknown.
    """
    if min(width, height) < 40.0 or not 0.05 <= pixel_size <= 1.0:
        raise SlideError(
            f"A simulated section of {width:g} x {height:g} um with pixels of "
            f"{pixel_size:g} um cannot be drawn.",
            "Use at least 40 x 40 um and pixels of 0.05 to 1 um.",
        )
    measured = _panel(genes)
    rng = np.random.default_rng(seed)
    layout = lay_out(rng, width, height)
    shape = (round(height / pixel_size), round(width / pixel_size))
    outlines = draw_outlines(rng, layout, shape, pixel_size)
    cells = _cells(layout, outlines, pixel_size)
    kind = layout.kind[outlines.kept]
    images = stain(rng, outlines, kind, pixel_size)
    expression = _express(rng, layout, cells, kind, measured, transcripts)
    cells["depth"] = expression.depth
    molecules = scatter(
        rng, expression.counts, measured, controls, outlines, pixel_size
    )
    return Tissue(
        seed,
        pixel_size,
        measured,
        controls,
        outlines.labels,
        outlines.nucleus,
        images,
        cells,
        expression,
        molecules,
    )


def _express(
    rng: np.random.Generator,
    layout: Layout,
    cells: pd.DataFrame,
    kind: NDArray[np.intp],
    measured: list[str],
    transcripts: float,
) -> Expression:
    """Express the whole panel, then keep what is measured."""
    every = panel()
    xy = cells[["x", "y"]].to_numpy()
    area = cells["area"].to_numpy()
    far = _to_vessels(layout, xy)
    made = express(rng, every, xy, kind, area, far, transcripts)
    columns = [every.index(gene) for gene in measured]
    made.rates = made.rates[:, columns]
    made.counts = made.counts[:, columns]
    return made


def _panel(genes: Sequence[str] | None) -> list[str]:
    if genes is None:
        return panel()
    unknown = sorted(set(genes) - set(panel()))
    if unknown:
        raise SlideError(
            f"The simulator does not know the genes {', '.join(unknown[:5])}.",
            "Choose genes from napari_scfm.slides.synthetic.programs.panel().",
        )
    return list(dict.fromkeys(genes))


def _cells(layout: Layout, outlines: Outlines, pixel_size: float) -> pd.DataFrame:
    import pandas as pd

    kept = outlines.kept
    flat = outlines.labels.ravel()
    area = np.bincount(flat, minlength=len(kept) + 1)[1:]
    rows, columns = np.divmod(np.arange(flat.size), outlines.labels.shape[1])
    y = np.bincount(flat, rows, len(kept) + 1)[1:] / area
    x = np.bincount(flat, columns, len(kept) + 1)[1:] / area
    return pd.DataFrame(
        {
            "x": (x + 0.5) * pixel_size,
            "y": (y + 0.5) * pixel_size,
            "cell_type": np.array(NAMES)[layout.kind[kept]],
            "domain": np.array(DOMAINS)[layout.domain[kept]],
            "area": area * pixel_size**2,
            "angle": layout.angle[kept],
        }
    )


def _to_vessels(layout: Layout, xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of points to the wall of the nearest vessel, in um."""
    nearest = np.full(len(xy), 150.0)
    for ring in layout.rings:
        if ring.kind == "vessel":
            gap = np.hypot(*(xy - ring.centre).T) - np.mean(ring.axes)
            nearest = np.minimum(nearest, np.maximum(gap, 0.0))
    return nearest
