"""One FOV of a CosMx slide: its table, labels, channels and transcripts.

Decides: the table keeps every cell, with ``obs["has_label"]`` False where the
segmentation has no pixel for it; counts and labels are read once and shared.
"""

from __future__ import annotations

import io
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm import keys
from napari_scfm.errors import counted, named
from napari_scfm.slides.checks import check_table, fractional_genes
from napari_scfm.slides.cosmx.cells import Cells, id_column
from napari_scfm.slides.cosmx.images import image_shape, openers
from napari_scfm.slides.cosmx.segmentation import (
    fov_shape,
    read_labels,
    read_polygons,
)
from napari_scfm.slides.counts import Counts, control_frame
from napari_scfm.slides.raster import has_pixels
from napari_scfm.slides.slide import FieldOfView, LazyImages

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from napari_scfm.slides.cosmx.reader import CosmxReader
    from napari_scfm.slides.csvfile import CsvFile


class CosmxFov:
    """Reads one FOV; counts and labels are shared by its parts.

    Parameters
    ----------
    reader
        Reader of its slide.
    name, number
        Ours and the vendor's.
    """

    def __init__(self, reader: CosmxReader, name: str, number: int) -> None:
        self.reader = reader
        self.name = name
        self.number = number
        files = reader.files
        self._label = files.labels.get(number)
        self._composite = files.composite.get(number)
        self._morphology = files.morphology.get(number)
        pictures = [p for p in (self._composite, self._morphology) if p is not None]
        self.shape = fov_shape(
            name,
            None if self._label is None else (self._label, image_shape(self._label)),
            [(p, image_shape(p)) for p in pictures],
            reader.frame.shape,
            reader.cells.local[reader.cells.fov == number],
        )

    def view(self) -> FieldOfView:
        """Return the field of view."""
        return FieldOfView(
            self.name,
            pixel_size=self.reader.frame.pixel_size,
            shape=self.shape,
            read_table=self.table,
            read_labels=lambda: self.labels,
            images=LazyImages(openers(self._composite, self._morphology, self.shape)),
            read_transcripts=self.read_transcripts,
            origin=self.reader.frame.origins.get(self.number, (0.0, 0.0)),
        )

    @cached_property
    def joined(self) -> tuple[Cells, Counts]:
        """Cells and counts of this FOV, in table order."""
        return self.reader.join(self.number)

    @cached_property
    def labels(self) -> np.ndarray | None:
        """(rows, columns) labels 1..n in table order, or None."""
        cells, report = self.joined[0], self.reader.report
        down = self.reader.frame.down
        if self._label is not None:
            labels = read_labels(self._label, cells, down, self.name, report)
        elif self.reader.polygons is not None:
            drawn = read_polygons(
                self.reader.polygons,
                self.number,
                cells,
                (self.shape, down),
                self.name,
                report,
            )
            if drawn is None:
                return None
            labels = drawn
        else:
            return None
        without = np.flatnonzero(~has_pixels(labels, len(cells.id)))
        if len(without):
            report.add(
                "found",
                f"FOV {self.name}: {counted(len(without), 'cell has', 'cells have')} "
                f"no pixels ({named(cells.name[without])}).",
            )
        return labels

    def table(self) -> AnnData:
        """Read the table of this FOV."""
        import anndata as ad
        import pandas as pd

        cells, counts = self.joined
        obs = self.reader.obs(cells)
        labels = self.labels
        if labels is not None:
            obs["has_label"] = has_pixels(labels, len(obs))
        table = ad.AnnData(
            X=counts.genes, obs=obs, var=pd.DataFrame(index=self.reader.counts.genes)
        )
        table.obsm[keys.SPATIAL] = self.reader.local_um(cells, self.shape)
        table.obsm[keys.CONTROLS] = control_frame(
            counts.controls, self.reader.counts.controls, table.obs_names
        )
        check_table(table, f"{self.reader.files.counts}, FOV {self.name}")
        fractional = fractional_genes(counts.genes, self.reader.counts.genes)
        if fractional:
            self.reader.report.add(
                "guessed",
                f"FOV {self.name}: {len(fractional)} genes hold values that are not "
                f"whole numbers ({named(fractional)}): they are taken as they are.",
            )
        return table

    def read_transcripts(self) -> pd.DataFrame | None:
        """Read the transcripts of this FOV: x, y in um of the FOV, gene, cell."""
        file = self.reader.transcripts
        if file is None:
            return None
        runs = file.index(file.require("fov")).get(str(self.number).encode(), [])
        return read_transcripts(file, file.block(runs), self)


def read_transcripts(file: CsvFile, block: bytes, fov: CosmxFov) -> pd.DataFrame:
    """Parse transcripts; ``cell`` is the vendor's name, empty outside cells."""
    import pandas as pd

    id_name = id_column(file.header)
    at = [
        file.require("x_local_px"),
        file.require("y_local_px"),
        file.require("target"),
        file.require("cell_ID") if id_name is None else file.header.index(id_name),
    ]
    if not block:
        return pd.DataFrame({"x": [], "y": [], "gene": [], "cell": []})
    table = pd.read_csv(io.BytesIO(block), header=None, usecols=at)[at]
    frame = fov.reader.frame
    xy = frame.pixels(table[at[:2]].to_numpy(dtype=float), fov.shape)
    cells = fov.joined[0]
    names = pd.Series(cells.name.astype(str), index=cells.id)
    return pd.DataFrame(
        {
            "x": xy[:, 0] * frame.pixel_size,
            "y": xy[:, 1] * frame.pixel_size,
            "gene": pd.Categorical(table[at[2]].astype(str)),
            "cell": pd.Categorical(names.reindex(table[at[3]]).fillna("").to_numpy()),
        }
    )
