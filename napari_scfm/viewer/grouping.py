"""Classes of all cells of a slide: put on show, changed by hand, undone.

The session holds the grouping; what is on show of it are the clusters of the FOV on
show, so that painter, figures and sessions need not know of other cells. Decides that
a grouping says in its own sentence what was done to it by hand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scfm import keys
from napari_scfm.errors import ScfmError, counted
from napari_scfm.experiments.cellxgene import fit_for_cellxgene
from napari_scfm.viewer.embedding.crowd import Crowd
from napari_scfm.viewer.embedding.selecting import selected
from napari_scfm.viewer.session import Clusters

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData

    from napari_scfm.analysis.groups.grouping import Grouping
    from napari_scfm.analysis.groups.history import GroupingHistory
    from napari_scfm.experiments.grouping import CellGraph
    from napari_scfm.viewer.session import Session

PART, MAKERS = "groups", "makers of groups"
BY_HAND = " Then: "
KNOWN = "column of known types"
"""Key of ``session.parts``: what classes were compared with last."""


@dataclass(eq=False)
class Groups:
    """A grouping with what can be done to it.

    Attributes
    ----------
    history
        Undo and redo.
    model, about
        Whose embedding, and how it was made.
    cells
        The graph that another resolution asks; None where a session was opened.
    vectors
        (cells, d) the embedding; None there, too.
    seed
        Of Leiden.
    seconds
        That Leiden took.
    key
        Column of what was made; "" = that of the history.
    more
        Writes what else is known of the classes into a table of the whole slide; gets
        it with the grouping and the column of known types they were compared with.
    """

    history: GroupingHistory
    model: str
    about: dict[str, Any]
    cells: CellGraph | None = None
    vectors: np.ndarray | None = None
    seed: int = 0
    seconds: float = 0.0
    key: str = ""
    more: Callable[[AnnData, Grouping, str], None] | None = None

    def __post_init__(self) -> None:
        self.key = self.key or self.history.current.key


def take(session: Session, made: Groups, said: str = "clustered anew") -> None:
    """Put classes on show that are new; those of before come back by undo.

    Parameters
    ----------
    made
        The classes, with a history of their own that is thrown away.
    said
        What was done, in words.
    """
    old = groups_of(session)
    if old is not None:
        old.history.push(made.history.current, said)
        made.history = old.history
    makers = session.parts.setdefault(MAKERS, {})
    for one in (old, made):
        if one is not None:
            makers[one.key] = one
    show(session, made)


def groups_of(session: Session) -> Groups | None:
    """Return what can be done to the grouping on show; None without one."""
    from napari_scfm.analysis.groups.history import GroupingHistory

    grouping = session.grouping
    if grouping is None:
        return None
    found = session.parts.get(PART)
    if found is None or found.history.current is not grouping:
        made = session.clusters  # of a session that was opened
        model, about = ("", {}) if made is None else (made.model, made.about)
        found = Groups(GroupingHistory(grouping), model, dict(about))
        session.parts[PART] = found
    return found


def show(session: Session, groups: Groups, paint: bool = True) -> None:
    """Put a grouping on show; the cells are coloured by it where ``paint``."""
    session.parts[PART] = groups
    made = _part(session, groups)
    session.side_by_side = session.side_by_side and not paint
    colour = {"colour_by": "clusters"} if paint else {}
    session.update({"grouping": groups.history.current, "clusters": made} | colour)


def follow(session: Session) -> None:
    """Put the part of the grouping on show that the FOV on show has."""
    groups, fov, made = groups_of(session), session.fov, session.clusters
    if groups is None or fov is None:
        return
    here = made is not None and made.fov == fov.name
    if here and made.grouping is session.grouping:
        return
    session.clusters = _part(session, groups)


def rows_here(session: Session) -> np.ndarray:
    """Return the slide's row of each cell of the FOV on show; -1 where it has none."""
    return Crowd.of_slide(session.slide).rows(session.fov)


def selected_rows(session: Session) -> np.ndarray:
    """Return the slide's rows of the selected cells, of other FOVs, too.

    Cells of other fields of view are selected in a picture of the whole slide.
    """
    picture = session.embedding
    if picture is not None and picture.crowd.table is session.slide.table:
        return np.sort(selected(session, picture))
    rows = rows_here(session)[session.selection]
    return rows[rows >= 0]


