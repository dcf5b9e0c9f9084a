"""Open a CosMx folder as a Slide.

Decides: on opening only the metadata, the positions and one label image (for the
y axis) are read; counts, labels, pictures and transcripts of a FOV wait until
they are asked for. A cell is kept when it stands in the metadata and in the count
matrix; rows in only one of them are counted in the report.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm import keys
from napari_scfm.errors import SlideError, counted, named
from napari_scfm.slides.checks import check_table
from napari_scfm.slides.cosmx.cells import Cells, id_column, read_cells
from napari_scfm.slides.cosmx.evidence import infer_frame
from napari_scfm.slides.cosmx.files import CosmxFiles, find_files
from napari_scfm.slides.cosmx.fov import CosmxFov
from napari_scfm.slides.counts import Counts, CountsFile, control_frame
from napari_scfm.slides.csvfile import CsvFile
from napari_scfm.slides.report import ReadReport
from napari_scfm.slides.slide import FieldOfView, Slide

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData

_ID_COLUMNS = ("fov", "cell_ID", "cellID", "cell_id", "cell")


def fov_name(number: int) -> str:
    """Return the name of a FOV: 2 -> ``F002``."""
    return f"F{number:03d}"


def read_cosmx(counts: Path, pixel_size: float | None = None) -> Slide:
    """Open the CosMx slide whose count matrix is ``counts``.

    Parameters
    ----------
    counts
        ``<slide>_exprMat_file.csv``, plain or gzip.
    pixel_size
        In um; inferred by default.

    Raises
    ------
    SlideError
        If files or columns are missing or damaged.
    """
    report = ReadReport()
    return CosmxReader(find_files(counts, report), report, pixel_size).slide()


class CosmxReader:
    """Reads a CosMx slide piece by piece.

    Parameters
    ----------
    files
        Its files.
    report
        Gets what is found, skipped and guessed.
    pixel_size
        In um; inferred by default.
    """

    def __init__(
        self, files: CosmxFiles, report: ReadReport, pixel_size: float | None = None
    ) -> None:
        self.files = files
        self.report = report
        self.cells = read_cells(files.metadata, report)
        self.counts = CountsFile(CsvFile(files.counts), _ID_COLUMNS)
        self.frame = infer_frame(files, self.cells, report, pixel_size)
        if not self.counts.genes:
            raise SlideError(
                f"{files.counts} names no gene.", "Export the count matrix again."
            )

    def slide(self) -> Slide:
        """Return the slide."""
        numbers, cells = np.unique(self.cells.fov, return_counts=True)
        known = dict(zip(numbers.tolist(), cells.tolist(), strict=True))
        imaged = set(self.files.labels) | set(self.files.composite)
        self._numbers = {fov_name(f): int(f) for f in sorted(set(known) | imaged)}
        self.report.add(
            "found",
            f"{counted(len(self.cells.id), 'cell')} in {counted(len(known), 'FOV')}, "
            f"{len(self.counts.genes)} genes, {len(self.counts.controls)} control "
            "probes.",
        )
        empty = sorted(imaged - set(known))
        if empty:
            self.report.add(
                "found", f"FOVs without a cell: {named(map(fov_name, empty), 8)}."
            )
        self._slide = Slide(
            self.files.root,
            format="cosmx",
            fov_cells={name: known.get(f, 0) for name, f in self._numbers.items()},
            report=self.report,
            read_table=self.table,
            read_fov=self.fov,
            name=self.files.prefix,
        )
        return self._slide

    def fov(self, name: str) -> FieldOfView:
        """Return a FOV; nothing of it but sizes of images is read yet."""
        return CosmxFov(self, name, self._numbers[name]).view()

    def table(self) -> AnnData:
        """Read the table of the whole slide."""
        import anndata as ad
        import pandas as pd
        from scipy import sparse

        with self.counts.file.kept_open():
            parts = [self.join(number) for number in self._numbers.values()]
        cells = [part[0] for part in parts]
        obs = pd.concat([self.obs(c) for c in cells])
        table = ad.AnnData(
            X=sparse.csr_matrix(sparse.vstack([c.genes for _, c in parts])),
            obs=obs,
            var=pd.DataFrame(index=self.counts.genes),
        )
        table.obsm[keys.CONTROLS] = control_frame(
            np.concatenate([c.controls for _, c in parts]),
            self.counts.controls,
            table.obs_names,
        )
        where = [
            self.local_um(c, self.frame.shape)
            + np.array(self.frame.origins.get(number, (0.0, 0.0)))
            for c, number in zip(cells, self._numbers.values(), strict=True)
        ]
        table.obsm[keys.SPATIAL] = np.concatenate(where)
        check_table(table, self.files.counts)
        return table

    def local_um(self, cells: Cells, shape: tuple[int, int]) -> np.ndarray:
        """Return (x, y) in um from the top-left of the cells' FOV, y down."""
        return self.frame.pixels(cells.local, shape) * self.frame.pixel_size

    def obs(self, cells: Cells) -> pd.DataFrame:
        """Return ``obs`` of the cells of one FOV, in table order."""
        ours = [keys.FOV, keys.CELL_ID, keys.LABEL]
        obs = cells.obs.drop(columns=ours, errors="ignore")
        obs.index = cells.name.astype(str)
        fovs = [fov_name(f) for f in cells.fov.tolist()]
        obs.insert(0, keys.FOV, fovs)
        obs.insert(1, keys.CELL_ID, cells.name.astype(str))
        obs.insert(2, keys.LABEL, np.arange(1, len(obs) + 1, dtype=np.int64))
        return obs

    def join(self, number: int) -> tuple[Cells, Counts]:
        """Read the counts of a FOV and bring them in the order of the metadata."""
        cells = self.cells.take(np.flatnonzero(self.cells.fov == number))
        counts, ids = self._read_counts(number)
        values, first = np.unique(ids, return_index=True)
        if len(values) < len(ids):
            twice = sorted({int(i) for i in ids if (ids == i).sum() > 1})
            raise SlideError(
                f"{self.files.counts} lists {counted(len(twice), 'cell')} of FOV "
                f"{number} more than once: cell_ID {named(twice)}.",
                "A cell may stand in the file once: remove the copies.",
            )
        at = np.searchsorted(values, cells.id).clip(max=max(len(values) - 1, 0))
        has = values[at] == cells.id if len(values) else np.zeros(len(cells.id), bool)
        kept = cells.take(np.flatnonzero(has))
        rows = first[at[has]] if len(values) else np.empty(0, dtype=np.int64)
        self._tell_join(number, ids, cells.id, has)
        return kept, Counts(ids[rows], counts.genes[rows], counts.controls[rows])

    def _read_counts(self, number: int) -> tuple[Counts, np.ndarray]:
        file = self.counts.file
        name = id_column(file.header)
        key = file.require("cell_ID") if name is None else file.header.index(name)
        runs = file.index(file.require("fov")).get(str(number).encode(), [])
        counts = self.counts.read(runs, key)
        try:
            return counts, counts.keys.astype(np.int64)
        except (ValueError, TypeError) as error:
            raise SlideError(
                f"{file.path} holds a cell_ID that is no whole number in FOV {number}"
                f": {error}.",
                "Correct the file, or export it again.",
            ) from error

    def _tell_join(
        self, number: int, ids: np.ndarray, listed: np.ndarray, has: np.ndarray
    ) -> None:
        name = fov_name(number)
        if hasattr(self, "_slide") and name in self._slide.fov_cells:
            self._slide.fov_cells[name] = int(has.sum())
        if (ids == 0).any():
            self.report.add("skipped", "Rows of cell_ID 0: transcripts outside cells.")
        if (~has).any():
            self.report.add(
                "skipped",
                f"FOV {name}: {counted((~has).sum(), 'cell')} of the metadata "
                f"without a row in the count matrix (cell_ID {named(listed[~has])}).",
            )
        extra = np.setdiff1d(ids[ids != 0], listed)
        if len(extra):
            self.report.add(
                "skipped",
                f"FOV {name}: {len(extra)} rows of the count matrix have no cell in "
                f"the metadata (cell_ID {named(extra)}).",
            )

    @cached_property
    def polygons(self) -> CsvFile | None:
        """The polygons file, its rows found."""
        path = self.files.polygons
        return None if path is None else CsvFile(path)

    @cached_property
    def transcripts(self) -> CsvFile | None:
        """The transcripts file, its rows found."""
        path = self.files.transcripts
        return None if path is None else CsvFile(path)
