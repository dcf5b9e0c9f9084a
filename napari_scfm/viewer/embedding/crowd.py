"""The crowd: the cells that a picture holds, and where each is among its FOV's rows.

A picture may hold a whole slide while the canvas shows one field of view. Rows of the
crowd are rows of :attr:`Crowd.table`; rows of the selection are rows of one FOV.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from napari_scfm import keys

if TYPE_CHECKING:
    from anndata import AnnData

    from napari_scfm.slides.slide import FieldOfView, Slide


@dataclass(eq=False)
class Crowd:
    """Cells of a slide, or of one of its fields of view.

    Attributes
    ----------
    slide
        Whose cells they are.
    table
        The cells, raw counts.
    fovs
        Names of the fields of view, in the slide's order.
    codes
        (cells,) position of each cell's FOV in ``fovs``.
    """

    slide: Slide
    table: AnnData
    fovs: tuple[str, ...]
    codes: np.ndarray
    _columns: sparse.csc_array | None = None
    _rows: dict[str, np.ndarray] = field(default_factory=dict)
    _places: dict[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of_slide(cls, slide: Slide) -> Crowd:
        """Return all cells of a slide; reads its table."""
        names = pd.Categorical(slide.table.obs[keys.FOV].astype(str), slide.fovs)
        return cls(slide, slide.table, tuple(slide.fovs), np.asarray(names.codes))

    @classmethod
    def of_fov(cls, slide: Slide, fov: FieldOfView) -> Crowd:
        """Return the cells of one field of view."""
        codes = np.zeros(fov.table.n_obs, dtype=np.int8)
        return cls(slide, fov.table, (fov.name,), codes)

    def __len__(self) -> int:
        """Return how many cells there are."""
        return int(self.table.n_obs)

    def holds(self, fov: str) -> bool:
        """Return whether the cells of a field of view are among them."""
        return fov in self.fovs

    def rows(self, fov: FieldOfView) -> np.ndarray:
        """Return the crowd's row of each row of a FOV's table, -1 where it has none."""
        known = self._rows.get(fov.name)
        if known is not None:
            return known
        if not self.holds(fov.name):
            return np.full(fov.table.n_obs, -1)
        rows = np.flatnonzero(self.codes == self.fovs.index(fov.name))
        names = self.table.obs_names[rows]
        if not names.equals(fov.table.obs_names):
            at = names.get_indexer(fov.table.obs_names)
            rows = np.where(at >= 0, rows[at], -1) if len(rows) else at
        self._rows[fov.name] = rows
        return rows

    def places(self, fov: FieldOfView) -> np.ndarray:
        """Return (cells,) the row in a FOV's table, -1 for cells of others."""
        if fov.name not in self._places:
            rows = self.rows(fov)
            found = np.full(len(self), -1)
            found[rows[rows >= 0]] = np.flatnonzero(rows >= 0)
            self._places = {fov.name: found}  # of the FOV on show only
        return self._places[fov.name]

    def warm(self) -> None:
        """Turn the counts round, so that the first gene does not wait for it."""
        if self._columns is None:
            self._columns = sparse.csc_array(self.table.X)
            self._columns.sum_duplicates()

    def counts(self, gene: str) -> np.ndarray:
        """Return (cells,) float32 counts of a gene."""
        self.warm()
        columns, place = self._columns, int(self.table.var_names.get_loc(gene))
        span = slice(columns.indptr[place], columns.indptr[place + 1])
        counts = np.zeros(len(self), dtype=np.float32)
        counts[columns.indices[span]] = columns.data[span]
        return counts