def _part(session: Session, groups: Groups) -> Clusters:
    grouping = groups.history.current
    rows, sure = rows_here(session), grouping.confidence
    values = np.append(grouping.labels, np.int32(-1))[rows]
    resolution = resolution_of(grouping)
    about = {**groups.about, "resolution": resolution, "grouping": grouping.about}
    return Clusters(
        session.fov.name,
        groups.model,
        values,
        resolution,
        about,
        grouping.names,
        grouping,
        None if sure is None else np.append(sure, np.float32(np.nan))[rows],
    )


def resolution_of(grouping: Grouping) -> float:
    """Return the resolution that a grouping was made at; 0 if it does not say."""
    found = re.search(r"resolution (\d*\.?\d+)", grouping.about)
    return float(found.group(1)) if found else 0.0


def change(session: Session, act: Callable[[Grouping], Grouping], said: str) -> None:
    """Do something to the grouping on show, so that it can be undone.

    Parameters
    ----------
    act
        Grouping in, grouping out.
    said
        What was done, in words.

    Raises
    ------
    ScfmError
        If there is no grouping, or it cannot be done.
    """
    groups = groups_of(session)
    if groups is None:
        raise ScfmError("The cells are in no classes yet.", "Press Cluster first.")
    before = groups.history.current
    made = act(before)
    if made == before:
        return
    if BY_HAND in before.about:
        text = f"{before.about.removesuffix('.')}, {said}."
    else:
        text = f"{before.about}{BY_HAND}{said}."
    groups.history.push(replace(made, about=text), said)
    show(session, groups, paint=session.colour_by != "gene")


def assign_selected(session: Session, name: str) -> int:
    """Put the selected cells into a class, new or known; return how many they are.

    Raises
    ------
    ScfmError
        If no cell is selected, or no name is given.
    """
    if not name.strip():
        raise ScfmError("The class has no name.", "Write one, or choose a class.")
    if len(session.selection) == 0:
        raise ScfmError(
            "No cell is selected.", "Click cells, or draw round them, in step 4."
        )
    rows = rows_here(session)[session.selection]
    rows = rows[rows >= 0]
    cells = counted(len(rows), "cell")
    change(
        session,
        lambda grouping: grouping.assign(rows, name.strip()),
        f"put {cells} of {session.fov.name} into {name.strip()}",
    )
    return len(rows)


def step_back(session: Session, forward: bool = False) -> None:
    """Undo what was done last, or do it again."""
    groups = groups_of(session)
    if groups is None:
        return
    if forward:
        groups.history.redo()
    else:
        groups.history.undo()
    maker = session.parts.get(MAKERS, {}).get(groups.history.current.key)
    if maker is not None and maker.history is groups.history:
        groups = maker  # another model, an annotation: each knows its own column
    show(session, groups, paint=session.colour_by != "gene")


def table_with(session: Session) -> Callable[[], AnnData]:
    """Return what makes the table of the slide with its classes, for a thread.

    Raises
    ------
    ScfmError
        If there are none.
    """
    groups, slide = groups_of(session), session.slide
    if groups is None:
        raise ScfmError("The cells are in no classes yet.", "Press Cluster first.")
    grouping, shown = groups.history.current, session.embedding
    known = str(session.parts.get(KNOWN, ""))

    def make() -> AnnData:
        table = slide.table.copy()
        table.uns[keys.UNS] = {**table.uns.get(keys.UNS, {}), **_plain(groups.about)}
        if groups.more is not None:
            groups.more(table, grouping, known)
        grouping.to_obs(table)
        if groups.vectors is not None:
            table.obsm[keys.embedding(groups.model)] = np.asarray(groups.vectors)
            if shown is not None and shown.is_umap_of(groups.vectors):
                table.obsm[keys.UMAP] = shown.xy.copy()
        fit_for_cellxgene(table)
        return table

    return make


def _plain(about: dict[str, Any]) -> dict[str, Any]:
    """Return what a file can hold: nothing that is None, lists as arrays of text."""
    found: dict[str, Any] = {}
    for name, value in about.items():
        if isinstance(value, dict):
            found[name] = _plain(value)
        elif isinstance(value, list | tuple):
            found[name] = np.array([str(one) for one in value])
        elif value is not None:
            found[name] = value
    return found
