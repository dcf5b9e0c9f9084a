"""Hidden classes: what a legend has switched off, on the tissue and in every picture.

Decides: classes of one way of sorting cells are hidden at a time (cell types, the
classes of the slide, fields of view, a column). They stay hidden while cells are
coloured by something else, so that a gene can be looked at in some classes only. What
is hidden cannot be pointed at, and hiding takes it out of the selection; a rule or a
list that names it still selects it, and then it is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_scfm import keys
from napari_scfm.errors import counted
from napari_scfm.viewer.kinds import kinds_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_scfm.viewer.embedding.crowd import Crowd
    from napari_scfm.viewer.session import Session

TYPE, CLUSTERS, FOV = "type", "clusters", "fov"
"""Ways of sorting: as ``session.colour_by`` names them, and by field of view."""

COLUMN = "column:"
"""Begins the name of a way of sorting that is a column of the table."""

NO_CLASS = ""
"""Stands among hidden classes for cells that are in none."""

_WORDS = {TYPE: ("cell type", ""), FOV: ("field of view", "fields of view")}
_SEEN, _BASE = "hidden cells", "classes that were hidden of"


@dataclass(frozen=True, eq=False)
class Sorting:
    """Cells in classes.

    Attributes
    ----------
    names
        Of the classes, on the whole slide.
    codes
        (cells,) place of each cell's class in ``names``, -1 for none.
    """

    names: tuple[str, ...]
    codes: np.ndarray

    def among(self, names: Iterable[str]) -> np.ndarray:
        """Return (cells,) whether a cell's class is one of some."""
        wanted = set(names)
        chosen = [name in wanted for name in (*self.names, NO_CLASS)]
        return np.array(chosen)[self.codes]


def sorting_here(session: Session, of: str) -> Sorting | None:
    """Return how the cells of the FOV on show are sorted; None where they are not."""
    fov, made = session.fov, session.clusters
    if fov is None:
        return None
    if of == CLUSTERS:
        if made is None or made.fov != fov.name:
            return None
        return Sorting(made.classes, np.asarray(made.values))
    if of == FOV:
        place = session.slide.fovs.index(fov.name)
        return Sorting(tuple(session.slide.fovs), np.full(session.n_cells, place))
    if of.startswith(COLUMN) and column_of(of) not in fov.table.obs:
        return _from_slide(session, of)
    kinds = kinds_of(session, column_of(of))
    return None if kinds is None else Sorting(kinds.names, kinds.codes(fov.table))


def _from_slide(session: Session, of: str) -> Sorting | None:
    """Return how a column of the slide's table alone sorts the cells on show."""
    from napari_scfm.viewer.embedding.crowd import Crowd

    crowd = Crowd.of_slide(session.slide)
    kinds = kinds_of(session, column_of(of), crowd.table)
    if kinds is None:
        return None
    codes = np.append(kinds.codes(crowd.table), -1)
    return Sorting(kinds.names, codes[crowd.rows(session.fov)])


def sorting_among(session: Session, crowd: Crowd, of: str) -> Sorting | None:
    """Return how the cells of a picture are sorted; None where they are not."""
    if of == FOV:
        return Sorting(crowd.fovs, np.asarray(crowd.codes))
    here = sorting_here(session, of)
    if here is None:
        return None
    if of != CLUSTERS:
        kinds = kinds_of(session, column_of(of), crowd.table)
        return Sorting(here.names, kinds.codes(crowd.table))
    grouping = session.clusters.grouping
    if grouping is not None and crowd.table is session.slide.table:
        return Sorting(here.names, np.asarray(grouping.labels))
    codes, rows = np.full(len(crowd), -1), crowd.rows(session.fov)
    codes[rows[rows >= 0]] = here.codes[rows >= 0]
    return Sorting(here.names, codes)


def column_of(of: str) -> str:
    """Return the column of the table that a way of sorting is."""
    return of.removeprefix(COLUMN) if of.startswith(COLUMN) else keys.CELL_TYPE


def sorted_by(session: Session) -> str:
    """Return the way of sorting that hidden classes are of, "" for none."""
    if session.hidden_of:
        return str(session.hidden_of)
    return session.colour_by if session.colour_by in (TYPE, CLUSTERS) else ""


def hidden_in(session: Session, of: str) -> frozenset[str]:
    """Return the hidden classes of a way of sorting."""
    return session.hidden_classes if sorted_by(session) == of else frozenset()


