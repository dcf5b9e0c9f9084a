"""Classes on show beside a column of known types: scores, and cells of each pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.analysis.celltypes.agreement import UNKNOWN, agreement, known_labels
from napari_scfm.analysis.celltypes.overlap import overlap
from napari_scfm.errors import ScfmError, counted, named
from napari_scfm.viewer.grouping import KNOWN, rows_here

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from napari_scfm.analysis.celltypes.agreement import Agreement
    from napari_scfm.analysis.celltypes.overlap import Overlap
    from napari_scfm.analysis.groups.grouping import Grouping
    from napari_scfm.viewer.session import Session


@dataclass(frozen=True, eq=False)
class Match:
    """How well classes agree with known types.

    Attributes
    ----------
    column
        Of known types.
    grouping
        What was compared with it.
    agreement
        Scores by name.
    overlap
        Scores whatever the names are.
    known
        (cells,) known type of each cell of the slide, "" where nobody knows it.
    told
        (cells,) class of each, "unknown" where it is in none.
    """

    column: str
    grouping: Grouping
    agreement: Agreement
    overlap: Overlap
    known: np.ndarray
    told: np.ndarray

    @property
    def table(self) -> pd.DataFrame:
        """Cells of each known type (rows) in each class, the likest beside."""
        found = self.agreement.confusion
        found = found.loc[found.any(axis=1), found.any(axis=0)]
        most = found.to_numpy().argmax(axis=0)
        names = [str(name) for name in found.columns]
        rows = {str(name): place for place, name in enumerate(found.index)}
        likest = [rows.get(name, at) for name, at in zip(names, most, strict=True)]
        order = sorted(
            range(len(names)),
            key=lambda at: (names[at] == UNKNOWN, likest[at], names[at] not in rows),
        )
        return found.iloc[:, order]

    def rows(self, known: str, told: str) -> np.ndarray:
        """Return the slide's rows of the cells of a known type in a class."""
        return np.flatnonzero((self.known == known) & (self.told == told))


def matched(
    obs: pd.DataFrame,
    column: str,
    grouping: Grouping,
    able: Sequence[str] | None = None,
) -> Match:
    """Compare classes with a column of known types.

    Parameters
    ----------
    obs
        Of all cells of the slide.
    column
        Of known types.
    grouping
        Classes of the same cells.
    able
        Types that could be told; None = the classes.

    Raises
    ------
    ScfmError
        If there is no such column, it holds other cells, or labels none.
    """
    if column not in obs:
        raise ScfmError(
            f"The slide has no column {column!r}.", f"It has {named(obs.columns, 12)}."
        )
    if len(obs) != len(grouping.labels):
        raise ScfmError(
            f"The classes are of {counted(len(grouping.labels), 'cell')}, the slide "
            f"has {len(obs)}.",
            "Cluster or tell the cells of this slide.",
        )
    values = obs[column].astype(object).to_numpy()
    told = np.array([*grouping.names, UNKNOWN], dtype=object)[grouping.labels]
    words, there = known_labels(values)
    found = agreement(values, told, able)
    return Match(
        column,
        grouping,
        found,
        overlap(values, told),
        np.where(there, words, ""),
        told.astype(str),
    )


def select_pair(session: Session, match: Match, known: str, told: str) -> str:
    """Select the cells of a pair on the field of view on show; say how many there are.

    Returns
    -------
    A sentence.
    """
    rows = match.rows(known, told)
    here = rows_here(session)
    session.selection = np.flatnonzero(np.isin(here, rows))
    number = len(session.selection)
    text = f"{counted(number, 'cell')} of {session.fov.name} selected: "
    text += f"known as {known}, told {told}"
    more = len(rows) - number
    return f"{text}; {more:,} more in other fields of view." if more else f"{text}."


def remember(session: Session, column: str) -> None:
    """Keep the column for the scores that are saved with the table."""
    session.parts[KNOWN] = column
