"""Open an .h5ad table as a Slide: cells with coordinates, without pixels.

Decides, and reports: which matrix holds raw counts (``X``, a layer of counts, or
``raw``, the first with whole numbers), which ``obs`` column names the fields of view
(or sections), the unit of the coordinates and the direction of y. On opening only
``obs``, ``var``, ``uns`` and the coordinates are read; counts wait until a FOV is
asked for. A FOV has no pixels of its own: its grid is fine enough to draw a cell of
about a dozen pixels. Refuses a table without coordinates.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm import keys
from napari_scfm.errors import SlideError, counted
from napari_scfm.slides.checks import check_table, fractional_genes
from napari_scfm.slides.counts import split_controls
from napari_scfm.slides.h5ad_file import H5adFile
from napari_scfm.slides.h5ad_frame import Bags, drawing_grid, find_bags, place
from napari_scfm.slides.report import ReadReport
from napari_scfm.slides.results import results_of
from napari_scfm.slides.slide import FieldOfView, Slide

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData

_CONTROL_KEYS = (keys.CONTROLS, "neg_probes", "blank_genes", "blank", "control_genes")


def read_h5ad(path: Path, pixel_size: float | None = None) -> Slide:
    """Open an .h5ad table.

    Parameters
    ----------
    path
        The file.
    pixel_size
        um per px, for coordinates in px.

    Raises
    ------
    SlideError
        If the file is no .h5ad, has no coordinates, or names a gene or cell twice.
    """
    return H5adReader(H5adFile(path), ReadReport(), pixel_size).slide()


class H5adReader:
    """Reads an .h5ad table piece by piece.

    Parameters
    ----------
    file
        The file.
    report
        Gets what is found, skipped and guessed.
    pixel_size
        um per px, for coordinates in px.
    """

    def __init__(
        self, file: H5adFile, report: ReadReport, pixel_size: float | None = None
    ) -> None:
        self.file = file
        self.report = report
        self.obs: pd.DataFrame = file.element("obs")
        self.uns: dict[str, Any] = file.element("uns") or {}
        self.counts = file.choose_counts(report)
        self.var: pd.DataFrame = file.element(self.counts.var)
        self.um = place(file, self.obs, self.uns, pixel_size, report)
        self.bags: Bags = find_bags(self.obs, self.um, report)
        names = [str(n) for n in self.var.index]
        self.genes, self.controls = split_controls(names)
        self._refuse_names(names)

    def _refuse_names(self, names: list[str]) -> None:
        from napari_scfm.slides.checks import name_problems

        problems = name_problems(names, [str(n) for n in self.obs.index])
        if not len(self.genes):
            problems.append("it has no gene")
        if problems:
            raise SlideError(
                f"{self.file.path} cannot be used: {problems[0]}.",
                "Correct the table, for example with var_names_make_unique().",
                problems,
            )

    def slide(self) -> Slide:
        """Return the slide."""
        fovs = self.bags.rows
        self.report.add(
            "found",
            f"{counted(len(self.obs), 'cell')} in {counted(len(fovs), 'FOV')}, "
            f"{counted(len(self.genes), 'gene')}.",
        )
        self.report.add("skipped", "An .h5ad has no images and no labels.")
        if skipped := self.file.skipped():
            self.report.add("skipped", f"Not read: {', '.join(skipped)}.")
        return Slide(
            self.file.path,
            format="h5ad",
            fov_cells={name: len(rows) for name, rows in fovs.items()},
            report=self.report,
            read_table=self.table,
            read_fov=self.fov,
            read_obs=lambda: self._obs(np.arange(len(self.obs))),
        )

    def table(self) -> AnnData:
        """Read the whole table, in the order of the file."""
        table = self.build(np.arange(len(self.obs)), str(self.file.path))
        table.obsm[keys.SPATIAL] = self.um
        table.uns |= results_of(self.uns)
        for name in self.file.names("obsp"):
            table.obsp[name] = self.file.element(f"obsp/{name}")
        return table

    def fov(self, name: str) -> FieldOfView:
        """Return a FOV; its counts are read when its table is asked for."""
        rows = self.bags.rows[name]
        grid = drawing_grid(self.um[rows])

        def read() -> AnnData:
            table = self.build(rows, f"{self.file.path}, FOV {name}")
            table.obsm[keys.SPATIAL] = self.um[rows] - np.array(grid.origin)
            return table

        return FieldOfView(
            name,
            pixel_size=grid.pixel_size,
            shape=grid.shape,
            read_table=read,
            origin=grid.origin,
        )

    def build(self, rows: np.ndarray, where: str) -> AnnData:
        """Read some rows of the table, counts checked."""
        import anndata as ad
        from scipy import sparse

        counts = self.file.matrix(self.counts.key, rows)
        counts = sparse.csr_matrix(counts).astype(np.float32)
        obs = self._obs(rows)
        table = ad.AnnData(
            X=counts[:, self.genes], obs=obs, var=self.var.iloc[self.genes].copy()
        )
        for name, value in self._obsm.items():
            table.obsm[name] = (
                value.iloc[rows] if hasattr(value, "iloc") else value[rows]
            )
        if len(self.controls):
            self._add_controls(table, counts[:, self.controls].toarray())
        for name in self.file.layers(self.counts):
            layer = self.file.matrix(f"layers/{name}", rows)
            table.layers[name] = layer[:, self.genes]
        if keys.UNS in self.uns:
            table.uns[keys.UNS] = self.uns[keys.UNS]
        for name in map(keys.colours, obs.columns):
            if name in self.uns:
                table.uns[name] = self.uns[name]
        table.obsm[keys.SPATIAL] = self.um[rows]
        check_table(table, where)
        self._tell_fractions(table)
        return table

    def _obs(self, rows: np.ndarray) -> pd.DataFrame:
        obs = self.obs.iloc[rows].copy()
        obs.index = obs.index.astype(str)
        obs[keys.FOV] = self.bags.names[rows]
        if keys.CELL_ID not in obs:
            obs[keys.CELL_ID] = obs.index.to_numpy(dtype=object)
        obs[keys.LABEL] = self.bags.labels[rows]
        return obs

    @cached_property
    def _obsm(self) -> dict[str, Any]:
        """All of ``obsm`` but the coordinates, control probes under our key."""
        values = {
            name: self._framed(name, self.file.element(f"obsm/{name}"))
            for name in self.file.names("obsm")
        }
        values.pop(keys.SPATIAL, None)
        for name in _CONTROL_KEYS:
            if name in values and keys.CONTROLS not in values:
                values[keys.CONTROLS] = values.pop(name)
                self.report.add("found", f"Control probes in obsm[{name!r}].")
        return values

    def _framed(self, name: str, value: Any) -> Any:
        """Return an array whose columns have names as a frame."""
        import pandas as pd

        columns = self.uns.get(keys.names(name))
        if columns is None or np.shape(value)[1:] != np.shape(columns):
            return value
        index = self.obs.index.astype(str)
        return pd.DataFrame(value, index, [str(column) for column in columns])

    def _add_controls(self, table: AnnData, values: np.ndarray) -> None:
        import pandas as pd

        names = [str(n) for n in self.var.index[self.controls]]
        frame = pd.DataFrame(values, index=table.obs_names, columns=names)
        there = table.obsm.get(keys.CONTROLS)
        if isinstance(there, pd.DataFrame):
            new = [c for c in frame.columns if c not in there.columns]
            frame = pd.concat([there, frame[new]], axis=1)
        table.obsm[keys.CONTROLS] = frame
        self.report.add("found", f"{len(names)} control probes among the variables.")

    def _tell_fractions(self, table: AnnData) -> None:
        from napari_scfm.errors import named

        genes = fractional_genes(table.X, list(table.var_names))
        if genes:
            self.report.add(
                "guessed",
                f"{len(genes)} of {table.n_vars} genes hold values that are not whole "
                f"numbers ({named(genes)}): they are taken as they are, but models "
                "expect raw counts.",
            )
