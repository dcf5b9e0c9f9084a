"""Kinds: the categories of a slide's column in their colours, the same on every FOV.

Decides: the list is that of the whole slide, in the order of the file, and colours are
those of ``uns["<column>_colors"]`` where they can be read. So a cell type has one
colour whatever field of view is on show, and in every picture of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_scfm import keys
from napari_scfm.analysis.groups.stored import palette

if TYPE_CHECKING:
    from anndata import AnnData

    from napari_scfm.slides.slide import Slide
    from napari_scfm.viewer.session import Legend, Session

Entries = tuple[tuple[str, tuple[float, ...]], ...]

_PART = "kinds"
_NONE = (0.6, 0.6, 0.6, 1.0)


@dataclass(frozen=True, eq=False)
class Kinds:
    """The categories of a column.

    Attributes
    ----------
    column
        Of ``obs``.
    names
        Of the categories that any cell of the slide is in.
    colours
        (k, 4) RGBA of each.
    sizes
        How many cells of the slide are of each.
    """

    column: str
    names: tuple[str, ...]
    colours: np.ndarray
    sizes: tuple[int, ...] = ()

    def codes(self, table: AnnData) -> np.ndarray:
        """Return (cells,) the place of each cell's kind in ``names``, -1 for none."""
        if self.column not in table.obs:
            return np.full(table.n_obs, -1)
        column = table.obs[self.column]
        found = column.cat if hasattr(column, "cat") else pd.Categorical(column)
        names = [str(name) for name in found.categories]
        places = pd.Index(list(self.names), dtype=object).get_indexer(names)
        return np.append(places, -1)[np.asarray(found.codes)]

    def palette(self, names: tuple[str, ...]) -> np.ndarray:
        """Return (n, 4) RGBA of some of them by name; grey for what is none."""
        places = pd.Index(list(self.names), dtype=object).get_indexer(list(names))
        return np.vstack([self.colours, _NONE])[places]

    @property
    def entries(self) -> Entries:
        """(name, RGBA) of each."""
        return entries_of(self.names, self.colours)


def entries_of(names: tuple[str, ...], colours: np.ndarray) -> Entries:
    """Return (name, RGBA) of each category, as a legend holds them."""
    pairs = zip(names, np.asarray(colours), strict=False)
    return tuple((str(name), tuple(float(c) for c in rgba)) for name, rgba in pairs)


def kinds_of(
    session: Session, column: str = keys.CELL_TYPE, table: AnnData | None = None
) -> Kinds | None:
    """Return the kinds of the slide that is open; None without such a column.

    Parameters
    ----------
    column
        Of ``obs``.
    table
        Cells that have it, where those of the FOV on show may not. The slide is asked
        for the column only where these cells have it.
    """
    slide, fov = session.slide, session.fov
    if fov is not None and (table is None or column in fov.table.obs):
        table = fov.table
    if table is None or column not in table.obs:
        return None
    owner, known = session.parts.get(_PART, (None, {}))
    if owner is not slide:
        known = {}
        session.parts[_PART] = (slide, known)
    if column not in known:
        known[column] = read_kinds(slide, table, column)
    return known[column]


def read_kinds(slide: Slide, table: AnnData, column: str) -> Kinds | None:
    """Return the kinds of a slide; None where some of its cells have no such column."""
    if column not in table.obs:
        return None
    obs = slide.obs
    whole = obs[column] if column in obs else table.obs[column]
    return _read(column, whole, table.uns.get(keys.colours(column), []))


def _read(column: str, values: pd.Series, stored: object) -> Kinds:
    found = values if hasattr(values, "cat") else values.astype("category")
    names = [str(name) for name in found.cat.categories]
    colours = palette(stored, len(names))
    codes = np.asarray(found.cat.codes)
    sizes = np.bincount(codes[codes >= 0], minlength=len(names))
    held = np.flatnonzero(sizes)
    if all(names[place].isdigit() for place in held):
        held = np.array(sorted(held, key=lambda place: int(names[place])), dtype=int)
    # without stored colours, what no cell is in takes none
    colours = colours[held] if len(stored) else palette([], len(held))
    held_names = tuple(names[place] for place in held)
    return Kinds(column, held_names, colours, tuple(sizes[held].tolist()))


def sizes_of(codes: np.ndarray, legend: Legend) -> tuple[int, ...]:
    """Return how many cells each category of a legend has."""
    count = len(legend.categories)
    return tuple(np.bincount(codes[codes >= 0], minlength=count)[:count].tolist())
