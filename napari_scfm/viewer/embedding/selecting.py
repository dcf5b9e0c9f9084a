"""Selecting in the picture: one selection, whichever view it was made in.

The session's selection holds rows of the field of view on show. Cells of others that
were picked with them are kept on the picture, so that they are seen there and can be
gone to; a selection that is made anywhere else forgets them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scfm.errors import SlideError, counted
from napari_scfm.viewer.hiding.picking import pick
from napari_scfm.viewer.session import NO_CELLS

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_scfm.viewer.embedding.picture import Picture
    from napari_scfm.viewer.hiding.picking import How
    from napari_scfm.viewer.session import Session


def select(
    session: Session, picture: Picture, rows: np.ndarray, how: How = "replace"
) -> None:
    """Select cells of a picture.

    Parameters
    ----------
    rows
        Rows of the picture's crowd; those of other fields of view than the one on
        show are kept apart.
    """
    places = picture.crowd.places(session.fov)[rows]
    far = _far(picture, rows[places < 0], how)
    hit = places[places >= 0]
    picture.elsewhere, picture.picking = far, True
    try:
        if how == "replace" or len(hit):
            pick(session, hit, how)
    finally:
        picture.picking = False
    session.say(said(session, picture))


def _far(picture: Picture, rows: np.ndarray, how: How) -> np.ndarray:
    """Return the cells of other fields of view that are picked after a gesture."""
    # what napari_scfm.viewer.hiding.picking.combined does, faster for a crowd
    picked = np.zeros(len(picture.crowd), dtype=bool)
    if how != "replace":
        picked[picture.elsewhere] = True
    picked[rows] = how != "subtract"
    return np.flatnonzero(picked)


def said(session: Session, picture: Picture) -> str:
    """Return how many cells are selected here, and how many lie elsewhere."""
    here = f"{counted(len(session.selection), 'cell')} selected in {session.fov.name}"
    rest = spread(picture)
    if not rest:
        return f"{here}."
    number = sum(rest.values())
    return f"{here}; {number:,} more in {counted(len(rest), 'other field')} of view."


def selected(session: Session, picture: Picture) -> np.ndarray:
    """Return the rows of a picture that are selected, here and elsewhere."""
    if session.fov is None or not picture.crowd.holds(session.fov.name):
        return picture.elsewhere
    rows = picture.crowd.rows(session.fov)
    mine = rows[session.selection[session.selection < len(rows)]]
    return np.concatenate([mine[mine >= 0], picture.elsewhere])


def spread(picture: Picture) -> dict[str, int]:
    """Return how many picked cells lie in which other FOV, the most first."""
    crowd = picture.crowd
    found = np.bincount(crowd.codes[picture.elsewhere], minlength=len(crowd.fovs))
    order = np.argsort(-found, kind="stable")
    return {crowd.fovs[i]: int(found[i]) for i in order if found[i]}


def go_to(viewer: Viewer, session: Session, picture: Picture, fov: str) -> None:
    """Show another field of view with the cells that were picked there.

    Raises
    ------
    SlideError
        If the picture is of another slide, or does not hold that FOV.
    """
    from napari_scfm.viewer.open import show_fov

    crowd = picture.crowd
    if crowd.slide is not session.slide or not crowd.holds(fov):
        raise SlideError(
            f"This picture does not hold field of view {fov}.", "Draw it again."
        )
    every = selected(session, picture)
    show_fov(viewer, fov)
    select(session, picture, every)


def follow(picture: Picture) -> None:
    """Forget what was picked elsewhere, if the selection was not made here."""
    if not picture.picking:
        picture.elsewhere = NO_CELLS
