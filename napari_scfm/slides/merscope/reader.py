"""Open a MERSCOPE region as a Slide.

Decides: the slide's frame is the vendor's, um with y down (rows of the mosaic grow
with y, nothing is flipped); a FOV is the bounding box of its cells' bounds in whole
mosaic pixels. On opening only the metadata is read. A cell is kept when it stands
in the metadata and in the counts; rows in only one of them are reported.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm import keys
from napari_scfm.errors import SlideError, counted, named
from napari_scfm.slides.checks import check_table
from napari_scfm.slides.counts import CountsFile, control_frame
from napari_scfm.slides.csvfile import CsvFile, Run
from napari_scfm.slides.merscope import tiles
from napari_scfm.slides.merscope.boundaries import (
    Boundaries,
    Hdf5Boundaries,
    ParquetBoundaries,
)
from napari_scfm.slides.merscope.cells import Cells, read_cells
from napari_scfm.slides.merscope.files import RegionFiles, find_files
from napari_scfm.slides.merscope.fov import MerscopeFov
from napari_scfm.slides.merscope.mosaics import read_transform
from napari_scfm.slides.report import ReadReport
from napari_scfm.slides.slide import Slide

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData


def read_merscope(root: Path) -> Slide:
    """Open the MERSCOPE region in a folder.

    Raises
    ------
    SlideError
        If files or columns are missing or damaged.
    """
    report = ReadReport()
    return MerscopeReader(find_files(root, report), report).slide()


class MerscopeReader:
    """Reads a MERSCOPE region piece by piece.

    Parameters
    ----------
    files
        Its files.
    report
        Gets what is found, skipped and guessed.
    """

    def __init__(self, files: RegionFiles, report: ReadReport) -> None:
        self.files = files
        self.report = report
        self.cells = read_cells(files.metadata)
        file = CsvFile(files.counts)
        self.counts = CountsFile(file, (file.header[0],))
        if not self.counts.genes:
            raise SlideError(f"{files.counts} names no gene.", "Export it again.")
        self.transform = read_transform(files, report)
        self.fovs = tiles.cut(self.cells, self.transform.pixel_size, report)
        self.plane = self._choose_plane()

    def slide(self) -> Slide:
        """Return the slide."""
        self._tell()
        self._slide = Slide(
            self.files.root,
            format="merscope",
            fov_cells={name: len(rows) for name, rows in self.fovs.items()},
            report=self.report,
            read_table=self.table,
            read_fov=lambda name: MerscopeFov(self, name).view(),
            name=f"{self.files.root.parent.name} {self.files.root.name}".strip(),
        )
        return self._slide

    @cached_property
    def boundaries(self) -> Boundaries | None:
        """The outlines of the cells, or None."""
        if self.files.parquet is not None:
            return ParquetBoundaries(self.files.parquet)
        return Hdf5Boundaries(self.files.hdf5) if self.files.hdf5 else None

    def _choose_plane(self) -> int | None:
        mosaics: dict[int, int] = {}
        for planes in self.files.mosaics.values():
            for z in planes:
                mosaics[z] = mosaics.get(z, 0) + 1
        plane = None if self.boundaries is None else self.boundaries.best_plane(mosaics)
        if plane is None and mosaics:
            plane = min(mosaics, key=lambda z: (-mosaics[z], z))
        return plane

    def _tell(self) -> None:
        report, files = self.report, self.files
        report.add(
            "found",
            f"MERSCOPE region {files.root.name}: "
            f"{counted(len(self.cells.id), 'cell')} in "
            f"{counted(len(self.fovs), 'FOV')}, {len(self.counts.genes)} genes, "
            f"{len(self.counts.controls)} control probes.",
        )
        if self.boundaries is None:
            report.add("skipped", "No cell boundaries: cells are points.")
        else:
            planes = self.boundaries.planes()
            listed = ", ".join(f"z{z} {n}" for z, n in sorted(planes.items()))
            kind = "parquet" if files.parquet else counted(len(files.hdf5), "hdf5 file")
            report.add(
                "found",
                f"Boundaries ({kind}): cells a plane {listed}; plane z{self.plane} is "
                "drawn.",
            )
        if not files.mosaics:
            report.add("skipped", "No mosaic_<stain>_z<k>.tif in images: no channels.")
        for stain, planes_of in files.mosaics.items():
            z = self.nearest_plane(stain)
            other = "" if z == self.plane else f" (none at z{self.plane})"
            report.add("found", f"Mosaic {stain}: z{z} of {len(planes_of)}{other}.")

    def nearest_plane(self, stain: str) -> int:
        """Return the imaged plane of a stain that is nearest to the drawn one."""
        wanted = 0 if self.plane is None else self.plane
        return min(self.files.mosaics[stain], key=lambda z: (abs(z - wanted), z))

    def join(self, name: str) -> tuple[Cells, np.ndarray]:
        """Return the cells of a FOV that have counts, in table order, and all ids.

        Returns
        -------
        cells
            In the order of the metadata.
        rows
            Their positions in the slide's metadata.
        """
        index = self.index
        rows = self.fovs[name]
        has = np.array([i.encode() in index for i in self.cells.id[rows]], dtype=bool)
        if (~has).any():
            self.report.add(
                "skipped",
                f"FOV {name}: {counted((~has).sum(), 'cell')} of the metadata "
                "without a row in the count matrix "
                f"({named(self.cells.id[rows[~has]])}).",
            )
            if hasattr(self, "_slide"):
                self._slide.fov_cells[name] = int(has.sum())
        return self.cells.take(rows[has]), rows[has]

    @cached_property
    def index(self) -> dict[bytes, list[Run]]:
        """Id of each cell -> its row in the count matrix."""
        runs = self.counts.file.index(0)
        twice = [i.decode() for i, r in runs.items() if len(r) > 1]
        if twice:
            raise SlideError(
                f"{self.files.counts} lists {counted(len(twice), 'cell')} more "
                f"than once: {named(twice)}.",
                "A cell may stand in the file once: remove the copies.",
            )
        extra = set(runs) - {i.encode() for i in self.cells.id}
        if extra:
            self.report.add(
                "skipped",
                f"{len(extra)} rows of the count matrix have no cell in the metadata "
                f"({named(sorted(i.decode() for i in extra))}).",
            )
        return runs

    def build(self, cells: Cells, obs: pd.DataFrame, where: str) -> AnnData:
        """Read the counts of some cells and make their table, without positions."""
        import anndata as ad
        import pandas as pd

        wanted = [run for i in cells.id for run in self.index[i.encode()]]
        counts = self.counts.read(wanted, 0)
        at = {str(i): row for row, i in enumerate(counts.keys)}
        order = np.array([at[i] for i in cells.id], dtype=np.int64)
        table = ad.AnnData(
            X=counts.genes[order], obs=obs, var=pd.DataFrame(index=self.counts.genes)
        )
        table.obsm[keys.CONTROLS] = control_frame(
            counts.controls[order], self.counts.controls, table.obs_names
        )
        table.obsm[keys.SPATIAL] = cells.centre
        check_table(table, where)
        return table

    def obs(self, cells: Cells, fov: str) -> pd.DataFrame:
        """Return ``obs`` of the cells of one FOV, in table order."""
        ours = [keys.FOV, keys.CELL_ID, keys.LABEL]
        obs = cells.obs.drop(columns=ours, errors="ignore")
        obs.index = cells.id.astype(str)
        obs.insert(0, keys.FOV, fov)
        obs.insert(1, keys.CELL_ID, cells.id.astype(str))
        obs.insert(2, keys.LABEL, np.arange(1, len(obs) + 1, dtype=np.int64))
        return obs

    def table(self) -> AnnData:
        """Read the table of the whole region; FOV after FOV."""
        import pandas as pd

        parts = {name: self.join(name) for name in self.fovs}
        rows = [part[1] for part in parts.values()]
        obs = [self.obs(part[0], name) for name, part in parts.items()]
        if not parts:
            rows = [np.empty(0, dtype=np.int64)]
            obs = [self.obs(self.cells, "")]
        cells = self.cells.take(np.concatenate(rows))
        return self.build(cells, pd.concat(obs), str(self.files.counts))
