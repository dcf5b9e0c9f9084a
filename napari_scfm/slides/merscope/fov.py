"""One FOV of a MERSCOPE region: its table, labels, channels and transcripts.

Decides: what lies outside the mosaic is black, so that every cell of the FOV is
shown whole; a transcript without ``cell_id`` belongs to the cell whose label it
falls in.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm import keys
from napari_scfm.errors import counted, named
from napari_scfm.slides.merscope.mosaics import read_window
from napari_scfm.slides.merscope.transcripts import read_transcripts
from napari_scfm.slides.raster import has_pixels, paint
from napari_scfm.slides.slide import FieldOfView, LazyImages

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData

    from napari_scfm.slides.merscope.cells import Cells
    from napari_scfm.slides.merscope.reader import MerscopeReader

_MARGIN_PX = 2
_LOW_HIT_RATE = 0.8


class MerscopeFov:
    """Reads one FOV; cells and labels are shared by its parts.

    Parameters
    ----------
    reader
        Reader of its region.
    name
        Name of the FOV.
    """

    def __init__(self, reader: MerscopeReader, name: str) -> None:
        self.reader = reader
        self.name = name
        box = reader.cells.bounds[reader.fovs[name]]
        ends = np.concatenate([box[:, :2], box[:, 2:]])
        pixels = reader.transform.pixels(ends)
        first = np.floor(pixels.min(axis=0)).astype(int) - _MARGIN_PX
        last = np.ceil(pixels.max(axis=0)).astype(int) + _MARGIN_PX
        self.corner = (int(first[1]), int(first[0]))
        self.shape = (int(last[1] - first[1] + 1), int(last[0] - first[0] + 1))
        self.pixel_size = reader.transform.pixel_size

    def view(self) -> FieldOfView:
        """Return the field of view."""
        corner = np.array([self.corner[::-1]], dtype=float)
        origin = self.reader.transform.um(corner)[0]
        mosaics = self.reader.files.mosaics
        images = {
            stain: self._opener(planes[self.reader.nearest_plane(stain)])
            for stain, planes in sorted(mosaics.items())
        }
        return FieldOfView(
            self.name,
            pixel_size=self.pixel_size,
            shape=self.shape,
            read_table=self.table,
            read_labels=lambda: self.labels,
            images=LazyImages(images),
            read_transcripts=self.transcripts,
            origin=(float(origin[0]), float(origin[1])),
        )

    def _opener(self, path: Path) -> Callable[[], np.ndarray]:
        return lambda: read_window(path, self.corner, self.shape)

    def pixels(self, um: np.ndarray) -> np.ndarray:
        """Turn (n, 2) um of the slide into (column, row) of this FOV."""
        pixels = self.reader.transform.pixels(um)
        pixels -= self.corner[::-1]
        return pixels

    @cached_property
    def cells(self) -> Cells:
        """Cells of this FOV that have counts, in table order."""
        return self.reader.join(self.name)[0]

    @cached_property
    def labels(self) -> np.ndarray | None:
        """(rows, columns) labels 1..n in table order, or None."""
        boundaries, plane = self.reader.boundaries, self.reader.plane
        if boundaries is None or plane is None:
            return None
        rings, elsewhere = boundaries.rings(self.cells.id.tolist(), plane)
        drawn = [r and [self.pixels(ring) for ring in r] for r in rings]
        labels, contested = paint(drawn, self.shape)
        self._tell(labels, contested, elsewhere)
        return labels

    def _tell(self, labels: np.ndarray, contested: int, elsewhere: int) -> None:
        report, cells, plane = self.reader.report, self.cells, self.reader.plane
        prefix = f"FOV {self.name}:"
        repaired = getattr(self.reader.boundaries, "repaired", 0)
        if repaired:
            report.add("found", f"{repaired} invalid outlines were repaired.")
        if elsewhere:
            report.add(
                "found",
                f"{prefix} {counted(elsewhere, 'cell has', 'cells have')} "
                f"no outline (or a speck) at z{plane}, drawn from "
                "the nearest plane that has one.",
            )
        if contested:
            report.add(
                "found",
                f"{prefix} outlines overlap in {contested} px: the later cell "
                "has them.",
            )
        without = np.flatnonzero(~has_pixels(labels, len(cells.id)))
        if len(without):
            report.add(
                "found",
                f"{prefix} {counted(len(without), 'cell has', 'cells have')} no pixels "
                f"({named(cells.id[without])}).",
            )
        at = np.rint(self.pixels(cells.centre)).astype(int)
        at = at.clip(0, np.array(self.shape[::-1]) - 1)
        own = labels[at[:, 1], at[:, 0]] == np.arange(1, len(at) + 1)
        if len(own) and own.mean() < _LOW_HIT_RATE:
            report.add(
                "guessed",
                f"{prefix} only {own.mean():.1%} of centres lie in their own label: "
                "boundaries and table may not belong together.",
            )

    def table(self) -> AnnData:
        """Read the table of this FOV."""
        reader, cells = self.reader, self.cells
        where = f"{reader.files.counts}, FOV {self.name}"
        obs = reader.obs(cells, self.name)
        if self.labels is not None:
            obs["has_label"] = has_pixels(self.labels, len(obs))
        table = reader.build(cells, obs, where)
        table.obsm[keys.SPATIAL] = self.pixels(cells.centre) * self.pixel_size
        return table

    def transcripts(self) -> pd.DataFrame | None:
        """Read the transcripts in this FOV: x, y in um of the FOV, gene, cell."""
        path = self.reader.files.transcripts
        if path is None:
            return None
        return read_transcripts(path, self)