def named_in(session: Session, of: str) -> frozenset[str]:
    """Return the names of the hidden classes of a way of sorting, for a legend."""
    return hidden_in(session, of) - {NO_CLASS}


def hidden_here(session: Session) -> np.ndarray:
    """Return (cells,) whether each cell of the FOV on show is in a hidden class."""
    if session.fov is None or not session.hidden_classes:
        return np.zeros(session.n_cells, dtype=bool)
    of = sorted_by(session)
    state = (session.fov, session.hidden_classes, of, session.clusters)
    kept, found = session.parts.get(_SEEN, ((None,) * 4, None))
    if any(a is not b for a, b in zip(kept, state, strict=True)):
        sorting = sorting_here(session, of) if of else None
        found = np.zeros(session.n_cells, dtype=bool)
        if sorting is not None:
            found = sorting.among(session.hidden_classes)
        session.parts[_SEEN] = (state, found)
    return found


def hidden_among(session: Session, crowd: Crowd) -> np.ndarray:
    """Return (cells,) whether each cell of a picture is in a hidden class."""
    of = sorted_by(session)
    sorting = sorting_among(session, crowd, of) if of else None
    if sorting is None or not session.hidden_classes:
        return np.zeros(len(crowd), dtype=bool)
    return sorting.among(session.hidden_classes)


def in_sight(session: Session, rows: np.ndarray) -> np.ndarray:
    """Return the rows of the FOV on show that can be pointed at."""
    if not session.hidden_classes:
        return rows
    return rows[~hidden_here(session)[rows]]


def hide(session: Session, names: Iterable[str], of: str, said: str = "") -> None:
    """Hide these classes of a way of sorting, and no others; say so."""
    hidden = frozenset(names)
    session.update({"hidden_classes": hidden, "hidden_of": of if hidden else ""})
    left = in_sight(session, session.selection)
    if len(left) < len(session.selection):
        session.selection = left
    session.say(said if said and hidden else _said(session))


def _said(session: Session) -> str:
    veil = note(session)
    return f"{veil}." if veil else "All classes are shown."


def toggle(session: Session, name: str, of: str) -> None:
    """Hide a class that is shown, or show one that is hidden."""
    before = hidden_in(session, of)
    said = f"{name} is shown again."
    if name not in before:
        said = f"{name} is hidden, and cannot be pointed at."
    hide(session, before ^ {name}, of, said)


def isolate(session: Session, name: str, of: str) -> None:
    """Show one class alone; where it is alone, all of them."""
    found = sorting_here(session, of)
    others = frozenset([*(() if found is None else found.names), NO_CLASS]) - {name}
    alone = hidden_in(session, of) == others
    hide(session, () if alone else others, of, f"Only {name} is shown.")


def show_all(session: Session) -> None:
    """Hide no class any more."""
    hide(session, (), "")


def note(session: Session) -> str:
    """Return how many classes are hidden, in words; "" for none."""
    number = len(session.hidden_classes - {NO_CLASS})
    of = sorted_by(session)
    if not of or not session.hidden_classes:
        return ""
    one, more = _WORDS.get(of, ("class", "classes"))
    if of.startswith(COLUMN):
        one, more = f"class of {column_of(of)}", f"classes of {column_of(of)}"
    return f"{counted(number, one, more)} hidden"


def follow(session: Session) -> None:
    """Let hidden classes go with a grouping: under new names, or away with it.

    Those that are given without saying what they are classes of are of the colours.
    """
    if session.hidden_classes and not session.hidden_of:
        session.hidden_of = sorted_by(session)
    before, now = session.parts.get(_BASE), session.grouping
    session.parts[_BASE] = now
    if before is now or not session.hidden_classes or sorted_by(session) != CLUSTERS:
        return
    hidden = set(session.hidden_classes)
    if now is None or before is None or not _same_base(before.about, now.about):
        kept: set[str] = set()
    elif np.array_equal(before.labels, now.labels):
        new = dict(zip(before.names, now.names, strict=True))
        kept = {new.get(name, name) for name in hidden}
    else:
        kept = hidden & {*now.names, NO_CLASS}
    session.update(
        {"hidden_classes": frozenset(kept), "hidden_of": CLUSTERS if kept else ""}
    )


def _same_base(one: str, other: str) -> bool:
    """Return whether one grouping was made of the other by hand."""
    return one.split(" Then: ")[0] == other.split(" Then: ")[0]
