"""Kinds of cells: a column of the table, or a grouping, as codes and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm.errors import ScfmError, named

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

MOST = 100
"""Kinds that a heat map can still show."""


@dataclass(frozen=True, eq=False)
class Kinds:
    """Which kind each cell is.

    Attributes
    ----------
    key
        Name of the column.
    codes
        (n,) position among the names; -1 for cells of no kind.
    names
        Kinds of which there is a cell, in the order of the column.
    """

    key: str
    codes: NDArray[np.int32]
    names: tuple[str, ...]

    @property
    def counts(self) -> np.ndarray:
        """(k,) cells of each kind."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.names))

    def column(self) -> pd.Categorical[Any]:
        """Return the kinds as a column of ``obs``."""
        import pandas as pd

        names = np.array([*self.names, None], dtype=object)
        # None stands last, where -1 finds it
        return pd.Categorical(names[self.codes], categories=list(self.names))

    def keep(self, table: AnnData) -> None:
        """Write the column, so that squidpy's plots find as many kinds as there are.

        Colours in ``uns["<key>_colors"]`` stay with their kinds.
        """
        old, colours = table.obs.get(self.key), f"{self.key}_colors"
        given = list(table.uns.get(colours, ()))
        before = [] if old is None or not hasattr(old, "cat") else old.cat.categories
        table.obs[self.key] = self.column()
        known = dict(zip(map(str, before), given, strict=False))
        if given and set(self.names) <= set(known):
            table.uns[colours] = [known[name] for name in self.names]
        else:
            table.uns.pop(colours, None)


def kinds_of(table: AnnData, key: Any) -> Kinds:
    """Return the kinds of a table's cells.

    Parameters
    ----------
    table
        The cells.
    key
        A column of ``obs``: categories, texts, whole numbers or booleans; or an object
        with ``key``, ``labels`` (n,) and ``names``, such as a grouping.

    Raises
    ------
    ScfmError
        If there is no such column, it is no list of kinds, or it holds fewer than two.
    """
    if isinstance(key, str):
        codes, names = _of_column(table, key)
    else:
        codes, names, key = np.asarray(key.labels), list(key.names), str(key.key)
        if codes.shape != (table.n_obs,):
            raise ScfmError(
                f"{key} groups {len(codes)} cells, but the table holds {table.n_obs}.",
                "Group the cells of this table.",
            )
    used = np.unique(codes[codes >= 0])
    if not 2 <= len(used) <= MOST:
        raise ScfmError(
            f"Column {key!r} holds {len(used)} kinds of cells; 2 to {MOST} are needed.",
            "Choose a column of cell types or clusters.",
        )
    place = np.full(len(names) + 1, -1, dtype=np.int32)
    place[used] = np.arange(len(used), dtype=np.int32)
    return Kinds(key, place[codes], tuple(str(names[at]) for at in used))


def _of_column(table: AnnData, key: str) -> tuple[np.ndarray, list[Any]]:
    import pandas as pd

    if key not in table.obs:
        raise ScfmError(
            f"The table has no column {key!r}.",
            f"Its columns: {named(table.obs.columns, 12)}.",
        )
    column = table.obs[key]
    if column.dtype.kind in "fc":
        raise ScfmError(
            f"Column {key!r} holds measurements, no kinds of cells.",
            "Choose a column of cell types or clusters.",
        )
    made = pd.Categorical(column)
    if not isinstance(column.dtype, pd.CategoricalDtype):
        # clusters that were written as texts: 2 stands before 10
        made = made.reorder_categories(sorted(made.categories, key=_counting))
    return np.asarray(made.codes, dtype=np.int64), list(made.categories)


def _counting(name: Any) -> tuple[bool, int, str]:
    """Return a key that sorts numbers as numbers, before words."""
    text = str(name)
    whole = text.isascii() and text.isdigit()
    return not whole, int(text) if whole else 0, text
