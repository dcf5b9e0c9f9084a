"""From a table to what an sCT network reads; only visible counts leave this module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from napari_scfm import keys
from napari_scfm.errors import ModelError, counted, named
from napari_scfm.genes.identity import resolve
from napari_scfm.models.bags import bags
from napari_scfm.models.checks import (
    check_counts,
    check_neighbourhood,
    check_places,
)
from napari_scfm.models.sct.bags import (
    Window,
    among_visible,
    centred,
    relative_places,
    tiles,
)
from napari_scfm.models.sct.genes import columns_of
from napari_scfm.models.sct.tokens import MASK, PAD, tokenise
from napari_scfm.models.sct.values import make_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from napari_scfm.masks.mask import Mask
    from napari_scfm.models.sct.config import SCTConfig
    from napari_scfm.models.sct.options import SCTOptions
    from napari_scfm.models.sct.values import Values

_STARVED = 0.5
"""Share of cells without a count beyond which a window tells too little."""
_MANY = 0.15
"""Share of masked positions beyond which the network was never trained."""


class Reading:
    """A table as tokens, and the windows in which it is read.

    Parameters
    ----------
    table
        Cells x genes, raw counts.
    mask
        What to hide, or None.
    config, genes
        The network's configuration, and the gene of each of its positions.
    options
        How to read.
    name
        The model's name, for messages.

    Attributes
    ----------
    tokens, values
        Of all cells, see :class:`.tokens.CellTokens` and :class:`.values.Values`.
    empty
        (cells,) bool: cells that show nothing and hide nothing; they are not read.
    notes
        What a user should know.

    Raises
    ------
    ModelError
        If no gene meets the model's, counts are negative or missing, or places are
        needed and missing.
    """

    def __init__(
        self,
        table: AnnData,
        mask: Mask | None,
        config: SCTConfig,
        genes: tuple[str, ...],
        options: SCTOptions,
        name: str,
    ) -> None:
        self.table, self.config, self.genes = table, config, genes
        self.options = options
        self.columns = columns_of(table.var, genes, name)
        self.notes = self.columns.sentences()
        self._hidden = self._hidden_positions(mask)
        self._whole = self._hides_all()
        self.values = self._values(mask)
        self.tokens = tokenise(self.values.matrix)
        hides = np.diff(self._hidden.indptr) > 0
        self.empty = self.tokens.blank & ~hides
        self._xy = self._places()
        self._note()

    def _hidden_positions(self, mask: Mask | None) -> sparse.csr_array:
        """Return (cells, genes) bool: a position is hidden if any of its columns is."""
        shape = (self.table.n_obs, len(self.genes))
        if mask is None or not mask.n_hidden:
            return sparse.csr_array(shape, dtype=bool)
        hidden = mask.for_table(self.table).matrix.astype(np.float32)
        found = self.columns.gather(sparse.csr_array(hidden), len(self.genes))
        return sparse.csr_array(found > 0)

    def _hides_all(self) -> np.ndarray:
        """Return (cells,) bool: cells of which every measured gene is hidden."""
        return np.asarray(
            np.diff(self._hidden.indptr) == len(self.columns.measured), dtype=bool
        )

    def _values(self, mask: Mask | None) -> Values:
        table = self.table
        counts = sparse.csr_array(table.X) if mask is None else mask.visible(table)
        counts = sparse.csr_array(counts, dtype=np.float64)
        check_counts(counts, table.var_names)
        total = np.asarray(counts.sum(axis=1)).ravel()
        known = self.columns.gather(counts, len(self.genes))
        # a column whose twin is hidden would tell of it
        known = known - known.multiply(self._hidden)
        return make_values(
            sparse.csr_array(known),
            self.options.values,
            self.options.min_total_fraction,
            total=total,
            measured=table.n_vars,
        )

    def _places(self) -> np.ndarray | None:
        """Return (cells, 2) places, or None where there are none."""
        needs = self.config.reads_coordinates or self.options.windows == "centred"
        if keys.SPATIAL not in self.table.obsm:
            if needs:
                raise ModelError(
                    "The table has no places of cells in obsm['spatial'], which this "
                    "model reads or its centred windows need.",
                    "Add them, or read tiles with a model without coordinates.",
                )
            return None
        xy = np.asarray(self.table.obsm[keys.SPATIAL], dtype=np.float64)[:, :2]
        check_places(xy, self.table.obs_names)
        return xy

    def _note(self) -> None:
        self.notes.append(self.values.sentence())
        if self.values.rare:
            self.notes.append(
                f"{counted(self.values.rare, 'gene')} with too few counts (paper: "
                "0.003 per cell) were left out."
            )
        if self.empty.any():
            self.notes.append(
                f"{counted(int(self.empty.sum()), 'cell')} without a count of a gene "
                "that the model knows: not read, their results are missing (NaN)."
            )
        sizes = [int((~self.empty[rows]).sum()) for rows in bags(self.table)]
        few = [size for size in sizes if 0 < size < self.config.num_cells]
        if few:
            self.notes.append(
                f"{counted(len(few), 'field')} of fewer than {self.config.num_cells} "
                f"cells ({named(few)}): read as they are, though the model was only "
                f"trained on {self.config.num_cells} at a time."
            )
        if self.options.windows == "tiles" and self._xy is None:
            self.notes.append(
                "The table has no obsm['spatial']; cells are read together as they "
                "follow one another."
            )

    def fields(self) -> list[np.ndarray]:
        """Return the cells of each field that are read."""
        found = (rows[~self.empty[rows]] for rows in bags(self.table))
        return [rows for rows in found if len(rows)]

    def windows(self, tiling: int = 0) -> list[Window]:
        """Return what is read together, field by field.

        Parameters
        ----------
        tiling
            0, or the number of another way to cut the fields into tiles.
        """
        size, found = self.config.num_cells, []
        rng = np.random.default_rng((self.options.seed, tiling)) if tiling else None
        for rows in self.fields():
            xy = None if self._xy is None else self._xy[rows]
            if self.options.windows == "centred":
                assert xy is not None
                found += centred(rows, xy, size)
            else:
                found += tiles(rows, xy, size, rng)
        return found

    def windows_of_hidden(self, size: int) -> list[Window]:
        """Return a window for every cell that shows nothing: it and its nearest.

        Parameters
        ----------
        size
            Cells that show something, per window.

        Raises
        ------
        ModelError
            If the table has no places, or the size is below 1.
        """
        check_neighbourhood(size, self.table)
        assert self._xy is not None
        size, found = min(size + 1, self.config.num_cells), []
        for rows in self.fields():
            blank = self.tokens.blank[rows]
            if not blank.all():
                lost = np.flatnonzero(blank)
                found += centred(rows, self._xy[rows], size, lost, ~blank)
        return found

    def windows_of_holes(self, windows: list[Window]) -> list[Window]:
        """Return better windows for cells that show nothing and lie among such cells.

        A region that is hidden as a whole fills windows in which hardly a cell tells
        anything. Its cells are grouped with the nearest that do, if their window does
        not hold all of these already.

        Parameters
        ----------
        windows
            Of :meth:`windows`.
        """
        blank, starved = self.tokens.blank, np.zeros(self.table.n_obs, dtype=bool)
        for window in windows:
            if blank[window.cells].mean() > _STARVED:
                starved[window.cells] = True
        size, found = self.config.num_cells, list[Window]()
        for rows in self.fields():
            lost = np.flatnonzero(blank[rows] & starved[rows])
            shown = np.flatnonzero(~blank[rows])
            if self._xy is not None and len(lost) and len(shown) and len(rows) > size:
                found += among_visible(rows, self._xy[rows], lost, shown, size)
        if found:
            number = sum(int(window.kept.sum()) for window in found)
            self.notes.append(
                f"{counted(number, 'hidden cell')} lie among hidden cells: read in "
                "small groups, each with the nearest cells that are not hidden."
            )
        return found

    def dense(self, cells: np.ndarray, unmeasured: np.ndarray) -> np.ndarray:
        """Return (k, positions) tokens of cells.

        Hidden entries are masked; in a cell of which every measured gene is hidden
        all genes are.

        Parameters
        ----------
        cells
            (k,) rows, in the order of the sequence.
        unmeasured
            Positions that are asked for without being measured: masked everywhere.
        """
        genes = len(self.genes)
        out = np.full((len(cells), self.config.positions), PAD, dtype=np.uint8)
        out[:, :genes] = self.tokens.matrix[cells].toarray()
        out[:, unmeasured] = MASK
        out[self._hidden[cells].nonzero()] = MASK
        out[self._whole[cells], :genes] = MASK
        return out

    def places_of(self, cells: np.ndarray) -> np.ndarray | None:
        """Return (k, 2) places as the network reads them; None if it does not."""
        if not self.config.reads_coordinates:
            return None
        assert self._xy is not None
        return relative_places(self._xy[cells])

    def asked(self, genes: Sequence[str]) -> np.ndarray:
        """Return the position of each asked gene, -1 where it is unknown.

        Parameters
        ----------
        genes
            Names as in the table, identifiers of the model, or symbols; a name that
            the table holds means that column.
        """
        names = [str(gene) for gene in genes]
        asked = np.asarray(resolve(names, self.genes), dtype=np.int64)
        own = np.full(self.table.n_vars, -1)
        own[self.columns.columns] = self.columns.positions
        columns = self.table.var_names.get_indexer(names)
        here = columns >= 0
        measured = own[columns[here]]
        asked[here] = np.where(measured >= 0, measured, asked[here])
        return asked

    def unmeasured(self, asked: np.ndarray) -> np.ndarray:
        """Return the asked positions that the table does not measure, rising."""
        found = np.setdiff1d(asked[asked >= 0], self.columns.measured)
        if len(found) > _MANY * len(self.genes):
            self.notes.append(
                f"{len(found)} genes that are not measured were asked for at once, "
                f"{len(found) / len(self.genes):.0%} of all: more than the model was "
                "trained to guess. Ask for fewer at a time."
            )
        return np.asarray(found)
